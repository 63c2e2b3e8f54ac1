"""Every reason for which a key is hidden."""

from __future__ import annotations

import math
from dataclasses import replace

from tests.conformance.cases.bases import (
    BOOLEANS,
    BOOLEANS_OF_ENTRIES,
    FOUR,
    NUMBERS,
    OTHER_WAY,
    PACKED,
    SQUARE,
    STANDS,
    THREE,
    TWO,
    Cases,
)

_IDS = [[0, 0, 1, 1, 1, 2, 2], [0, 1, 1, 1, 1, 1, 0]]
_WINDOWS = [
    {"left": 1, "right": 0},
    {"keys": 3},
    "none",
    {"left": 2},
    {"right": 1},
    {"left": 0, "right": 2},
]
_ROW = {"values": [True, True, False, True, False, True, True], "true_means": "attend"}

HIDING: Cases = {
    "causal": (SQUARE, {"causal": True}),
    "causal top-left": (FOUR, {"causal": "top-left"}),
    "causal bottom-right": (THREE, {"causal": "bottom-right"}),
    "causal bottom-right, more queries": (replace(THREE, new=3), {"causal": "bottom-right"}),
    "causal bottom-right, key_lengths": (THREE, {"causal": "bottom-right", "key_lengths": [4, 6]}),
    "offset of each entry": (FOUR, {"causal": True, "offset": [3, -2]}),
    "offset of all": (THREE, {"causal": True, "offset": 1}),
    "window left": (THREE, {"window": {"left": 1}, **STANDS}),
    "window right": (THREE, {"window": {"right": 1}, **STANDS}),
    "window left and right": (FOUR, {"window": {"left": 2, "right": 1}, **STANDS}),
    "window keys": (THREE, {"window": {"keys": 3}, **STANDS}),
    "key_lengths": (FOUR, {"key_lengths": [0, 5]}),
    "key_lengths of 2 axes": (TWO, {"key_lengths": 4}),
    "documents": (SQUARE, {"documents": [0, 0, 1, 1, 1]}),
    "documents of queries and keys": (
        THREE,
        {"documents": {"query": [0, 1, 2, 9, 0], "key": _IDS[0]}},
    ),
    "prefix of causal": (THREE, {"causal": True, "prefix": 3, "offset": [-1, 1]}),
    "window of each head": (FOUR, {"window": _WINDOWS, **STANDS}),
    "window of each of packed heads": (PACKED, {"window": _WINDOWS, **STANDS}),
    "window of each head, causal": (FOUR, {"window": _WINDOWS, "causal": True, **STANDS}),
    "window of each head, prefix and sink_tokens": (
        FOUR,
        {"window": _WINDOWS, "prefix": 1, "sink_tokens": 3, **STANDS},
    ),
    "window of each head, a finite fill": (
        FOUR,
        {"window": _WINDOWS, "mask_fill": {"value": -3.5}, **STANDS},
    ),
    "window of each head, rows without a key": (
        FOUR,
        {"window": _WINDOWS, "offset": [9, -4], "empty_rows": "uniform"},
    ),
    "window, bounds of each head": (
        FOUR,
        {"window": {"left": [0, 1, 2, 3, -1, 7], "right": 0}, **STANDS},
    ),
    "window keys of each head": (FOUR, {"window": {"keys": [1, 2, 3, 4, 5, 7]}, **STANDS}),
    "window, a list without heads": (SQUARE, {"window": [{"left": 1}]}),
    "window of no head": (FOUR, {"window": ["none"] * 6}),
    "prefix of window": (THREE, {"window": {"left": 1, "right": 0}, "prefix": 3, **STANDS}),
    "sink_tokens": (FOUR, {"window": {"left": 1, "right": 0}, "sink_tokens": 2, **STANDS}),
    "sink_tokens are in the future": (
        THREE,
        {"causal": True, "window": {"left": 1}, "sink_tokens": 3, "offset": [0, 1]},
    ),
    "mask of booleans, attend": (FOUR, {"mask": BOOLEANS}),
    "mask of booleans, ignore": (FOUR, {"mask": OTHER_WAY}),
    "mask of numbers": (FOUR, {"mask": NUMBERS}),
    "mask of 1 axis": (THREE, {"mask": _ROW}),
    "mask of 3 axes, a batch": (THREE, {"mask": THREE.choices([-math.inf, 0.5], 2, 1, 7)}),
    "mask of 3 axes, heads": (FOUR, {"mask": FOUR.choices([-math.inf, 0.5], 6, 5, 1)}),
    "mask with axes of 1 before": (TWO, {"mask": TWO.choices([-math.inf, 0.5], 1, 1, 5, 7)}),
    "mask shorter than the keys": (THREE, {"mask": FOUR.choices([-math.inf, 0.5], 5, 4)}),
    "booleans shorter than the keys": (
        THREE,
        {"mask": {"values": [False, True, False, False], "true_means": "ignore"}},
    ),
    "top_k": (THREE, {"top_k": 3, "causal": "top-left"}),
    "sparse and causal": (SQUARE, {"causal": True, "score": {"function": "sparse", "window": 1}}),
    "sparse top_k and mask": (
        THREE,
        {
            "mask": BOOLEANS_OF_ENTRIES,
            "score": {"function": "sparse", "top_k": 2, "inside": "scaled"},
        },
    ),
    "every reason": (
        FOUR,
        {
            "causal": True,
            "window": {"left": 3, "right": 2},
            "key_lengths": [4, 7],
            "key_start": [0, 1],
            "score": {"function": "sparse", "stride": 2, "window": 1},
            "mask": BOOLEANS,
            "top_k": 1,
            **STANDS,
        },
    ),
    "every reason, documents": (
        FOUR,
        {
            "causal": "bottom-right",
            "window": {"left": 3, "right": 2},
            "key_lengths": [4, 7],
            "key_start": [0, 1],
            "documents": {"query": [1, 1, 1, 2, 1], "key": [1, 1, 2, 1, 1, 1, 1]},
            "score": {"function": "sparse", "stride": 2, "window": 1},
            "mask": BOOLEANS,
            "top_k": 1,
        },
    ),
}
