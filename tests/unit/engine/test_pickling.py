"""Problems, plans and requests go to another process: by name, and by path and stamp."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import attn_cli
from attn_cli.engine.plan import make_plan
from attn_cli.engine.run import run
from attn_cli.errors import AttnError
from attn_cli.maths.activations import ACTIVATIONS
from attn_cli.maths.normalizers import NORMALIZERS
from attn_cli.maths.problem import Problem, Request
from attn_cli.maths.scores import SCORES
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import from_mapping
from attn_cli.sources.matrices.stored import Stored, open_stored
from tests.conformance.cases import PROBLEMS
from tests.conformance.expected import problem_of, turn
from tests.helpers.alike import differences
from tests.helpers.many import check_each
from tests.helpers.processes import ROOT, run_to_end
from tests.unit.sources.test_stored import by_rows

pytestmark = pytest.mark.slow


def again(thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing))


@pytest.mark.parametrize("registry", [SCORES, NORMALIZERS], ids=lambda each: str(each.kind))
def test_what_a_registry_has_is_pickled_by_its_name(registry: Any) -> None:
    for each in registry:
        assert again(each) is each


def test_activations_are_pickled_by_their_names() -> None:
    for each in ACTIVATIONS.values():
        assert again(each) is each


def test_every_convention_is_the_same_after_pickling() -> None:
    """In every part, functions included, and so is its plan; then the numbers are the same."""
    request = Request(asides=True)

    def check(case: str) -> None:
        problem = problem_of(case)
        sent: tuple[Problem, Request] = again((problem, request))
        assert list(differences(sent, (problem, request))) == []
        if turn(case, 3):  # plans of all cases are made of the same stages
            return
        plan = make_plan(problem, request)
        assert list(again(plan).steps) == list(plan.steps)

    check_each(PROBLEMS, check)
    case = "every reason"
    here, there = run(problem_of(case), request), run(again(problem_of(case)), request)
    assert (list(here.steps), here.warnings) == (list(there.steps), there.warnings)
    for name in here.steps:
        np.testing.assert_array_equal(here[name], there[name])


def test_a_plan_is_pickled_with_formulas_and_without_arrays() -> None:
    large = np.arange(30_000.0).reshape(10_000, 3) % 7
    problem = read_problem(from_mapping({"query": large[:5], "key": large, "value": large}))
    plan = make_plan(problem, Request())
    sent = pickle.dumps(plan)
    assert len(sent) < 20_000 < large.nbytes
    for name, spec in pickle.loads(sent).pipeline.items():
        assert spec.formula == plan.pipeline[name].formula
        assert spec.stage is plan.pipeline[name].stage


N, D = 7, 5


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A problem of NPY files."""
    rng = np.random.default_rng(19)
    for name in "qkv":
        np.save(tmp_path / f"{name}.npy", rng.normal(size=(N, D)))
    path = tmp_path / "problem.yaml"
    path.write_text("query: q.npy\nkey: k.npy\nvalue: v.npy\ndtype: float32\n")
    return path


def loaded(path: Path) -> Problem:
    """The problem, whose files are read by rows however small they are."""
    keys = {name: str(path.parent / f"{name[0]}.npy") for name in ("query", "key", "value")}
    return read_problem(from_mapping(keys, by_rows()))


SCRIPT = """
import pickle, sys
from attn_cli.maths.problem import Request
from attn_cli.engine.run import run
problem = pickle.load(open(sys.argv[1], "rb"))
print(run(problem, Request(steps=("output",)))["output"].tolist())
"""


def test_another_process_opens_the_files_again(stored: Path) -> None:
    problem = loaded(stored)
    assert problem.query is not None
    assert isinstance(problem.query.inputs, Stored)
    sent = pickle.dumps(problem)
    assert len(sent) < 8 * N * D * 2 + 6000  # no matrix is in it
    (stored.parent / "sent").write_bytes(sent)
    ran = run_to_end([sys.executable, "-c", SCRIPT, str(stored.parent / "sent")], cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    expected = run(problem, Request(steps=("output",)))["output"].tolist()
    assert ran.stdout.decode() == f"{expected}\n"


def test_a_file_that_changed_since_is_an_error_that_names_it(stored: Path) -> None:
    sent = pickle.dumps(loaded(stored))
    np.save(stored.parent / "k.npy", np.zeros((N + 4, D)))
    with pytest.raises(AttnError) as caught:
        pickle.loads(sent)
    assert (
        caught.value.message == f"{stored.parent / 'k.npy'} has changed since the problem was read"
    )
    assert caught.value.path == ("key",)
    (stored.parent / "k.npy").unlink()
    with pytest.raises(AttnError, match=r"k\.npy cannot be opened again: No such file"):
        pickle.loads(sent)


def test_standard_input_is_refused(stored: Path) -> None:
    descriptor = os.open(stored.parent / "q.npy", os.O_RDONLY)
    with open(descriptor, "rb") as stream:  # its name is a number, as that of standard input
        size = os.fstat(descriptor).st_size
        array = open_stored(stream, "standard input", ("query",), slice(0, size))
    assert array is not None
    with pytest.raises(AttnError) as caught:
        pickle.dumps(array)
    assert caught.value.message == "standard input cannot be opened again in another process"
    array.close()


def test_errors_of_the_api_can_be_sent_back() -> None:
    """A worker's error reaches the sender of the problem."""
    with pytest.raises(AttnError) as caught:
        attn_cli.compute({"query": [[1]], "key": [[1]], "value": [[1]], "score": "dto"})
    assert str(again(caught.value)) == str(caught.value)
