"""Inputs, the reference in float64, and how far results are from it: NumPy alone, tile-free."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def normal(files: dict[str, list[int]], seed: int, dtype: str, scale: float = 1.0) -> None:
    """Write standard normal numbers of each shape; `scale` multiplies those of the first file."""
    rng = np.random.default_rng(seed)
    for position, (file, shape) in enumerate(files.items()):
        array = rng.standard_normal(shape, dtype=dtype)  # type: ignore[call-overload]
        np.save(file, array * array.dtype.type(scale) if position == 0 else array)


def drawn(case: str, files: list[str], n: int, d: int, seed: int) -> None:
    """Write Q, K and V in float32 for one case of accuracy.

    `steep`: scores to +-1e4; `one huge key`: a row of K a thousand times as long; `constant rows`:
    each row of Q and of K is one number throughout; `equal keys`: all rows of K are the first.
    """
    rng = np.random.default_rng(seed)
    Q, K, V = rng.standard_normal((3, n, d))
    if case == "steep":
        steepest = np.abs(Q @ K.T).max() / np.sqrt(d)
        Q *= 1e4 / steepest
    elif case == "one huge key":
        K[n // 3] *= 1e3
    elif case == "constant rows":
        Q[:] = Q[:, :1]
        K[:] = K[:, :1]
    elif case == "equal keys":
        K[:] = K[0]
    elif case != "normal":
        raise ValueError(f"no case {case}")
    for file, array in zip(files, (Q, K, V), strict=True):
        np.save(file, array.astype(np.float32))


def reference(files: list[str], file: str, causal: bool) -> None:
    """Write softmax(Q K^T / sqrt(d)) V in float64."""
    Q, K, V = (np.load(name).astype(np.float64) for name in files)
    scores = Q @ K.T / np.sqrt(Q.shape[-1])
    if causal:
        scores[np.triu_indices(len(scores), 1)] = -np.inf
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    np.save(file, weights / weights.sum(axis=-1, keepdims=True) @ V)


def difference(one: str, other: str) -> float:
    """Return the largest difference of two arrays of one size; NaN is further than anything."""
    here, there = (np.load(name).ravel().astype(np.float64) for name in (one, other))
    if here.size != there.size:
        raise ValueError(f"{here.size} numbers here, {there.size} there")
    largest = float(np.abs(here - there).max())
    return float("inf") if np.isnan(largest) else largest
