"""Problems that have what the variants of kernels need, as mappings of keys; small."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

Keys = dict[str, Any]
RNG = np.random.default_rng(7)


def qkv(
    batch: int = 1, heads: int = 2, kv_heads: int = 1, n_q: int = 3, n_k: int = 5, d: int = 4
) -> Keys:
    """Q, K and V of normal numbers; d_v = 3."""
    return {
        "query": RNG.normal(size=(batch, heads, n_q, d)),
        "key": RNG.normal(size=(batch, kv_heads, n_k, d)),
        "value": RNG.normal(size=(batch, kv_heads, n_k, 3)),
    }


def _shown(*shape: int) -> Any:
    return (RNG.random(shape) < 0.6) | np.eye(shape[-1], dtype=bool)


YARN = {"kind": "yarn", "factor": 4.0, "original_length": 8}
AXES = ["batch", "head", "query", "key"]

PROBLEMS: dict[str, Keys] = {
    "plain": {
        **qkv(n_q=4, n_k=4), "score": "dot", "dropout": {"mask": _shown(4, 4) + 0.0, "p": 0.2},
    },
    "grouped": {**qkv(heads=6, kv_heads=3, d=9), "scale": 0.3},
    "tiled": {**qkv(heads=4, kv_heads=2), "grouping": "tile", "scale": 0.4},
    "capped": {
        **qkv(n_q=5), "causal": "bottom-right", "softcap": 2.0, "scale": 0.3,
        "score_bias": RNG.normal(size=(2, 5, 5)),
    },
    "capped-last": {
        **qkv(n_q=5), "causal": "top-left", "softcap": 2.0, "order": ["mask", "softcap", "bias"],
    },
    "window": {
        **qkv(n_q=5), "causal": "top-left", "window": {"left": 1, "right": 1}, "sink_tokens": 1,
    },
    "prefix": {**qkv(n_q=5), "window": {"left": 2, "right": 1}, "prefix": 2},
    "windows": {
        **qkv(n_q=5), "offset": 1, "window": [{"left": 2, "right": 1}, {"left": -1, "right": 0}],
    },
    "mask": {
        **qkv(batch=2, n_q=5), "causal": "top-left",
        "mask": {"values": _shown(2, 2, 5, 5), "true_means": "attend", "axes": AXES},
    },
    "numbers": {**qkv(n_q=5), "mask": RNG.integers(0, 2, (2, 5, 5)) + 0.0},
    "lengths": {**qkv(batch=2), "key_lengths": [5, 3]},
    "lengths-causal": {**qkv(batch=2), "key_lengths": [5, 3], "causal": "top-left"},
    "start": {**qkv(batch=2, n_q=5), "key_start": [0, 2], "causal": "top-left", "rope": True},
    "documents": {
        **qkv(n_q=5), "causal": "top-left", "rope": {"dims": 2},
        "documents": {"query": [0, 0, 1, 1, 2], "key": [0, 0, 1, 1, 2]},
    },
    "rope": {
        **qkv(d=8), "rope": {"base": 5e3, "dims": 4}, "causal": "bottom-right",
        "qk_norm": {
            "function": "rms", "query_gain": RNG.normal(size=8), "key_gain": RNG.normal(size=8),
        },
    },
    "yarn": {**qkv(), "rope": {"scaling": YARN}, "offset": 1},
    "past": {
        **qkv(n_k=3), "causal": True, "rope": True, "alibi": {"form": "signed"},
        "past": {
            "key": RNG.normal(size=(1, 1, 2, 4)), "value": RNG.normal(size=(1, 1, 2, 3)),
            "rotated": True,
        },
    },
    "alibi": {**qkv(heads=3), "alibi": {"slopes": "plain", "form": "clamped"}, "offset": 2},
    "alibi-of-paper": {**qkv(heads=3, n_q=5), "alibi": True},
    "relative": {
        **qkv(n_q=5), "relative_bias": {"table": RNG.normal(size=(8, 2)), "max_distance": 9},
        "offset": 1,
    },
    "bias": {**qkv(batch=2, n_q=5), "score_bias": RNG.normal(size=(2, 2, 5, 5))},
    "sinks": {
        **qkv(heads=4, kv_heads=2), "causal": "bottom-right",
        "normalize": {"function": "sink_logits", "logits": RNG.normal(size=4)},
    },
    "softmax1": {**qkv(), "normalize": "softmax1", "scale": 2.0},
}  # fmt: skip


def merged(problem: Mapping[str, Any], changes: Mapping[str, Any]) -> Keys:
    """Return the keys of a problem with changes of dotted keys, as plain lists and numbers."""
    found: Keys = plain(copy.deepcopy(dict(problem)))
    for dotted, value in changes.items():
        *outer, last = dotted.split(".")
        place = found
        for key in outer:
            place = place[key]
        if value is None:
            place.pop(last, None)
        else:
            place[last] = value
    return found


def plain(node: Any) -> Any:
    """Return a node with lists for arrays."""
    if isinstance(node, dict):
        return {key: plain(value) for key, value in node.items()}
    return node.tolist() if isinstance(node, np.ndarray) else node
