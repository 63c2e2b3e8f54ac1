"""ONNX's Attention operator in 16 bits, and its softmax in another type than its inputs.

The evaluator rounds after every elementary operation, the function body too, and we once a step:
scores, weights and output are a few units in the last place of the type apart, no more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto

import attn_cli
from tests.peers.agree import agrees, normal
from tests.peers.onnx_attention import (
    N_K,
    N_Q,
    OPSETS,
    as_problem,
    by_function_body,
    by_reference,
    qkv,
)

TYPES: dict[str, Any] = {
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
    "float32": np.float32,
    "float64": np.float64,
}
# What the attribute softmax_precision calls them.
CODES = {
    "float16": TensorProto.FLOAT16,
    "bfloat16": TensorProto.BFLOAT16,
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
}
# The distance from 1 to the next number.
EPS = {name: float(ml_dtypes.finfo(each).eps) for name, each in TYPES.items()}

by_either = pytest.mark.parametrize("there", [by_reference, by_function_body])
in_16_bits = pytest.mark.parametrize("dtype", ["float16", "bfloat16"])


def inputs_of(dtype: str) -> dict[str, np.ndarray]:
    inputs = qkv() | {"attn_mask": normal(29, (N_Q, N_K))[0]}
    return {name: each.astype(TYPES[dtype]) for name, each in inputs.items()}


def plain(array: np.ndarray) -> np.ndarray:
    """Return an array of a type of NumPy's own: float32 holds every bfloat16."""
    return array.astype(np.float32) if array.dtype == ml_dtypes.bfloat16 else array


@by_either
@in_16_bits
@pytest.mark.parametrize("opset", OPSETS)
def test_in_16_bits(opset: int, dtype: str, there: Callable[..., Any]) -> None:
    inputs = inputs_of(dtype)
    inputs["attn_mask"][2, 3:] = -np.inf
    names = {"softcap": 2.5, "is_causal": 1}
    problem = {
        **as_problem({name: plain(each) for name, each in inputs.items()}, names),
        "dtype": dtype,
        "scale_placement": "split",
        "precision": {"scale": dtype, "softmax": dtype},
    }
    record = attn_cli.compute(problem)
    for mode, step in ((1, "capped"), (2, "masked"), (3, "weights")):
        theirs = there(opset, inputs, **names, qk_matmul_output_mode=mode)
        agrees(record[step], theirs["qk_matmul_output"], 4 * EPS[dtype])
        agrees(record["output"], theirs["Y"], 4 * EPS[dtype])
        # Every step is in the type, not only near to numbers of it.
        assert (record[step] == record[step].astype(TYPES[dtype])).all()


@by_either
@in_16_bits
@pytest.mark.parametrize("opset", OPSETS)
def test_the_root_of_the_scale_is_rounded(
    opset: int, dtype: str, there: Callable[..., Any]
) -> None:
    """One product in each sum, so that nothing depends on an order: equal to the last bit."""
    Q, K = np.zeros((1, 1, 61, 7)), np.zeros((1, 1, 2, 7))
    Q[..., 0], K[..., 0] = np.linspace(16, 31, 61), [1, 3]
    inputs = {name: x.astype(TYPES[dtype]) for name, x in {"Q": Q, "K": K, "V": K}.items()}
    theirs = there(opset, inputs, qk_matmul_output_mode=0)["qk_matmul_output"]
    problem = {**as_problem({name: plain(x) for name, x in inputs.items()}, {}), "dtype": dtype}
    found = attn_cli.compute({**problem, "like": "onnx"})["scores"]
    np.testing.assert_array_equal(found.astype(np.float64), theirs.astype(np.float64))
    wider = attn_cli.compute({**problem, "like": "onnx", "precision": {"scale": "float32"}})
    assert (wider["scores"] != found).any()


@by_either
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("softmax", TYPES)
def test_softmax_precision(dtype: str, softmax: str, there: Callable[..., Any]) -> None:
    """From the peer's own masked scores, so that nothing but the softmax can differ."""
    inputs = inputs_of(dtype)
    chosen = {"softmax_precision": CODES[softmax]}
    masked, weights = (
        there(25, inputs, **chosen, qk_matmul_output_mode=mode)["qk_matmul_output"][1, 5]
        for mode in (2, 3)
    )
    record = attn_cli.compute(
        {
            "value": plain(inputs["V"][1, 2]),
            "score": {"function": "given", "scores": plain(masked)},
            "dtype": dtype,
            "precision": {"softmax": softmax},
        }
    )
    coarser = max(dtype, softmax, key=EPS.__getitem__)
    agrees(record["weights"], weights, 4 * EPS[coarser])
    if softmax in ("float16", "bfloat16"):
        for each in (record["weights"], weights):
            assert (each == each.astype(TYPES[softmax]).astype(each.dtype)).all()


@in_16_bits
def test_softmax_in_float32_is_one_rounding_away(dtype: str) -> None:
    """Both sum and divide in float32 and round once: no more than the last place may differ."""
    inputs = inputs_of(dtype)
    chosen = {"softmax_precision": CODES["float32"]}
    masked, weights = (
        by_reference(25, inputs, **chosen, qk_matmul_output_mode=mode)["qk_matmul_output"][0, 1]
        for mode in (2, 3)
    )
    record = attn_cli.compute(
        {
            "value": plain(inputs["V"][0, 0]),
            "score": {"function": "given", "scores": plain(masked)},
            "dtype": dtype,
            "precision": {"softmax": "float32"},
        }
    )
    np.testing.assert_allclose(
        record["weights"].astype(np.float64), weights.astype(np.float64), rtol=EPS[dtype], atol=0
    )
