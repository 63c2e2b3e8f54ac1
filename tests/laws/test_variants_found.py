"""A law of `attn check`: a variant that changes an answer enough is found again, and only then.

Sizes, numbers, causal order, heads, positions and so on are drawn: CHECK_EXAMPLES of them, 5 if it
is not set.
"""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attn_cli.lab.altered import own
from attn_cli.lab.answers.judgement import Judgement
from attn_cli.lab.answers.judging import judge_all
from attn_cli.lab.answers.rounding import distance
from attn_cli.lab.answers.sheet import Answer
from attn_cli.lab.answers.sheet_reader import sheet_of
from attn_cli.lab.answers.trials import Trials
from attn_cli.lab.variants import Base
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import Document, from_mapping

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("CHECK_EXAMPLES", "5"))
DECIMALS = 4


@st.composite
def exercises(draw: st.DrawFn) -> dict[str, Any]:
    """Keys of an exercise: integers, of two to four tokens."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    n, heads = draw(st.integers(2, 4)), draw(st.sampled_from([None, None, 2]))
    d_in, d = draw(st.integers(2, 4)), draw(st.sampled_from([2, 3])) * (heads or 1)
    keys: dict[str, Any] = {
        "embeddings": rng.integers(-2, 3, (n, d_in)).tolist(),
        "weights": {s: rng.integers(-2, 3, (d_in, d)).tolist() for s in ("query", "key", "value")},
        "score": draw(st.sampled_from(["scaled", "dot"])),
    }
    if heads:
        keys["heads"] = heads
    if draw(st.booleans()):
        keys["causal"] = "top-left"
    if draw(st.booleans()):
        keys["biases"] = {s: rng.integers(-1, 3, d).tolist() for s in ("query", "key", "value")}
    if draw(st.booleans()):
        keys["positions"] = "sinusoidal"
    if draw(st.booleans()):
        keys["temperature"] = 2
    return keys


def written(values: Any) -> Any:
    if np.ndim(values):
        return [written(value) for value in values]
    unit = 10.0**DECIMALS
    return f"{np.copysign(np.floor(abs(values) * unit + 0.5) / unit, values):.{DECIMALS}f}"


def judged(base: Base, step: str, *answers: Any) -> Iterator[Judgement]:
    sheets = (
        sheet_of(Document({step: written(values)}), base, "sheet", None) for values in answers
    )
    return (each.judgements[0] for each in judge_all(base, sheets))


@settings(max_examples=EXAMPLES, deadline=None)
@given(exercises(), st.data())
def test_each_variant_is_found_again_and_never_on_the_right_answer(
    keys: dict[str, Any], data: st.DataObject
) -> None:
    document = from_mapping(keys)
    base = Base(read_problem(document), document)
    step = data.draw(st.sampled_from(["q", "k", "v", "scores", "weights", "output"]))
    right = own(base.problem, base.specs[step], base.steps[step])
    given_all = np.ones(right.shape, dtype=np.bool_)
    names, values = [], []
    for trial in Trials(base).of(step):
        answer = Answer(step, trial.values.astype(np.float64), given_all, DECIMALS)
        if np.isfinite(trial.values).all() and distance(answer, right) > 4:
            names.append(trial.variant.name)
            values.append(trial.values)
    first, *others = judged(base, step, right, *values)
    assert (first.right, first.explanations) == (True, ())
    for name, found in zip(names, others, strict=True):
        # Rounding of earlier steps may explain what is as near as that.
        assert found.verdict == "rounded" or name in [each.name for each in found.explanations]


@settings(max_examples=EXAMPLES, deadline=None)
@given(exercises(), st.data())
def test_one_digit_that_is_changed_is_found_in_its_cell(
    keys: dict[str, Any], data: st.DataObject
) -> None:
    document = from_mapping(keys)
    base = Base(read_problem(document), document)
    step = data.draw(st.sampled_from(["q", "k", "v", "scores", "weights", "output"]))
    values = own(base.problem, base.specs[step], base.steps[step]).copy()
    place = tuple(data.draw(st.integers(0, size - 1)) for size in values.shape)
    values[place] += data.draw(st.sampled_from([-0.02, 0.02]))
    (found,) = judged(base, step, values)
    if found.verdict == "differs":
        assert np.argwhere(found.wrong).tolist() == [list(place)]
    else:  # 0.02 is within what rounding of large exponentials may do
        assert found.verdict == "rounded"
        assert step in {"weights", "output"}
