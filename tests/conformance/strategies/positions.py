"""Drawn keys that say at which position queries and keys are."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import strategies as st

from tests.conformance.oracle.plain import Axes
from tests.conformance.oracle.positions import ALIGNMENTS, ROWS, Positions, alignment, an_entry
from tests.conformance.strategies.sizes import Sizes, maybe


def axes_of(z: Sizes) -> Axes:
    """What the oracle knows of a problem with these sizes."""
    return Axes(z.batch, 1, 1, z.n_q, z.past, z.n_k, True, False, False, False)


def is_placed(keys: dict[str, Any], z: Sizes) -> bool:
    """Whether positions are clear: asked of window, alibi, rope, relative_bias, causal: true."""
    if keys.keys() & {"past", "offset"} or alignment(keys):
        return True
    if "documents" in keys:
        return all(entry.agree() for entry in Positions(keys, axes_of(z)).documents)
    return z.n_q == z.n_k and "key_lengths" not in keys


def for_each_or_all(draw: st.DrawFn, numbers: list[int]) -> Any:
    """One number for every batch entry, or the first of them for all."""
    return numbers[0] if draw(st.booleans()) else numbers


def extents(draw: st.DrawFn, z: Sizes) -> dict[str, Any]:
    """past, key_lengths, key_start and offset."""
    keys: dict[str, Any] = {}
    if z.past:
        keys["past"] = {
            "key": z.normal(z.batch, z.kv_heads, z.past, z.d_k),
            "value": z.normal(z.batch, z.kv_heads, z.past, z.d_v),
        }
    if maybe(draw):
        lengths = [draw(st.integers(0, z.n_k)) for _ in range(z.batch)]
        keys["key_lengths"] = for_each_or_all(draw, lengths)
    if not z.past and maybe(draw, 4):
        ends = [an_entry(keys.get("key_lengths", z.n_k), b) for b in range(z.batch)]
        if draw(st.booleans()):
            keys["key_start"] = draw(st.integers(0, min(ends)))
        else:
            keys["key_start"] = [draw(st.integers(0, end)) for end in ends]
    return keys


def cumulative(draw: st.DrawFn, documents: int, n: int) -> list[int]:
    """[0, ..., n] of so many documents, of which some may have no length."""
    inner = st.lists(st.integers(0, n), min_size=documents - 1, max_size=documents - 1)
    return [0, *sorted(draw(inner)), n]


def documents(draw: st.DrawFn, z: Sizes, keys: dict[str, Any]) -> Any:
    """Ids in every form: of keys alone if it is clear what ids the queries have."""
    each = [z.batch] * (z.axes > 2 and draw(st.booleans()))
    forms = ["query and key", "permuted", "cu_seqlens"]
    first = {"top-left": [0]}
    lengths = [an_entry(keys.get("key_lengths", z.n_k), b) for b in range(z.batch)]
    first["bottom-right"] = [length - z.n_q for length in lengths]
    of_keys = first.get(keys.get("causal", ""), [-1])
    if z.n_q == z.n_k or all(0 <= shift <= z.n_k - z.n_q for shift in of_keys):
        forms.append("key")
    form = draw(st.sampled_from(forms))
    if form == "cu_seqlens":
        counts = [draw(st.integers(1, 4)) for _ in range(z.batch if each else 1)]
        ends = [[cumulative(draw, count, n) for count in counts] for n in (z.n_q, z.n_k)]
        q, k = ends if each else (one for [one] in ends)
        return {"cu_seqlens_q": q, "cu_seqlens_k": k}
    if form == "permuted":  # of as many queries as keys, except those beyond the shorter side
        of_keys = z.choices([0, 1, 2], max(z.n_q, z.n_k))
        shuffled = draw(st.permutations(of_keys))
        return {"query": list(shuffled)[: z.n_q], "key": of_keys[: z.n_k]}
    ids = z.choices([0, 1, 2], *each, z.n_k)
    if form == "key":
        return ids
    return {
        "query": z.choices(draw(st.sampled_from([[0, 1, 2], [1, 7]])), *each, z.n_q),
        "key": ids,
    }


def placing(draw: st.DrawFn, z: Sizes) -> dict[str, Any]:
    """past, key_lengths, key_start, offset, documents, causal, in any combination with a meaning.

    causal goes before documents: with another number of queries it says which ids they have.
    """
    keys = extents(draw, z)
    packed = not z.past and maybe(draw, 4)
    if maybe(draw) and not packed:
        numbers = [draw(st.integers(-z.n_q, z.n_k)) for _ in range(z.batch)]
        keys["offset"] = for_each_or_all(draw, numbers)
    causal: Any = None
    if draw(st.booleans()):
        named = [] if keys.keys() & {"past", "offset"} else [*ALIGNMENTS]
        free = [True, False] if packed or is_placed(keys, z) else []
        causal = draw(st.sampled_from([*free, *named]))
        keys["causal"] = causal
    if packed:
        keys["documents"] = documents(draw, z, keys)
        if isinstance(keys["documents"], dict) and maybe(draw):
            name = alignment(keys) or draw(st.sampled_from(ALIGNMENTS))
            keys["documents"] = {**keys["documents"], "alignment": name}
        if causal is True and not is_placed(keys, z):
            keys["causal"] = draw(st.sampled_from(ALIGNMENTS))
    return keys


def forms_of_one(draw: st.DrawFn, z: Sizes, n: int, number: Any) -> Any:
    """Positions of one side: a list, or one of each batch entry."""
    if z.axes > 2 and draw(st.booleans()):
        return z.drawn(number, z.batch, n)
    return z.drawn(number, n)


def forms_of_three(draw: st.DrawFn, z: Sizes, n: int, number: Any) -> Any:
    """Three rows of positions of one side, in every form; a batch of 3 would be ambiguous."""
    forms = ["rows", "mapping"]
    if z.axes > 2 and z.batch != 3:
        forms += ["batch first", "rows first"]
    form = draw(st.sampled_from(forms))
    if form == "mapping":
        return {name: forms_of_one(draw, z, n, number) for name in ROWS}
    shape = {"rows": (3,), "batch first": (z.batch, 3), "rows first": (3, z.batch)}[form]
    return z.drawn(number, *shape, n)


def given_positions(draw: st.DrawFn, z: Sizes, n_keys: int, three: bool = False) -> Any:
    """Positions of both sides, or one for both if there are as many keys as queries."""
    forms = forms_of_three if three else forms_of_one
    # An angle is as exact as the position times the last digit of a frequency: at 5000 the oracle
    # and the product may differ by more than the tolerance.
    furthest = draw(st.sampled_from([3, 50, 500]))

    def number() -> int:
        return z.numbers.randint(0, furthest)

    if z.n_q == n_keys and draw(st.booleans()):
        return forms(draw, z, z.n_q, number)
    return {
        "query": forms(draw, z, z.n_q, number),
        "key": forms(draw, z, n_keys, number),
    }


def sections(draw: st.DrawFn, pairs: int) -> dict[str, Any]:
    """sections and sections_layout of so many pairs, at least three; each section has a pair."""
    layout = draw(st.sampled_from(["blocks", "in-turn"]))
    counts = range(1, pairs)
    possible = [
        [t, h, w]
        for t, h, w in itertools.product(counts, counts, counts)
        if t + h + w == pairs and (layout == "blocks" or (3 * h <= pairs + 1 and 3 * w <= pairs))
    ]
    return {"sections": draw(st.sampled_from(possible)), "sections_layout": layout}
