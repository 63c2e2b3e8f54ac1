"""Adapters for `attn verify --call`: each calls a library's function with the names of attn.

What a function does not do is NotImplementedError, which makes the case "not supported".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def torch_sdpa(
    function: Callable[..., Any],
    q: Any,
    k: Any,
    v: Any,
    *,
    causal: bool = False,
    scale: float | None = None,
    mask: Any = None,
    bias: Any = None,
) -> Any:
    """Call torch's scaled_dot_product_attention, which takes one mask, without is_causal."""
    if (mask is not None) + (bias is not None) + causal > 1:
        raise NotImplementedError("one of attn_mask and is_causal")
    given = bias if mask is None else mask
    grouped = q.shape[1] != k.shape[1]
    return function(q, k, v, given, is_causal=causal, scale=scale, enable_gqa=grouped)


def jax_attention(
    function: Callable[..., Any],
    q: Any,
    k: Any,
    v: Any,
    *,
    causal: bool = False,
    scale: float | None = None,
    mask: Any = None,
    bias: Any = None,
    window: tuple[int, int] | None = None,
    key_lengths: Any = None,
    return_lse: bool = False,
) -> Any:
    """Call jax.nn.dot_product_attention, whose arrays are (B, n, H, d) and masks have four axes."""
    if mask is not None and mask.ndim != 4:
        raise NotImplementedError("a mask has four axes")
    if q.shape[-1] != v.shape[-1]:
        raise NotImplementedError("values are as wide as keys")
    result = function(
        *(each.swapaxes(1, 2) for each in (q, k, v)),
        bias=bias,
        mask=mask,
        scale=scale,
        is_causal=causal,
        local_window_size=window,
        key_value_seq_lengths=key_lengths,
        return_residual=return_lse,
        implementation="xla",
    )
    if not return_lse:
        return result.swapaxes(1, 2)
    output, lse = result
    return output.swapaxes(1, 2), lse.swapaxes(1, 2)


def onnx_reference(
    by_reference: Callable[..., Any],
    q: Any,
    k: Any,
    v: Any,
    *,
    causal: bool = False,
    scale: float | None = None,
    mask: Any = None,
    bias: Any = None,
    softcap: float | None = None,
    window: tuple[int, int] | None = None,
    key_lengths: Any = None,
) -> Any:
    """Call the reference implementation of the operator Attention, of opset 25, on one node."""
    if mask is not None and bias is not None:
        raise NotImplementedError("one attn_mask")
    given = {"Q": q, "K": k, "V": v, "attn_mask": bias if mask is None else mask}
    given["nonpad_kv_seqlen"] = key_lengths
    attributes: dict[str, Any] = {"is_causal": int(causal), "scale": scale, "softcap": softcap}
    if window is not None:
        attributes["left_window_size"], attributes["right_window_size"] = window
    return by_reference(
        25,
        {name: array for name, array in given.items() if array is not None},
        **{name: value for name, value in attributes.items() if value is not None},
    )["Y"]
