"""Keys that change nothing: a warning names each, and says why."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attn_cli import AttnError, compute

SQUARE = {"query": [[1, 0], [0, 1], [1, 1]], "key": [[1, 2], [3, 1], [0, 1]], "value": [[1]] * 3}
NETWORK = {"W1": [[1, 2]], "W2": [[1], [2]]}


POSITIONED = "rope, alibi, relative_bias, causal or window"
STANDING = f"none depends on the positions of queries, as {POSITIONED} can"


NOT_HIDDEN = "no key is hidden, as by causal, window or a mask"


IDLE: dict[str, tuple[dict[str, Any], str]] = {
    "offset": ({"offset": 2}, STANDING),
    "order": (
        {"order": ["mask", "bias", "softcap"]},
        "it is that of softcap, bias and mask, and none of them is there",
    ),
    "order of one": (
        {"order": ["mask", "bias", "softcap"], "softcap": 2},
        "it is that of softcap, bias and mask, and only the step capped is there",
    ),
    "empty_rows": ({"empty_rows": "nan"}, NOT_HIDDEN),
    "mask_fill": ({"mask_fill": -5}, NOT_HIDDEN),
    "temperature": (
        {"normalize": "argmax", "temperature": 2},
        "the largest score stays so, with normalize: argmax",
    ),
    "prefix": (
        {"prefix": 1, "key_lengths": 3},
        "it lets first keys be seen in spite of causal or window",
    ),
    "sink_tokens": (
        {"sink_tokens": 1, "causal": True},
        "it lets first keys be seen in spite of a window",
    ),
    "sink_tokens without a left bound": (
        {"sink_tokens": 1, "window": {"left": -1, "right": 0}},
        "it passes the left bound of a window, which has none here",
    ),
    "offset beside an unbounded window": (
        {"offset": 1, "window": {"left": -1, "right": -1}},
        STANDING,
    ),
    "offset beside a bias by key": ({"offset": 1, "alibi": {"form": "key"}}, STANDING),
    "axes": ({"axes": "bshd"}, "neither query, key nor value has four axes"),
    "grouping": (
        {"heads": 1, "grouping": "tile"},
        "each key head has one query head; kv_heads says how many key heads there are",
    ),
    "grouping without heads": (
        {"grouping": "tile"},
        "there are no heads; kv_heads says how many key heads there are",
    ),
    "precision.scale": ({"score": "dot", "precision": {"scale": "float32"}}, "the scale is 1"),
    "precision.scaled": (
        {"precision": {"scaled": "float32"}},
        "it is the type of scaled q and k, and scale_placement: scores scales the scores",
    ),
    "precision.rope": ({"precision": {"rope": "float32"}}, "there is no rope"),
    "precision.norm": (
        {"precision": {"norm": "float32"}},
        "there is neither qk_norm nor layer_norm",
    ),
    "precision.norm with a network": (
        {"precision": {"norm": "float32"}, "feed_forward": NETWORK},
        "there is neither qk_norm nor layer_norm",
    ),
}


@pytest.mark.parametrize("name", IDLE)
def test_a_key_that_changes_nothing_is_a_warning_that_names_it(name: str) -> None:
    keys, why = IDLE[name]
    key = name.partition(" ")[0]
    record = compute({**SQUARE, **keys})
    on = " on steps" if key == "offset" else ""  # statistics measure distances by it
    assert record.warnings == (f"{key} has no effect{on}: {why}",)
    first, _, inner = key.partition(".")
    others = {k: v for k, v in keys.items() if k != first}
    without = compute({**SQUARE, **others})
    assert (without.warnings, inner == "") == ((), "." not in key)
    assert list(without.steps) == list(record.steps)
    for step in without.steps:
        assert np.array_equal(record[step], without[step], equal_nan=True)


@pytest.mark.parametrize(
    "keys",
    [
        {"offset": 2, "causal": True},
        {"order": ["mask", "bias", "softcap"], "softcap": 2, "score_bias": [[0, 1, 2]]},
        {"empty_rows": "nan", "mask": [[0, 0, -np.inf]]},
        {"mask_fill": -5, "causal": True},
        {"temperature": 2},
        {"prefix": 1, "causal": True},
        {"sink_tokens": 1, "window": {"keys": 1}},
        {"precision": {"rope": "float32"}, "rope": True},
        {"precision": {"norm": "float32"}, "qk_norm": "rms"},
        {"precision": {"norm": "float32"}, "layer_norm": True},
        {"precision": {"norm": "float32"}, "feed_forward": {**NETWORK, "layer_norm": True}},
        {"precision": {"scaled": "float32"}, "scale_placement": "query"},
    ],
    ids=lambda keys: next(iter(keys)),
)
def test_a_key_that_something_goes_by_is_no_warning(keys: dict[str, object]) -> None:
    assert not [w for w in compute({**SQUARE, **keys}).warnings if "no effect" in w]


def test_a_misspelt_value_of_a_key_that_changes_nothing_stays_an_error() -> None:
    for keys in ({"axes": "bsdh"}, {"order": ["maks"]}, {"empty_rows": "zeros"}, {"prefix": -1}):
        with pytest.raises(AttnError):
            compute({**SQUARE, **keys})
