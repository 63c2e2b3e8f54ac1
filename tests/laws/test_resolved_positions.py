"""Laws of positions: packing, padding and caching change no number of a token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attn_cli import compute
from tests.conformance.oracle import attention
from tests.helpers.many import check_each

pytestmark = pytest.mark.slow

Mapping = dict[str, Any]
D, D_V = 6, 3
HUGE = 1e6
TABLE = [[0.5], [-1.0], [2.0], [0.25], [-0.5], [1.5], [3.0], [-2.0]]
READERS: dict[str, Mapping] = {
    "causal order": {},
    "window": {"window": {"left": 2, "right": 1}},
    "window with sinks": {"window": {"left": 1}, "sink_tokens": 1},
    "prefix": {"window": {"left": 0}, "prefix": 1},
    "rope": {"rope": True},
    "rope, scaled": {"rope": {"scaling": {"kind": "linear", "factor": 4}, "interleaved": True}},
    **{
        f"alibi {form}": {"alibi": {"slopes": [0.3], "form": form}}
        for form in ("distance", "signed", "key", "last_key", "clamped")
    },
    "relative_bias": {"relative_bias": {"table": TABLE, "max_distance": 5}},
    "all": {
        "window": {"left": 3},
        "sink_tokens": 1,
        "rope": True,
        "alibi": {"slopes": [0.3], "form": "last_key"},
        "relative_bias": {"table": TABLE},
    },
}
"""Every key that reads positions, beside causal order."""


def computed(problem: Mapping) -> Mapping:
    """The steps of the product."""
    record = compute(problem)
    return {name: record[name] for name in record.steps}


def defined(problem: Mapping) -> Mapping:
    """The steps of the oracle, which shares no code with the product."""
    plain = {name: x.tolist() if hasattr(x, "tolist") else x for name, x in problem.items()}
    return {name: np.array(step) for name, step in attention(plain).items()}


Way = Callable[[Mapping], Mapping]
WAYS: list[Way] = [computed, defined]
EACH = {
    f"{reader}, {way.__name__}": (keys, way) for reader, keys in READERS.items() for way in WAYS
}


def holds_for_each(law: Callable[[Mapping, Way], object]) -> None:
    """The law holds for every key that reads positions, and for the oracle too."""
    check_each(EACH, lambda case: law(*EACH[case]))


def rows(seed: int, n_q: int, n_k: int) -> Mapping:
    """Random Q, K and V."""
    normal = np.random.default_rng(seed).normal
    return {"query": normal(size=(n_q, D)), "key": normal(size=(n_k, D))} | {
        "value": normal(size=(n_k, D_V))
    }


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


ALIGNMENTS = st.sampled_from(["top-left", "bottom-right"])
SEEDS = st.integers(0, 999)
# The first is drawn in the first example, which would otherwise be the problem of one token.
FEW = st.sampled_from([3, 2, 1, 4, 5])
MORE = st.sampled_from([2, 0, 1, 3])


IDS = st.lists(st.integers(0, 2), min_size=1, max_size=9)


@settings(max_examples=4)
@given(of_queries=IDS, of_keys=IDS, causal=ALIGNMENTS, seed=SEEDS)
def test_a_packed_document_is_the_document_alone(
    of_queries: list[int], of_keys: list[int], causal: str, seed: int
) -> None:
    """Ids interleave; the documents differ in their numbers of queries and keys."""
    whole = rows(seed, len(of_queries), len(of_keys))
    ids = {"query": of_queries, "key": of_keys}

    def law(reader: Mapping, way: Way) -> None:
        keys = {"causal": causal, **reader}
        packed = way({**whole, **keys, "documents": ids})
        for d in {*of_queries}:
            q, k = np.array(of_queries) == d, np.array(of_keys) == d
            if not k.any():
                close(packed["weights"][q], 0)
                continue
            picked = {side: whole[side][q if side == "query" else k] for side in whole}
            alone = way({**picked, **keys})
            close(packed["output"][q], alone["output"])
            close(packed["weights"][q][:, k], alone["weights"])
            close(packed["weights"][q][:, ~k], 0)

    holds_for_each(law)


@settings(max_examples=3)
@given(n_q=FEW, n_k=FEW, before=MORE, beyond=MORE, seed=SEEDS)
def test_padding_on_both_sides_changes_nothing(
    n_q: int, n_k: int, before: int, beyond: int, seed: int
) -> None:
    """Huge keys and values lie before key_start and beyond key_lengths."""
    bare = rows(seed, n_q, n_k)
    padded = dict(bare)
    for side in ("key", "value"):
        widths = ((before, beyond), (0, 0))
        padded[side] = np.pad(bare[side], widths, constant_values=HUGE)
    extent = {"key_start": before, "key_lengths": before + n_k}
    there = slice(before, before + n_k)

    def law(reader: Mapping, way: Way) -> None:
        keys = {"causal": "bottom-right", **reader}
        found, alone = way({**padded, **keys, **extent}), way({**bare, **keys})
        close(found["output"], alone["output"])
        close(found["weights"][:, there], alone["weights"])
        for name in {"q_rotated", "k_rotated"} & set(alone):
            close(found[name][there if name == "k_rotated" else slice(None)], alone[name])

    holds_for_each(law)


@settings(max_examples=3)
@given(tokens=FEW, before=MORE, causal=st.sampled_from([True, "top-left"]), seed=SEEDS)
def test_left_padding_of_a_row_of_tokens(tokens: int, before: int, causal: Any, seed: int) -> None:
    """Queries are padded as keys are: token i of the row is at i - key_start."""
    bare = rows(seed, tokens, tokens)
    padded = {
        side: np.pad(values, ((before, 0), (0, 0)), constant_values=HUGE)
        for side, values in bare.items()
    }
    padded["query"][:before] = 1

    def law(reader: Mapping, way: Way) -> None:
        keys = {"causal": causal, **reader}
        found, alone = way({**padded, **keys, "key_start": before}), way({**bare, **keys})
        close(found["output"][before:], alone["output"])
        close(found["weights"][before:, before:], alone["weights"])

    holds_for_each(law)


@settings(max_examples=3)
@given(n_q=FEW, n_k=FEW, causal=ALIGNMENTS, data=st.data())
def test_one_document_is_none(n_q: int, n_k: int, causal: str, data: st.DataObject) -> None:
    bare = {**rows(data.draw(SEEDS), n_q, n_k), "causal": causal}
    length = n_k
    if data.draw(st.booleans()):
        length = bare["key_lengths"] = data.draw(st.integers(1, n_k))
    if data.draw(st.booleans()):
        bare["key_start"] = data.draw(st.integers(0, length))
    given = data.draw(
        st.sampled_from(
            [
                {"query": [7] * n_q, "key": [7] * n_k},
                {"cu_seqlens_q": [0, n_q], "cu_seqlens_k": [0, n_k]},
            ]
        )
    )

    def law(reader: Mapping, way: Way) -> None:
        keys = {**bare, **reader}
        one, none = way({**keys, "documents": given}), way(keys)
        assert list(one) == list(none)
        for name in none:
            close(one[name], none[name])

    holds_for_each(law)


@pytest.mark.parametrize("rotated", [True, False])
@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=5)
@given(tokens=st.integers(2, 7), data=st.data())
def test_a_cache_gives_the_rows_of_the_whole(
    rotated: bool, way: Callable[[Mapping], Mapping], tokens: int, data: st.DataObject
) -> None:
    """The past holds keys as rope left them, or as they were before."""
    whole = rows(data.draw(SEEDS), tokens, tokens)
    keys = {"causal": True, **READERS["all"], "prefix": data.draw(st.integers(0, 1))}
    expected = way({**whole, **keys})
    past = data.draw(st.integers(1, tokens - 1))
    stored = expected["k_rotated"] if rotated else whole["key"]
    cache = {"key": [[stored[:past].tolist()]], "value": [[whole["value"][:past].tolist()]]}
    new = {side: values[past:] for side, values in whole.items()}
    found = way({**new, **keys, "past": {**cache, "rotated": rotated}})
    for name in ("scores", "biased", "weights", "output"):
        close(found[name], expected[name][past:])
    close(found["present_key"], expected["k_rotated"] if rotated else whole["key"])
    close(found["k_rotated"], expected["k_rotated"][past if rotated else 0 :])


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=5)
@given(n_q=FEW, n_k=FEW, causal=ALIGNMENTS, seed=SEEDS)
def test_given_positions_that_are_the_resolved_ones_change_nothing(
    way: Callable[[Mapping], Mapping], n_q: int, n_k: int, causal: str, seed: int
) -> None:
    first = 0 if causal == "top-left" else n_k - n_q
    shift = 11  # only distances matter
    own = {
        "query": [shift + first + i for i in range(n_q)],
        "key": [shift + j for j in range(n_k)],
    }
    bare: Mapping = {
        "rope": {"interleaved": True},
        "alibi": {"slopes": [0.3]},
        "relative_bias": {"table": TABLE},
    }
    given = {key: {**node, "positions": own} for key, node in bare.items()}
    keys = {**rows(seed, n_q, n_k), "causal": causal, "window": {"left": 2}}
    found, expected = way({**keys, **given}), way({**keys, **bare})
    for name in ("scores", "biased", "visible", "weights", "output"):
        close(found[name], expected[name])


@pytest.mark.parametrize("layout", ["blocks", "in-turn"])
@pytest.mark.parametrize("way", WAYS)
def test_three_rows_that_are_equal_are_one(layout: str, way: Callable[[Mapping], Mapping]) -> None:
    """Text in a multimodal model: temporal, height and width are the same number."""
    places: Mapping = {"query": [2, 3, 7], "key": [0, 5, 1, 4, 4]}
    three = {side: [values] * 3 for side, values in places.items()}
    sections = {"sections": [1, 1, 1], "sections_layout": layout}
    whole = rows(3, 3, 5)
    found = way({**whole, "rope": {"positions": three, **sections}})
    expected = way({**whole, "rope": {"positions": places}})
    for name in ("q_rotated", "k_rotated", "output"):
        close(found[name], expected[name])
