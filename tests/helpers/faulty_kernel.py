"""A small kernel in NumPy with switches for faults; it shares no code with attn.

Without a fault it has the conventions of torch, with window, soft cap, lengths and sinks besides:
each key head serves H/G neighbouring query heads, query i is at key i, bounds are inclusive, and
the order is scale, cap, bias, mask.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

Array = Any

# What is wrong -> a case of `attn verify` that shows it.
FAULTS = {
    "scale left out": "plain",
    "scale applied twice": "scale",
    "scale of the padded width": "odd-width",
    "softmax without its largest score": "large-scores",
    "heads take turns": "grouped",
    "queries at the last keys": "causal-more-keys",
    "query does not see itself": "causal",
    "mask inverted": "mask-of-all",
    "mask of the first batch entry": "mask-of-all",
    "mask dropped with causal": "mask-causal",
    "mask after softmax": "mask-of-all",
    "fill of -1e4": "low-scores",
    "empty rows are the mean": "empty-row-mask",
    "empty rows are NaN": "empty-row-mask",
    "bias of the first head": "bias-of-all",
    "bias before the cap": "softcap-bias",
    "cap after the mask": "softcap-mask",
    "cap dropped": "softcap",
    "window counts its own key": "window-both",
    "window to the left alone": "window-both",
    "length of the first batch entry": "lengths",
    "one key too many": "lengths",
    "sink dropped": "sinks",
    "sink scaled": "sinks",
    "sink of the key head": "sinks",
    "lse without the sink": "lse-sinks",
    "lse in base 2": "lse",
    "tail of the last block": "many-keys",
    "batch entries share keys": "plain",
    "values are keys": "plain",
}


def kernel(fault: str = "") -> Callable[..., Any]:
    """Return the kernel with one fault; without one it is right."""
    assert not fault or fault in FAULTS
    return partial(_attention, frozenset([fault]))


def _attention(
    faults: frozenset[str],
    q: Array,
    k: Array,
    v: Array,
    *,
    causal: bool = False,
    scale: float | None = None,
    mask: Array = None,
    bias: Array = None,
    window: tuple[int, int] | None = None,
    softcap: float | None = None,
    key_lengths: Array = None,
    sinks: Array = None,
    return_lse: bool = False,
) -> Any:
    v = k if "values are keys" in faults and v.shape == k.shape else v
    k, v = (_shared(faults, each, q.shape[1]) for each in (k, v))
    if "tail of the last block" in faults and k.shape[2] > 128:
        k, v = k[:, :, :128], v[:, :, :128]
    s = _scores(faults, q, k, scale)
    ok = _seen(faults, s.shape, causal, window, key_lengths, mask)
    if bias is not None and "bias of the first head" in faults:
        bias = bias[:, :1]
    if bias is not None and "bias before the cap" in faults:
        s, bias = s + bias, None
    hidden = -1e4 if "fill of -1e4" in faults else -np.inf
    if softcap is not None and "cap after the mask" in faults:
        s, ok = np.where(ok, s, hidden), np.ones_like(ok)
    if softcap is not None and "cap dropped" not in faults:
        s = softcap * np.tanh(s / softcap)
    s = s if bias is None else s + bias
    after = "mask after softmax" in faults
    output, lse = _normalised(faults, s if after else np.where(ok, s, hidden), ok, sinks, v, after)
    return (output, lse) if return_lse else output


def _shared(faults: frozenset[str], x: Array, heads: int) -> Array:
    groups = x.shape[1]
    order = np.arange(heads) % groups if "heads take turns" in faults else None
    order = np.arange(heads) * groups // heads if order is None else order
    if "batch entries share keys" in faults:
        x = np.broadcast_to(x[:1], x.shape)
    return x[:, order]


def _scores(faults: frozenset[str], q: Array, k: Array, scale: float | None) -> Array:
    width = q.shape[-1]
    if "scale of the padded width" in faults:
        width = -(-width // 16) * 16
    factor = np.float32(1 / np.sqrt(width) if scale is None else scale)
    if "scale left out" in faults:
        factor = np.float32(1)
    if "scale applied twice" in faults:
        factor = factor * factor
    return np.einsum("bhqd,bhkd->bhqk", q, k) * factor


def _seen(
    faults: frozenset[str],
    shape: tuple[int, ...],
    causal: bool,
    window: tuple[int, int] | None,
    key_lengths: Array,
    mask: Array,
) -> Array:
    _, _, n_q, n_k = shape
    i, j = np.arange(n_q)[:, None], np.arange(n_k)[None, :]
    at = i + n_k - n_q if "queries at the last keys" in faults else i
    ok = np.ones(shape, dtype=bool)
    if causal:
        ok &= j < at if "query does not see itself" in faults else j <= at
    if window is not None:
        left, right = window
        left -= "window counts its own key" in faults
        ok &= j >= at - left
        if "window to the left alone" not in faults:
            ok &= j <= at + right
    if key_lengths is not None:
        lengths = key_lengths[:1] if "length of the first batch entry" in faults else key_lengths
        ok &= j < (lengths + ("one key too many" in faults))[:, None, None, None]
    if mask is not None and not (causal and "mask dropped with causal" in faults):
        if "mask of the first batch entry" in faults and mask.ndim == 4:
            mask = mask[:1]
        ok &= ~mask if "mask inverted" in faults else mask
    return ok


def _normalised(
    faults: frozenset[str], s: Array, ok: Array, sinks: Array, v: Array, after: bool
) -> tuple[Array, Array]:
    sink = None
    if sinks is not None and "sink dropped" not in faults:
        sink = sinks[None, :, None, None] * (0.25 if "sink scaled" in faults else 1)
        if "sink of the key head" in faults:
            sink = sink[:, :1] + 0 * sink
    with np.errstate(all="ignore"):
        top = s.max(-1, keepdims=True)
        top = np.where(np.isinf(top), 0, top)
        if "softmax without its largest score" in faults:
            top = np.zeros_like(top)
        e = np.exp(s - top)
        total = e.sum(-1, keepdims=True)
        extra = 0 if sink is None else np.exp(sink - top)
        weights = e / np.where(total + extra == 0, 1, total + extra)
        empty = ~ok.any(-1, keepdims=True)
        if "empty rows are the mean" in faults:
            weights = np.where(empty, np.float32(1 / s.shape[-1]), weights)
        if "empty rows are NaN" in faults:
            weights = np.where(empty, np.float32(np.nan), weights)
        if after:
            weights = weights * ok
        lse = np.log(total + (0 if "lse without the sink" in faults else extra)) + top
        lse = lse[..., 0] / (np.log(np.float32(2)) if "lse in base 2" in faults else 1)
    return np.einsum("bhqk,bhkd->bhqd", weights, v), lse


RIGHT = kernel()
