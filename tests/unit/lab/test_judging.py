"""Answers judged: right, rounded, truncated, wrong; and which mistake explains a wrong one."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attn_cli.errors import AttnError
from attn_cli.lab.altered import own, steps_of, with_rounded, with_steps
from attn_cli.lab.answers.judgement import Judged, Judgement
from attn_cli.lab.answers.judging import judge, judge_all
from attn_cli.lab.answers.sheet import Sheet
from attn_cli.lab.answers.sheet_reader import sheet_of
from attn_cli.lab.answers.trials import Trials
from attn_cli.lab.variants import MISTAKES, Base
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import Document, from_mapping

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(23)
X = [[1, 0, 2], [0, 1, 1], [3, 1, 0], [1, 1, 1], [2, 0, 1]]
W = {
    "query": [[1, 0, 1], [0, 2, 0], [1, 1, 0]],
    "key": [[0, 1, 1], [1, 0, 0], [2, 0, 1]],
    "value": [[1, 2, 0], [0, 1, 3], [1, 0, 1]],
}
# X W_q and X W_k of three tokens: the scores of token 1 are 1, 0 and 1.
EXCHANGED = {
    "query": [[2, 1, 2], [0, 1, 0], [2, 2, 2]],
    "key": [[0, 1, 2], [1, 0, 0], [1, 1, 2]],
    "value": [[2, 3, 1], [0, 1, 0], [2, 4, 1]],
}
PROBLEM = {"embeddings": X, "weights": W, "score": "scaled", "tokens": ["a", "b", "c", "d", "e"]}


def base_of(**keys: Any) -> Base:
    if not keys:
        return _plain()
    document = from_mapping({**PROBLEM, **keys})
    return Base(read_problem(document), document)


@cache
def _plain() -> Base:
    document = from_mapping(PROBLEM)
    return Base(read_problem(document), document)


def judged(base: Base, tolerance: float | None = None, **answers: Any) -> Judged:
    return judge(base, sheet_of(Document(answers), base, "sheet", tolerance))


def only(base: Base, tolerance: float | None = None, **answers: Any) -> Judgement:
    (found,) = judged(base, tolerance, **answers).judgements
    return found


def written(values: Any, decimals: int) -> Any:
    """The numbers as a person writes them: texts with so many decimals, ties away from 0."""
    if np.ndim(values):
        return [written(value, decimals) for value in values]
    unit = 10.0**decimals
    return f"{np.copysign(np.floor(abs(values) * unit + 0.5) / unit, values):.{decimals}f}"


def numbers(texts: Any) -> Any:
    return np.array(texts, dtype=float)


def by_hand(decimals: int, X: Any = X, W: Mapping[str, Any] = W) -> dict[str, Any]:
    """What a careful student writes, who rounds every step and goes on from what is written."""
    q, k, v = (written(np.array(X) @ np.array(W[n]), decimals) for n in ("query", "key", "value"))
    scores = written(numbers(q) @ numbers(k).T / np.sqrt(np.shape(k)[1]), decimals)
    raised = written(np.exp(numbers(scores)), decimals)
    total = written(numbers(raised).sum(axis=1), decimals)
    weights = written(numbers(raised) / numbers(total)[:, None], decimals)
    output = written(numbers(weights) @ numbers(v), decimals)
    return {"q": q, "k": k, "scores": scores, "exp_scores": raised, "exp_sum": total,
            "weights": weights, "output": output}  # fmt: skip


class TestRight:
    @pytest.mark.parametrize("decimals", [2, 3, 4])
    def test_a_careful_student_is_right(self, decimals: int) -> None:
        found = judged(base_of(), **by_hand(decimals))
        assert found.agrees, [(j.answer.step, j.verdict) for j in found.judgements]

    @settings(max_examples=15, deadline=None)
    @given(st.integers(0, 10**6), st.integers(2, 4))
    def test_so_is_one_on_any_exercise(self, seed: int, decimals: int) -> None:
        rng = np.random.default_rng(seed)
        n, d = int(rng.choice([2, 3, 5])), int(rng.choice([2, 3]))
        X = rng.integers(-1, 3, (n, d)).tolist()
        W = {name: rng.integers(-1, 2, (d, d)).tolist() for name in ("query", "key", "value")}
        document = from_mapping({"embeddings": X, "weights": W, "score": "scaled"})
        base = Base(read_problem(document), document)
        found = judged(base, **by_hand(decimals, X, W))
        assert found.agrees, [(j.answer.step, j.verdict) for j in found.judgements]

    def test_half_a_unit_of_the_last_decimal_agrees(self) -> None:
        base = base_of(embeddings=[[1]], weights={"query": [[1]], "key": [[1]], "value": [[0.125]]},
                       tokens=["a"])  # fmt: skip
        for text in ("0.12", "0.13", "0.125", "1/8"):
            assert only(base, v=[[text]]).verdict == "agrees", text
        assert only(base, v=[["0.11"]]).verdict == "differs"

    def test_a_step_without_a_decimal_point_is_exact(self) -> None:
        base = base_of()
        q = base.steps["q"]
        assert only(base, q=q.astype(int).tolist()).verdict == "agrees"
        assert only(base, weights=np.rint(base.steps["weights"]).astype(int).tolist()).wrong.any()

    def test_a_tolerance_replaces_the_rule(self) -> None:
        base = base_of()
        moved = (base.steps["weights"] + 0.03).tolist()
        assert only(base, weights=moved).verdict == "differs"
        assert only(base, 0.031, weights=moved).verdict == "agrees"

    def test_rows_alone_and_numbers_left_out(self) -> None:
        base = base_of()
        row = written(base.steps["weights"][2], 3)
        found = only(base, weights={"c": [row[0], None, *row[2:]]})
        assert found.verdict == "agrees"
        assert int(found.answer.given.sum()) == 4

    def test_of_k_transposed_it_says_so(self) -> None:
        base = base_of()
        k = base.steps["k"]
        found = only(base, k=k.T.astype(int).tolist())
        assert k.shape[0] != k.shape[1]
        assert (found.verdict, found.answer.turned) == ("agrees", True)


class TestWrong:
    def test_a_changed_digit_is_found_in_its_cell(self) -> None:
        base = base_of()
        texts = written(base.steps["weights"], 4)
        for row, column in ((0, 1), (3, 4)):
            changed = [list(line) for line in texts]
            changed[row][column] = f"{float(changed[row][column]) + 0.0123:.4f}"
            found = only(base, weights=changed)
            assert found.verdict == "differs"
            assert np.argwhere(found.wrong).tolist() == [[row, column]]

    def test_cut_off_instead_of_rounded(self) -> None:
        base = base_of()
        exact = base.steps["weights"]
        cut = [[f"{np.trunc(x * 1e4) / 1e4:.4f}" for x in row] for row in exact]
        found = only(base, weights=cut)
        assert found.verdict == "truncated"
        assert 0 < found.wrong.sum() < found.wrong.size

    def test_later_steps_follow_from_the_students_own(self) -> None:
        base = base_of()
        scores = base.steps["products"] / 2  # a scale that is not a variant: 2 instead of sqrt(3)
        weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        found = judged(
            base,
            scores=written(scores, 4),
            weights=written(weights, 4),
            output=written(weights @ base.steps["v"], 4),
        )
        assert [each.verdict for each in found.judgements] == ["differs"] * 3
        assert [each.follows for each in found.judgements[1:]] == [("scores",), ("weights",)]
        (factor,) = found.judgements[0].explanations
        assert factor.sentence == "each number is 0.866 times the right one"
        assert not found.agrees

    def test_all_mistakes_that_give_the_numbers_are_named(self) -> None:
        base = base_of()
        found = only(base, scores=written(base.steps["products"] / 3, 4))
        names = [each.name for each in found.explanations]
        assert names == ["divided-by-d_k", "scaled-twice"]
        assert found.explanations[0].sentence == (
            "the scores were divided by d_k = 3 instead of sqrt(d_k) = 1.7321"
        )

    def test_a_mistake_is_found_after_the_students_own_earlier_one(self) -> None:
        base = base_of()
        scores = base.steps["products"]  # not scaled
        weights = np.exp(scores) / np.exp(scores).sum(axis=0)  # and then over the queries
        found = judged(base, scores=written(scores, 4), weights=written(weights, 4))
        assert found.judgements[0].explanations[0].name == "no-scale"
        assert found.judgements[1].follows == ()
        assert found.judgements[1].explanations[0].name == "softmax-over-queries"

    def test_other_arrangements_of_right_numbers(self) -> None:
        base = base_of()
        weights = base.steps["weights"]
        for values, name in (
            (weights.T, "transposed"),
            (weights[[1, 0, 2, 3, 4]], "rows-in-another-order"),
            (base.steps["scores"], "another-step"),
        ):
            found = only(base, weights=written(values, 4))
            assert name in [each.name for each in found.explanations]

    def test_what_is_moved_is_said(self) -> None:
        base, weights = base_of(), base_of().steps["weights"]
        order, copied, turned = [2, 0, 1, 4, 3], weights.copy(), weights.copy()
        copied[3], turned[2] = weights[0], weights[2, ::-1]
        twice = base_of(embeddings=[X[0], X[0], X[2]], tokens=["a", "b", "c"])
        for of, step, values, said in (
            (base, "weights", weights[[4, 0, 1, 2, 3]], "the rows are right, but moved by one"),
            (base, "weights", weights[[1, 0, 2, 3, 4]], "the rows are right, but in another order"),
            (base, "weights", weights[:, order], "the columns are right, but in another order"),
            (base, "weights", weights[order][:, order], "but of the tokens in another order"),
            (base, "weights", copied, "the row of d has the numbers of the row of a"),
            (base, "weights", turned, "the row is right, but with its numbers in other cells"),
            (twice, "q", twice.steps["q"][[2, 0, 1]], "the rows are right, but moved by one"),
        ):
            found = only(of, **{step: written(values, 4)})
            assert said in " ".join(each.sentence for each in found.explanations)

    def test_variants_are_compared_some_at_a_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("attn_cli.lab.answers.explaining._TOGETHER", 50)  # two matrices
        base = base_of()
        last = [t.variant.name for t in Trials(base).of("scores")][-1]
        for variant in ("no-scale", last):
            values = next(t.values for t in Trials(base).of("scores") if t.variant.name == variant)
            found = only(base, scores=written(values, 4))
            assert variant in [each.name for each in found.explanations]

    def test_the_weights_behind_a_wrong_output_are_solved(self) -> None:
        V = [[2, 0, 1], [0, 3, 1], [1, 1, 5]]
        base = base_of(embeddings=X[:3], tokens=["a", "b", "c"],
                       weights={**W, "value": V})  # fmt: skip
        used = np.array([[0.5, 0.25, 0.25], [0.125, 0.5, 0.375], [0.2, 0.2, 0.6]])
        v = base.steps["v"]
        assert np.linalg.matrix_rank(v) == 3
        found = only(base, output=written(used @ v, 5))
        assert found.solved is not None
        np.testing.assert_allclose(found.solved, used, atol=1e-4)
        uniform = only(base, output=written(np.full((3, 3), 1 / 3) @ v, 5))
        assert "uniform-weights" in [each.name for each in uniform.explanations]

    def test_nothing_found_says_so(self) -> None:
        base = base_of()
        found = only(base, weights=written(RNG.random((5, 5)), 4))
        assert found.explanations == ()
        near = found.nearest
        assert near is not None
        assert (near.off, found.slip) == (25, None)
        numbers_ = numbers(written(found.answer.values, 4))
        far = {
            v.name: np.abs(w.shown("weights") - numbers_).max()
            for v in MISTAKES
            if (w := base.varied(v)) is not None
        }
        assert near.name == min(far, key=lambda name: far[name])
        assert near.far == pytest.approx(far[near.name])

    def test_no_mistake_is_nearer_than_the_right_numbers(self) -> None:
        """amanailab: 1.66082 for 1.66048; the weight would have to be 0.66959, not 0.66976."""
        eye = [[1, 0], [0, 1]]
        document = from_mapping({"query": eye, "key": eye, "value": [[1, 2], [3, 4]]})
        base = Base(read_problem(document), document)
        found = only(base, output=[["1.66082", "2.66082"], ["2.33918", "3.33918"]])
        assert found.nearest is not None
        assert (found.nearest.name, found.nearest.off) == ("right", 4)
        weight = np.exp(np.sqrt(0.5)) / (1 + np.exp(np.sqrt(0.5)))
        assert found.nearest.far == pytest.approx(abs(3 - 2 * weight - 1.66082))
        (one, other) = found.changed
        assert one == pytest.approx((weight, (3 - 1.66082) / 2), abs=1e-6)
        assert other == pytest.approx((1 - weight, 1 - (3 - 1.66082) / 2), abs=1e-6)

    @pytest.mark.parametrize(
        ("step", "earlier", "place", "labels"),
        [
            ("weights", "scores", (1, 2), ("b", "c")),
            ("scores", "products", (1, 2), None),  # one number says nothing of another
            ("products", "q", (3, 1), ("d", "q1")),
            ("products", "k", (4, 2), ("e", "k2")),
            ("context", "v", (2, 1), ("c", "v1")),
            ("q", "embeddings", (0, 2), ("a", "x2")),
        ],
    )
    def test_one_earlier_number_that_explains_an_answer(
        self, step: str, earlier: str, place: tuple[int, int], labels: tuple[str, ...] | None
    ) -> None:
        base = base_of()
        values = base.steps[earlier].copy()
        values[place] += 1.5
        changed = steps_of(with_steps(base.problem, {earlier: values}), [step])[step]
        found = only(base, **{step: written(changed, 4)})
        assert found.explanations == ()
        if labels is None:
            assert found.slip is None
            return
        assert found.slip is not None
        assert (found.slip.step, found.slip.place) == (earlier, labels)
        assert found.slip.before == pytest.approx(base.steps[earlier][place])
        assert found.slip.after == pytest.approx(values[place], abs=1e-3)

    def test_the_same_weights_in_both_heads(self) -> None:
        embeddings = RNG.integers(-2, 3, (2, 3)).tolist()
        weights = {n: RNG.integers(-2, 3, (3, 4)).tolist() for n in ("query", "key", "value")}
        base = base_of(embeddings=embeddings, tokens=["a", "b"], heads=2, weights=weights)
        of_first = np.broadcast_to(base.steps["weights"][:1], (2, 2, 2))
        assert (np.linalg.matrix_rank(base.steps["v"]) == 2).all()
        found = only(base, context=written(of_first @ base.steps["v"], 5))
        assert "weights-of-one-head" in [each.name for each in found.explanations]


def _cases() -> list[tuple[str, dict[str, Any]]]:
    heads = {n: RNG.integers(-2, 3, (3, 4)).tolist() for n in ("query", "key", "value")}
    heads["output"] = RNG.integers(-2, 3, (4, 4)).tolist()
    mask = [[1, 0, 1, 1, 0]] * 2 + [[0, 1, 1, 0, 1]] * 3
    biases = {"biases": {n: [1, 2, 3] for n in W}, "residual": True, "layer_norm": True}
    return [
        ("plain", {}),
        ("positions", {"score": "dot", "positions": "sinusoidal"}),
        ("causal", {"causal": "top-left", "temperature": 2, **biases}),
        ("heads", {"heads": 2, "weights": heads,
                   "mask": {"values": mask, "true_means": "attend"}}),
        ("window", {"window": {"left": 1, "right": 2}, "normalize": "argmax"}),
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "keys"), _cases(), ids=[case[0] for case in _cases()])
def test_each_mistake_is_found_again_and_never_on_the_right_answer(
    name: str, keys: dict[str, Any]
) -> None:
    """At the last step that it changes, usually the output; test_catalogue has the first."""
    base = base_of(**keys)

    def sheet(values: Mapping[str, Any]) -> Sheet:
        texts = {step: written(of_step, 4) for step, of_step in values.items()}
        return sheet_of(Document(texts), base, "sheet", None)

    order = ("q", "k", "v", "scores", "masked", "weights", "concat", "output")
    steps: list[str] = [name for name in order if name in base.specs]
    right: dict[str, Any] = {n: own(base.problem, base.specs[n], base.steps[n]) for n in steps}
    sheets: list[tuple[str, Mapping[str, Any]]] = []  # all judged at once, which tries each once
    for variant in MISTAKES:
        varied = base.varied(variant)
        if varied is None:
            continue
        changed = {}
        for step in steps:
            values = own(base.problem, base.specs[step], varied.steps[step])
            with np.errstate(invalid="ignore"):
                if np.nanmax(np.abs(values - right[step])) > 4 * 5e-5:
                    changed[step] = values
        for step in list(changed)[-1:]:
            sheets.append((variant.name, {step: changed[step]}))
    written_down = [sheet(right), *(sheet(values) for _, values in sheets)]
    first, *others = judge_all(base, written_down)
    assert all(each.right and each.explanations == () for each in first.judgements)
    for (name, given_steps), found in zip(sheets, others, strict=True):
        (again,) = found.judgements
        names = [each.name for each in again.explanations]
        assert name in names, (*given_steps, name, again.verdict, names)
    assert len(others) > 20


class TestSheets:
    @pytest.mark.parametrize(
        ("answers", "message"),
        [
            ({}, "the sheet has no answers"),
            ({"weigths": [[1]]}, "unknown step 'weigths'"),
            ({"masked": [[1]]}, "this problem has no step 'masked'"),
            ({"weights": [["x"] * 5] * 5}, "weights[0][0] must be a number, not 'x'"),
            (
                {"weights": [[0.2] * 4] * 5},
                "the answer for weights has 5 x 4 numbers, but weights has 5 x 5",
            ),
            ({"weights": {"z": [0.2] * 5}}, "there is no query 'z'"),
            ({"weights": "many"}, "weights must be numbers, not 'many'"),
            ({"weights": [[None] * 5] * 5}, "weights has no numbers"),
            ({"weights": 3}, "weights must have 5 numbers, one per query"),
            ({"q": [[1] * 3] * 5, "query": [[1] * 3] * 5}, "there are two answers for q"),
        ],
    )
    def test_a_wrong_sheet_is_refused(self, answers: dict[str, Any], message: str) -> None:
        with pytest.raises(AttnError, match="^" + message.replace("[", r"\[")) as caught:
            judged(base_of(), **answers)
        assert caught.value.help or caught.value.path

    def test_fractions_and_roots_are_numbers(self) -> None:
        base = base_of(embeddings=[[1, 1]], tokens=["a"], score="scaled", weights=None)
        assert only(base, scores=[["2/sqrt(2)"]]).verdict == "agrees"

    def test_decimals_of_a_table_are_those_that_are_written(self, tmp_path: Path) -> None:
        (tmp_path / "w.csv").write_text(",a,b\na,0.500,0.500\nb,0.500,0.500\n")
        base = base_of(embeddings=X[:2], tokens=["a", "b"])
        assert only(base, weights=str(tmp_path / "w.csv")).answer.decimals == 3

    def test_other_names_of_a_step(self) -> None:
        base = base_of()
        found = judged(base, attention=written(base.steps["weights"], 3))
        assert [each.answer.step for each in found.judgements] == ["weights"]


def test_rounding_keeps_what_a_variant_or_a_student_replaced() -> None:
    # Rounded exponentials must not bring the right weights back into a variant: with one decimal
    # the span from [0.5, 0, 0.5] to the right [0.42, 0.16, 0.42] would explain everything between.
    base = Base(read_problem(from_mapping({**EXCHANGED, "score": "dot"})))
    found = only(base, weights={"1": ["0.5", "0.1", "0.4"]})
    assert found.verdict == "differs"
    assert found.explanations == ()
    twice = with_rounded(with_steps(base.problem, {"q": np.full((3, 3), 0.26)}), {"q": 1})
    np.testing.assert_allclose(steps_of(twice, ["q"])["q"], 0.3, rtol=1e-12)


def test_nan_agrees_with_nan() -> None:
    base = base_of(mask={"values": [[0] * 5, *[[1] * 5] * 4], "true_means": "attend"},
                   empty_rows="nan")  # fmt: skip
    assert only(base, weights={"a": ["nan"] * 5}).verdict == "agrees"


def test_mistakes_that_overflow_give_no_warning() -> None:
    huge = {"query": [[1e200, 1], [1, 1]], "key": [[1e200, 1], [0, 1]], "value": [[1, 2], [3, 4]]}
    base = Base(read_problem(from_mapping(huge)))
    assert only(base, weights=[[2, 2], [2, 2]]).verdict == "differs"
    assert only(base, q=[[2e200, 1], [3, 1]]).verdict == "differs"
    assert only(base, scores={"1": ["nan", "nan"]}).verdict == "differs"
    half = Base(read_problem(from_mapping({**PROBLEM, "dtype": "float16"})))
    wrong = written(np.full((5, 5), 7.0), 6)
    assert only(half, scores=wrong).verdict == "differs"


def test_a_mask_after_softmax_is_right_if_rows_are_divided_by_their_sum_again() -> None:
    base = base_of(causal=True)
    scores = base_of().steps["scores"]
    weights = np.tril(np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True))
    wrong = only(base, weights=written(weights, 4))
    assert [each.name for each in wrong.explanations] == ["mask-after-softmax"]
    again = weights / weights.sum(axis=1, keepdims=True)
    assert only(base, weights=written(again, 4)).verdict == "agrees"


def test_a_preset_explains_numbers_that_no_single_convention_does() -> None:
    """flash-attn aligns causal order bottom-right, and rope turns halves."""
    rng = np.random.default_rng(5)
    keys = {"query": rng.normal(size=(3, 4)), "key": rng.normal(size=(5, 4)), "value": np.eye(5)}
    document = from_mapping({**keys, "causal": "top-left", "rope": {"interleaved": True}})
    other = from_mapping({**keys, "causal": "bottom-right", "rope": {"interleaved": False}})
    weights = Base(read_problem(other), other).steps["weights"]
    found = only(Base(read_problem(document), document), weights=written(weights, 4))
    (explanation,) = found.explanations
    assert explanation.name == "like: flash-attn"
    assert explanation.sentence.startswith(
        "the conventions are those of flash-attn: causal: bottom-right, rope.interleaved: false"
    )
