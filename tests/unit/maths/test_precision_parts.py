"""Types of parts: scores and weights under presets in 16 bits; rope and norms in a type of theirs.

Expected numbers come from the formulas, rounded by the tables of all numbers of a type
(`tests.unit.maths.test_precision`) or by struct, never from NumPy's arrays.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import attn_cli
from attn_cli import AttnError, compute
from tests.conftest import Attn
from tests.helpers.many import for_each
from tests.unit.maths.test_precision import nearest

# Score 257 beside 256, or 2049 beside 2048: the larger is not a number of the type.
ODD = {"bfloat16": 256, "float16": 2048}
WIDE = ("torch", "jax", "flash-attn", "xformers")
NARROW = ("hf-eager", "x-transformers", "gpt-oss", "d2l", "keras", "torch-mha", "onnx")
ONE = math.exp(1) / (1 + math.exp(1))  # softmax(1, 0)


def odd(dtype: str, **keys: Any) -> dict[str, Any]:
    n = ODD[dtype]
    identity = {"value": [[1, 0], [0, 1]], "score": "dot", "dtype": dtype}
    return {"query": [[1, 1]], "key": [[n, 1], [n, 0]], **identity, **keys}


def single(x: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", x))[0])


ROUND: dict[str, Callable[[float], float]] = {
    "float64": lambda x: x,
    "float32": single,
    "bfloat16": lambda x: nearest(x, "bfloat16"),
    "float16": lambda x: nearest(x, "float16"),
}


@for_each("dtype", ODD)
@for_each("name", WIDE)
def test_scores_of_16_bits_are_kept_in_float32(name: str, dtype: str) -> None:
    record = attn_cli.compute(odd(dtype, like=name))
    rounded = [ROUND[dtype](ONE), ROUND[dtype](1 - ONE)]
    assert record["scores"].tolist() == [[ODD[dtype] + 1, ODD[dtype]]]
    assert record["weights"].tolist() == [rounded]
    assert record["output"].tolist() == [rounded]
    if dtype == "bfloat16":
        assert np.round(rounded, 4).tolist() == [0.7305, 0.2695]
    assert record.settings["precision"]["scores"] == "float32"  # type: ignore[index]


@for_each("dtype", ODD)
@for_each("name", NARROW)
def test_other_systems_round_the_scores(name: str, dtype: str) -> None:
    record = attn_cli.compute(odd(dtype, like=name))
    assert record["weights"].tolist() == record["output"].tolist() == [[0.5, 0.5]]


@for_each("dtype", ["float32", "float64"])
@for_each("name", WIDE)
def test_wider_problems_are_untouched(name: str, dtype: str) -> None:
    precision = attn_cli.compute({**odd("bfloat16", like=name), "dtype": dtype}).settings[
        "precision"
    ]
    assert precision["scores"] == precision["weighted_sum"] == dtype  # type: ignore[index]


def test_a_type_that_is_written_is_kept_exactly() -> None:
    written = odd("bfloat16", like="torch", precision={"scores": "bfloat16"})
    record = attn_cli.compute(written)
    assert record["weights"].tolist() == [[0.5, 0.5]]
    note = "precision.scores is bfloat16, as written; like torch has at least float32"
    assert note in record.warnings


@for_each(
    "keys, step",
    [
        ({"score_bias": [[1, 0]]}, "biased"),
        ({"mask": [[1.0, 0.0]]}, "masked"),
        ({"scale": 257 / 256}, "scores"),
        (
            {"score_bias": [[1, 0]], "mask": [[0.0, 0.0]], "causal": "top-left", "offset": 1},
            "masked",
        ),
    ],
)
@for_each("name", WIDE)
def test_each_step_up_to_the_softmax_has_the_type(
    name: str, keys: dict[str, Any], step: str
) -> None:
    """Each of these makes 257 of 256; the scaled queries of flash-attn and xformers are among."""
    base = {"query": [[1]], "key": [[256], [256 if "scale" not in keys else 0]]}
    problem = {**base, "value": [[1], [2]], "score": "dot", "dtype": "bfloat16", **keys}
    if "causal" in keys:
        problem["causal"] = "true"
    found = attn_cli.compute({**problem, "like": name})[step].tolist()
    assert found == [[257, 256 if "scale" not in keys else 0]]
    assert attn_cli.compute({**problem, "like": "keras"})[step].tolist()[0][0] == 256


def test_a_softcap_has_the_type_too() -> None:
    capped = attn_cli.compute(odd("bfloat16", like="torch", softcap=100))["capped"][0]
    for found, score in zip(capped.tolist(), (257, 256), strict=True):
        assert abs(found - 100 * math.tanh(score / 100)) < 1e-5
    assert capped[0] > capped[1]
    narrow = attn_cli.compute(odd("bfloat16", like="d2l", softcap=100))["capped"][0]
    assert narrow[0] == narrow[1]


# exp(0) and exp(1) over their sum, times 1 and -1: -tanh(1/2). With rounded weights -236/512.
@for_each("name, eighths", [("torch", 237), ("flash-attn", 237), ("xformers", 237), ("jax", 236)])
def test_weights_meet_the_values_in_float32_or_rounded(name: str, eighths: int) -> None:
    problem = {"query": [[1]], "key": [[0], [1]], "value": [[1], [-1]], "score": "dot"}
    record = attn_cli.compute({**problem, "dtype": "bfloat16", "like": name})
    assert record["context"].tolist() == [[-eighths / 512]]
    assert record["weights"].tolist() == [[69 / 256, 187 / 256]]
    kept = {**problem, "dtype": "bfloat16", "like": name, "dropout": {"mask": [[1, 1]], "p": 0.5}}
    dropped = attn_cli.compute(kept)
    assert dropped["dropped"].tolist() == [[138 / 256, 374 / 256]]
    assert dropped["context"].tolist() == [[-2 * eighths / 512]]


def test_uniform_rows_in_a_narrow_softmax() -> None:
    problem = {"query": [[1]], "key": [[0], [1], [2]], "value": [[3], [6], [9]], "score": "dot"}
    hidden = {"mask": [[-math.inf] * 3], "empty_rows": "uniform"}
    types = {"softmax": "bfloat16", "weighted_sum": "float32"}
    record = attn_cli.compute({**problem, **hidden, "precision": types})
    assert record["weights"].tolist() == [[171 / 512] * 3]  # 1/3 in bfloat16
    assert record["context"].tolist() == [[18 * 171 / 512]]


# The scale


def scaled_once(dtype: str, x: float, **keys: Any) -> attn_cli.Record:
    """Three features, of which one is not 0: the score is x / sqrt(3)."""
    one = {"query": [[x, 0, 0]], "key": [[1, 0, 0]], "value": [[1]]}
    return attn_cli.compute({**one, "dtype": dtype, **keys})


# 1/sqrt(3) = 0.577350 is 0.578125 in bfloat16 and 0.577148 in float16. The scores 7/sqrt(3) and 7
# times those, in units in the last place: 129.33 or 129.5 of 1/32, 1034.61 or 1034.25 of 1/256.
OF_SCALE = {"bfloat16": (129 / 32, 130 / 32), "float16": (1035 / 256, 1034 / 256)}
# Its root 0.759836 is 0.761719 and 0.759766: that of the key, in both. With that of the query,
# 7 times it is 170.21 or 170.63 of 1/32, and 31 times it 1507.51 or 1507.38 of 1/64; the products
# are 129.49 or 130.25 of 1/32, and 1145.73 or 1144.97 of 1/64.
OF_ROOT = {"bfloat16": (129 / 32, 130 / 32), "float16": (1146 / 64, 1145 / 64)}
ROUND_THE_SCALE = ("keras", "tensor2tensor")
DO_NOT = ("torch-mha", "opennmt", "hf-eager", "x-transformers", "gpt-oss", "gemma-2", "d2l")


@for_each("dtype", OF_SCALE)
@for_each("name", [*ROUND_THE_SCALE, *DO_NOT, "annotated-transformer"])
def test_the_scale_is_rounded_to_16_bits_or_not(name: str, dtype: str) -> None:
    exact, rounded = OF_SCALE[dtype]
    narrow = name in ROUND_THE_SCALE
    record = scaled_once(dtype, 7, like=name)
    assert record["scores"].tolist() == [[rounded if narrow else exact]]
    assert record.settings["scale"] == 1 / math.sqrt(3)
    assert record.settings["precision"]["scale"] == (dtype if narrow else "float32")  # type: ignore[index]
    for written, expected in ((dtype, rounded), ("float32", exact)):
        record = scaled_once(dtype, 7, like=name, precision={"scale": written})
        assert record["scores"].tolist() == [[expected]]
        theirs = "dtype" if narrow else "accumulate"
        note = f"precision.scale is {written}, as written; like {name} has {theirs}"
        assert note in record.warnings


@for_each("dtype", OF_SCALE)
@for_each("name", WIDE)
def test_systems_with_float32_scores_do_not_round_the_scale(name: str, dtype: str) -> None:
    (score,) = scaled_once(dtype, 7, like=name)["scores"][0].tolist()
    assert abs(score * math.sqrt(3) / 7 - 1) < 2**-22  # two roundings to float32


@for_each("dtype", OF_ROOT)
@for_each("name", ["onnx@1.21", "onnx@1.22", "onnx"])
def test_the_root_of_the_scale_is_rounded(name: str, dtype: str) -> None:
    exact, rounded = OF_ROOT[dtype]
    x = 7 if dtype == "bfloat16" else 31
    assert scaled_once(dtype, x, like=name)["scores"].tolist() == [[rounded]]
    kept = scaled_once(dtype, x, like=name, precision={"scale": "float32"})
    assert kept["scores"].tolist() == [[exact]]
    alone = scaled_once(dtype, x, scale_placement="split", precision={"scale": dtype})
    assert alone["scores"].tolist() == [[rounded]]
    assert scaled_once(dtype, x, scale_placement="split")["scores"].tolist() == [[exact]]


@for_each("placement", ["query", "scores"])
@for_each("dtype", OF_SCALE)
def test_a_scale_that_is_given_is_rounded_likewise(dtype: str, placement: str) -> None:
    """Once: a scale that is a number of the type already is what it was."""
    exact, rounded = OF_SCALE[dtype]
    for scale in (1 / math.sqrt(3), ROUND[dtype](1 / math.sqrt(3))):
        keys = {"scale": scale, "scale_placement": placement}
        record = scaled_once(dtype, 7, like="keras", **keys)
        assert record["scores"].tolist() == [[rounded]]
        assert record.settings["scale"] == scale
    given = scaled_once(dtype, 7, scale=1 / math.sqrt(3), scale_placement=placement)
    assert given["scores"].tolist() == [[exact]]


@for_each("dtype", OF_SCALE)
def test_the_scale_of_each_head_is_rounded(dtype: str) -> None:
    query, key = [[[[7, 0, 0]], [[7, 0, 0]]]], [[[[1, 0, 0]], [[1, 0, 0]]]]
    problem = {"query": query, "key": key, "value": key, "axes": "bhsd", "dtype": dtype}
    scaled = {"scale": [1, 1 / math.sqrt(3)], "precision": {"scale": dtype}}
    record = attn_cli.compute({**problem, **scaled})
    assert record["scores"].tolist() == [[[[7]], [[OF_SCALE[dtype][1]]]]]


def test_the_scale_of_float32_among_sums_of_float64() -> None:
    """7 times 1/sqrt(3), the scale rounded to float32 or not: other numbers of float64."""
    sums, s = {"accumulate": "float64", "scaled": "float64", "scores": "float64"}, 1 / math.sqrt(3)
    keras = scaled_once("float32", 7, like="keras", precision=sums)
    assert keras["scores"].tolist() == [[7 * single(s)]]
    own = scaled_once("float32", 7, precision=sums)
    assert own["scores"].tolist() == [[7 * s]]
    assert scaled_once("float64", 7, like="keras")["scores"].tolist() == [[7 * s]]
    assert 7 * single(s) != 7 * s


# Rope


def turned(
    x: list[float], position: int, base: float, types: tuple[str, str, str], factor: float = 1.0
) -> list[float]:
    """One row turned in halves, each operation rounded."""
    angles, table, rotation = (ROUND[name] for name in types)
    half = len(x) // 2
    y = [0.0] * len(x)
    for m in range(half):
        exponent = angles(2 * m / len(x))
        frequency = angles(angles(1 / angles(base**exponent)) / factor)
        angle = angles(position * frequency)
        cos, sin = (table(angles(f(angle))) for f in (math.cos, math.sin))
        a, b = rotation(x[m]), rotation(x[m + half])
        y[m] = rotation(rotation(a * cos) - rotation(b * sin))
        y[m + half] = rotation(rotation(a * sin) + rotation(b * cos))
    return y


X = [0.3, -1.7, 2.9, 0.11, -0.57, 1.3]
F32, BF16 = "float32", "bfloat16"
ROPE_TYPES: list[tuple[Any, tuple[str, str, str]]] = [
    (F32, (F32, F32, F32)),
    ({"angles": F32, "rotation": BF16}, (F32, BF16, BF16)),
    ({"angles": F32}, (F32, "float64", "float64")),
    ({"angles": F32, "table": "float16", "rotation": F32}, (F32, "float16", F32)),
]


@for_each("dtype", ["float64", "bfloat16"])
@for_each("written, types", ROPE_TYPES)
@for_each("scaling", [None, {"kind": "linear", "factor": 3}])
def test_rope_in_types_of_its_own(
    written: Any, types: tuple[str, str, str], scaling: Any, dtype: str
) -> None:
    rope = {"base": 500000, **({"scaling": scaling} if scaling else {})}
    problem = {"query": [X], "key": [X], "value": [[1]], "rope": rope, "dtype": dtype}
    problem |= {"offset": 4099, "precision": {"rope": written}}
    found = attn_cli.compute(problem)["q_rotated"][0]
    given = [ROUND[dtype](x) for x in X]
    expected = turned(given, 4099, 500000, types, 3 if scaling else 1)
    assert found.tolist() == [ROUND[dtype](y) for y in expected]
    exact = turned(given, 4099, 500000, ("float64",) * 3, 3 if scaling else 1)
    if dtype == "float64":
        assert max(abs(found - exact)) > 1e-5


def test_rope_settings_name_the_parts_that_differ() -> None:
    problem = {"query": [X], "key": [X], "value": [[1]], "rope": True}
    assert attn_cli.compute(problem).settings["precision"]["rope"] == "float64"  # type: ignore[index]
    for written, types in ROPE_TYPES:
        record = attn_cli.compute({**problem, "precision": {"rope": written}})
        shown = record.settings["precision"]["rope"]  # type: ignore[index]
        every = dict(zip(("angles", "table", "rotation"), types, strict=True))
        assert shown == (types[0] if len(set(types)) == 1 else every)


# Norms


def rms(x: list[float], eps: float, rounded: Callable[[float], float]) -> list[float]:
    squares = [rounded(rounded(v) * rounded(v)) for v in x]
    root = rounded(math.sqrt(rounded(rounded(sum(squares) / len(x)) + eps)))
    return [rounded(rounded(v) / root) for v in x]


ROW = [3.1, -4.7]  # of two features: the order of the sum does not matter


def test_a_qk_norm_in_float32_inside_float64() -> None:
    problem = {"query": [ROW], "key": [ROW], "value": [[1]], "qk_norm": "rms"}
    found = attn_cli.compute({**problem, "precision": {"norm": "float32"}})["q_normed"][0].tolist()
    assert found == rms(ROW, 1e-6, single)
    assert found != attn_cli.compute(problem)["q_normed"][0].tolist()


def test_a_gain_in_the_type_of_the_model() -> None:
    """transformers: the row is normed in float32, rounded, and multiplied in 16 bits."""
    gain = [1.3671875, 0.8125]
    norm = {"function": "rms", "query_gain": gain, "key_gain": gain}
    problem = {"query": [ROW], "key": [ROW], "value": [[1]], "qk_norm": norm, "dtype": BF16}
    bf16 = ROUND[BF16]
    normed = rms([bf16(v) for v in ROW], 1e-6, single)
    once = attn_cli.compute(problem)["q_normed"][0].tolist()
    assert once == [bf16(n * g) for n, g in zip(normed, gain, strict=True)]
    types = {"norm": {"row": F32, "gain": BF16}}
    twice = attn_cli.compute({**problem, "precision": types})
    assert twice["q_normed"][0].tolist() == [
        bf16(bf16(n) * g) for n, g in zip(normed, gain, strict=True)
    ]
    assert once != twice["q_normed"][0].tolist()
    assert twice.settings["precision"]["norm"] == {"row": F32, "gain": BF16}  # type: ignore[index]


@for_each(
    "keys, step",
    [
        ({"layer_norm": {"gamma": [0.1, 0.7], "beta": [0.3, 0.9]}}, "layer_norm"),
        (
            {"feed_forward": {"W1": [[5, 2], [1, -1]], "W2": [[1, 0], [2, 7]], "layer_norm": True}},
            "layer_norm_2",
        ),
    ],
)
def test_layer_norms_in_float32_inside_float64(keys: dict[str, Any], step: str) -> None:
    problem = {"query": [[1, 0]], "key": [[1, 0]], "value": [ROW], **keys}
    plain = attn_cli.compute(problem)[step][0]
    found = attn_cli.compute({**problem, "precision": {"norm": "float32"}})[step][0]
    assert [single(x) for x in found.tolist()] == found.tolist() != plain.tolist()
    np.testing.assert_allclose(found, plain, rtol=3e-7)


# From a file, an option and Python; by rows; in next; refused in train.


def test_from_file_option_and_python_and_by_rows(tmp_path: Path, attn: Attn) -> None:
    text = f"query: [{X}, {X}]\nkey: [{X}, {X}]\nvalue: [[1], [2]]\nrope: true\noffset: 901\n"
    value = "{rope: {angles: float32, rotation: bfloat16}, weighted_sum: float32}"
    bare, written = tmp_path / "bare.yaml", tmp_path / "written.yaml"
    bare.write_text(text)
    written.write_text(f"{text}precision: {value}\n")
    np.savez(tmp_path / "p.npz", query=[X, X], key=[X, X], value=[[1.0], [2.0]])
    ran = [
        attn("compute", written, "-f", "json"),
        attn("compute", bare, "--precision", value, "-f", "json"),
        attn(
            "compute", tmp_path / "p.npz", "--rope", "--offset", "901", "--precision", value,
            "-f", "json",
        ),
    ]  # fmt: skip
    first, *others = (json.loads(each.out)["steps"] for each in ran)
    assert all(steps == first for steps in others)
    expected = turned(X, 902, 10000, (F32, BF16, BF16))
    assert first["q_rotated"]["values"][1] == expected
    row = json.loads(attn("compute", written, "--query-token", "1", "-f", "json").out)["steps"]
    assert row["q_rotated"]["values"] == [expected]
    precision = {"rope": {"angles": F32, "rotation": BF16}, "weighted_sum": F32}
    problem = {"query": [X, X], "key": [X, X], "value": [[1], [2]], "rope": True, "offset": 901}
    found = attn_cli.compute({**problem, "precision": precision})
    assert found["q_rotated"][1].tolist() == expected


def test_the_type_of_scaled_q_and_k_is_idle_if_a_preset_cannot_scale_them() -> None:
    """The preset scales q and k, but gaussian is not their product: its scores are scaled."""
    problem = {
        "query": [[1.0, 2.0]], "key": [[3.0, 5.0]], "value": [[7.0]], "scale": 2, "like": "onnx",
        "precision": {"scaled": "float32"},
    }  # fmt: skip
    idle = "precision.scaled has no effect"
    for score, found in (({"function": "gaussian", "sigma": 2}, True), ("scaled", False)):
        record = attn_cli.compute({**problem, "score": score})
        assert any(warning.startswith(idle) for warning in record.warnings) is found


@pytest.mark.regression("sums of 70,000 weights overflowed float16")
@for_each("normalize", ["softmax", "softmax1", {"function": "sink_logits", "logits": [0.0]}])
def test_sums_of_a_normaliser_in_float16_are_not_held_in_it(normalize: Any) -> None:
    n = 70_000
    problem = {
        "query": [[0.0]],
        "key": np.zeros((n, 1)),
        "value": np.ones((n, 1)),
        "dtype": "float32",
        "precision": {"softmax": "float16"},
        "normalize": normalize,
    }
    record = compute(problem)
    assert record["lse"][0] == np.float16(np.log(n))
    np.testing.assert_allclose(record["weights"], 1 / n, rtol=3e-3)
    assert record.warnings == ()


@pytest.mark.regression("a mask was rounded to float32 first, and then to the wrong bfloat16")
def test_numbers_of_a_mask_are_rounded_to_bfloat16_once() -> None:
    above_a_tie = 1 + 2.0**-8 + 2.0**-40  # float32 would put it on the tie
    problem = {"query": [[0.0]], "key": [[0.0]], "value": [[1.0]], "mask": [[above_a_tie]]}
    assert compute({**problem, "dtype": "bfloat16"})["masked"][0, 0] == 1 + 2.0**-7
    types = {"dtype": "float32", "precision": {"scores": "bfloat16"}}
    assert compute({**problem, **types})["masked"][0, 0] == 1 + 2.0**-7


@pytest.mark.regression("a finite number of a mask became infinity in bfloat16")
def test_a_number_of_a_mask_that_bfloat16_does_not_hold() -> None:
    lowest = float(np.finfo(np.float32).min)
    problem = {"query": [[0.0]], "key": [[0.0]], "value": [[1.0]], "mask": [[lowest]]}
    with pytest.raises(AttnError, match=r"mask\[0\]\[0\] = -3.40282e\+38 is too large for bfloat"):
        compute({**problem, "dtype": "bfloat16"})


RNG = np.random.default_rng(4)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape)


@pytest.mark.regression("all placements of the scale rounded the scores alike")
@for_each("placement", ["scores", "query", "split"])
def test_each_placement_of_the_scale_rounds_what_it_scales(placement: str) -> None:
    def half(x: Any) -> Any:
        return np.float32(np.float16(x))

    q, k = half(normal(5, 80)), half(normal(7, 80))
    scale, root = np.float32(80**-0.5), np.float32(80**-0.25)
    expected: dict[str, Any] = {
        "scores": half(half(q @ k.T) * scale),
        "query": half(half(q * scale) @ k.T),
        "split": half(half(q * root) @ half(k * root).T),
    }
    problem = {"query": q, "key": k, "value": k, "dtype": "float16"}
    found = compute({**problem, "scale_placement": placement})["scores"]
    for other, scores in expected.items():
        differ = np.mean(found != scores)
        # Sums may run in another order, and fall on the other side of a tie.
        assert differ < 0.1 if other == placement else differ > 0.3, other


@pytest.mark.regression("norms were rounded twice in float16")
@for_each("function", ["rms", "l2"])
def test_norms_of_float16_run_in_float32_and_are_rounded_once(function: str) -> None:
    q, k = np.float64(np.float16(normal(5, 30))), np.float64(np.float16(normal(7, 30)))
    problem = {"query": q, "key": k, "value": k, "dtype": "float16", "qk_norm": function}
    record = compute({**problem, "rope": True, "offset": 3})
    for step, x in (("q_normed", q), ("k_normed", k)):
        size = (x * x).mean(1) + 1e-6 if function == "rms" else (x * x).sum(1)
        expected = np.float16(x / np.sqrt(size)[:, None])
        assert np.mean(record[step] != expected) < 0.02, step
    for step, start in (("q", 3), ("k", 0)):
        rows: Any = record[f"{step}_normed"].astype(np.float64)
        turn = np.exp(
            1j * np.arange(start, start + len(rows))[:, None] * 1e4 ** (-np.arange(15) / 15)
        )
        turned = (rows[:, :15] + 1j * rows[:, 15:]) * turn
        expected = np.float16(np.concatenate([turned.real, turned.imag], axis=1))
        assert np.mean(record[f"{step}_rotated"] != expected) < 0.02, step
