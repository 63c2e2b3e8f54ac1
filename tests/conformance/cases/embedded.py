"""Problems whose Q, K and V are projections of embeddings."""

from __future__ import annotations

from typing import Any

from tests.conformance.cases.bases import TWO

_X, _MEMORY = TWO.normal(5, 7), TWO.normal(11, 3)
_WEIGHTS = {"query": TWO.normal(7, 8), "key": TWO.normal(7, 4), "value": TWO.normal(7, 6)}
_BIASES = {"query": TWO.normal(8), "key": TWO.normal(4), "value": TWO.normal(6)}
_GROUPED: dict[str, Any] = {
    "embeddings": _X,
    "weights": {**_WEIGHTS, "output": TWO.normal(12, 13)},
    "biases": _BIASES,
    "heads": 4,
    "kv_heads": 2,
}

EMBEDDED: dict[str, dict[str, Any]] = {
    "embeddings, grouped heads": _GROUPED,
    "embeddings, scale and temperature of each head": {
        **_GROUPED,
        "scale": [0.3, -0.5, 1.0, 1.3],
        "temperature": [2.0, 0.5, 1.0, 0.7],
    },
    "embeddings, grouping, a list": {**_GROUPED, "grouping": [1, 0, 0, 1]},
    "embeddings, grouping, a list that leaves a key head out": {
        **_GROUPED,
        "grouping": [1, 1, 1, 1],
    },
    "embeddings, causal": {**_GROUPED, "causal": True},
    "embeddings, rope and qk_norm": {**_GROUPED, "rope": True, "qk_norm": "rms"},
    "embeddings, output_gate": {
        **_GROUPED,
        "output_gate": {"weights": TWO.normal(7, 12), "bias": TWO.normal(12)},
    },
    "embeddings, output_gate of heads": {
        **_GROUPED,
        "output_gate": {"weights": TWO.normal(7, 4)},
    },
    "embeddings, output_gate of no heads": {
        "embeddings": _X,
        "output_gate": {"weights": TWO.normal(7, 1), "bias": TWO.normal(1)},
    },
    "embeddings, memory": {
        **_GROUPED,
        "memory": {"embeddings": _MEMORY},
        "weights": {**_WEIGHTS, "key": TWO.normal(3, 4), "value": TWO.normal(3, 6)},
        "window": {"keys": 2},
        "offset": 4,
    },
    "embeddings, past": {
        **_GROUPED,
        "past": {"key": TWO.normal(1, 2, 3, 2), "value": TWO.normal(1, 2, 3, 3)},
        "score": {"function": "sparse", "pairs": [[4, 7], [0, 2]], "window": 1},
    },
    "embeddings, past and given scores": {
        **_GROUPED,
        "past": {"key": TWO.normal(1, 2, 3, 2), "value": TWO.normal(1, 2, 3, 3)},
        "score": {"function": "given", "scores": TWO.normal(5, 8)},
    },
}
