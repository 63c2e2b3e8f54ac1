"""Every engine refuses a case with a reason, or gives the numbers of the definition."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest

from attn_cli import AttnError
from attn_cli.engine.engines import ENGINES, choose
from attn_cli.engine.estimate import estimate
from attn_cli.engine.plan import Plan, make_plan
from attn_cli.engine.run import run
from attn_cli.engine.stream import streamed
from attn_cli.maths.problem import Request
from attn_cli.views import VIEWS, Style
from tests.conformance.cases import FAMILIES, PROBLEMS
from tests.conformance.expected import (
    CONTEXTS,
    SMALL,
    contexts_of,
    oracle_of,
    problem_of,
    record_of,
    turn,
)
from tests.conftest import Attn
from tests.helpers.many import check_each
from tests.helpers.streaming import Numbers
from tests.helpers.tiled import loaded

pytestmark = pytest.mark.slow

WANTED: dict[str, tuple[str, ...] | None] = {"contexts": CONTEXTS, "every step": None}


def request_of(case: str, wanted: str, engine: str) -> Request:
    """A request of those steps that the case has."""
    steps = WANTED.get(wanted, (wanted,))
    if steps is not None:
        steps = tuple(step for step in steps if step in oracle_of(case))
    return Request(steps=steps, engine=engine, asides=True, **SMALL)


@cache
def plan_of(case: str, wanted: str) -> Plan:
    return make_plan(problem_of(case), request_of(case, wanted, "definition"))


def refused(case: str, wanted: str, engine: str) -> str | None:
    return ENGINES.get(engine).refuses(problem_of(case), plan_of(case, wanted))


def close(found: Any, expected: Any, engine: str, step: str) -> None:
    """Within what the engine promises; the oracle itself is as close as 1e-12."""
    tolerance = max(ENGINES.get(engine).tolerance, 1e-12)
    if step == "visible":
        tolerance = 0
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance, err_msg=step)


@pytest.mark.parametrize("engine", ENGINES.names)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("wanted", WANTED)
def test_it_refuses_or_gives_the_numbers(engine: str, family: str, wanted: str) -> None:
    """In blocks of a few rows: `test_against_oracle` has every step of every case in one block.

    Every step of a third of the cases; contexts of the others, and of every case by tiles.
    """
    thirds = {"every step": (0,), "contexts": (1, 2) if engine == "definition" else (0, 1, 2)}
    cases = [case for case in FAMILIES[family] if turn(case, 3) in thirds[wanted]]
    check_each(cases, lambda case: refuses_or_gives(engine, case, wanted))


def refuses_or_gives(engine: str, case: str, wanted: str) -> None:
    request = request_of(case, wanted, engine)
    reason = refused(case, wanted, engine)
    if reason is not None:
        assert reason.strip()
        assert engine != "definition"
        if wanted == "every step":  # for the same reason in all cases
            return
        with pytest.raises(AttnError) as error:
            run(problem_of(case), request)
        assert error.value.message == f"the engine {engine} does not compute this: {reason}"
        return
    again = wanted != "contexts"
    record = run(problem_of(case), request) if again else contexts_of(case, engine)
    for step in record.steps:
        close(record[step], oracle_of(case)[step], engine, step)
    assert record.warnings == record_of(case).warnings
    assert record.settings["engine"] == {"name": engine, "refused": {}}


@pytest.mark.parametrize("engine", ENGINES.names)
@pytest.mark.parametrize("family", FAMILIES)
def test_it_fills_any_sink_and_says_what_it_takes(engine: str, family: str) -> None:
    """A file, at any place or in order, gets what a record does; a third of the cases each."""
    at = list(ENGINES.names).index(engine)
    cases = [case for case in FAMILIES[family] if turn(case, 3) == (at + 1) % 3]
    check_each(cases, lambda case: fills_a_sink(engine, case))


def fills_a_sink(engine: str, case: str) -> None:
    request = request_of(case, "output", engine)
    if refused(case, "output", engine) is not None:
        return
    ahead = estimate(problem_of(case), request)
    assert (ahead.scores >= 0, ahead.seconds >= 0, ahead.bytes > 0) == (True, True, True)
    step = streamed(problem_of(case), request)
    if step is None:  # in layout columns
        return
    record = contexts_of(case, engine)
    target = Numbers(step, anywhere=turn(case, 2) == 0)
    assert step.into(target) == record.warnings
    np.testing.assert_array_equal(target.array, record["output"])


def test_each_engine_takes_some_cases_and_the_definition_all() -> None:
    for engine in ENGINES.names:
        reasons = {case: refused(case, "output", engine) for case in PROBLEMS}
        taken = [case for case, reason in reasons.items() if reason is None]
        assert len(taken) > 10
        assert engine != "definition" or taken == list(PROBLEMS)


@pytest.fixture
def dummy() -> Iterator[str]:
    ENGINES.add("dummy", "tests.conformance.dummy")
    yield "dummy"
    ENGINES.remove("dummy")


ROWS = [[1.0, 2.0], [3.0, 5.0]]
PLAIN = {"query": ROWS, "key": ROWS, "value": ROWS}


def test_a_new_engine_is_found_by_name_and_shown(dummy: str) -> None:
    record = run(loaded(PLAIN), Request(engine=dummy))
    np.testing.assert_array_equal(record["output"], run(loaded(PLAIN))["output"])
    shown = VIEWS.of("Record")["table"].render(record, Style(verbose=True))
    assert isinstance(shown, str)
    assert [line.split() for line in shown.splitlines() if "engine" in line] == [
        ["engine.name", "dummy"]
    ]


def test_a_new_engine_is_chosen_by_name_alone(dummy: str) -> None:
    problem = loaded(PLAIN)
    assert choose(problem, make_plan(problem, Request())).engine.name == "definition"
    heads = loaded({name: [[[[1.0]]]] for name in PLAIN})
    with pytest.raises(AttnError, match=r"^the engine dummy does not compute this: it knows no"):
        run(heads, Request(engine=dummy))


def test_an_unknown_engine(dummy: str) -> None:
    with pytest.raises(AttnError) as error:
        run(loaded(PLAIN), Request(engine="dumy"))
    assert error.value.message == "unknown engine 'dumy'"
    assert error.value.help == "did you mean 'dummy'? there are: definition, tiles, dummy"
    ENGINES.remove(dummy)
    with pytest.raises(AttnError, match=r"^unknown engine 'dummy'"):
        run(loaded(PLAIN), Request(engine=dummy))
    ENGINES.add(dummy, "tests.conformance.dummy")


def test_settings_say_which_engine_it_was_and_why(attn: Attn, tmp_path: Any) -> None:
    names = ("query", "key", "value")
    for name in names:
        np.save(tmp_path / f"{name}.npy", np.ones((1024, 3)))
    options = [f"--{name}={tmp_path / name}.npy" for name in names]

    def said(*asked: str) -> list[str]:
        out = attn("compute", *options, *asked, "--verbose", "--full").out
        return [" ".join(line.split()) for line in out.splitlines() if "engine." in line]

    assert said("--only", "output") == ["engine.name tiles"]
    reasons = {
        ("--only", "weights", "--query-token", "3"): "scores, weights or their sums are requested",
        ("--only", "q"): "no scores are needed",
        ("--only", "output", "--query-token", "3"): "there are too few scores for it to be faster",
        ("--only", "output", "--normalize", "sigmoid"): (
            "weights are not exponentials over their sum, but sigmoid"
        ),
        ("--only", "output", "--dtype", "float16"): (
            "types are not float64 or float32 throughout, but float16, float32"
        ),
    }
    for asked, reason in reasons.items():
        assert said(*asked) == ["engine.name definition", f"engine.refused.tiles {reason}"]
