"""Drawn keys that say where queries stand, and what is hidden from them."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st

from tests.conventions.hidden import offset
from tests.conventions.plain import Axes
from tests.conventions.sizes import Sizes, broadcast, maybe


@st.composite
def standing(draw: st.DrawFn, z: Sizes) -> dict[str, Any]:
    """past, key_lengths, causal, offset, in any combination that says one thing."""
    keys: dict[str, Any] = {}
    if z.past:
        keys["past"] = {
            "key": z.normal(z.batch, z.kv_heads, z.past, z.d_k),
            "value": z.normal(z.batch, z.kv_heads, z.past, z.d_v),
        }
    if maybe(draw):
        lengths = draw(st.lists(st.integers(0, z.n_k), min_size=z.batch, max_size=z.batch))
        keys["key_lengths"] = lengths[0] if maybe(draw) else lengths
    if maybe(draw):
        numbers = st.integers(-z.n_q, z.n_k)
        keys["offset"] = (
            draw(numbers)
            if draw(st.booleans())
            else draw(st.lists(numbers, min_size=z.batch, max_size=z.batch))
        )
    placed = bool(keys.keys() & {"past", "offset"})
    square = z.n_q == z.new and "key_lengths" not in keys
    causal: list[Any] = []
    if placed or square:
        causal = [True, False]
    if not placed:
        causal += ["top-left", "bottom-right"]
    if draw(st.booleans()):
        keys["causal"] = draw(st.sampled_from(causal))
    return keys


def is_placed(keys: dict[str, Any], z: Sizes) -> bool:
    """Whether it is clear where queries stand: asked of window, alibi, rope, relative_bias."""
    said = keys.keys() & {"past", "offset"} or keys.get("causal")
    return bool(said) or (z.n_q == z.n_k and "key_lengths" not in keys)


def positions(keys: dict[str, Any], z: Sizes) -> list[int]:
    """Where queries stand in all batch entries, p(b, i)."""
    axes = Axes(z.batch, 1, 1, z.n_q, z.past, z.n_k, True, False, False, False)
    return [i + offset(keys, axes, b) for b in range(z.batch) for i in range(z.n_q)]


@st.composite
def windows(draw: st.DrawFn, z: Sizes, keys: dict[str, Any]) -> dict[str, Any]:
    """window, prefix and sink_tokens."""
    drawn: dict[str, Any] = {}
    if is_placed(keys, z) and maybe(draw, 2):
        bound = st.integers(-1, z.n_k)
        drawn["window"] = draw(
            st.one_of(
                st.fixed_dictionaries({"left": bound, "right": bound}),
                st.fixed_dictionaries({"left": bound}),
                st.fixed_dictionaries({"keys": st.integers(1, z.n_k)}),
            )
        )
        if maybe(draw, 2):
            drawn["sink_tokens"] = draw(st.integers(0, z.n_k))
    if ("window" in drawn or keys.get("causal")) and maybe(draw, 2):
        drawn["prefix"] = draw(st.integers(0, z.n_k))
    return drawn


@st.composite
def documents(draw: st.DrawFn, z: Sizes, keys: dict[str, Any]) -> Any:
    """Ids of keys, or of queries and keys; for all batch entries, or for each."""
    each = [z.batch] * (z.axes > 2 and draw(st.booleans()))
    ids = z.choices([0, 1, 2], *each, z.n_k)
    if all(0 <= p < z.n_k for p in positions(keys, z)) and draw(st.booleans()):
        return ids
    return {"query": z.choices([0, 1, 2], *each, z.n_q), "key": ids}


@st.composite
def masks(draw: st.DrawFn, z: Sizes) -> Any:
    """Booleans of either polarity, 0 and 1, or numbers with -infinity; perhaps too few columns."""
    shape = draw(broadcast(z.scores))
    if shape[-1] > 2 and maybe(draw, 5):
        shape[-1] = draw(st.integers(2, shape[-1] - 1))
    kind = draw(st.sampled_from(["numbers", "booleans", "0 and 1"]))
    if kind == "numbers":
        return z.choices([-math.inf, -2.5, -0.75, 0.0, 0.5, 3.25], *shape)
    values = z.choices([False, True] if kind == "booleans" else [0, 1], *shape)
    return {"values": values, "true_means": draw(st.sampled_from(["attend", "ignore"]))}


@st.composite
def hiding(draw: st.DrawFn, z: Sizes) -> dict[str, Any]:
    """Everything that hides but sparse and top_k, and what becomes of it."""
    keys = draw(standing(z))
    keys |= draw(windows(z, keys))
    if maybe(draw, 4):
        keys["documents"] = draw(documents(z, keys))
    if maybe(draw):
        keys["mask"] = draw(masks(z))
    hides = {"window", "key_lengths", "documents", "mask"} & set(keys) or keys.get("causal")
    if hides and maybe(draw):
        keys["mask_fill"] = draw(
            st.fixed_dictionaries(
                {"value": st.sampled_from([-math.inf, -1e4, -3.5, "lowest", "0.7 lowest"])},
                optional={"how": st.sampled_from(["select", "add"])},
            )
        )
    if maybe(draw):
        keys["empty_rows"] = draw(st.sampled_from(["zero", "nan", "uniform"]))
    return keys
