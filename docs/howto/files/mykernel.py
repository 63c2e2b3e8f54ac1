"""A kernel that is to be tested: causal attention with a window, for as many keys as queries."""

from typing import Any

import numpy as np


def attention(
    q: Any, k: Any, v: Any, *, causal: bool = False, scale: Any = None, window: Any = None
) -> Any:
    """Return softmax(scale q k^T) v, each query over the keys that it sees."""
    shared = q.shape[1] // k.shape[1]  # query heads that read one key head
    k, v = np.repeat(k, shared, axis=1), np.repeat(v, shared, axis=1)
    scores = q @ k.swapaxes(-1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    i, j = np.arange(q.shape[2])[:, None], np.arange(k.shape[2])
    visible = np.ones((len(i), len(j)), dtype=bool)
    if causal:
        visible &= j <= i
    if window is not None:
        left, right = window
        visible &= (j > i - left) & (j <= i + right)
    scores = np.where(visible, scores, -np.inf)
    largest = scores.max(axis=-1, keepdims=True)
    weights = np.exp(scores - np.where(np.isfinite(largest), largest, 0))
    return weights / np.maximum(weights.sum(axis=-1, keepdims=True), 1e-30) @ v
