"""The two-token examples: each tells its knob's values apart, and presets are their keys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest

import attn_cli
from attn_cli.conventions.examples import EXAMPLES, Example
from attn_cli.conventions.knobs import KNOBS, Plain, text
from attn_cli.conventions.presets import PRESETS
from attn_cli.dataclass import replace
from attn_cli.lab.preset_comparison import compare
from tests.conftest import Attn
from tests.helpers.reading import alike
from tests.helpers.tiled import loaded

pytestmark = pytest.mark.slow

# The values of knobs that are written otherwise in problems: for window W, the visible keys.
WINDOWS = {
    "keys": lambda w: {"left": w - 1, "right": 0},
    "previous": lambda w: {"left": w, "right": 0},
    "band": lambda w: {"left": w - 1, "right": w - 1},
    "both": lambda w: {"left": w, "right": w},
}

PRECISIONS = {
    "precision.scale",
    "precision.scaled",
    "precision.scores",
    "precision.softmax",
    "precision.weighted_sum",
}


def with_value(problem: Mapping[str, Any], knob: str, value: Plain) -> dict[str, Any]:
    """The problem with the key of a knob written out."""
    if knob == "window":
        return {**problem, "window": WINDOWS[value](problem["window"])}
    if knob == "causal":
        if value == "end":
            return {**problem, "offset": len(problem["key"]) - len(problem["query"])}
        cached = "bottom-right" if "key_lengths" in problem else "top-left"
        return {**problem, "causal": cached if value == "cache" else value}
    if knob == "mask.axes":
        mask = problem["mask"]
        fitting = [axes for axes in value if len(axes) == np.ndim(mask["values"])]
        return {**problem, "mask": {**mask, "axes": fitting[0]} if fitting else mask}
    if knob in PRECISIONS:
        dtype = problem.get("dtype", "float64")
        wide = "float32" if "16" in dtype else dtype
        value = {"dtype": dtype, "accumulate": wide, "at least float32": wide}.get(value, value)
    path = KNOBS[knob].key
    if len(path) == 1:
        return {**problem, knob: value}
    inner = problem.get(path[0], {})
    return {**problem, path[0]: {**(inner if isinstance(inner, Mapping) else {}), path[1]: value}}


def results(example: Example, problem: Mapping[str, Any]) -> str:
    """The steps of an example as they are written."""
    try:
        record = attn_cli.compute(problem, steps=example.steps)
    except attn_cli.AttnError:  # a preset, or attn, that cannot tell what is meant
        return "refused"
    return ", ".join(text(record[step].tolist(), example.digits) for step in example.steps)


@pytest.mark.parametrize("knob", KNOBS)
def test_every_two_values_give_different_results(knob: str) -> None:
    values = [answer.value for answer in KNOBS[knob].answers]
    found = [
        [results(example, with_value(example.problem, knob, value)) for example in EXAMPLES[knob]]
        for value in values
    ]
    for one, other in combinations(range(len(values)), 2):
        assert found[one] != found[other], (values[one], values[other])


@pytest.mark.parametrize("name", PRESETS)
def test_like_is_the_keys_that_it_sets(name: str) -> None:
    """The problems are the same, except what they say of keys and of the preset."""
    for knob, value in PRESETS[name].settings.items():
        for example in EXAMPLES[knob]:
            like = {**example.problem, "like": name}
            if knob == "mask.axes" and results(example, like) == "refused":
                assert results(example, with_value(like, knob, value)) == "refused"
                continue
            alone, written = loaded(like), loaded(with_value(like, knob, value))
            alike(*(replace(each, conventions={}, warnings=()) for each in (alone, written)))
            # A type is not a dtype, an alignment not a cache: these are written otherwise.
            if knob not in PRECISIONS and value != "cache":
                assert not any("as written" in warning for warning in written.warnings)


@pytest.mark.parametrize("name", PRESETS)
def test_a_key_that_is_written_wins_with_a_note(name: str) -> None:
    for knob, theirs in PRESETS[name].settings.items():
        ours = next(a.value for a in KNOBS[knob].answers if text(a.value) != text(theirs))
        if knob in {"window", "causal", "mask.axes", *PRECISIONS}:
            continue  # values of these say how a key is read, and are none themselves
        example = EXAMPLES[knob][0]
        problem = {**with_value(example.problem, knob, ours), "like": name}
        note = f"{knob} is {text(ours)}, as written; like {name} has {text(theirs)}"
        assert note in loaded(problem).warnings


def written_otherwise(knob: str, theirs: Plain) -> tuple[dict[str, Any], Plain]:
    """A problem whose key sets a knob as a preset does not, and the value that it writes."""
    base = EXAMPLES[knob][0].problem
    if knob == "mask.axes":
        axes = ["key", "query"]
        return {**base, "mask": {**base["mask"], "axes": axes}}, [axes]
    if knob in PRECISIONS:
        return with_value(base, knob, base["dtype"]), base["dtype"]
    others = (
        a.value for a in KNOBS[knob].answers if a.in_problems and text(a.value) != text(theirs)
    )
    ours = next(others)
    return with_value(base, knob, ours), ours


@pytest.mark.parametrize("knob", [knob for knob in KNOBS if knob != "window"])
def test_every_knob_that_a_key_writes_is_remembered(knob: str) -> None:
    presets = [each for each in PRESETS.values() if knob in each.settings]
    assert presets
    for each in presets:
        theirs = each.settings[knob]
        problem, ours = written_otherwise(knob, theirs)
        read = loaded({**problem, "like": each.name})
        assert text(read.conventions[knob]) == text(ours), each.name
        note = f"{knob} is {text(ours)}, as written; like {each.name} has {text(theirs)}"
        assert note in read.warnings


def test_no_key_says_how_a_bare_number_of_a_window_is_read() -> None:
    assert not any(answer.in_problems for answer in KNOBS["window"].answers)
    assert all(KNOBS[knob].words for knob in ("causal", "axes", "alibi.form"))


def test_documents_set_the_alignment_too() -> None:
    documents = {"query": [0], "key": [0, 0], "alignment": "bottom-right"}
    problem = {"query": [[1]], "key": [[0], [1]], "value": [[1], [3]], "documents": documents}
    record = attn_cli.compute({**problem, "causal": True, "like": "torch"})
    assert isinstance(conventions := record.settings["conventions"], dict)
    assert conventions["causal"] == "bottom-right"
    assert "causal is bottom-right, as written; like torch has top-left" in record.warnings


# Worked out by hand from the problems as they are shown; fractions of e and of powers of two.
E, E2 = np.e, np.e**2
HALF, ONE, OTHER = [0.5, 0.5], [1, 0], [0, 1]
LAST, BATCH = (("query", "key"), ("head", "query", "key")), (("batch", "query", "key"),)
PADDING = (("batch", "key"),)
BY_HAND: list[tuple[str, int, str, dict[Any, Any]]] = [
    ("mask.true_means", 0, "weights", {"attend": [ONE, OTHER], "ignore": [OTHER, ONE]}),
    ("mask.axes", 0, "weights", {LAST: [[ONE, HALF]] * 2, PADDING: [[ONE, ONE], [HALF, HALF]]}),
    ("mask.axes", 1, "weights", {LAST: [[[ONE], [HALF]]] * 2, BATCH: [[[ONE]] * 2, [[HALF]] * 2]}),
    ("causal", 0, "weights", {"top-left": [ONE], "bottom-right": [HALF], "cache": [ONE]}),
    ("causal", 1, "weights", {"top-left": [ONE], "bottom-right": [HALF], "cache": [HALF]}),
    ("causal", 0, "weights", {"end": [HALF]}),
    ("causal", 2, "weights", {"end": [ONE, ONE], "bottom-right": [[0, 0], ONE]}),
    ("window", 0, "weights", {"keys": [ONE, OTHER], "previous": [ONE, HALF]}),
    ("window", 0, "weights", {"band": [ONE, OTHER], "both": [HALF, HALF]}),
    ("window", 1, "weights", {"keys": [ONE, HALF], "band": [HALF, HALF]}),
    (
        "empty_rows",
        0,
        "weights",
        {
            "zero": [[0, 0], [1 / (1 + E), E / (1 + E)]],
            "nan": [[np.nan, np.nan], [1 / (1 + E), E / (1 + E)]],
            "uniform": [HALF, [1 / (1 + E), E / (1 + E)]],
        },
    ),
    (
        "empty_rows",
        1,
        "weights",
        {"zero": [[0], [1]], "nan": [[np.nan], [1]], "uniform": [[1], [1]]},
    ),
    (
        "grouping",
        0,
        "weights",
        {
            "interleave": [[[E2 / (1 + E2), 1 / (1 + E2)]]] * 2
            + [[[1 / (1 + E2), E2 / (1 + E2)]]] * 2,
            "tile": [[[E2 / (1 + E2), 1 / (1 + E2)]], [[1 / (1 + E2), E2 / (1 + E2)]]] * 2,
        },
    ),
    (
        "alibi.form",
        0,
        "biased",
        {
            "distance": [[0, -1], [-1, 0]],
            "signed": [[0, 1], [-1, 0]],
            "key": [[0, 1], [0, 1]],
            "last_key": [[-1, 0], [-1, 0]],
            "clamped": [[0, 0], [-1, 0]],
        },
    ),
    (
        "alibi.slopes",
        0,
        "biased",
        {
            "paper": [[[0, -m], [-m, 0]] for m in (2**-4, 2**-8, 2**-2)],
            "plain": [[[0, -m], [-m, 0]] for m in (2 ** (-8 / 3), 2 ** (-16 / 3), 2**-8)],
        },
    ),
    # 257/256 rounds to 1. Numbers of bfloat16 are 4 apart near 771, and 8 near 1542.
    (
        "precision.scale",
        0,
        "scores",
        {"accumulate": [[772, 1544]], "dtype": [[768, 1536]]},
    ),
    # 257/256 rounds to 1; scores are rounded to bfloat16, whose numbers are 4 apart there.
    (
        "precision.scaled",
        0,
        "scores",
        {"at least float32": [[772, 512]], "dtype": [[768, 512]]},
    ),
    # softmax(257, 256) in bfloat16, whose numbers near 0.73 are 2^-8 apart; 257 rounds to 256.
    (
        "precision.scores",
        0,
        "weights",
        {"at least float32": [[187 / 256, 69 / 256]], "dtype": [HALF]},
    ),
    # softmax(0, 1) = (69, 187) / 256 in bfloat16; tanh(1/2) = 0.46211... = 236.6 / 512.
    (
        "precision.weighted_sum",
        0,
        "context",
        {"at least float32": [[-237 / 512]], "dtype": [[-236 / 512]]},
    ),
    # 0.2 x 9 = 1.8 and 0.2 x 27 = 5.4 in halves: their neighbours are 2^-10 and 2^-8 apart.
    (
        "scale_placement",
        0,
        "scores",
        {
            "scores": [[1843 / 1024, 1382 / 256]],
            "query": [[1844 / 1024, 1383 / 256]],
            "split": [[1844 / 1024, 1382 / 256]],
        },
    ),
]


@pytest.mark.parametrize(("knob", "at", "step", "expected"), BY_HAND)
def test_results_worked_out_by_hand(
    knob: str, at: int, step: str, expected: dict[str, Any]
) -> None:
    example = EXAMPLES[knob][at]
    for value, values in expected.items():
        record = attn_cli.compute(with_value(example.problem, knob, value), steps=[step])
        np.testing.assert_allclose(record[step], values, rtol=1e-12, err_msg=str(value))


def test_the_example_of_the_issue(attn: Attn) -> None:
    ran = attn("conventions", "torch", "flash-attn", "onnx")
    assert (ran.status, ran.err) == (0, "")
    lines = [line.split(maxsplit=2) for line in ran.out.splitlines() if line.startswith("  ")]
    for row in (
        ["torch", "top-left", "[[1, 0]]"],
        ["flash-attn", "bottom-right", "[[0.5, 0.5]]"],
        ["onnx", "cache", "[[0.5, 0.5]]"],
        ["torch", "scores", "[[1.8, 5.4]]"],
        ["flash-attn", "query", "[[1.8, 5.4]]"],
        ["onnx", "split", "[[1.8008, 5.3984]]"],
    ):
        assert row in lines


def test_presets_can_be_compared_two_and_several_at_once(attn: Attn) -> None:
    made: dict[str, dict[str, Any]] = {}

    def once(problem: Mapping[str, Any], steps: tuple[str, ...]) -> dict[str, Any]:
        if repr(problem) not in made:
            record = attn_cli.compute(problem, steps=steps)
            made[repr(problem)] = {step: record[step].tolist() for step in steps}
        return made[repr(problem)]

    for names in pairwise(PRESETS):
        found = compare([PRESETS[name] for name in names], once)
        assert all(row.examples for row in found.differences), names
    ran = attn("conventions", *[*PRESETS][::4], "--format", "json")
    assert (ran.status, ran.err) == (0, "")
    assert all(row["examples"] for row in json.loads(ran.out)["differences"])
