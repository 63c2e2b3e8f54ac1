"""Score functions, normalisers, rows without a key, dropout, the gate and the output."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from tests.conformance.cases.bases import (
    FOUR,
    NUMBERS,
    NUMBERS_OF_ENTRIES,
    PACKED,
    SHARED,
    THREE,
    TWO,
    Cases,
)
from tests.conformance.strategies.sizes import Sizes

_HIDDEN = {"mask": NUMBERS}
_HIDDEN_ENTRIES = {"mask": NUMBERS_OF_ENTRIES}
_EMPTY = {
    "values": [[True] * 7, [False] * 7, [True] * 7, [False] * 7, [False, True] * 3 + [False]],
    "true_means": "ignore",
}
_WITH: dict[str, dict[str, Any]] = {
    "softmax": {},
    "softmax1": {},
    "sink_logits": {"logits": [0.5, -1.0, 2.0]},
    "sparsemax": {},
    "entmax15": {},
    "entmax": {"alpha": 1.3},
    "sigmoid": {},
    "relu": {},
    "none": {},
    "argmax": {},
}
NORMALISERS = [
    *({"function": name, **parameters} for name, parameters in _WITH.items()),
    {"function": "entmax", "alpha": 1},
    {"function": "entmax", "alpha": 3},
    {"function": "sigmoid", "bias": -1.5},
    {"function": "relu", "divisor": 7},
]
_SCORES: list[dict[str, Any]] = [
    {"function": "dot"},
    {"function": "scaled"},
    {"function": "additive", "W1": FOUR.normal(5, 4), "W2": FOUR.normal(5, 4), "v": FOUR.normal(5)},
    {"function": "multiplicative", "W": FOUR.normal(4, 4)},
    {"function": "concat", "W": FOUR.normal(5, 8), "v": FOUR.normal(5), "order": "key-query"},
    {"function": "cosine"},
    {"function": "gated", "W_g": FOUR.normal(1, 8), "b_g": [0.5]},
    {"function": "gaussian", "sigma": 1.25},
    {"function": "sparse", "window": 1, "inside": {"function": "gaussian", "sigma": 1.25}},
    {"function": "sparse", "top_k": 3, "global_tokens": 1},
    {"function": "sparse", "window": 1, "stride": 3, "inside": "cosine"},
]


def _of(normaliser: str) -> tuple[Sizes, dict[str, Any]]:
    """Sizes and a mask: with heads if the normaliser has a parameter of each."""
    if normaliser == "sink_logits":
        return SHARED, _HIDDEN
    return THREE, _HIDDEN_ENTRIES


AFTER: Cases = {
    **{f"score {s['function']} {len(s)}": (SHARED, {"score": s, "scale": 0.7}) for s in _SCORES},
    **{
        f"normalize {', '.join(map(str, n.values()))}": (
            _of(n["function"])[0],
            {**_of(n["function"])[1], "normalize": n},
        )
        for n in NORMALISERS
    },
    **{
        f"temperature of {name}": (
            _of(name)[0],
            {**_of(name)[1], "normalize": {"function": name, **parameters}, "temperature": 2.5},
        )
        for name, parameters in _WITH.items()
        if name != "argmax"
    },
    **{
        f"temperature of each head, {name}": (
            SHARED,
            {
                **_HIDDEN,
                "normalize": {"function": name, **parameters},
                "temperature": [2.5, 0.5, 1.0],
            },
        )
        for name, parameters in _WITH.items()
        if name != "argmax"
    },
    "temperature of each of packed heads": (PACKED, {"temperature": [2.5, 0.5, 1, 3, 0.7, 1.3]}),
    "temperature, a list without heads": (TWO, {"temperature": [0.4]}),
    **{
        f"empty_rows {rows}, {name}": (
            SHARED if name == "sink_logits" else THREE,
            {
                "mask": _EMPTY,
                "empty_rows": rows,
                "normalize": {"function": name, **_WITH[name]},
            },
        )
        for rows in ("zero", "nan", "uniform")
        for name in ("softmax", "sink_logits", "softmax1", "sigmoid", "sparsemax", "argmax")
    },
    **{
        f"empty_rows {rows}, mask_fill {value}, {how}": (
            TWO,
            {
                "mask": _EMPTY,
                "mask_fill": {"value": value, "how": how},
                **({} if rows == "not given" else {"empty_rows": rows}),
            },
        )
        for rows in ("not given", "zero", "nan", "uniform")
        for value in (-10, "lowest")
        for how in ("select", "add")
    },
    **{
        f"empty_rows {rows}, softcap last": (
            THREE,
            {
                "mask": _EMPTY,
                "softcap": 2,
                "order": ["mask", "bias", "softcap"],
                **({} if rows == "not given" else {"empty_rows": rows}),
            },
        )
        for rows in ("not given", "zero", "uniform")
    },
    "empty rows of sparse": (
        FOUR,
        {"score": {"function": "sparse", "pairs": [[0, 0], [3, 6]]}, "empty_rows": "uniform"},
    ),
    "infinity in a hidden value": (
        TWO,
        {
            "value": [[1.0, math.inf, 2.0]] * 2 + [[0.5, 1.0, -1.0]] * 5,
            "mask": {"values": [True] * 2 + [False] * 5, "true_means": "ignore"},
            "nonfinite": "allow",
        },
    ),
    **{
        f"infinity in a hidden value, empty_rows {rows}": (
            TWO,
            {
                "value": [[1.0, math.inf, 2.0]] * 2 + [[0.5, 1.0, -1.0]] * 5,
                "mask": _EMPTY,
                "empty_rows": rows,
                "nonfinite": "allow",
            },
        )
        for rows in ("zero", "nan", "uniform")
    },
    "NaN in a hidden key": (
        TWO,
        {
            "key": [[1.0, math.nan, 2.0, 0.0]] * 2 + TWO.normal(5, 4),
            "mask": {"values": [True] * 2 + [False] * 5, "true_means": "ignore"},
            "nonfinite": "allow",
        },
    ),
    "dropout": (FOUR, {"dropout": {"mask": FOUR.choices([False, True], 2, 6, 5, 7)}}),
    "dropout p": (
        FOUR,
        {"dropout": {"mask": FOUR.choices([0.0, 1.0], 6, 1, 7), "p": 0.4}, **_HIDDEN},
    ),
    "output_gate logits": (FOUR, {"output_gate": {"logits": FOUR.normal(2, 6, 5, 3)}}),
    "output_gate logits of heads": (PACKED, {"output_gate": {"logits": FOUR.normal(6, 1, 1)}}),
    "output projection behind a gate": (
        replace(PACKED, kv_heads=6),
        {
            "output_gate": {"logits": FOUR.normal(3)},
            "weights": {"output": FOUR.normal(18, 11)},
            "biases": {"output": FOUR.normal(11)},
        },
    ),
}
