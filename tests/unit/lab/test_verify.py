"""Functions held against presets: each planted fault is found, and what does not work is said.

Expected numbers are those of `tests.helpers.faulty_kernel`, a kernel of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_cli.conventions.knobs import KNOBS
from attn_cli.conventions.presets import PRESETS, preset
from attn_cli.errors import AttnError
from attn_cli.floats import FLOAT_TYPES
from attn_cli.lab.verifying.answer import Call, Signature
from attn_cli.lab.verifying.calling import signature
from attn_cli.lab.verifying.case import OPTIONS, Case
from attn_cli.lab.verifying.expected import Expected, differ
from attn_cli.lab.verifying.grid import ASKED, CASES, NOT_ASKED
from attn_cli.lab.verifying.judging import Asking, judge, verify
from attn_cli.lab.verifying.process import InChild, InProcess
from attn_cli.lab.verifying.verified import Judged, Verified
from tests.helpers.faulty_kernel import FAULTS, kernel
from tests.helpers.many import check_each
from tests.helpers.verified import Once, compute_once, fork_children

pytestmark = pytest.mark.slow

BY_NAME = {case.name: case for case in CASES}


@pytest.fixture(autouse=True)
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    compute_once(monkeypatch)


@cache
def asking(*names: str, like: str = "torch") -> Asking:
    return Asking(like, [BY_NAME[name] for name in names], emulations=1)


def one_row(
    like: str, values: list[float], options: dict[str, Any] | None = None, **arrays: Any
) -> Expected:
    """Return what a query of zeros gives: the mean of the values of the keys that it sees."""
    V = np.array(values).reshape(1, 1, -1, 1)
    zeros = {"q": np.zeros((1, 1, 1, 2)), "k": np.zeros((1, 1, len(values), 2)), "v": V}
    return Expected(like, {**zeros, **arrays}, options or {}, emulations=4)


def verdict(function: Callable[..., Any], *cases: str, like: str = "torch") -> Verified:
    return verify(InProcess(function, "numpy"), asking(*cases, like=like), dtypes=["float32"])


def asked_of(case: str) -> tuple[Expected, Call]:
    expected = asking(case).expected(BY_NAME[case], "float32")
    assert expected is not None
    arrays, options = dict(expected.arrays), dict(expected.options)
    return expected, Call(arrays=arrays, options=options, dtype="float32", timeout=0)


def alone(function: Callable[..., Any], case: str = "plain") -> Judged:
    answer = InProcess(function, "numpy").call(asked_of(case)[1])
    return judge(asking(case), BY_NAME[case], "float32", answer)


def test_the_right_kernel_is_right_in_every_case() -> None:
    found = verify(InProcess(kernel(), "numpy"), Asking("torch", emulations=1), dtypes=["float32"])
    assert found.agrees is True
    assert {each.verdict for each in found.conventions} == {"right"}
    assert len([case for each in found.conventions for case in each.cases]) == len(CASES)
    assert found.variants > 30


def test_each_planted_fault_is_found() -> None:
    def found(fault: str) -> None:
        expected, call = asked_of(FAULTS[fault])

        def off(function: Callable[..., Any]) -> int:
            results = InProcess(function, "numpy").call(call).results
            assert results is not None
            return sum(int(each.sum()) for each in expected.off(results, "float32").values())

        assert off(kernel()) == 0
        assert off(kernel(fault)) > 0

    assert len(FAULTS) > 20
    check_each(FAULTS, found)


# Fault -> the variant that is the same thing.
NAMED = {
    "scale left out": "no-scale",
    "heads take turns": "grouping: tile",
    "queries at the last keys": "causal: bottom-right",
    "query does not see itself": "causal-itself-hidden",
    "mask inverted": "mask.true_means: ignore",
    "mask dropped with causal": "no-mask",
    "mask after softmax": "mask-after-softmax",
    "empty rows are the mean": "empty_rows: uniform",
    "empty rows are NaN": "empty_rows: nan",
    "values are keys": "values-are-keys",
}


def test_a_fault_is_explained_by_the_variant_that_it_is() -> None:
    def explained(fault: str) -> None:
        judged = alone(kernel(fault), FAULTS[fault])
        assert NAMED[fault] in [each.name for each in judged.explained]

    check_each(NAMED, explained)


def test_the_worst_cell_is_named_with_both_numbers() -> None:
    def wrong(q: Any, k: Any, v: Any) -> Any:
        output = kernel()(q, k, v)
        output[1, 0, 2, 3] += 0.5
        output[0, 1, 4, 2] -= 0.25
        return output

    judged = alone(wrong)
    assert (judged.off, judged.numbers) == (2, 2 * 2 * 5 * 16)
    assert judged.worst is not None
    assert (judged.worst.result, judged.worst.place) == ("output", (1, 0, 2, 3))
    assert judged.worst.there - judged.worst.here == pytest.approx(0.5, abs=1e-5)


def test_nan_against_a_number_is_wrong_and_worst() -> None:
    def wrong(q: Any, k: Any, v: Any) -> Any:
        output = kernel()(q, k, v)
        output[1, 1, 1, 1] = np.nan
        output[0, 0, 0, 0] += 7
        return output

    judged = alone(wrong)
    assert judged.off == 2
    assert judged.worst is not None
    assert judged.worst.place == (1, 1, 1, 1)


def test_a_number_beyond_the_type_may_be_an_infinity() -> None:
    expected = asking("lse-empty-row", like="jax").expected(BY_NAME["lse-empty-row"], "float16")
    assert expected is not None
    found = {name: array.astype(float) for name, array in expected.results.items()}
    assert found["lse"][0, 0, 2] < -1e38
    for lowest, wrong in ((-np.inf, 0), (np.inf, 1), (-65504.0, 1)):
        found["lse"][0, 0, 2] = lowest
        assert int(expected.off(found, "float16")["lse"].sum()) == wrong, lowest


def test_the_tolerance_is_four_errors_of_the_emulations_and_four_units() -> None:
    between = 1 + 2.0**-8  # two numbers of bfloat16: both are off by 2^-8
    found = one_row("torch", [between]).tolerances("bfloat16")
    assert found["output"] == 4 * 2.0**-8 + 4 * 2.0**-8 * between


def test_a_row_of_hidden_scores_has_the_noise_of_equal_weights() -> None:
    """Each hidden score is the same number of bfloat16; the mean of 1 and 3 needs no rounding."""
    hidden = one_row("jax", [1.0, 3.0], mask=np.zeros((1, 1, 1, 2), dtype=bool))
    assert hidden.results["output"].item() == 2
    assert hidden.tolerances("bfloat16")["output"] == 4 * 2.0**-8 * 2


def test_an_output_within_twice_the_tolerance_tells_nothing() -> None:
    assert one_row("torch", [1.0, 1.0, 1.0]).tells("bfloat16")
    unlike = one_row("torch", [1.0, 1.0, -1.98])  # errors of 1/3 in bfloat16 are up to 0.002
    assert unlike.results["output"].item() == pytest.approx(0.02 / 3, rel=1e-4)
    assert not unlike.tells("bfloat16")


def test_variants_of_the_log_sum_exp_mean_nothing_without_it() -> None:
    for options, unseen in ({}, True), ({"return_lse": True}, False):
        expected = one_row("torch", [1.0, 3.0], options)
        variant = next(each for each in expected.listed if each.name == "lse-of-base-2")
        assert (expected.varied(variant) is None) is unseen
        assert expected.notices(variant, "float32") is (None if unseen else True)


class CrackedError(Exception):
    """An exception that fails to print."""

    def __str__(self) -> str:
        raise ValueError


def _raises(error: BaseException) -> Callable[..., Any]:
    def function(q: Any, k: Any, v: Any) -> Any:
        raise error

    return function


def _returns(change: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda q, k, v: change(kernel()(q, k, v))


def _changes_k(q: Any, k: Any, v: Any) -> Any:
    output = kernel()(q, k, v)
    k[0, 0, 0, 0] += 1
    return output


VERDICTS: dict[str, tuple[Callable[..., Any], tuple[str, str]]] = {
    "raises": (_raises(ValueError("no\n way")), ("raised", "ValueError: no way")),
    "exits": (_raises(SystemExit(3)), ("raised", "SystemExit: 3")),
    "an exception without a text": (_raises(CrackedError()), ("raised", "CrackedError")),
    "not implemented": (
        _raises(NotImplementedError("in December")),
        ("not supported", "NotImplementedError: in December"),
    ),
    "turned": (
        _returns(lambda x: x.swapaxes(1, 2)),
        ("another shape", "output is (2, 5, 2, 16), not (2, 2, 5, 16)"),
    ),
    "nothing": (_returns(lambda _: None), ("not arrays", "its output is None: TypeError")),
    "three": (_returns(lambda x: (x, x, x)), ("not arrays", "its output is a tuple of 3")),
    "numbers of its own": (_changes_k, ("changed its inputs", "k")),
    "a pair": (_returns(lambda x: (x, x[..., 0])), ("right", "")),
    "lists": (_returns(lambda x: x.tolist()), ("right", "")),
    "whole numbers": (
        _returns(lambda x: x.astype(int)),
        ("not arrays", "its output is numpy.ndarray of int64"),
    ),
}


def test_what_does_not_work_has_a_verdict_of_its_own() -> None:
    def has(name: str) -> None:
        function, (expected, text) = VERDICTS[name]
        judged = alone(function)
        assert judged.verdict == expected
        assert judged.text.startswith(text)
        assert judged.wrong is (expected not in ("right", "not supported"))

    check_each(VERDICTS, has)


def test_a_log_sum_exp_that_is_missing_is_said() -> None:
    judged = alone(lambda q, k, v, return_lse=False: kernel()(q, k, v), "lse")
    said = "with return_lse it returns numpy.ndarray, not (output, lse)"
    assert (judged.verdict, judged.text) == ("not arrays", said)


def test_a_parameter_that_is_missing_means_not_supported() -> None:
    found = verdict(_returns(lambda x: x), "plain", "sinks-causal")
    plain, sinks = found.conventions
    assert (plain.verdict, sinks.verdict) == ("right", "not supported")
    assert sinks.why == "no parameter causal or sinks"
    assert found.agrees is True


def test_nothing_supported_is_no_verdict() -> None:
    assert verdict(_raises(NotImplementedError()), "plain", "scale").agrees is None


def test_what_a_preset_does_not_say_is_not_asked() -> None:
    found = verdict(kernel(), "plain", "causal-more-keys", like="d2l")
    assert [each.verdict for each in found.conventions] == ["right", "not asked"]
    assert found.conventions[1].why == "d2l says nothing about it"


def test_a_fault_that_no_case_notices_is_listed() -> None:
    names = [each.name for each in verdict(kernel(), "one-key").unnoticed]
    assert "no-scale" in names  # the only weight is 1 anyway
    assert "values-are-keys" not in names


class TestSignatures:
    def test_names_behind_q_k_v(self) -> None:
        def function(q: Any, k: Any, v: Any, scale: Any = None, *, causal: Any = None) -> None: ...

        assert signature(function) == Signature(names=("scale", "causal"))

    def test_any_name(self) -> None:
        found = signature(lambda q, k, v, **more: None)
        assert found.names is None
        assert found.lacks(OPTIONS) == ()

    def test_names_that_cannot_be_read(self) -> None:
        assert signature(max).names == ()

    def test_functions_of_other_arguments_are_refused(self) -> None:
        with pytest.raises(AttnError, match=r"f\(q, k, v, \*\*options\), and its signature is \(x"):
            signature(lambda x: x)


class TestGrid:
    def test_all_numbers_are_exact_in_all_types(self) -> None:
        for case in CASES:
            for name, array in case.arrays(preset("torch")).items():
                for dtype in case.types:
                    if array.dtype.kind == "f":
                        rounded = FLOAT_TYPES[dtype].round(array)
                        assert np.array_equal(rounded.astype(float), array), (case.name, name)

    def test_every_knob_is_asked_or_has_a_reason(self) -> None:
        assert {*ASKED, *NOT_ASKED} == set(KNOBS)
        assert not set(ASKED) & set(NOT_ASKED)
        assert all(BY_NAME[name] for names in ASKED.values() for name in names)

    def test_names_and_options_are_distinct(self) -> None:
        assert len(BY_NAME) == len(CASES)
        assert {name for case in CASES for name in case.needs} == set(OPTIONS)

    @pytest.mark.parametrize("knob", ["mask.true_means", "order", "empty_rows", "grouping"])
    def test_answers_that_a_problem_can_have_are_parted(self, knob: str) -> None:
        answers = [each.value for each in KNOBS[knob].answers if each.in_problems]
        for one, other in combinations(answers, 2):
            assert any(_parted(_with(case, knob, one), _with(case, knob, other))
                       for case in map(BY_NAME.get, ASKED[knob])), (one, other)  # fmt: skip

    def test_finite_fills_are_parted_from_minus_infinity(self) -> None:
        right, *others = (each.value for each in KNOBS["mask_fill"].answers)
        for other in others:
            assert any(
                _parted(*(_with(case, "mask_fill", each, "xformers") for each in (right, other)))
                for case in map(BY_NAME.get, ASKED["mask_fill"])
            ), other

    def test_alignments_of_presets_are_parted(self) -> None:
        owners = {"top-left": "torch", "bottom-right": "flash-attn", "end": "hf-eager"}
        for one, other in combinations(owners.values(), 2):
            assert any(_parted(_like(name, one), _like(name, other)) for name in ASKED["causal"])

    def test_axes_of_masks_are_parted(self) -> None:
        owners = {str(each.settings["mask.axes"]): name for name, each in PRESETS.items()
                  if "mask.axes" in each.settings}  # fmt: skip
        assert len(owners) == 5
        for one, other in combinations(owners.values(), 2):
            pairs = [(_like(name, one), _like(name, other)) for name in ASKED["mask.axes"]]
            assert any(a is None or b is None or a.shape != b.shape or _parted(a, b)
                       for a, b in pairs if a is not None or b is not None), one  # fmt: skip


def _with(case: Case | None, knob: str, value: object, like: str = "torch") -> Any:
    """The output of a case with another answer to a knob; None if it has none."""
    assert case is not None
    expected = asking(case.name, like=like).expected(case, "float32")
    assert expected is not None
    problem = expected.base.read_with({knob: value})
    found = None if problem is None else expected._sample.of(problem)
    return None if found is None else found["output"]


def _like(name: str, like: str) -> Any:
    expected = Once.of(BY_NAME[name], like, emulations=1)
    return None if expected is None else expected.results["output"]


def _parted(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return False
    return one.shape != other.shape or bool(differ(one, other, 0.02).any())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


CHILD = """\
import os, sys, time
print("printed while importing")

def attention(q, k, v, scale=None, causal=False, softcap=None, return_lse=False):
    print("printed by the function")
    if scale == 0.375:
        time.sleep(60)
    if causal:
        os.kill(os.getpid(), 11)
    if softcap:
        os._exit(7)
    if return_lse:
        return q, k[:, :, 0, 0]
    return v[:, :, :1].repeat(q.shape[2], 2)
"""


class TestChild:
    def calls(self, *cases: str, timeout: float = 30) -> Iterator[tuple[str, str]]:
        with InChild("own:attention", "numpy") as child:
            for name in cases:
                arrays = BY_NAME[name].arrays(preset("torch"))
                options = BY_NAME[name].options()
                answer = child.call(
                    Call(arrays=arrays, options=options, dtype="float32", timeout=timeout)
                )
                yield answer.verdict, answer.text

    def test_crashes_and_calls_without_an_end(
        self, folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fork_children(monkeypatch)
        (folder / "own.py").write_text(CHILD)
        first, *later = self.calls("one-key", "causal", "one-key", "softcap", "one-key")
        assert first == ("done", "")
        assert later[0] == ("crashed", "ended by SIGSEGV")
        assert later[1] == later[3] == first
        assert later[2] == ("crashed", "ended with exit status 7")
        assert next(self.calls("scale", timeout=0.5)) == (
            "took too long",
            "more than 0.5 s",
        )
        out, err = capfd.readouterr()
        assert out == ""
        assert "printed while importing" in err
        assert "printed by the function" in err

    def test_errors_of_imports_have_the_traceback_of_the_user(self, folder: Path) -> None:
        (folder / "own.py").write_text("import json\njson.loads('{')\n")
        told: list[str] = []
        child = InChild("own:attention", "numpy", tell=told.append)
        with pytest.raises(AttnError, match=r"^own cannot be imported: JSONDecodeError: "):
            child.signature  # noqa: B018
        (traceback,) = told
        assert traceback.startswith("Traceback (most recent call last):\n  File ")
        assert f'{os.sep}own.py", line 2' in traceback
        assert "attn_cli" not in traceback

    def test_names_that_are_not_there(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        fork_children(monkeypatch)
        (folder / "own.py").write_text("number = 7\ndef attend(q, k, v): ...\n")
        for name, said in {
            "nowhere:attention": "^there is no module 'nowhere'\n",
            "own:attention": "^own has no 'attention'\nhelp: own has: attend",
            "own:number": "^own:number is int, which cannot be called",
            "own.py": "^'own.py' is not MODULE:FUNCTION",
        }.items():
            with (
                pytest.raises(AttnError, match=said),
                InChild(name, "numpy") as child,
            ):
                child.signature  # noqa: B018

    def test_python_of_the_child_is_this_one(self, folder: Path) -> None:
        (folder / "own.py").write_text(
            "import sys\ndef attention(q, k, v): raise ValueError(sys.executable)\n"
        )
        assert list(self.calls("one-key")) == [("raised", f"ValueError: {sys.executable}")]
