"""Stages as data: the rows of the table, their order, and a new row that is seen everywhere."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_cli.api import compute
from attn_cli.engine.run import run
from attn_cli.formula import Symbol
from attn_cli.maths.block import Block
from attn_cli.maths.pipeline import STAGES, names, pipeline
from attn_cli.maths.problem import Problem, Request
from attn_cli.maths.stage import (
    BLOCK,
    JOINED,
    KEYS,
    OF_KEYS,
    OF_PAIRS,
    OF_QUERIES,
    OF_TOKENS,
    POOLED,
    PROBLEM,
    QUERIES,
    READABLE,
    ROLES,
    ROWS,
    SCOPES,
    SCORE,
    VECTOR,
    WEIGHT,
    Stage,
    closure,
    define,
    downstream,
    schedule_of,
)  # fmt: skip
from attn_cli.reading.schema import read_document, read_problem
from attn_cli.record import Step
from attn_cli.sources.matrices.document import from_mapping
from attn_cli.sources.matrices.files import Inputs
from tests.conformance import expected
from tests.conformance.cases import PROBLEMS
from tests.conftest import SAMPLES, Attn
from tests.helpers.many import check_each, for_each
from tests.helpers.processes import ROOT

pytestmark = pytest.mark.slow

GOLDEN = ROOT / "tests" / "golden" / "steps.txt"


EXTRA: dict[str, dict[str, Any]] = {
    "everything after the output": {
        "embeddings": [[1, 0, 2], [0.5, 2, 1], [3, -1, 0], [1, 1, 1], [0, 2, 5]],
        "residual": True,
        "layer_norm": {"gamma": [1, 2, 3], "beta": [0, 1, 0]},
        "feed_forward": {
            "W1": [[1, 0] * 3 + [1]] * 3,
            "W2": [[1, 2, 3]] * 7,
            "residual": True,
            "layer_norm": {"gamma": [1, 1, 2]},
        },
        "dtype": "float32",
    },
    **{
        f"a network after {name}": {
            "embeddings": [[1, 0], [2, 1]],
            "feed_forward": {"W1": [[1, 2], [0, 1]], "W2": [[1, 0], [0, 1]], **network},
            "next_word": {"vocabulary": ["yes", "no"], "weights": [[1, 2], [0, 3]]},
            **keys,
        }
        for name, keys, network in (
            ("the output", {}, {"residual": True}),
            ("a residual", {"residual": True}, {"residual": True, "layer_norm": {}}),
            ("a norm", {"layer_norm": {}}, {}),
            ("a norm, with a norm", {"layer_norm": {}}, {"layer_norm": {}}),
        )
    },
    **{
        f"{function} of {name}": {
            "query": np.ones((1, 1, 3, 4)),
            "key": np.ones((1, 1, 5, 4)),
            "value": np.ones((1, 1, 5, 2)),
            "score": {"function": function, **parameters},
            **keys,
        }
        for function, parameters in (
            ("gated", {"W_g": np.ones((1, 8))}),
            ("gaussian", {"sigma": 1}),
            ("cosine", {}),
        )
        for name, keys in (
            ("normed", {"qk_norm": {"function": "rms"}}),
            ("rotated", {"rope": True, "offset": 0}),
            ("a past", {"past": {"key": np.ones((1, 1, 2, 4)), "value": np.ones((1, 1, 2, 2))}}),
        )
    },
    "a gate of positions": {
        "embeddings": [[1, 0], [2, 1]],
        "positions": "sinusoidal",
        "output_gate": {"weights": [[1, 0], [2, 1]]},
    },
    "a residual of positions": {
        "embeddings": [[1, 0], [2, 1]],
        "positions": "sinusoidal",
        "residual": True,
        "next_word": {"vocabulary": ["yes", "no"], "weights": [[1, 2], [0, 3]]},
    },
    "a norm and a next word": {
        "embeddings": [[1, 0], [2, 1]],
        "layer_norm": {},
        "next_word": {"vocabulary": ["yes", "no"], "weights": [[1, 2], [0, 3]]},
    },
}


def golden() -> Iterator[tuple[str, list[tuple[str, str, tuple[str, ...], tuple[int, ...]]]]]:
    """(case, [(step, type, axes, shape)]) of the file."""
    for part in GOLDEN.read_text().split("\n\n")[1:]:
        case, *lines = part.rstrip().split("\n")
        steps = []
        for line in lines:
            name, dtype, *axes = line.split(maxsplit=2)
            pairs = [axis.rpartition(" ") for axis in axes[0].split(", ")]
            steps.append(
                (name, dtype, tuple(a for a, _, _ in pairs), tuple(int(n) for *_, n in pairs))
            )
        yield case, steps


CASES = dict(golden())


def problem_of(case: str) -> Problem:
    if case.endswith(".yaml"):
        return read_problem(read_document(str(SAMPLES / case), Inputs()))
    return read_problem(from_mapping(EXTRA[case])) if case in EXTRA else expected.problem_of(case)


def test_steps_are_those_of_before_stages_were_data() -> None:
    def check(case: str) -> None:
        record = run(problem_of(case), Request(asides=True))
        found = [(s.name, s.values.dtype.name, s.axes, s.shape) for s in record.steps.values()]
        assert found == CASES[case]

    check_each(CASES, check)


def test_the_golden_file_has_every_step() -> None:
    unasked = {stage.name for stage in STAGES if not stage.by_name}
    assert {name for steps in CASES.values() for name, *_ in steps} == unasked


def test_rows_are_whole() -> None:
    assert len(names()) == len(set(names())) == len(STAGES)
    aliases = [word for stage in STAGES for word in stage.aliases]
    assert len(aliases) == len(set(aliases))
    for stage in STAGES:
        assert stage.scope in SCOPES
        assert stage.role in ROLES
        assert len(stage.shape) == len(stage.axes)
        assert stage.meaning
        assert str(stage.usual())


def test_a_step_comes_after_those_that_it_reads() -> None:
    def check(case: str) -> None:
        specs = pipeline(problem_of(case))
        before: set[str] = set()
        for spec in specs.values():
            assert set(spec.reads) <= before
            before.add(spec.name)
        alone = {name for name, spec in specs.items() if not spec.reads}
        assert alone <= {"embeddings", "positions", "q", "k", "v", "scores"}

    check_each(PROBLEMS, check)


def test_reads_are_all_that_a_step_depends_on() -> None:
    """A step computed with what it reads, and nothing else, has the same numbers.

    Of each step every set of steps that are below it, in the first case that has it.
    """
    found: set[tuple[str, frozenset[str]]] = set()

    def check(case: str) -> None:
        whole, below = expected.record_of(case), dict[str, frozenset[str]]()
        for name, spec in pipeline(problem_of(case)).items():
            below[name] = frozenset(spec.reads).union(*(below[read] for read in spec.reads))
            if name in whole.steps and (name, below[name]) not in found:
                found.add((name, below[name]))
                computed_alone(case, whole.steps[name])

    check_each(PROBLEMS, check)


def computed_alone(case: str, step: Step) -> None:
    alone = run(problem_of(case), Request(steps=(step.name,)))
    assert list(alone.steps) == [step.name]
    # Fewer keys are looked at if none is shown, so that sums may be rounded otherwise.
    found = alone[step.name]
    np.testing.assert_allclose(found, step.values, rtol=1e-6, atol=1e-9, err_msg=step.name)
    assert alone.steps[step.name].reads == step.reads


def test_what_a_step_may_read_is_what_it_reads_in_some_problem() -> None:
    found: dict[str, set[str]] = {name: set() for name in names()}
    for case in (*PROBLEMS, *CASES, *EXTRA):
        for name, spec in pipeline(problem_of(case)).items():
            found[name] |= set(spec.reads)
    assert found == {stage.name: set(stage.may_read) for stage in STAGES}


def test_a_stage_reads_steps_of_the_scopes_that_its_scope_can_read() -> None:
    scopes = {stage.name: stage.scope for stage in STAGES}
    assert READABLE.keys() == set(SCOPES)
    for stage in STAGES:
        of = {name: scopes[name] for name in stage.may_read}
        assert set(of.values()) <= READABLE[stage.scope], stage.name
        if stage.scope in {ROWS, JOINED}:  # engines give heads and rows the context alone
            assert {name for name in of if of[name] == BLOCK} <= {"context"}, stage.name
    # Of rows, the next word reads the last step, which `Pooling` makes the mean of.
    pooled = [
        s.name for s in STAGES if s.scope == POOLED and set(s.may_read) - {"pooled", "logits"}
    ]
    assert pooled == ["pooled"]


def test_blocks_read_keys_that_have_those_of_the_past() -> None:
    def check(case: str) -> None:
        problem = problem_of(case)
        specs = pipeline(problem)
        for spec in specs.values():
            for read in (specs[name] for name in spec.reads if spec.scope == BLOCK):
                assert not (problem.past is not None and read.new_keys), (spec.name, read.name)

    check_each(PROBLEMS, check)


@for_each("read, rows", [("q", 2), ("q_normed", 2), ("k", 3), ("v", 3)])
def test_a_block_reads_any_step_of_queries_or_keys(read: str, rows: int) -> None:
    """Rope and norms come after some of these steps: their values must still be there."""
    norms = np.arange(1.0, 4)[:rows]

    def squares_of_rows(block: Block, x: np.ndarray) -> np.ndarray:
        side = np.sum(x * x, axis=1)
        pairs = np.zeros((len(block.at.i), len(block.at.j)))
        return np.asarray(pairs + (side[:, None] if rows == 2 else side[None, :]))

    STAGES.append(dummy(BLOCK, OF_PAIRS, read, SCORE)._replace(
        apply=squares_of_rows, marked=False, depth=lambda problem, _: problem.n_k))  # fmt: skip
    try:
        keys = {
            "query": [[1, 0], [0, 2]],
            "key": [[1, 0], [0, 2], [0, 3]],
            "value": [[1], [2], [3]],
            "rope": True,
            "qk_norm": {"function": "rms"},
            "offset": 1,
            "causal": True,
        }
        record = compute(keys, steps=["doubled", read])
        alone = compute(keys, steps=["doubled"])
    finally:
        STAGES.pop()
    squares = np.sum(record[read] ** 2, axis=1)
    if read == "q_normed":
        norms = np.sqrt([2.0, 2.0])  # rms: the mean of squares is 1
    np.testing.assert_allclose(squares, norms**2, rtol=1e-5)
    shown = squares[:, None] if rows == 2 else squares[None, :]
    np.testing.assert_array_equal(record["doubled"], np.broadcast_to(shown, (2, 3)))
    np.testing.assert_array_equal(alone["doubled"], record["doubled"])


def test_rows_read_a_step_of_heads_beside_others() -> None:
    """A stage of joined heads gets one array per head, wherever its reads name the step."""

    def last_head(_: object, output: np.ndarray, *heads: np.ndarray) -> np.ndarray:
        assert len(heads) == 2
        return np.asarray(output[:, :1] * heads[-1][:, :1])

    STAGES.append(dummy(JOINED, OF_QUERIES, "output")._replace(
        reads=lambda _: ("output", "context"), depth=lambda *_: 1, apply=last_head))  # fmt: skip
    try:
        record = compute({"embeddings": [[1, 0.5], [2, 1], [3, 7]], "heads": 2})
    finally:
        STAGES.pop()
    expected = record["output"][:, :1] * record["context"][1]
    np.testing.assert_array_equal(record["doubled"], expected)


def test_closure_and_downstream_and_turn() -> None:
    keys = {"embeddings": np.eye(3), "causal": True}
    specs = tuple(pipeline(read_problem(from_mapping(keys))).values())
    needed = closure(specs, {"weights"})
    assert needed == {"embeddings", "q", "k", "products", "scores", "masked", "weights"}
    below = downstream(specs, "weights")
    assert below == {"weights", "row_sums", "context", "output"}
    schedule = list(schedule_of(specs, {"weights"}))
    assert [spec.name for spec, _ in schedule] == [s.name for s in specs if s.name in needed]
    over = [name for _, ended in schedule for name in ended]
    assert len(over) == len(set(over))
    assert set(over) == needed
    assert schedule[-1][1] == ("masked", "weights")


def apply_doubled(_: object, x: np.ndarray) -> np.ndarray:
    return 2 * x


def dummy(scope: str, axes: tuple[str, ...], of: str, role: str = VECTOR) -> Stage:
    """A row as a contributor writes it: twice another step."""
    return Stage(
        name="doubled",
        meaning="twice another step",
        usual=lambda: define("doubled", Symbol(of) + Symbol(of)),
        scope=scope,
        axes=axes,
        shape=("n",) * len(axes),
        role=role,
        may_read=(of,),
        reads=lambda _: (of,),
        formula=lambda _: define("doubled", Symbol(of) + Symbol(of)),
        depth=lambda _, before: before[of].depth,
        apply=apply_doubled,
        marked=axes == OF_PAIRS,
        aliases=("twice",),
    )


DUMMIES = {
    "embeddings": dummy(PROBLEM, OF_TOKENS, "embeddings"),
    "q": dummy(QUERIES, OF_QUERIES, "q"),
    "k": dummy(KEYS, OF_KEYS, "k"),
    "v": dummy(KEYS, OF_KEYS, "v"),
    "scores": dummy(BLOCK, OF_PAIRS, "scores", SCORE),
    "weights": dummy(BLOCK, OF_PAIRS, "weights", WEIGHT),
    "lse": dummy(BLOCK, ("query",), "lse", SCORE),
    "context": dummy(ROWS, OF_QUERIES, "context"),
    "output": dummy(JOINED, OF_QUERIES, "output"),
    "logits": dummy(POOLED, ("word",), "logits", SCORE),
}
TOKENS = "\n".join(("tokens: [i, love, coding]", "embeddings: [[1, 0], [0.5, 2], [3, -1]]"))
FILE = f"""{TOKENS}
causal: true
heads: 2
next_word: {{vocabulary: [yes, no, why], weights: [[1, 0, 2], [0, 3, 1]]}}
"""


@pytest.fixture(params=DUMMIES)
def added(request: pytest.FixtureRequest) -> Iterator[str]:
    """The step that a new stage doubles, while that is registered."""
    STAGES.append(DUMMIES[request.param])
    yield request.param
    STAGES.pop()


def test_a_new_row_is_computed(added: str, attn: Attn, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(FILE)
    path = tmp_path / "p.yaml"
    record = compute(path)
    np.testing.assert_array_equal(record["doubled"], 2 * record[added])
    assert record.steps["doubled"].axes == record.steps[added].axes
    alone = compute(path, steps=["doubled"])
    np.testing.assert_array_equal(alone["doubled"], record["doubled"])

    table = attn("compute", path, "--show", f"{added},doubled")
    assert (table.status, table.err) == (0, "")
    assert f"doubled = {added} + {added}" in table.out
    data = json.loads(attn("compute", path, "--show", "doubled", "-f", "json").out)
    assert data["steps"]["doubled"]["formula"] == f"doubled = {added} + {added}"
    target = tmp_path / "out.npz"
    assert attn("compute", path, "--show", "doubled", "-o", target).status == 0
    with np.load(io.BytesIO(target.read_bytes())) as archive:
        np.testing.assert_array_equal(archive["doubled"], record["doubled"])


def test_a_new_row_is_found_by_its_names(added: str, attn: Attn, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(FILE)
    meant = attn("compute", tmp_path / "p.yaml", "--only", "twice")
    assert (meant.status, meant.out) == (2, "")
    assert "doubled" in meant.err
    (tmp_path / "bare.yaml").write_text(TOKENS)
    near = attn("compute", tmp_path / "bare.yaml", "--only", "doubeld")
    assert near.status == 2


def test_vectors_and_nothing_else_have_a_letter_for_their_features() -> None:
    for stage in STAGES:
        assert bool(stage.letter) == (stage.role == VECTOR), stage.name
