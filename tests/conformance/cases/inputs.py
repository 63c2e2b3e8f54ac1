"""Axes, heads, past, norms and rotary positions."""

from __future__ import annotations

from dataclasses import replace

from tests.conformance.cases.bases import (
    FOUR,
    PACKED,
    PAST,
    SHARED,
    SQUARE,
    STANDS,
    THREE,
    TWO,
    Cases,
)

_BEHIND = replace(THREE, past=2)
_PAST = {"key": PAST.normal(2, 3, 2, 4), "value": PAST.normal(2, 3, 2, 3)}
_OF_ONE = {"key": PAST.normal(2, 1, 2, 4), "value": PAST.normal(2, 1, 2, 3)}
_LONG = {"factor": 4.0, "original_length": 64}

INPUTS: Cases = {
    "2 axes": (TWO, {}),
    "3 axes": (THREE, {}),
    "axes bhsd": (FOUR, {"axes": "bhsd"}),
    "axes bshd": (FOUR, {"axes": "bshd"}),
    "heads and kv_heads": (PACKED, {}),
    "heads of 2 axes": (replace(PACKED, axes=2, batch=1), {}),
    "grouping interleave": (FOUR, {"grouping": "interleave"}),
    "grouping tile": (FOUR, {"grouping": "tile"}),
    "grouping tile of packed heads": (PACKED, {"grouping": "tile"}),
    "grouping, a list": (FOUR, {"grouping": [2, 0, 0, 1, 2, 0]}),
    "grouping, a list of packed heads": (PACKED, {"grouping": [2, 0, 0, 1, 2, 0]}),
    "grouping, a list of 2 axes": (
        replace(PACKED, axes=2, batch=1),
        {"grouping": [2, 0, 0, 1, 2, 0]},
    ),
    "grouping, a list that is not a multiple": (
        replace(FOUR, heads=5),
        {"grouping": [1, 2, 0, 1, 1]},
    ),
    "grouping, a list of fewer heads than K has": (
        replace(FOUR, heads=2),
        {"grouping": [2, 0], "rope": True, **STANDS},
    ),
    "grouping, a list that leaves the last key head out": (FOUR, {"grouping": [1, 0, 0, 1, 1, 0]}),
    "grouping, a list that changes the order": (
        replace(PACKED, heads=3),
        {"grouping": [2, 0, 1], "qk_norm": "l2"},
    ),
    "grouping, a list beside a past": (PAST, {"past": _PAST, "grouping": [2, 2, 0, 0, 2, 0]}),
    "past": (PAST, {"past": _PAST}),
    "past, causal": (_BEHIND, {"past": _OF_ONE, "causal": True}),
    "past, causal bottom-right": (
        replace(_BEHIND, new=5),
        {"past": _OF_ONE, "causal": "bottom-right"},
    ),
    "past and offset": (_BEHIND, {"past": _OF_ONE, "causal": True, "offset": 4}),
    "past of 2 axes": (
        replace(TWO, past=1),
        {"past": {"key": TWO.normal(1, 1, 1, 4), "value": TWO.normal(1, 1, 1, 3)}},
    ),
    "past, normed and rotated": (
        _BEHIND,
        {"past": {**_OF_ONE, "rotated": False}, "qk_norm": "l2", "rope": True},
    ),
    "past that is rotated": (
        PAST,
        {"past": {**_PAST, "rotated": True}, "qk_norm": "l2", "rope": True},
    ),
    "qk_norm rms": (FOUR, {"qk_norm": "rms"}),
    "qk_norm l2": (THREE, {"qk_norm": "l2"}),
    "qk_norm eps of rms": (THREE, {"qk_norm": {"function": "rms", "eps": 0.5}}),
    "qk_norm eps of l2": (THREE, {"qk_norm": {"function": "l2", "eps": 1.5}}),
    "qk_norm query_gain": (
        THREE,
        {"qk_norm": {"function": "rms", "query_gain": [1.0, 2.0, 0.5, -1]}},
    ),
    "qk_norm key_gain": (SHARED, {"qk_norm": {"function": "l2", "key_gain": [1.0, 2.0, 0.5, -1]}}),
    "rope": (SQUARE, {"rope": True}),
    "rope, offset": (FOUR, {"rope": True, **STANDS}),
    "rope base": (SQUARE, {"rope": {"base": 100}}),
    "rope interleaved": (SQUARE, {"rope": {"interleaved": True}}),
    "rope dims": (SQUARE, {"rope": {"dims": 2}}),
    "rope scaling linear": (SQUARE, {"rope": {"scaling": {"kind": "linear", "factor": 4}}}),
    "rope scaling ntk": (SQUARE, {"rope": {"scaling": {"kind": "ntk", "factor": 4}}}),
    "rope scaling yarn": (SQUARE, {"rope": {"scaling": {"kind": "yarn", **_LONG}}}),
    "rope scaling yarn, attention_factor": (
        SQUARE,
        {"rope": {"scaling": {"kind": "yarn", **_LONG, "attention_factor": 1}}},
    ),
    "rope scaling yarn, betas": (
        replace(SQUARE, d_k=12),
        {"rope": {"scaling": {"kind": "yarn", **_LONG, "beta_fast": 4, "beta_slow": 0.01}}},
    ),
    "rope scaling llama3": (
        replace(SQUARE, d_k=12),
        {
            "rope": {
                "scaling": {"kind": "llama3", **_LONG, "low_freq_factor": 1, "high_freq_factor": 4}
            }
        },
    ),
}
