"""The worker of the peers: torch's fused attention and broadcasting, and ONNX Runtime."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
import torch

from benchmarks.inside import torch_learning
from benchmarks.inside.loop import Prepared, peak, serve

prepared = Prepared()


def versions() -> dict[str, str]:
    """Return the versions of what takes part."""
    import onnxruntime

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
        "numpy": np.__version__,
    }


def set_threads(threads: int) -> None:
    """Have torch use this many threads."""
    torch.set_num_threads(threads)


def prepare(
    arrays: list[str], causal: bool = False, selection: dict[str, int] | None = None
) -> None:
    """Load Q, K and V; a selection, as in our `sparse`, becomes a boolean mask."""
    Q, K, V = (torch.from_numpy(np.load(file))[None, None] for file in arrays)
    seen = None if selection is None else _mask(selection, Q.shape[-2])

    def work() -> Any:
        with torch.inference_mode():
            return torch.nn.functional.scaled_dot_product_attention(
                Q, K, V, attn_mask=seen, is_causal=causal
            )

    prepared.work = work


def _mask(selection: dict[str, int], n: int) -> Any:
    """Return which pairs are seen: the union of what is selected."""
    i, j = torch.arange(n)[:, None], torch.arange(n)[None, :]
    seen = torch.zeros(n, n, dtype=torch.bool)
    for kind, size in selection.items():
        if kind == "window":
            seen |= (i - j).abs() <= size
        elif kind == "block":
            seen |= i // size == j // size
        elif kind == "stride":
            seen |= (i - j) % size == 0
        elif kind == "global_tokens":
            seen |= (i < size) | (j < size)
        else:
            raise ValueError(f"no mask for {kind}")
    return seen


def prepare_additive(arrays: list[str], W1: str, W2: str, v: str) -> None:
    """Prepare softmax over j of v . tanh(W1 q_i + W2 k_j), with n x n x h numbers in between."""
    Q, K, V, w1, w2, w = (torch.from_numpy(np.load(file)) for file in [*arrays, W1, W2, v])

    def work() -> Any:
        with torch.inference_mode():
            hidden = torch.tanh((Q @ w1.T)[:, None, :] + (K @ w2.T)[None, :, :])
            return torch.softmax(hidden @ w, dim=-1) @ V

    prepared.work = work


def prepare_onnx(arrays: list[str], threads: int, causal: bool = False) -> None:
    """Prepare ONNX Runtime's Attention operator of opset 23, from Q, K and V of four axes."""
    import onnxruntime
    from onnx import TensorProto, helper

    inputs = {name: np.load(file)[None, None] for name, file in zip("QKV", arrays, strict=True)}
    node = helper.make_node("Attention", list(inputs), ["Y"], is_causal=int(causal))
    described = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape)
        for name, array in inputs.items()
    ]
    Y = helper.make_tensor_value_info("Y", TensorProto.FLOAT, inputs["Q"].shape)
    model = helper.make_model(
        helper.make_graph([node], "attention", described, [Y]),
        opset_imports=[helper.make_opsetid("", 23)],
        ir_version=10,
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    prepared.work = lambda: session.run(["Y"], inputs)[0]


def prepare_training(file: str, first: int) -> None:
    """Prepare the training that a problem file describes."""
    prepared.work = torch_learning.training(file, first)


if __name__ == "__main__":
    serve(
        {
            "versions": versions,
            "set_threads": set_threads,
            "prepare": prepare,
            "prepare_additive": prepare_additive,
            "prepare_onnx": prepare_onnx,
            "prepare_training": prepare_training,
            "learn": prepared.returned,
            "run": prepared.run,
            "save": prepared.save,
            "peak": peak,
        }
    )
