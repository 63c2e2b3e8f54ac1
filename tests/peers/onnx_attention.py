"""Graphs of one ONNX Attention or RotaryEmbedding node, and the same as problems of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper
from onnx.reference import ReferenceEvaluator

from tests.peers.agree import normal

Arrays = Mapping[str, np.ndarray]
Problem = dict[str, Any]

INPUTS = ("Q", "K", "V", "attn_mask", "past_key", "past_value", "nonpad_kv_seqlen")
OUTPUTS = ("Y", "present_key", "present_value", "qk_matmul_output")
OPSETS = (23, 24, 25)
# The step that each qk_matmul_output_mode is of ours: the first of them that the problem has.
STEPS = (("scores",), ("capped", "scores"), ("masked", "capped", "scores"), ("weights",))

BATCH, HEADS, KV_HEADS, N_Q, N_K, PAST, D_K, D_V = 2, 6, 3, 5, 7, 3, 11, 13


def qkv(n_q: int = N_Q, n_k: int = N_K, dtype: str = "float64") -> dict[str, np.ndarray]:
    """Return Q, K and V of four axes."""
    shapes = (BATCH, HEADS, n_q, D_K), (BATCH, KV_HEADS, n_k, D_K), (BATCH, KV_HEADS, n_k, D_V)
    return dict(zip("QKV", normal(n_q * n_k, *shapes, dtype=dtype), strict=True))


def packed(inputs: Arrays) -> dict[str, np.ndarray]:
    """Return Q, K and V of three axes: (batch, tokens, heads x features)."""
    return {n: a.swapaxes(1, 2).reshape(len(a), a.shape[2], -1) for n, a in inputs.items()}


def past(dtype: str = "float64") -> dict[str, np.ndarray]:
    """Return what a cache holds."""
    lead = (BATCH, KV_HEADS, PAST)
    key, value = normal(17, (*lead, D_K), (*lead, D_V), dtype=dtype)
    return {"past_key": key, "past_value": value}


def attention_node(inputs: Arrays, attributes: Mapping[str, Any]) -> onnx.NodeProto:
    """Return the node; with lengths it may have no present outputs."""
    last = max(at for at, name in enumerate(INPUTS) if name in inputs)
    cached = "nonpad_kv_seqlen" not in inputs
    return helper.make_node(
        "Attention",
        [name if name in inputs else "" for name in INPUTS[: last + 1]],
        [name if cached or name in ("Y", "qk_matmul_output") else "" for name in OUTPUTS],
        **attributes,
    )


def model_of(
    opset: int, node: onnx.NodeProto, inputs: Arrays, ranks: Sequence[int]
) -> onnx.ModelProto:
    """Return a model of one node, checked, whose outputs are of the type of its first input."""

    def element(array: np.ndarray) -> int:
        return int(helper.np_dtype_to_tensor_dtype(array.dtype))

    first = next(iter(inputs.values()))
    named = [name for name in node.output if name]
    graph = helper.make_graph(
        [node],
        "one_node",
        [helper.make_tensor_value_info(n, element(a), a.shape) for n, a in inputs.items()],
        [
            helper.make_tensor_value_info(name, element(first), [None] * rank)
            for name, rank in zip(named, ranks, strict=True)
        ],
    )
    # The oldest IR that goes with these operators, so that every runtime of their time reads it.
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=max(10, opset - 13)
    )
    onnx.checker.check_model(model)
    return model


def attention_model(opset: int, inputs: Arrays, attributes: Mapping[str, Any]) -> onnx.ModelProto:
    """Return a model of one Attention node."""
    node = attention_node(inputs, attributes)
    ranks = [inputs["Q"].ndim if name == "Y" else 4 for name in node.output if name]
    return model_of(opset, node, inputs, ranks)


def by_reference(opset: int, inputs: Arrays, **attributes: Any) -> dict[str, np.ndarray]:
    """Return the outputs by name, from the reference implementation of the operator."""
    model = attention_model(opset, inputs, attributes)
    names = [output.name for output in model.graph.output]
    values = ReferenceEvaluator(model).run(None, dict(inputs))
    return dict(zip(names, values, strict=True))


def by_function_body(opset: int, inputs: Arrays, **attributes: Any) -> dict[str, np.ndarray]:
    """Return the outputs by name, from the operator's definition by means of simpler operators.

    It is part of the specification. Its scale is a float32 whatever the inputs are.
    """
    node = attention_node(inputs, attributes)
    types = [
        helper.make_tensor_type_proto(
            helper.np_dtype_to_tensor_dtype(inputs[name].dtype), inputs[name].shape
        )
        if name
        else onnx.TypeProto()
        for name in node.input
    ]
    schema = onnx.defs.get_schema("Attention", opset)
    body = onnx.FunctionProto()
    body.ParseFromString(
        schema.get_context_dependent_function_with_opset_version(
            opset, node.SerializeToString(), [each.SerializeToString() for each in types]
        )
    )
    names = [name for name in node.output if name]
    with np.errstate(invalid="ignore"):  # it makes NaN of a row that sees nothing, and then 0
        values = ReferenceEvaluator(body).run(names, dict(inputs), attributes=attributes)
    return dict(zip(names, values, strict=True))


def as_problem(inputs: Arrays, attributes: Mapping[str, Any]) -> Problem:
    """Return what an Attention node computes, every convention of it written out."""
    query = inputs["Q"]
    problem: Problem = {
        "query": query,
        "key": inputs["K"],
        "value": inputs["V"],
        "dtype": query.dtype.name,
        **_same_names(inputs, attributes),
        **_where_queries_stand(inputs, attributes),
    }
    if "attn_mask" in inputs:
        mask = inputs["attn_mask"]
        boolean = mask.dtype == np.bool_
        problem["mask"] = {"values": mask, "true_means": "attend"} if boolean else mask
    if attributes.get("is_causal"):
        external = "nonpad_kv_seqlen" in inputs
        internal = "past_key" in inputs
        problem["causal"] = True if internal else "bottom-right" if external else "top-left"
    return problem


def as_preset(inputs: Arrays, attributes: Mapping[str, Any]) -> Problem:
    """Return the same with the conventions left to the preset."""
    problem = as_problem(inputs, attributes) | {"like": "onnx"}
    problem.pop("offset", None)
    if "attn_mask" in inputs:
        problem["mask"] = inputs["attn_mask"]
    if attributes.get("is_causal"):
        problem["causal"] = True
    return problem


def _same_names(inputs: Arrays, attributes: Mapping[str, Any]) -> Problem:
    problem: Problem = {}
    ours = {"scale": "scale", "softcap": "softcap"}
    ours |= {"q_num_heads": "heads", "kv_num_heads": "kv_heads"}
    for name, key in ours.items():
        if name in attributes:
            problem[key] = attributes[name]
    if "past_key" in inputs:
        problem["past"] = {"key": inputs["past_key"], "value": inputs["past_value"]}
    if "nonpad_kv_seqlen" in inputs:
        problem["key_lengths"] = inputs["nonpad_kv_seqlen"]
    sides = ("left", "right")
    window = {side: attributes.get(f"{side}_window_size", -1) for side in sides}
    if max(window.values()) >= 0:
        problem["window"] = window
    return problem


def _where_queries_stand(inputs: Arrays, attributes: Mapping[str, Any]) -> Problem:
    """Return the offset where a window needs one and nothing else says it."""
    windowed = any(attributes.get(f"{side}_window_size", -1) >= 0 for side in ("left", "right"))
    if not windowed or "past_key" in inputs:
        return {}
    n_q = inputs["Q"].shape[-2]
    lengths = inputs.get("nonpad_kv_seqlen")
    return {"offset": 0 if lengths is None else lengths - n_q}
