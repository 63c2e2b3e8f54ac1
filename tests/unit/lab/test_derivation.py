"""Derivations: each line's value is the record's, and its arithmetic gives that value."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_cli import AttnError, compute
from attn_cli.lab.derivation import choice
from attn_cli.lab.derivation.choice import Asked
from attn_cli.lab.derivation.derive import derive
from attn_cli.lab.derivation.result import KINDS, Derivation, Line, Row
from attn_cli.lab.derivation.templates import TEMPLATES
from attn_cli.maths.pipeline import names, pipeline
from attn_cli.maths.problem import Problem
from attn_cli.reading.schema import read_document, read_problem
from attn_cli.record import Record
from attn_cli.sources.matrices.document import from_mapping
from attn_cli.sources.matrices.files import Inputs
from attn_cli.views.derivation.layout import remarks
from tests.conftest import SAMPLES
from tests.helpers.derived import arithmetic, has_its_template, worked_out

DICTIONARIES = {"french_english.yaml", "tennis.yaml"}
CLOSE = 1e-12


def problem_of(keys: dict[str, Any]) -> Problem:
    return read_problem(from_mapping(keys))


def sample(path: Path) -> Problem:
    return read_problem(read_document(str(path), Inputs()))


def expected(record: Record, line: Line, head: int) -> Any:
    """The value of the record at the place of a line."""
    step = record.steps[line.step]
    place = {**line.index, "head": head, "batch": 0}
    past = len(record.key_tokens) - dict(zip(step.axes, step.shape, strict=True)).get("key", 0)
    if past and "key" in place:
        place["key"] -= past if "key" in step.axes else 0
    return step.values[tuple(place.get(axis, slice(None)) for axis in step.axes)]


def check(derivation: Derivation, record: Record, head: int = 0) -> None:
    """Each line has the value of the record, and its arithmetic gives it."""
    for line in derivation.lines:
        where = (derivation.step, line.step, dict(line.index), line.template.numbers)
        assert line.template.kind in KINDS
        if isinstance(line, Row):
            for column in line.columns:
                row = expected(record, Line(**{**vars_of(line), "step": column.step}), head)
                shown = [
                    list(record.key_tokens).index(label.split(" (")[0]) for label in line.labels
                ]
                if len(set(record.key_tokens)) == len(record.key_tokens):
                    np.testing.assert_allclose(
                        row[shown], column.values, rtol=CLOSE, atol=CLOSE, err_msg=str(where)
                    )
            continue
        value = np.asarray(expected(record, line, head), np.float64)
        np.testing.assert_allclose(line.result, value, rtol=CLOSE, atol=CLOSE, err_msg=str(where))
        assert has_its_template(line) or isinstance(line.result, tuple), where
        text = arithmetic(line)
        if text:
            right = pytest.approx(float(value), rel=1e-9, abs=CLOSE, nan_ok=True)
            assert worked_out(text) == right, where


def vars_of(line: Line) -> dict[str, Any]:
    kept = ("template", "formula", "index", "words", "slots", "result")
    return {name: getattr(line, name) for name in kept}


def test_every_sample_every_head_and_cell() -> None:
    """Cells of some queries and keys, and the last step there is; of large samples fewer."""
    for path in sorted(SAMPLES.glob("*.yaml")):
        if path.name in DICTIONARIES:
            continue
        problem = sample(path)
        last = list(pipeline(problem))[-1]
        by_name = [name for name in ("exp_scores", "exp_sum") if name in pipeline(problem)]
        record = compute(problem, steps=[*compute(problem).steps, *by_name])
        (first, inner, end), keys = ((0, n // 2, n - 1) for n in (problem.n_q, problem.n_k))
        cells: list[tuple[int, int | None]] = [
            (first, keys[2]),
            (inner, keys[0]),
            (end, keys[1]),
            (end, None),
        ]
        for head, (query, key) in product(range(problem.heads or 1), dict.fromkeys(cells)):
            asked = Asked(head=head if problem.heads else None, query=query, key=key)
            derivation = derive(problem, asked)
            check(derivation, record, head)
            products = [line for line in derivation.lines if line.template.kind == "dot"]
            for line in products:
                terms = [a * b for a, b in zip(line.slots["q"], line.slots["k"], strict=False)]
                if "W" not in line.slots and line.rest is None and line.step == "products":
                    assert sum(terms) == pytest.approx(line.result, abs=CLOSE)
        check(derive(problem, Asked(head=0 if problem.heads else None), last), record)


ROWS = [[1.0, 2.0], [0.5, -1.0], [2.0, 0.0]]
PLAIN: dict[str, Any] = {"tokens": ["a", "b", "c"], "embeddings": ROWS}
LONG: dict[str, Any] = {
    "query": np.arange(9.0).reshape(1, 9) / 9,
    "key": np.cos(np.arange(180.0)).reshape(20, 9),
    "value": np.sin(np.arange(40.0)).reshape(20, 2),
}


def lines_of(derivation: Derivation, step: str) -> list[Line]:
    return [line for line in derivation.lines if line.step == step and not isinstance(line, Row)]


def test_long_sums_are_shortened_to_the_largest_terms_and_the_rest() -> None:
    derivation = derive(problem_of(LONG), Asked(key=3))
    (line,) = lines_of(derivation, "products")
    terms = LONG["query"][0] * LONG["key"][3]
    largest = np.sort(np.argsort(-np.abs(terms))[:4])
    np.testing.assert_array_equal(line.slots["k"], LONG["key"][3][largest])
    assert line.rest is not None
    assert line.rest[0] == 5
    assert line.rest[1] == pytest.approx(terms.sum() - terms[largest].sum(), abs=CLOSE)
    check(derivation, compute(LONG, steps=names_of(LONG)))


def names_of(keys: dict[str, Any]) -> list[str]:
    return list(pipeline(problem_of(keys)))


def test_long_rows_use_the_logarithm_and_show_the_largest_keys() -> None:
    derivation = derive(problem_of(LONG), Asked())
    record = compute(LONG, steps=names_of(LONG))
    weights = record["weights"][0]
    lines = lines_of(derivation, "weights")
    assert sorted(line.index["key"] for line in lines) == sorted(np.argsort(-weights)[:3])
    for line in lines:
        assert line.template.numbers.startswith("exp(<s>")
        assert line.slots["lse"] == record["lse"][0]
    (row,) = (line for line in derivation.lines if isinstance(line, Row))
    assert (len(row.labels), row.others) == (12, 8)
    weight = row.columns[-1]
    assert sum(weight.values) + (weight.others or 0) == pytest.approx(1, abs=CLOSE)
    shown = derive(problem_of(LONG), Asked(key=int(weights.argmin())))
    (row,) = (line for line in shown.lines if isinstance(line, Row))
    assert (len(row.labels), row.others) == (13, 7)  # the key that is explained too


def test_no_query_is_asked_for() -> None:
    """The largest weight of all decides: over batch entries, heads and queries."""
    rng = np.random.default_rng(5)
    keys = {name: rng.normal(size=(2, 3, 5, 4)) for name in ("query", "key", "value")}
    weights = compute(keys, steps=["weights"])["weights"]
    batch, head, query, _ = np.unravel_index(weights.argmax(), weights.shape)
    derivation = derive(problem_of(keys), Asked())
    assert dict(derivation.index) == {"batch": batch, "head": head, "query": query}
    assert derivation.chosen == "the batch, head and query whose largest weight is largest"
    of_key = derive(problem_of(keys), Asked(batch=1, key=2))
    head, query = np.unravel_index(weights[1, :, :, 2].argmax(), (3, 5))
    assert dict(of_key.index) == {"batch": 1, "head": head, "query": query, "key": 2}
    assert of_key.chosen == "the head and query whose weight is largest"
    given = derive(problem_of(keys), Asked(batch=0, head=0, query=1))
    assert given.chosen == ""
    one = derive(problem_of({**PLAIN, "embeddings": [ROWS[0]], "tokens": ["a"]}), Asked())
    assert (dict(one.index), one.chosen) == ({"query": 0}, "")


def test_of_very_many_weights_some_queries_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "SAMPLED", 100)
    X = np.random.default_rng(3).normal(size=(40, 3))
    derivation = derive(problem_of({"embeddings": X}), Asked())
    assert derivation.index["query"] % 20 == 0
    assert derivation.chosen == "the query whose largest weight is largest, of one in 20 queries"


def test_a_hidden_cell_has_its_reason() -> None:
    derivation = derive(problem_of({**PLAIN, "causal": True}), Asked(query=0, key=2))
    (masked,), (weight,) = lines_of(derivation, "masked"), lines_of(derivation, "weights")
    assert (masked.result, weight.result) == (-np.inf, 0.0)
    for line in (masked, weight):
        assert (line.template.kind, line.note, line.words["reason"]) == (
            "hidden", "hidden by: <reason>", "causal",
        )  # fmt: skip
    assert lines_of(derivation, "scores")[0].result == pytest.approx(2 / np.sqrt(2))


@pytest.mark.parametrize("empty_rows", ["zero", "nan", "uniform"])
def test_a_row_without_a_key(empty_rows: str) -> None:
    mask = {"values": [[True] * 3, [False] * 3, [True] * 3], "true_means": "attend"}
    keys = {**PLAIN, "mask": mask, "empty_rows": empty_rows}
    derivation = derive(problem_of(keys), Asked(query=1))
    (weight,) = lines_of(derivation, "weights")
    assert weight.note.startswith("<query> sees no key: ")
    assert weight.note.endswith(f"(empty_rows: {empty_rows})")
    assert not any(isinstance(line, Row) for line in derivation.lines)
    check(derivation, compute(keys, steps=names_of(keys)))


def test_scores_beyond_the_range_are_less_their_largest() -> None:
    score = {"function": "given", "scores": [[1000.0, 999.0], [0.0, 1.0]]}
    keys = {"score": score, "value": [[1.0], [2.0]]}
    far, near = (lines_of(derive(problem_of(keys), Asked(query=q)), "weights") for q in (0, 1))
    assert [("m" in line.slots) for line in (*far, *near)] == [True, True, False, False]
    check(derive(problem_of(keys), Asked(query=0)), compute(keys, steps=names_of(keys)))


@pytest.mark.parametrize(
    ("more", "subtracted"),
    [
        ({}, "4, the largest, is subtracted from all scores before"),
        ({"temperature": 2}, "2, the largest, is subtracted from all scores / T before"),
        (
            {"normalize": {"function": "sink_logits", "logits": [7.0]}},
            "7, the largest, sink included, is subtracted from all scores before",
        ),
        (
            {"normalize": "softmax1", "temperature": 2},
            "2, the largest, sink included, is subtracted from all scores / T before",
        ),
    ],
)
def test_what_softmax_subtracts_is_divided_by_the_temperature_and_counts_the_sink(
    more: dict[str, Any], subtracted: str
) -> None:
    keys = {"score": {"function": "given", "scores": [[4.0, 1.0]]}, "value": [[3.0], [5.0]]}
    derivation = derive(problem_of({**keys, **more}), Asked())
    assert next(iter(remarks(derivation, 4))).startswith(subtracted)


@pytest.mark.parametrize("step", ["q", "context", "exp_sum", "embeddings"])
def test_a_key_of_a_step_without_keys_is_refused(step: str) -> None:
    with pytest.raises(AttnError, match=f"the step {step} has no axis of keys") as caught:
        derive(problem_of(PLAIN), Asked(query=0, key=1), step)
    assert str(caught.value.help).endswith(
        "the steps with keys: k, v, products, scores, exp_scores, weights"
    )


def test_a_next_word_of_one_row_is_explained_by_that_row() -> None:
    head = {"vocabulary": ["y", "n"], "weights": [[1.0, 0.0], [0.0, 1.0]], "pool": {"token": "b"}}
    problem = problem_of({**PLAIN, "next_word": head})
    derivation = derive(problem, Asked(), "logits")
    assert {line.index["query"] for line in lines_of(derivation, "context")} == {1}
    (pooled,) = {line.step: line.result for line in lines_of(derivation, "pooled")[:1]}.values()
    assert pooled == lines_of(derivation, "context")[0].result
    assert derivation.chosen == ""
    with pytest.raises(AttnError, match=r"logits is computed from query 1 \('b'\) alone"):
        derive(problem, Asked(query=2), "logits")


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_narrow_types_keep_their_arithmetic(dtype: str) -> None:
    derivation = derive(problem_of({**PLAIN, "dtype": dtype, "causal": True}), Asked(query=2))
    assert derivation.type == dtype
    kinds = {line.step: line.template.kind for line in derivation.lines}
    assert (kinds["products"], kinds["scores"], kinds["context"]) == (
        "dot", "times", "weighted_sum",
    )  # fmt: skip


def test_every_step_that_there_is_has_a_template_and_every_template_a_step() -> None:
    assert {template.step for template in TEMPLATES} == set(names()) - {"visible"}
    assert {template.kind for template in TEMPLATES} <= set(KINDS)


def test_a_step_without_a_template_has_its_value_and_formula() -> None:
    (line,) = derive(problem_of({**PLAIN, "causal": True}), Asked(query=1, key=1), "visible").lines[
        -1:
    ]
    assert (line.template.kind, line.template.numbers) == ("value", "")
    assert line.result == 0.0


def test_steps_and_places_that_there_are_not() -> None:
    problem = problem_of(PLAIN)
    for asked, step, message in (
        (Asked(), "wieghts", "unknown step 'wieghts'"),
        (Asked(), "masked", "this problem has no step 'masked'"),
        (Asked(head=1), "weights", "head 1: Q, K and V have no head axis"),
    ):
        with pytest.raises(AttnError) as error:
            derive(problem, asked, step)
        assert error.value.message == message
