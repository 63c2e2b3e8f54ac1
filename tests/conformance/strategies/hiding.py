"""Drawn keys that say what is hidden from queries."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st

from tests.conformance.oracle.hidden import MASKING
from tests.conformance.strategies.positions import is_placed, placing
from tests.conformance.strategies.sizes import Sizes, broadcast, maybe, of_heads


def windows(draw: st.DrawFn, z: Sizes, keys: dict[str, Any]) -> dict[str, Any]:
    """window, prefix and sink_tokens."""
    drawn: dict[str, Any] = {}
    if is_placed(keys, z) and maybe(draw, 2):
        bound, count = st.integers(-1, z.n_k), st.integers(1, z.n_k)
        one = st.one_of(
            st.fixed_dictionaries({"left": bound, "right": bound}),
            st.fixed_dictionaries({"left": bound}),
            st.fixed_dictionaries({"keys": count}),
        )
        kinds: list[st.SearchStrategy[Any]] = [one]
        if maybe(draw, 2):
            bounds, counts = of_heads(bound, z), of_heads(count, z)
            kinds = [
                of_heads(st.one_of(one, st.just("none")), z),
                st.fixed_dictionaries({"left": bounds, "right": st.one_of(bound, bounds)}),
                st.fixed_dictionaries({"keys": counts}),
            ]
        drawn["window"] = draw(st.one_of(*kinds))
        if maybe(draw, 2):
            drawn["sink_tokens"] = draw(st.integers(0, z.n_k))
    if ("window" in drawn or keys.get("causal")) and maybe(draw, 2):
        drawn["prefix"] = draw(st.integers(0, z.n_k))
    return drawn


def masks(draw: st.DrawFn, z: Sizes) -> Any:
    """Booleans of either polarity, 0 and 1, or numbers with -infinity; perhaps too few columns."""
    shape = broadcast(draw, z.scores)
    if shape[-1] > 2 and maybe(draw, 5):
        shape[-1] = draw(st.integers(2, shape[-1] - 1))
    kind = draw(st.sampled_from(["numbers", "booleans", "0 and 1"]))
    if kind == "numbers":
        return z.choices([-math.inf, -2.5, -0.75, 0.0, 0.5, 3.25], *shape)
    values = z.choices([False, True] if kind == "booleans" else [0, 1], *shape)
    return {"values": values, "true_means": draw(st.sampled_from(["attend", "ignore"]))}


def hiding(draw: st.DrawFn, z: Sizes) -> dict[str, Any]:
    """Everything that hides but sparse and top_k, and what becomes of it."""
    keys = placing(draw, z)
    keys |= windows(draw, z, keys)
    if maybe(draw):
        keys["mask"] = masks(draw, z)
    hides = set(MASKING) & set(keys) or keys.get("causal")
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
