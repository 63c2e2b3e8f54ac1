"""Scale, softcap, biases, order and fill."""

from __future__ import annotations

import math
from dataclasses import replace

from tests.conformance.cases.bases import (
    BOOLEANS,
    BOOLEANS_OF_ENTRIES,
    FOUR,
    NUMBERS_OF_ENTRIES,
    PACKED,
    SHARED,
    SQUARE,
    STANDS,
    THREE,
    TWO,
    Cases,
)

_BIAS = [0.5, -1.0, 0.0, 2.0, 0.0, 1.0, -2.0]
_CAPPED = {"softcap": 1.5, "mask": BOOLEANS, "score_bias": _BIAS}
_CAPPED_ENTRIES = {"softcap": 1.5, "mask": BOOLEANS_OF_ENTRIES, "score_bias": _BIAS}

_SCALES = [0.3, -0.5, 1.0, 1.3, 0.0, 0.7]

STAGES: Cases = {
    "scale": (THREE, {"scale": 0.3}),
    "scale of each head": (FOUR, {"scale": _SCALES}),
    "scale of each of packed heads": (PACKED, {"scale": _SCALES}),
    "scale, a list without heads": (TWO, {"scale": [-0.7]}),
    "scale of each head, of gaussian": (
        FOUR,
        {"scale": _SCALES, "score": {"function": "gaussian", "sigma": 1.5}},
    ),
    "scale of each head, of gated": (
        FOUR,
        {"scale": _SCALES, "score": {"function": "gated", "W_g": FOUR.normal(1, 8)}},
    ),
    "scale of each head, of sparse": (
        FOUR,
        {"scale": _SCALES, "score": {"function": "sparse", "top_k": 3}},
    ),
    "scale of each head, on queries": (FOUR, {"scale": _SCALES, "scale_placement": "query"}),
    "scale of each head, split": (
        PACKED,
        {"scale": [abs(scale) for scale in _SCALES], "scale_placement": "split"},
    ),
    "scale_placement query": (THREE, {"scale_placement": "query"}),
    "scale_placement split": (SHARED, {"scale_placement": "split", "scale": 0.3}),
    "scale_placement query of multiplicative": (
        THREE,
        {
            "scale_placement": "query",
            "scale": -0.3,
            "score": {"function": "multiplicative", "W": FOUR.normal(4, 4)},
        },
    ),
    "softcap": (THREE, {"softcap": 0.75}),
    "softcap and bias": (FOUR, {"softcap": 0.75, "score_bias": FOUR.normal(6, 1, 7)}),
    "score_bias": (FOUR, {"score_bias": FOUR.normal(2, 1, 5, 7)}),
    "alibi": (FOUR, {"alibi": True, **STANDS}),
    "alibi of no heads": (SQUARE, {"alibi": True}),
    "alibi slopes": (PACKED, {"alibi": [0.1, 0.2, 0.3, 0.4, 0.5, -0.6], **STANDS}),
    "alibi slopes paper": (SHARED, {"alibi": {"slopes": "paper"}, **STANDS}),
    "alibi slopes plain": (SHARED, {"alibi": {"slopes": "plain"}, **STANDS}),
    **{
        f"alibi form {form}": (SHARED, {"alibi": {"form": form}, **STANDS})
        for form in ("distance", "signed", "key", "last_key", "clamped")
    },
    "relative_bias": (
        replace(SHARED, new=23),
        {"relative_bias": {"table": FOUR.normal(8, 3)}, **STANDS},
    ),
    "relative_bias, the past alone": (
        replace(THREE, n_q=17),
        {"relative_bias": {"table": FOUR.normal(8, 1), "bidirectional": False}, **STANDS},
    ),
    "relative_bias max_distance": (
        replace(THREE, new=23),
        {"relative_bias": {"table": FOUR.normal(8, 1), "max_distance": 7}, **STANDS},
    ),
    "all biases": (
        SQUARE,
        {
            "alibi": True,
            "relative_bias": {"table": SQUARE.normal(4, 1)},
            "score_bias": [[0.5]],
        },
    ),
    **{
        f"order {', '.join(order)}": (THREE, {**_CAPPED_ENTRIES, "order": list(order)})
        for order in (
            ("softcap", "bias", "mask"),
            ("softcap", "mask", "bias"),
            ("bias", "softcap", "mask"),
            ("bias", "mask", "softcap"),
            ("mask", "softcap", "bias"),
            ("mask", "bias", "softcap"),
        )
    },
    "sparse and softcap last": (
        FOUR,
        {
            **_CAPPED,
            "order": ["mask", "bias", "softcap"],
            "score": {"function": "sparse", "block": 3},
        },
    ),
    **{
        f"mask_fill {value}, {how}": (
            THREE,
            {
                "mask": NUMBERS_OF_ENTRIES,
                "causal": "bottom-right",
                "mask_fill": {"value": value, "how": how},
            },
        )
        for value in (-math.inf, -2.5, "lowest", "0.7 lowest")
        for how in ("select", "add")
    },
    "mask_fill and top_k": (FOUR, {"mask": BOOLEANS, "mask_fill": {"value": -0.1}, "top_k": 4}),
    "mask_fill and sparse": (
        THREE,
        {
            "mask": BOOLEANS_OF_ENTRIES,
            "mask_fill": {"value": -0.1},
            "score": {"function": "sparse", "block": 3},
        },
    ),
}
