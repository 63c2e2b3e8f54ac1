"""Two computations compared: faults are found at their stage, and other roundings are noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from attn_cli.errors import AttnError
from attn_cli.floats import FLOAT_TYPES, FloatType
from attn_cli.lab.altered import steps_of, with_steps
from attn_cli.lab.differing.compare import Asked
from attn_cli.lab.differing.difference import difference_of
from attn_cli.lab.differing.inputs import Loaded
from attn_cli.lab.differing.result import Difference
from attn_cli.lab.differing.rows import BUDGET, edges_of, of_problem, sampled
from attn_cli.lab.differing.taps import Taps
from attn_cli.lab.noise import at_random, in_types, kernel_types, narrowest
from attn_cli.reading.dumps import Dump
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import from_mapping
from attn_cli.views.differing.parts import line
from tests.helpers.many import check_each

Arrays = Mapping[str, NDArray[Any]]
N, HEADS, D = 23, 2, 13
QUIET = Asked(identify=False)


def inputs(type_: str, n: int = N, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Return Q, K and V of unit normal numbers of a type."""
    random = np.random.default_rng(seed)
    made = (random.standard_normal((1, HEADS, n, D)) for _ in range(3))
    return {
        name: FLOAT_TYPES[type_].round(x).astype(np.float64)
        for name, x in zip(("query", "key", "value"), made, strict=True)
    }


def problem(**keys: Any) -> Loaded:
    document = from_mapping(keys)
    return Loaded(name="A", problem=read_problem(document), document=document)


def dump(arrays: Arrays) -> Loaded:
    return Loaded(name="B", dump=Dump(name="B", arrays=dict(arrays), axes={}))


def steps(names: str, **keys: Any) -> dict[str, NDArray[Any]]:
    made = steps_of(read_problem(from_mapping(keys)))
    return {name: made[name] for name in names.split()}


def first_of(found: Difference) -> str:
    return found.first.step if found.first is not None else found.verdict


ALL = "q k v products scores capped biased masked weights lse context output"
BASE: dict[str, Any] = {"causal": "top-left", "softcap": 3.0, "alibi": True}
FAULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "nothing": ("noise", {}),
    "another scale": ("scores", {"scale": 0.25}),
    "another cap": ("capped", {"softcap": 4.0}),
    "other slopes": ("biased", {"alibi": {"slopes": [0.3, 0.2]}}),
    "a window": ("visible", {"window": {"left": 5, "right": 0}}),
    "a sink": ("weights", {"normalize": "softmax1"}),
    "a temperature": ("weights", {"temperature": 1.1}),
}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three emulations: faults are far beyond the noise, whatever it is exactly."""
    monkeypatch.setattr("attn_cli.lab.differing.compare.EMULATIONS", 3)


with_few = pytest.mark.usefixtures("few")


@with_few
@pytest.mark.parametrize("type_", ["bfloat16", "float16", "float32"])
def test_a_fault_is_found_at_its_stage(type_: str) -> None:
    given = {**inputs(type_), **BASE}

    def check(case: str) -> None:
        stage, changes = FAULTS[case]
        there = steps(ALL, **{**given, **changes}, dtype=type_)
        found = difference_of(problem(**given), dump(there), QUIET)
        assert first_of(found) == stage
        after = [row.verdict for row in found.steps if row.step in {"context", "output"}]
        assert "bug" not in after

    check_each(FAULTS if type_ == "bfloat16" else ("another scale",), check)


@with_few
def test_faults_of_no_option_are_found_at_their_stage() -> None:
    given = {**inputs("bfloat16"), **BASE}
    right = read_problem(from_mapping({**given, "dtype": "bfloat16"}))
    made = steps_of(right)

    def check(step: str) -> None:
        wrong = made[step].copy()
        wrong[0, 1, 7] = wrong[0, 1, 6]  # one row of one head is the row before
        there = steps_of(with_steps(right, {step: wrong}))
        found = difference_of(
            problem(**given), dump({name: there[name] for name in ALL.split()}), QUIET
        )
        assert first_of(found) == step
        (row,) = [row for row in found.steps if row.step == step]
        assert [(s.axis, s.first) for s in row.shares if s.axis == "head"] == [("head", 1)]
        assert dict(row.worst.place if row.worst else ())["query"] == 7
        assert "head 1 holds 100 % of it" in found.sentence

    check_each(("products", "weights"), check)


def online(given: Arrays, type_: str, keys: int) -> dict[str, NDArray[Any]]:
    """Return output and lse in float32: blocks of keys, sums in order, weights not divided."""
    q, k, v = (given[name][0].astype(np.float32) for name in ("query", "key", "value"))
    n = k.shape[1]
    most = np.full((HEADS, n, 1), -np.inf, np.float32)
    total = np.zeros((HEADS, n, 1), np.float32)
    summed = np.zeros_like(q)
    for start in range(0, n, keys):
        part = slice(start, start + keys)
        scores = np.zeros((HEADS, n, len(range(n)[part])), np.float32)
        for feature in range(D):
            scores += q[:, :, feature, None] * k[:, None, part, feature]
        scores = scores * np.float32(D**-0.5)
        seen = np.arange(n)[:, None] >= np.arange(n)[None, part]
        scores = np.where(seen, scores, np.float32(-np.inf))
        highest = np.maximum(most, scores.max(axis=-1, keepdims=True))
        raised = np.exp(scores - highest)
        total = total * np.exp(most - highest) + raised.sum(axis=-1, keepdims=True)
        raised = FLOAT_TYPES[type_].round(raised).astype(np.float32)
        summed *= np.exp(most - highest)
        for key in range(raised.shape[-1]):
            summed += raised[..., key, None] * v[:, None, start + key]
        most = highest
    output = FLOAT_TYPES[type_].round(summed / total)
    return {"output": output[None], "softmax_lse": (most + np.log(total))[None, ..., 0]}


@pytest.mark.parametrize("type_", ["bfloat16", "float16", "float32"])
def test_another_order_of_sums_is_noise(type_: str) -> None:
    for seed in range(3 if type_ == "float32" else 1):
        given = inputs(type_, n=31, seed=seed)
        found = difference_of(
            problem(**given, causal="top-left"), dump(online(given, type_, 8)), QUIET
        )
        assert [(row.step, row.verdict) for row in found.steps] == [
            ("lse", "noise"),
            ("output", "noise"),
        ]
        assert not any(each.passes for each in found.power)


def test_numpy_in_float32_is_noise_and_float64_is_the_same() -> None:
    given = inputs("float32")
    q, k, v = given.values()
    scores = (q.astype(np.float32) @ k.astype(np.float32).swapaxes(-1, -2)) / np.float32(D**0.5)
    raised = np.exp(scores)
    weights = raised / raised.sum(axis=-1, keepdims=True)
    found = difference_of(
        problem(**given),
        dump({"scores": scores, "attn_probs": weights, "out": weights @ v.astype(np.float32)}),
        QUIET,
    )
    assert [row.verdict for row in found.steps] == ["noise", "same", "noise", "noise"]
    exact = difference_of(problem(**given), dump(steps("scores weights output", **given)), QUIET)
    assert exact.verdict == "same"


def tapped(scores: list[float], stored: Mapping[str, FloatType]) -> NDArray[np.float64]:
    """Return weights as emulations of softmax in float32 give them, by seed and key."""
    keys: Any = {"query": [[1.0]], "key": [[1.0], [0.0]], "value": [[1.0], [2.0]], "score": "dot"}
    observed = {"scores": np.array([scores]), "weights": np.zeros((1, 2))}
    taps = Taps(read_problem(from_mapping(keys)), observed, np.array([0]), ("weights",), stored)
    types = kernel_types("float32")
    found = [
        taps.compute(in_types(taps.problem, at_random(types, seed)))["weights"][0]
        for seed in range(8)
    ]
    return np.array(found)


def test_scores_of_an_array_in_16_bits_are_moved_by_up_to_half_a_unit() -> None:
    weights = tapped([1.0, 0.0], {"scores": FLOAT_TYPES["bfloat16"]})
    moved = np.abs(np.log(weights[:, 0] / weights[:, 1]) - 1)  # the score is their quotient's log
    assert 2.0**-10 < moved.max() <= 2.0**-8 * (1 + 1e-3)
    kept = tapped([1.0, 0.0], {})
    assert np.log(kept[:, 0] / kept[:, 1]) == pytest.approx(1, abs=1e-6)


def test_a_small_weight_has_the_noise_of_its_logarithm() -> None:
    """Softmax rounds s - max = -20, so that exp(-20) is off by up to 20 roundings of 0.707."""
    weights, right = tapped([20.0, 0.0], {})[:, 1], 1 / (1 + np.exp(20.0))
    moved = np.abs(weights / right - 1) / FLOAT_TYPES["float32"].eps
    assert 5 < moved.max() <= 0.707 * np.sqrt(3 + 20**2) + 1  # and the rounding of the step


@with_few
def test_visible_keys_are_compared_first_with_the_reason() -> None:
    given = inputs("bfloat16")
    window = {"causal": "top-left", "window": {"left": 4, "right": 0}}
    wider = {**window, "window": {"left": 5, "right": 0}}
    there = steps("weights output", **given, **wider, dtype="bfloat16")
    found = difference_of(problem(**given, **window), dump(there), QUIET)
    assert [(row.step, row.verdict) for row in found.steps] == [
        ("visible", "bug"),
        ("weights", "inherited"),
        ("output", "inherited"),
    ]
    rows = HEADS * (N - 5)  # each query from 5 on sees one key more
    assert found.sentence == (
        "first: visible - A hides (5, 0) of head 0: window; B sees it "
        f"({rows} rows see one key more there)"
    )
    assert found.steps[0].cells == rows


@with_few
def test_layouts_and_base_2_are_noticed() -> None:
    given = inputs("float16")
    made = steps("q lse output", **given, dtype="float16")
    arrays = {
        "query": made["q"].transpose(0, 2, 1, 3),
        "softmax_lse": made["lse"].transpose(0, 2, 1) / np.log(2),
        "o": made["output"].transpose(0, 2, 1, 3).reshape(1, N, HEADS * D),
    }
    found = difference_of(problem(**given), dump(arrays), QUIET)
    assert found.verdict == "noise"
    notes = {row.step: row.note for row in found.steps}
    assert "base 2" in notes["lse"]
    assert {"query" in notes["q"], "o" in notes["output"]} == {True}


@with_few
def test_names_are_matched_listed_and_mapped() -> None:
    given = inputs("float16")
    made = steps("weights output", **given, dtype="float16")
    arrays = {
        "model.layers.0.self_attn.attn_probs_outputs": made["weights"],
        "attn_output": made["output"],
        "gamma": np.ones(3),
    }
    found = difference_of(problem(**given), dump(arrays), QUIET)
    assert [row.step for row in found.steps][-2:] == ["weights", "output"]
    assert found.unmatched_there == ("gamma",)
    assert "scores" in found.unmatched_here
    mapped = Asked(mapping={"output": "gamma"}, identify=False)
    with pytest.raises(AttnError, match="gamma has shape"):
        difference_of(problem(**given), dump(arrays), mapped)
    two = {"probs": made["weights"], "attn_weights": made["weights"], "o": made["output"]}
    found = difference_of(problem(**given), dump(two), QUIET)
    assert "each could be weights" in found.unmatched_there[0]
    chosen = Asked(mapping={"weights": "probs"}, identify=False)
    found = difference_of(problem(**given), dump(two), chosen)
    assert "weights" in [row.step for row in found.steps]


@with_few
def test_nan_against_a_number_is_a_bug() -> None:
    given = inputs("float32")
    made = steps("output", **given, dtype="float32")
    broken = made["output"].copy()
    broken[0, 1, 3, 2] = np.nan
    found = difference_of(problem(**given), dump({"output": broken}), QUIET)
    assert found.verdict == "bug"
    assert found.first is not None
    assert found.first.reasons == ("1 value is NaN there and a number here",)
    with pytest.raises(AttnError, match="all NaN"):
        difference_of(problem(**given), dump({"output": broken * np.nan}), QUIET)
    both = {"x": np.array([[np.nan, 1.0]])}
    found = difference_of(dump(both), dump(both), QUIET)
    assert (found.verdict, found.steps[0].reasons) == ("same", ("1 value is NaN on both sides",))


@with_few
def test_numbers_whose_squares_are_too_large() -> None:
    given = inputs("float32")
    made = steps("output", **given, dtype="float32")
    huge = {"output": made["output"].astype(np.float64) * 1e300}
    for here in (problem(**given), dump(made)):
        found = difference_of(here, dump(huge), QUIET)
        assert (found.verdict, first_of(found)) == ("bug", "output")
        assert found.first is not None
        assert found.first.worst is not None
        assert found.first.worst.there > 1e299
    for other in (made, huge):
        with pytest.raises(AttnError, match=r"^B: output has numbers larger than 1e\+140"):
            difference_of(dump(huge), dump(other), QUIET)


def test_without_a_problem() -> None:
    given = inputs("bfloat16")
    right = steps("weights output", **given, dtype="bfloat16")
    rounded = {name: x * (1 + 2**-9) for name, x in right.items()}
    other = steps("weights output", **given, causal="top-left", dtype="bfloat16")
    assert difference_of(dump(right), dump(right), QUIET).verdict == "same"
    noise = difference_of(dump(right), dump(rounded), QUIET)
    assert (noise.verdict, noise.agrees) == ("noise", True)
    bug = difference_of(dump(right), dump(other), QUIET)
    assert (bug.verdict, first_of(bug)) == ("bug", "weights")
    near = {"output": right["output"] + 0.03 * np.sin(np.arange(right["output"].size)).reshape(
        right["output"].shape)}  # fmt: skip
    unclear = difference_of(dump({"output": right["output"]}), dump(near), QUIET)
    assert (unclear.verdict, unclear.agrees) == ("cannot tell", None)
    tolerant = Asked(tolerance=0.1, identify=False)
    assert difference_of(dump(right), dump(near), tolerant).verdict == "noise"
    with pytest.raises(AttnError, match="no step in common"):
        difference_of(dump({"a": np.ones(2)}), dump({"b": np.ones(2)}), QUIET)


def test_truth_values_and_codes_have_no_noise() -> None:
    """One key of 1600 that one side alone sees is a difference, whatever the type of the rest."""
    output = np.linspace(1, 2, 80).reshape(40, 2)
    seen = np.tri(40, dtype=np.bool_)
    other = seen.copy()
    other[3, 31] = True
    for name, here, there in (
        ("own", seen, other),
        ("visible", 1.0 - seen, 1.0 - other),
    ):
        arrays = {name: here, "output": output}
        found = difference_of(dump(arrays), dump({name: there, "output": output}), QUIET)
        row = next(each for each in found.steps if each.step == name)
        assert (found.verdict, row.verdict, row.type, row.floor) == ("bug", "bug", None, 0)
        assert found.type == "float64"
        same = difference_of(dump(arrays), dump(arrays), QUIET)
        assert {each.verdict for each in same.steps} == {"same"}
    mixed = difference_of(dump({"own": seen}), dump({"own": seen + 0.0}), QUIET)
    assert mixed.type == "bfloat16"  # the other side has numbers


@with_few
def test_a_tolerance_that_accepts_everything_is_said() -> None:
    given = inputs("float32")
    wrong = {"output": np.full((1, HEADS, N, D), 0.75)}
    found = difference_of(problem(**given), dump(wrong), Asked(tolerance=9.0, identify=False))
    assert found.verdict == "noise"
    assert {each.name for each in found.power if each.passes} == {
        "zeros",
        "the previous row",
        "the mean of V",
    }
    note = "this tolerance accepts everything that was tried: it cannot find a fault"
    assert note in found.notes
    assert line(found).endswith(f"within the tolerance of 9; {note}")
    right = dump({"output": np.full((1, HEADS, N, D), 0.5)})
    for tolerance, blind in ((9.0, True), (0.4, False)):  # also of two dumps
        found = difference_of(right, dump(wrong), Asked(tolerance=tolerance, identify=False))
        assert found.verdict == "noise"
        assert (note in found.notes, line(found).endswith(note)) == (blind, blind)


@with_few
def test_two_problems_and_the_turned_order() -> None:
    given = inputs("float32")
    found = difference_of(problem(**given), problem(**given, scale=0.2), QUIET)
    assert (first_of(found), found.agrees) == ("scores", False)
    made = steps("weights output", **given, scale=0.2, dtype="float32")
    turned = difference_of(dump(made), problem(**given), QUIET)
    straight = difference_of(problem(**given), dump(made), QUIET)
    assert first_of(turned) == first_of(straight) == "weights"
    assert turned.first is not None
    assert straight.first is not None
    assert turned.first.worst is not None
    assert straight.first.worst is not None
    assert turned.first.worst.here == straight.first.worst.there


def test_rows_are_sampled_as_the_budget_allows() -> None:
    assert len(sampled(100, 100).rows) == 100
    assert len(sampled(100, 1).rows) >= 8 + 4
    n = 1 << 19
    made = sampled(n, BUDGET // n, (4096,))
    assert made.rows.tolist() == sorted({*made.rows.tolist()})
    assert {0, 1, 4095, 4096, 4097, n - 2, n - 1} <= {*made.rows.tolist()}
    assert BUDGET / 2 <= len(made.rows) * n <= BUDGET
    assert len({row % 64 for row in made.rows.tolist()}) > 12  # no step between them is 64
    assert made.text == (
        f"{len(made.rows)} of {n} rows were compared: the first two, the last two, those around "
        f"the edges of the visible keys (4096) and {made.drawn} drawn at random (seed 0)"
    )


def test_rows_around_edges_of_what_is_seen_are_compared() -> None:
    x = np.zeros((3000, 1))
    given = {"query": x, "key": np.zeros((5000, 1)), "value": np.zeros((5000, 1))}
    window = {"causal": "top-left", "window": {"left": 701}}
    assert edges_of(read_problem(from_mapping({**given, **window}))) == (701,)
    # The query in row i is at key i + 2000; keys from 300 on, and from the row at 1300 + 300 on.
    behind = {"causal": "bottom-right", "window": {"left": 2100}}
    assert edges_of(read_problem(from_mapping({**given, **behind}))) == (100,)
    made = of_problem(read_problem(from_mapping({**given, **behind})), pairs=True, exact=False)
    assert {99, 100, 101} <= {*made.rows.tolist()}
    assert len(made.rows) * 5000 <= 1 << 22
    whole = of_problem(read_problem(from_mapping({**given, **behind})), pairs=True, exact=True)
    assert (len(whole.rows), whole.text) == (3000, "")


def test_the_narrowest_type() -> None:
    assert [narrowest(np.array([x])).name for x in (0.5, 1 + 2**-10, 1 + 2**-20, 0.1)] == [
        "bfloat16",
        "float16",
        "float32",
        "float64",
    ]
    assert narrowest(np.array([np.nan, np.inf])).name == "bfloat16"


@with_few
def test_given_keys_are_compared_and_read_where_they_differ() -> None:
    given = inputs("float32")
    there = {**given, "key": given["key"].copy()}
    there["key"][0, 1, 19, 4] += 0.5
    made = steps("k v output", **there, dtype="float32")
    found = difference_of(problem(**given), dump(made), QUIET)
    rows = {row.step: row for row in found.steps}
    assert [rows[name].verdict for name in ("k", "v", "output")] == ["bug", "same", "inherited"]
    worst = rows["k"].worst
    assert worst is not None
    assert dict(worst.place) == {"head": 1, "key": 19, "dimension": 4}
    assert found.sentence.startswith(
        "first: k - head 1 holds 100 % of it; keys 18 to 20 hold 100 %"
    )


@pytest.mark.regression("float32 sums over many keys, one after the other, were a bug")
def test_sums_of_many_keys_in_order_are_noise_in_float32() -> None:
    n, queries = 4096, 3
    random = np.random.default_rng(5)
    q, k, v = (random.standard_normal((rows, 4)).astype(np.float32) for rows in (queries, n, n))
    raised = np.exp((q @ k.T) / np.float32(2))
    total, summed = np.zeros((queries, 1), np.float32), np.zeros((queries, 4), np.float32)
    for key in range(n):
        total += raised[:, key, None]
        summed += raised[:, key, None] * v[key]
    there = {"output": summed / total}
    found = difference_of(problem(query=q, key=k, value=v), dump(there), QUIET)
    assert found.verdict == "noise"
    one_less = {"output": (summed - raised[:, 7, None] * v[7]) / (total - raised[:, 7, None])}
    found = difference_of(problem(query=q, key=k, value=v), dump(one_less), QUIET)
    assert found.verdict == "bug"


def test_the_sentence_says_what_was_held_against_what() -> None:
    given = inputs("bfloat16")
    made = steps("output", **given, dtype="bfloat16")
    near = {"output": made["output"].astype(np.float64) * (1 + 2**-9)}
    assert difference_of(dump(made), dump(near), QUIET).sentence == (
        "noise of bfloat16: no step differs by more than a rounding"
    )
    tolerant = Asked(tolerance=0.25, identify=False)
    for here in (dump(made), problem(**given)):
        assert difference_of(here, dump(near), tolerant).sentence == "within the tolerance of 0.25"
    assert difference_of(problem(**given), dump(made), QUIET).sentence == (
        "noise of bfloat16: no stage adds more than its emulations do"
    )


def test_identify_is_not_asked_about_large_steps_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = inputs("float32")
    wrong = {"output": steps("output", **given, causal=True)["output"]}
    monkeypatch.setattr("attn_cli.lab.differing.identified.MOST", N * N * HEADS - 1)
    found = difference_of(problem(**given), dump(wrong), Asked())
    assert found.verdict == "bug"
    assert found.identified == (
        "identify: not asked about output, which has more than 4 million numbers or pairs; "
        "it can be, about the problem that is saved",
    )


@pytest.mark.parametrize("there", ["float32", "float64"])
def test_arithmetic_in_float32_has_no_warning(there: str) -> None:
    keys = {**inputs("float32"), "causal": "top-left", "dtype": "float32"}
    found = difference_of(
        problem(**keys),
        dump({"output": steps("output", **keys)["output"].astype(there)}),
        QUIET,
    )
    assert found.verdict in ("same", "noise")


@with_few
def test_problems_in_float32_have_no_warning() -> None:
    keys = {**inputs("float32"), "causal": "top-left", "dtype": "float32"}
    found = difference_of(problem(**keys), problem(**{**keys, "scale": 0.25}), QUIET)
    assert first_of(found) == "scores"
