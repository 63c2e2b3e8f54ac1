"""Steps that are equal to an earlier one by definition: found from formulas, never from numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attn_cli import compute, translate
from attn_cli.dataclass import replace
from attn_cli.engine.plan import make_plan
from attn_cli.engine.repeats import repeats
from attn_cli.engine.run import run
from attn_cli.formula import Equation, Symbol
from attn_cli.maths.problem import Request
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import from_mapping

X = [[1, 0], [0, 1], [1, 1]]
ALL = {"q": "embeddings", "k": "embeddings", "v": "embeddings"}
LAST = {"output": "context"}


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"score": "dot"}, {**ALL, **LAST, "scores": "products"}),
        ({}, {**ALL, **LAST}),
        ({"score": "dot", "scale": 1}, {**ALL, **LAST, "scores": "products"}),
        ({"score": "dot", "scale": 2}, {**ALL, **LAST}),
        ({"score": "dot", "scale_placement": "query", "scale": 2}, {**ALL, **LAST}),
        # The heads are parts of X, and V is the same part as Q; the output is that of all heads.
        ({"heads": 2}, {"k": "q", "v": "q", "output": "concat"}),
        ({"weights": {"output": X[:2]}}, ALL),
        ({"weights": {"query": X[:2]}}, {"k": "embeddings", "v": "embeddings", **LAST}),
        # Weights that are scores keep their table: it has marks, and 0 for hidden keys.
        ({"normalize": "none"}, {**ALL, **LAST}),
        ({"positions": "sinusoidal"}, {**dict.fromkeys("qkv", "positioned"), **LAST}),
        ({"memory": {"embeddings": [[2, 1]]}}, {"q": "embeddings", "v": "k", **LAST}),
        ({"precision": {"output": "float16"}}, ALL),
        ({"score": {"function": "sparse", "window": 1, "inside": "dot"}}, {**ALL, **LAST}),
    ],
)  # fmt: skip
def test_what_is_equal_by_definition(keys: dict[str, Any], expected: dict[str, str]) -> None:
    record = compute({"embeddings": X, **keys})
    assert record.repeats == expected


def test_numbers_that_happen_to_be_equal_are_two_steps() -> None:
    eye = [[1, 0], [0, 1]]
    record = compute({"query": X, "key": X, "value": X, "weights": {"output": eye}, "score": "dot"})
    np.testing.assert_array_equal(record["q"], record["k"])
    np.testing.assert_array_equal(record["context"], record["output"])
    assert record.repeats == {"scores": "products"}


def test_what_is_named_repeats_nothing() -> None:
    assert compute({"embeddings": X}, steps=("context", "output")).repeats == {}
    assert compute({"embeddings": X}).chosen(["context", "output"]).repeats == {}


@pytest.mark.parametrize("axes", ["bhsd", "bshd"])
@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_a_repetition_is_equal_to_the_last_bit(axes: str, layout: str, dtype: str) -> None:
    rng = np.random.default_rng(5)
    shape = (2, 3, 3, 5) if layout == "rows" else (2, 3, 5, 3)
    four = {name: rng.normal(size=shape) for name in ("query", "key", "value")}
    two = {"embeddings": rng.normal(size=(7, 4) if layout == "rows" else (4, 7))}
    own: list[dict[str, Any]] = [{"score": "dot"}, {"memory": {"embeddings": two["embeddings"]}}]
    problems = [{**two, **keys, "layout": layout} for keys in ({}, {"heads": 2}, *own)]
    if layout == "rows":
        problems.append({**four, "axes": axes, "score": "dot"})
    for problem in problems:
        record = compute({**problem, "dtype": dtype})
        assert record.repeats
        for step, same in record.repeats.items():
            assert record[step].shape == record[same].shape, (problem, step)
            assert record[step].tobytes() == record[same].tobytes(), (problem, step)
            assert list(record.steps).index(same) < list(record.steps).index(step)


def test_those_of_the_sentence_of_a_translation() -> None:
    record = translate("I love tennis", "samples/tennis.yaml", context=True)
    assert record.repeats["sentence.output"] == "sentence.context"
    assert set(record.repeats) | set(record.repeats.values()) <= set(record.steps)


def test_a_part_of_the_rows_repeats_nothing_of_all_rows() -> None:
    record = compute({"embeddings": X}, query_token=1)
    assert record.repeats == {"k": "embeddings", "v": "embeddings", **LAST}


def test_a_formula_alone_does_not_make_two_steps_equal() -> None:
    problem = read_problem(from_mapping({"embeddings": X, "weights": {"value": X[:2]}}))
    request = Request()
    plan, record = make_plan(problem, request), run(problem, request)
    as_scores = Equation(Symbol("weights"), Symbol("scores"))
    steps = {**record.steps, "weights": replace(record.steps["weights"], expression=as_scores)}
    assert repeats(problem, plan.steps, steps) == record.repeats  # weights are not scores
    of_q = replace(record.steps["v"], expression=record.steps["q"].expression, reads=())
    assert repeats(problem, plan.steps, {**record.steps, "v": of_q}) == record.repeats
    of_x = replace(of_q, reads=("embeddings",))
    assert repeats(problem, plan.steps, {**record.steps, "v": of_x})["v"] == "embeddings"
