"""ONNX's Attention operator: the reference evaluator, and the operator's own function body.

qk_matmul_output_mode chooses one of four tensors. They are steps of ours:
0 scores (scaled already), 1 capped, 2 masked, 3 weights, and where a step is none because nothing
is capped or masked, the one before it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import attn_cli
from tests.peers.agree import TOLERANCE, agrees, departs, normal
from tests.peers.onnx_attention import (
    BATCH,
    HEADS,
    KV_HEADS,
    N_K,
    N_Q,
    OPSETS,
    PAST,
    STEPS,
    as_preset,
    as_problem,
    by_function_body,
    by_reference,
    packed,
    past,
    qkv,
)


def booleans(*shape: int) -> dict[str, np.ndarray]:
    """Return a mask with one row that hides everything if it has several rows."""
    mask = np.random.default_rng(len(shape)).random(shape) < 0.6
    if len(shape) > 1 and shape[-2] > 3:
        mask[..., 3, :] = False
    return {"attn_mask": mask}


def numbers(*shape: int, dtype: str = "float64") -> dict[str, np.ndarray]:
    """Return a mask of numbers, some of them -inf, and all of them in one row."""
    (mask,) = normal(19, shape, dtype=dtype)
    hidden = ~booleans(*shape)["attn_mask"]
    return {"attn_mask": np.where(hidden, -np.inf, mask).astype(dtype)}


def loses_queries(inputs: dict[str, np.ndarray], names: dict[str, Any]) -> bool:
    """Return whether the evaluator takes all queries for the first; see the test of that below."""
    mask = inputs.get("attn_mask")
    if mask is None or not names.get("is_causal"):
        return False
    windowed = any(names.get(f"{side}_window_size", -1) >= 0 for side in ("left", "right"))
    return not windowed and (mask.ndim == 1 or mask.shape[-2] < inputs["Q"].shape[-2])


def check(opset: int, inputs: dict[str, np.ndarray], **names: Any) -> None:
    """Compare the node of these attributes with the problem that it is."""
    check_as(as_problem(inputs, names), opset, inputs, names)


def check_as(
    problem: dict[str, Any], opset: int, inputs: dict[str, np.ndarray], names: dict[str, Any]
) -> None:
    """Compare all outputs in all modes: the evaluator at 1e-12, the function body in float32.

    The evaluator is left out where it departs from the documentation, as tests below show.
    """
    record = attn_cli.compute(problem)
    single = {n: a.astype("float32") if a.dtype == "float64" else a for n, a in inputs.items()}
    coarse = attn_cli.compute({**problem, "dtype": "float32"})
    for mode, steps in enumerate(STEPS):
        chosen = {**names, "qk_matmul_output_mode": mode}
        if not loses_queries(inputs, names) and (mode or "softcap" not in names):
            compare(record, by_reference(opset, inputs, **chosen), steps, TOLERANCE["float64"])
        compare(coarse, by_function_body(opset, single, **chosen), steps, TOLERANCE["float32"])


def compare(
    record: attn_cli.Record, there: dict[str, np.ndarray], steps: tuple[str, ...], tolerance: float
) -> None:
    step = next(name for name in steps if name in record.steps)
    agrees(record["output"], there["Y"], tolerance)
    agrees(record[step], there["qk_matmul_output"], tolerance)
    for name in ("present_key", "present_value"):
        if name in record.steps:
            agrees(record[name], there[name], 0)


every_opset = pytest.mark.parametrize("opset", OPSETS)
with_lengths = pytest.mark.parametrize("opset", [24, 25])
causal_or_not = pytest.mark.parametrize("is_causal", [0, 1])


@every_opset
@causal_or_not
@pytest.mark.parametrize(("n_q", "n_k"), [(5, 7), (7, 5), (7, 7)])
def test_without_a_cache_causal_is_top_left(opset: int, is_causal: int, n_q: int, n_k: int) -> None:
    check(opset, qkv(n_q, n_k), is_causal=is_causal)


@every_opset
@causal_or_not
def test_packed_heads(opset: int, is_causal: int) -> None:
    heads = {"q_num_heads": HEADS, "kv_num_heads": KV_HEADS}
    check(opset, packed(qkv()), is_causal=is_causal, **heads)
    check(opset, packed(qkv()) | past(), is_causal=is_causal, **heads)


@every_opset
@causal_or_not
def test_with_a_cache_causal_counts_what_is_past(opset: int, is_causal: int) -> None:
    check(opset, qkv() | past(), is_causal=is_causal)


SHAPES = [
    (N_K,), (1, N_K), (N_Q, N_K), (HEADS, N_Q, N_K), (1, N_Q, N_K), (HEADS, 1, N_K),
    (BATCH, 1, N_Q, N_K), (BATCH, HEADS, N_Q, N_K), (BATCH, 1, 1, N_K),
]  # fmt: skip


@every_opset
@causal_or_not
@pytest.mark.parametrize("kind", [booleans, numbers])
@pytest.mark.parametrize("shape", SHAPES)
def test_masks_broadcast_from_the_right(
    opset: int, is_causal: int, kind: Any, shape: tuple[int, ...]
) -> None:
    check(opset, qkv() | kind(*shape), is_causal=is_causal)


@with_lengths
@causal_or_not
@pytest.mark.parametrize("kind", [booleans, numbers])
@pytest.mark.parametrize("shape", [(4,), (N_Q, 4), (HEADS, N_Q, 6), (BATCH, 1, N_Q, 2)])
def test_masks_shorter_than_the_keys_hide_the_rest(
    opset: int, is_causal: int, kind: Any, shape: tuple[int, ...]
) -> None:
    """From opset 24 on; 23 asks for masks that broadcast."""
    check(opset, qkv() | kind(*shape), is_causal=is_causal)


@with_lengths
def test_a_mask_of_one_column_is_padded_too(opset: int) -> None:
    """Ours is broadcast, as by everybody else: what is meant there has to be written out."""
    inputs, seen = qkv(), np.arange(N_Q)[:, None] != 2
    written = np.concatenate([seen, np.zeros((N_Q, N_K - 1), np.bool_)], axis=1)
    problem = as_problem(inputs | {"attn_mask": written}, {})
    check_as(problem, opset, inputs | {"attn_mask": seen}, {})


@every_opset
@pytest.mark.parametrize("shape", [(N_K,), (1, N_K), (HEADS, 1, N_K), (BATCH, 1, 1, N_K)])
def test_the_reference_evaluator_takes_all_queries_for_the_first(
    opset: int, shape: tuple[int, ...]
) -> None:
    """Causal, with a mask that is the same for all queries.

    Documented: j <= i + offset whatever the mask. Seen in onnx 1.23.2: the evaluator makes the
    causal part in the shape of the mask, so that every query sees what the first one sees, and
    fails where the mask has one axis. The function body does what the documentation says.
    """
    departs("onnx", "1.23.2")
    inputs, names = qkv() | {"attn_mask": np.ones(shape, np.bool_)}, {"is_causal": 1}
    if len(shape) == 1:
        with pytest.raises(ValueError, match="not enough values to unpack"):
            by_reference(opset, inputs, **names)
        return
    there = by_reference(opset, inputs, **names, qk_matmul_output_mode=3)["qk_matmul_output"]
    assert (there[..., 0] == 1).all()
    assert (attn_cli.compute(as_problem(inputs, names))["weights"][:, :, 1:, 0] < 1).all()


@every_opset
@causal_or_not
@pytest.mark.parametrize("kind", [booleans, numbers])
def test_a_mask_is_about_all_keys_the_past_first(opset: int, is_causal: int, kind: Any) -> None:
    check(opset, qkv() | past() | kind(N_Q, PAST + N_K), is_causal=is_causal)
    if opset > 23:
        check(opset, qkv() | past() | kind(N_Q, PAST + 2), is_causal=is_causal)


@every_opset
@pytest.mark.parametrize("scale", [0.25, 2.25])
@pytest.mark.parametrize("kind", [booleans, numbers])
def test_scale_and_softcap(opset: int, scale: float, kind: Any) -> None:
    # Attributes are float32, and so is the root of the scale: numbers that are exact there.
    check(opset, qkv(), scale=scale)
    check(opset, qkv(), softcap=1.25)
    check(opset, qkv() | kind(N_Q, N_K), scale=scale, softcap=1.25, is_causal=1)


@every_opset
def test_mode_0_of_the_reference_evaluator_is_capped(opset: int) -> None:
    """Mode 0 is documented as the raw product of Q and K, and mode 1 as what the cap gives.

    Seen in onnx 1.23.2: with a softcap the evaluator gives the capped scores in both modes. The
    function body, which is part of the specification, does what the documentation says.
    """
    departs("onnx", "1.23.2")
    inputs, names = qkv(), {"softcap": 1.25, "qk_matmul_output_mode": 0}
    record = attn_cli.compute(as_problem(inputs, names))
    there = by_reference(opset, inputs, **names)["qk_matmul_output"]
    agrees(record["capped"], there, TOLERANCE["float64"])
    assert abs(record["scores"] - there).max() > 0.1


@with_lengths
@causal_or_not
@pytest.mark.parametrize("lengths", [(4, 6), (7, 5), (7, 7), (0, 3)])
def test_lengths_of_the_keys(opset: int, is_causal: int, lengths: tuple[int, int]) -> None:
    """Fewer keys than queries: the first queries are before all keys, and see none."""
    lengthy = {"nonpad_kv_seqlen": np.array(lengths)}
    check(opset, qkv() | lengthy, is_causal=is_causal)
    check(opset, qkv() | lengthy | booleans(N_Q, N_K), is_causal=is_causal, softcap=1.25)
    check(opset, qkv() | lengthy | numbers(HEADS, N_Q, N_K), is_causal=is_causal)


WINDOWS = [(2, -1), (-1, 1), (2, 1), (0, 0), (1, 3), (0, -1)]


@causal_or_not
@pytest.mark.parametrize(("left", "right"), WINDOWS)
def test_windows(is_causal: int, left: int, right: int) -> None:
    """Both bounds are inclusive: (2, 1) sees two keys before, itself and one after."""
    names = {"left_window_size": left, "right_window_size": right, "is_causal": is_causal}
    lengthy = {"nonpad_kv_seqlen": np.array([4, 6])}
    check(25, qkv(), **names)
    check(25, qkv(7, 5), **names)
    check(25, qkv() | past(), **names)
    check(25, qkv() | lengthy, **names)
    check(25, qkv() | lengthy | booleans(HEADS, N_Q, N_K), **names, softcap=1.25)
    check(25, packed(qkv()) | past(), **names, q_num_heads=HEADS, kv_num_heads=KV_HEADS)


@pytest.mark.parametrize("seed", range(60))
def test_anything_together(seed: int) -> None:
    """A random choice of everything at opset 25, written out and left to the preset."""
    rng = np.random.default_rng(seed)
    n_q, n_k = (int(n) for n in rng.integers(1, 9, size=2))
    inputs = qkv(n_q, n_k)
    names: dict[str, Any] = {"is_causal": int(rng.integers(2))}
    cache = rng.integers(3)
    if cache == 1:
        inputs |= past()
    if cache == 2:
        inputs |= {"nonpad_kv_seqlen": rng.integers(0, n_k + 1, size=BATCH)}
    columns = n_k + PAST * (cache == 1)
    if rng.random() < 0.6:
        axes = [BATCH, HEADS, n_q][rng.integers(3) :]
        kind = booleans if rng.random() < 0.5 else numbers
        inputs |= kind(*(n if rng.random() < 0.7 else 1 for n in axes), columns)
    if rng.random() < 0.5:
        names |= {"left_window_size": int(rng.integers(-1, 5))}
    if rng.random() < 0.5:
        names |= {"right_window_size": int(rng.integers(-1, 5))}
    if rng.random() < 0.5:
        names |= {"softcap": 1.25, "scale": 0.5625}
    check(25, inputs, **names)
    check_as(as_preset(inputs, names), 25, inputs, names)
