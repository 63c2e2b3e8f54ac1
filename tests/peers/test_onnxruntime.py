"""onnxruntime's CPU kernel of ONNX's Attention operator (opset 23 and 24), in float32.

At opset 25 it has no kernel of its own and runs the operator's function body; those windows are
here too. float64 goes that way at every opset, with a scale in float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest

import attn_cli
from tests.peers import onnx_attention
from tests.peers.agree import TOLERANCE, agrees, departs, normal
from tests.peers.onnx_attention import (
    BATCH,
    D_V,
    HEADS,
    KV_HEADS,
    N_K,
    N_Q,
    STEPS,
    as_preset,
    as_problem,
    attention_model,
    packed,
)

LOWEST = np.finfo(np.float32).min

kernels = pytest.mark.parametrize("opset", [23, 24])
causal_or_not = pytest.mark.parametrize("is_causal", [0, 1])


def qkv(n_q: int = N_Q, n_k: int = N_K) -> dict[str, np.ndarray]:
    return onnx_attention.qkv(n_q, n_k, "float32")


def past() -> dict[str, np.ndarray]:
    return onnx_attention.past("float32")


def masks(*shape: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a mask of booleans, one row of which sees nothing, and one of numbers like it."""
    seen = np.random.default_rng(len(shape)).random(shape) < 0.6
    seen[..., 3, :] = False
    (numbers,) = normal(43, shape, dtype="float32")
    return seen, np.where(seen, numbers, np.float32(-np.inf))


def by_onnxruntime(
    opset: int, inputs: dict[str, np.ndarray], **attributes: Any
) -> dict[str, np.ndarray]:
    model = attention_model(opset, inputs, attributes)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors come as exceptions
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs), strict=True))


def check(opset: int, inputs: dict[str, np.ndarray], **names: Any) -> None:
    """Compare all outputs in all modes; what is -inf here may be the lowest number there."""
    record = attn_cli.compute(as_problem(inputs, names))
    preset = attn_cli.compute(as_preset(inputs, names))
    for mode, steps in enumerate(STEPS):
        there = by_onnxruntime(opset, inputs, **names, qk_matmul_output_mode=mode)
        step = next(name for name in steps if name in record.steps)
        here, tapped = record[step], there["qk_matmul_output"]
        if mode == 2 and opset < 25:
            here, tapped = np.maximum(here, LOWEST), np.maximum(tapped, LOWEST)
        agrees(here, tapped, TOLERANCE["float32"])
        for each in (record, preset):
            agrees(each["output"], there["Y"], TOLERANCE["float32"])
    for name in ("present_key", "present_value"):
        if name in record.steps:
            agrees(record[name], there[name], 0)


@kernels
@causal_or_not
@pytest.mark.parametrize(("n_q", "n_k"), [(5, 7), (7, 5), (7, 7)])
def test_without_a_cache_causal_is_top_left(opset: int, is_causal: int, n_q: int, n_k: int) -> None:
    """The alignment that its CPU kernel was reported not to have (issue 29020) it now has."""
    check(opset, qkv(n_q, n_k), is_causal=is_causal)


@kernels
@causal_or_not
def test_with_a_cache(opset: int, is_causal: int) -> None:
    check(opset, qkv() | past(), is_causal=is_causal)


@kernels
@causal_or_not
def test_packed_heads(opset: int, is_causal: int) -> None:
    heads: dict[str, Any] = {"q_num_heads": HEADS, "kv_num_heads": KV_HEADS}
    check(opset, packed(qkv()), is_causal=is_causal, **heads)
    check(opset, packed(qkv()) | past(), is_causal=is_causal, **heads)


SHAPES = [(N_Q, N_K), (HEADS, N_Q, N_K), (BATCH, 1, N_Q, N_K), (BATCH, HEADS, N_Q, N_K)]


@kernels
@causal_or_not
@pytest.mark.parametrize("shape", SHAPES)
def test_masks_and_rows_that_see_nothing(
    opset: int, is_causal: int, shape: tuple[int, ...]
) -> None:
    """Such rows are 0, as specified; earlier versions gave the mean of the values there."""
    for mask in masks(*shape):
        check(opset, qkv() | {"attn_mask": mask}, is_causal=is_causal)


@kernels
def test_scale_and_softcap(opset: int) -> None:
    seen, numbers = masks(N_Q, N_K)
    check(opset, qkv(), scale=0.3)
    check(opset, qkv(), softcap=1.25)
    check(opset, qkv() | {"attn_mask": seen}, softcap=1.25, scale=0.3)
    check(opset, qkv() | {"attn_mask": numbers}, softcap=1.25, is_causal=1)


@causal_or_not
@pytest.mark.parametrize("lengths", [(4, 6), (7, 5), (0, 3)])
def test_lengths_of_the_keys(is_causal: int, lengths: tuple[int, int]) -> None:
    lengthy = {"nonpad_kv_seqlen": np.array(lengths)}
    check(24, qkv() | lengthy, is_causal=is_causal)
    check(24, qkv() | lengthy | {"attn_mask": masks(N_Q, N_K)[0]}, is_causal=is_causal)


@causal_or_not
@pytest.mark.parametrize(("left", "right"), [(2, -1), (-1, 1), (2, 1), (0, 0)])
def test_windows_of_opset_25(is_causal: int, left: int, right: int) -> None:
    names = {"left_window_size": left, "right_window_size": right, "is_causal": is_causal}
    check(25, qkv(), **names)
    check(25, qkv() | past(), **names, softcap=1.25)
    check(25, qkv() | {"nonpad_kv_seqlen": np.array([4, 6])}, **names)


@kernels
def test_mode_2_has_the_lowest_number_where_the_specification_has_infinity(opset: int) -> None:
    """Mode 2 is documented as scores plus bias, and the bias of a hidden key as -inf.

    Seen in onnxruntime 1.32.0: the lowest float32 is there. Weights are right all the same.
    """
    departs("onnxruntime", "1.32.0")
    inputs, names = qkv(), {"is_causal": 1}
    there = by_onnxruntime(opset, inputs, **names, qk_matmul_output_mode=2)["qk_matmul_output"]
    masked = attn_cli.compute(as_problem(inputs, names))["masked"]
    assert (there[np.isneginf(masked)] == LOWEST).all()
    assert np.isneginf(masked).any()


@kernels
def test_a_row_of_the_lowest_number_is_taken_for_hidden(opset: int) -> None:
    """A float mask is documented as added: a row of equal numbers leaves its keys as they were.

    In float32 the lowest number swallows the scores, and the row is uniform. Seen in onnxruntime
    1.32.0: the row is 0, as if it held -inf.
    """
    departs("onnxruntime", "1.32.0")
    mask = np.zeros((N_Q, N_K), np.float32)
    mask[3] = LOWEST
    inputs, names = qkv() | {"attn_mask": mask}, {"qk_matmul_output_mode": 3}
    there = by_onnxruntime(opset, inputs, **names)
    assert (there["qk_matmul_output"][:, :, 3] == 0).all()
    record = attn_cli.compute(as_problem(inputs, {}))
    agrees(record["weights"][:, :, 3], np.full((BATCH, HEADS, N_K), 1 / N_K), 1e-7)
    hidden = np.where(mask < 0, -np.inf, mask)
    as_hidden = attn_cli.compute(as_problem(inputs | {"attn_mask": hidden}, {}))
    agrees(as_hidden["output"], there["Y"], TOLERANCE["float32"])


@kernels
@pytest.mark.parametrize("shape", [(N_K,), (1, N_K), (N_Q, 4), (HEADS, 1, N_K)])
def test_masks_that_it_refuses(opset: int, shape: tuple[int, ...]) -> None:
    """Documented: any mask that broadcasts, and from opset 24 on one shorter than the keys.

    Seen in onnxruntime 1.32.0: its kernel wants the last two axes written out.
    """
    departs("onnxruntime", "1.32.0")
    inputs = qkv() | {"attn_mask": np.ones(shape, np.bool_)}
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.Fail):
        by_onnxruntime(opset, inputs)
    assert attn_cli.compute(as_problem(inputs, {}))["output"].shape == (BATCH, HEADS, N_Q, D_V)


@kernels
def test_softmax_precision_is_ignored(opset: int) -> None:
    """Documented: weights are cast to that type, and back after the softmax.

    Seen in onnxruntime 1.32.0: the softmax of float32 scores stays in float32 (1: float32,
    10: float16), so that it agrees with a problem in which nothing is said.
    """
    departs("onnxruntime", "1.32.0")
    inputs = qkv()
    plain = attn_cli.compute(as_problem(inputs, {}))
    coarse = attn_cli.compute(as_problem(inputs, {}) | {"precision": {"softmax": "float16"}})
    for code in (1, 10):
        there = by_onnxruntime(opset, inputs, softmax_precision=code)["Y"]
        agrees(plain["output"], there, TOLERANCE["float32"])
    assert abs(coarse["output"] - there).max() > 1e-4
