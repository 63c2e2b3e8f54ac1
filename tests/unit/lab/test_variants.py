"""Variants: the numbers of each usual mistake, against the same mistake made in NumPy by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from attn_cli.lab.altered import steps_of, with_rounded, with_steps
from attn_cli.lab.variants import MISTAKES, Base, hypotheses, variants_of
from attn_cli.maths.pipeline import pipeline
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import from_mapping

Arrays = dict[str, np.ndarray[Any, np.dtype[Any]]]


def base_of(**keys: Any) -> Base:
    document = from_mapping(keys)
    return Base(read_problem(document), document)


def softmax(scores: Any, axis: int | tuple[int, ...] = -1) -> Any:
    raised = np.exp(scores - np.max(scores, axis=axis, keepdims=True))
    return raised / raised.sum(axis=axis, keepdims=True)


RNG = np.random.default_rng(17)
X = RNG.integers(-2, 3, (5, 3)).astype(float)
W = {name: RNG.integers(-2, 3, (3, 3)).astype(float) for name in ("query", "key", "value")}
BIASES = {name: RNG.integers(1, 4, 3).astype(float) for name in ("query", "key", "value")}
Q, K, V = (X @ W[name] + BIASES[name] for name in ("query", "key", "value"))
PLAIN = {"embeddings": X, "weights": W, "biases": BIASES, "score": "scaled"}
S = Q @ K.T / np.sqrt(3)
LATER = np.triu(np.ones((5, 5), dtype=bool), 1)
ITSELF = np.triu(np.ones((5, 5), dtype=bool))
AFTER_NEXT = np.triu(np.ones((5, 5), dtype=bool), 2)


def masked(hidden: Any, scores: Any = S, fill: float = -np.inf) -> Any:
    return np.where(hidden, fill, scores)


def without_sum(scores: Any) -> Any:
    weights = softmax(scores)
    return np.where(LATER, 0, weights)


# The variant, the keys of the problem beside PLAIN, the step, and its numbers by hand.
BY_HAND: list[tuple[str, dict[str, Any], str, Callable[[], Any]]] = [
    ("no-scale", {}, "scores", lambda: Q @ K.T),
    ("divided-by-d_k", {}, "scores", lambda: Q @ K.T / 3),
    ("scaled-twice", {}, "scores", lambda: Q @ K.T / 3),
    ("multiplied-by-sqrt-d_k", {}, "scores", lambda: Q @ K.T * np.sqrt(3)),
    ("scaled-anyway", {"score": "dot"}, "scores", lambda: S),
    ("scaled-after-softmax", {}, "weights", lambda: softmax(Q @ K.T) / np.sqrt(3)),
    ("temperature-multiplied", {"temperature": 2}, "weights", lambda: softmax(S * 2)),
    ("no-temperature", {"temperature": 2}, "weights", lambda: softmax(S)),
    ("softmax-over-queries", {}, "weights", lambda: softmax(S, 0)),
    ("softmax-over-matrix", {}, "weights", lambda: softmax(S, (0, 1))),
    ("no-exponential", {}, "weights", lambda: S / S.sum(axis=1, keepdims=True)),
    ("not-normalised", {}, "weights", lambda: S),
    ("not-divided", {}, "weights", lambda: np.exp(S)),
    ("mask-after-softmax", {"causal": True}, "weights", lambda: without_sum(S)),
    ("masked-with-0", {"causal": True}, "weights", lambda: softmax(masked(LATER, fill=0))),
    ("mask-inverted", {"causal": True}, "masked", lambda: masked(~LATER)),
    ("mask-transposed", {"causal": True}, "weights", lambda: softmax(masked(LATER.T))),
    ("causal-itself-hidden", {"causal": True}, "masked", lambda: masked(ITSELF)),
    ("causal-next-visible", {"causal": True}, "weights", lambda: softmax(masked(AFTER_NEXT))),
    ("no-causal", {"causal": True}, "weights", lambda: softmax(S)),
    ("no-mask", {"mask": (~LATER).tolist()}, "weights", lambda: softmax(S)),
    ("no-window", {"window": {"left": 1, "right": 0}}, "weights", lambda: softmax(S)),
    ("all-weights-transposed", {}, "q", lambda: X @ W["query"].T + BIASES["query"]),
    ("W_q-transposed", {}, "q", lambda: X @ W["query"].T + BIASES["query"]),
    ("W_k-transposed", {}, "k", lambda: X @ W["key"].T + BIASES["key"]),
    ("W_v-transposed", {}, "v", lambda: X @ W["value"].T + BIASES["value"]),
    ("q-and-k-exchanged", {}, "scores", lambda: K @ Q.T / np.sqrt(3)),
    ("values-with-W_k", {}, "v", lambda: K),
    ("values-with-W_q", {}, "v", lambda: Q),
    ("no-W_q", {}, "q", lambda: X),
    ("no-W_k", {}, "k", lambda: X),
    ("no-W_v", {}, "v", lambda: X),
    ("no-bias", {}, "q", lambda: X @ W["query"]),
    ("no-residual", {"residual": True}, "residual", lambda: softmax(S) @ V),
    ("no-layer-norm", {"layer_norm": True}, "layer_norm", lambda: softmax(S) @ V),
]  # fmt: skip


@pytest.mark.parametrize(("name", "keys", "step", "by_hand"), BY_HAND, ids=[c[0] for c in BY_HAND])
def test_a_mistake_has_the_numbers_that_it_has_by_hand(
    name: str, keys: dict[str, Any], step: str, by_hand: Callable[[], Any]
) -> None:
    keys = dict(keys)
    if "mask" in keys:
        keys["mask"] = {"values": keys["mask"], "true_means": "attend"}
    if "causal" in keys:
        keys["causal"] = "top-left"
    base = base_of(**{**PLAIN, **keys})
    variant = next(each for each in MISTAKES if each.name == name)
    problem = variant.of(base)
    assert problem is not None
    got = steps_of(problem, [step])[step]
    np.testing.assert_allclose(got, by_hand(), rtol=1e-12, atol=1e-12)
    assert not np.allclose(got, base.steps[step])
    if step != "weights" and step in {"q", "k", "scores", "masked"}:  # and later steps follow
        weights = steps_of(problem, ["weights"])["weights"]
        scores = steps_of(problem, ["masked" if "causal" in keys else "scores"])
        (last,) = scores.values()
        rows = np.isfinite(last).any(axis=1)
        np.testing.assert_allclose(weights[rows], softmax(last[rows]), rtol=1e-12, atol=1e-15)


HEADS = {
    "embeddings": X[:, :2],
    "weights": {n: RNG.integers(-2, 3, (2, 4)).astype(float) for n in ("query", "key", "value")},
    "heads": 2,
    "score": "scaled",
}


def test_heads_split_by_a_reshape() -> None:
    base = base_of(**HEADS)
    problem = next(v for v in MISTAKES if v.name == "heads-split-by-reshape").of(base)
    assert problem is not None
    wide = X[:, :2] @ HEADS["weights"]["query"]  # type: ignore[index]
    np.testing.assert_allclose(steps_of(problem, ["q"])["q"], wide.reshape(2, 5, 2))


def test_heads_joined_by_a_reshape() -> None:
    base = base_of(**HEADS)
    problem = next(v for v in MISTAKES if v.name == "heads-joined-by-reshape").of(base)
    assert problem is not None
    got = steps_of(problem, ["concat"])["concat"]
    np.testing.assert_allclose(got, base.steps["context"].reshape(5, 4))


def test_softmax_over_heads_and_batch() -> None:
    scores = RNG.normal(size=(3, 2, 5, 7))
    values = RNG.normal(size=(3, 2, 7, 2))
    base = base_of(
        query=scores, key=np.broadcast_to(np.eye(7), (3, 2, 7, 7)), value=values, score="dot"
    )
    for name, axis in (("softmax-over-heads", 1), ("softmax-over-batch", 0)):
        problem = next(v for v in MISTAKES if v.name == name).of(base)
        assert problem is not None
        got = steps_of(problem, ["weights", "context"])
        np.testing.assert_allclose(got["weights"], softmax(scores, axis), rtol=1e-12)
        np.testing.assert_allclose(got["context"], softmax(scores, axis) @ values, rtol=1e-12)


def test_positions_of_other_formulas() -> None:
    n, d = 5, 4
    base = base_of(embeddings=np.zeros((n, d)), positions="sinusoidal", score="dot")
    p, i = np.arange(n)[:, None], np.arange(2)

    def table(sines: Any, cosines: Any) -> Any:
        found = np.zeros((n, d))
        found[:, 0::2], found[:, 1::2] = np.sin(sines), np.cos(cosines)
        return found

    plain = p / 1e4 ** (2 * i / d)
    by_hand = {
        "no-positions": np.zeros((n, d)),
        "positions-from-1": table((p + 1) / 1e4 ** (2 * i / d), (p + 1) / 1e4 ** (2 * i / d)),
        "positions-base-100": table(p / 100 ** (2 * i / d), p / 100 ** (2 * i / d)),
        "positions-base-1000": table(p / 1000 ** (2 * i / d), p / 1000 ** (2 * i / d)),
        "positions-cos-2(i+1)": table(plain, p / 1e4 ** (2 * (i + 1) / d)),
        "positions-i-for-2i": table(p / 1e4 ** (i / d), p / 1e4 ** (i / d)),
        "positions-4i-for-2i": table(p / 1e4 ** (4 * i / d), p / 1e4 ** (4 * i / d)),
        "positions-sines-first": np.concatenate([np.sin(plain), np.cos(plain)], axis=1),
    }
    for name, values in by_hand.items():
        problem = next(v for v in MISTAKES if v.name == name).of(base)
        assert problem is not None, name
        got = steps_of(problem, ["positioned", "scores"])
        np.testing.assert_allclose(got["positioned"], values, atol=1e-12, err_msg=name)
        np.testing.assert_allclose(got["scores"], values @ values.T, atol=1e-12, err_msg=name)


def test_names_are_unique_and_sentences_are_whole() -> None:
    names = [variant.name for variant in MISTAKES]
    assert len(set(names)) == len(names)
    base = base_of(**PLAIN)
    for variant in MISTAKES:
        said = variant.said(base)
        assert said[0].islower() or said[:2] in {"W_", "Q "} or said[:3] == "W x", said
        assert not said.endswith(".")
        assert "{" not in said


def test_a_variant_that_means_nothing_here_is_none() -> None:
    base = base_of(query=[[1.0, 2.0]], key=[[3.0, 5.0]], value=[[7.0]], score="dot")
    named = {variant.name for variant in MISTAKES if variant.of(base) is not None}
    absent = {
        "no-causal", "no-mask", "no-bias", "no-residual", "no-positions", "W_q-transposed",
        "softmax-over-heads", "heads-averaged", "no-temperature", "last-of-equals", "no-scale",
    }  # fmt: skip
    assert named.isdisjoint(absent)


def test_conventions_that_matter_are_variants() -> None:
    base = base_of(query=np.ones((3, 2)), key=np.ones((5, 2)), value=np.eye(5), causal="top-left")
    found = {variant.name: variant for variant in variants_of(base)}
    problem = found["causal: bottom-right"].of(base)
    assert problem is not None
    weights = steps_of(problem, ["weights"])["weights"]
    np.testing.assert_allclose(weights[0], [1 / 3, 1 / 3, 1 / 3, 0, 0])  # sees j <= i + 2
    assert "flash-attn" in found["causal: bottom-right"].said(base)
    assert not any(name.startswith(("rope", "alibi", "window:")) for name in found)


def test_conventions_and_presets_have_their_changes() -> None:
    base = base_of(query=np.ones((3, 2)), key=np.ones((5, 2)), value=np.eye(5), causal="top-left")
    found = {variant.name: variant for variant in hypotheses(base)}
    assert found["causal: bottom-right"].changes(base) == {"causal": "bottom-right"}
    assert found["like: flash-attn"].changes(base) == {"like": "flash-attn"}
    assert found["no-scale"].kind == "mistake"
    assert found["scale-padded-to-8"].kind == "kernel"
    assert found["scale-padded-to-8"].changes(base) == {"scale": 1 / np.sqrt(8)}
    assert found["scale-padded-to-8"].of(base).scale == 1 / np.sqrt(8)  # type: ignore[union-attr]
    assert found["scale-of-all-heads"].of(base) is None
    assert not any(variant.kind == "kernel" for variant in variants_of(base))


def test_changed_keys_of_mistakes_say_the_same() -> None:
    tried = set()
    for keys in ({}, {"score": "dot"}, {"temperature": 2}, {"scale": 0.3}):
        base = base_of(**{**PLAIN, **keys})
        for variant in MISTAKES:
            changes, problem = variant.changes(base), variant.of(base)
            if changes is None:
                continue
            assert problem is not None, variant.name
            again = base.read_with(changes)
            assert again is not None, (variant.name, changes)
            tried.add(variant.name)
            for step, values in steps_of(again, ("scores", "weights")).items():
                np.testing.assert_array_equal(
                    values, steps_of(problem, (step,))[step], variant.name
                )
    assert tried == {
        "no-scale", "divided-by-d_k", "scaled-twice", "divided-by-sqrt-d_model",
        "multiplied-by-sqrt-d_k", "scaled-anyway", "temperature-multiplied", "no-temperature",
    }  # fmt: skip


def test_a_change_to_none_removes_the_key() -> None:
    base = base_of(query=np.ones((3, 2)), key=np.ones((5, 2)), value=np.eye(5), causal="top-left")
    problem = base.read_with({"causal": None, "scale": 3})
    assert problem is not None
    assert problem.scale == 3
    assert not problem.rules.schemes
    assert base.read_with({"causal": "upside-down"}) is None
    assert base.document is not None
    assert base.document.tree["causal"] == "top-left"


class TestAltered:
    def test_later_steps_follow_from_a_given_one(self) -> None:
        base = base_of(**PLAIN)
        weights = RNG.random((5, 5))
        got = steps_of(with_steps(base.problem, {"weights": weights}))
        np.testing.assert_array_equal(got["weights"], weights)
        np.testing.assert_allclose(got["output"], weights @ V, rtol=1e-12)
        np.testing.assert_array_equal(got["scores"], base.steps["scores"])

    def test_given_embeddings_are_projected(self) -> None:
        base = base_of(**PLAIN)
        other = RNG.random((5, 3))
        got = steps_of(with_steps(base.problem, {"embeddings": other}))
        np.testing.assert_allclose(got["q"], other @ W["query"] + BIASES["query"], rtol=1e-12)

    def test_given_values_of_heads_go_where_they_belong(self) -> None:
        base = base_of(**HEADS)
        for name in ("q", "k", "v", "scores", "weights", "context", "concat", "output"):
            moved = base.steps[name] * 1.25 + 0.5
            got = steps_of(with_steps(base.problem, {name: moved}))
            np.testing.assert_allclose(got[name], moved, rtol=1e-15, err_msg=name)

    def test_every_step_can_be_given(self) -> None:
        """Its own numbers again change nothing, in a problem that has most stages."""
        base = base_of(**PLAIN, causal="top-left", softcap=3.0, residual=True, layer_norm=True)
        for name in pipeline(base.problem):
            if name == "visible":
                continue
            got = steps_of(with_steps(base.problem, {name: base.steps[name]}))
            for other, values in base.steps.items():
                np.testing.assert_allclose(got[other], values, rtol=1e-12, atol=1e-14)

    def test_rounding_is_away_from_zero_at_ties(self) -> None:
        base = base_of(query=[[0.125, -0.375]], key=[[1.0, 0.0]], value=[[2.0]], score="dot")
        got = steps_of(with_rounded(base.problem, {"q": 2}), ["q"])["q"]
        np.testing.assert_array_equal(got, [[0.13, -0.38]])
