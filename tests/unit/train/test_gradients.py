"""Every gradient against differences of the loss, which is computed through the front door.

The error of a difference quotient of two points is of the second order: at most 1e-8 of the
gradient here, a hundredth of what is allowed.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest

from attn_cli import AttnError, compute
from attn_cli.dataclass import replace
from attn_cli.maths.activations import ACTIVATIONS
from attn_cli.maths.normalizers import NORMALIZERS
from attn_cli.maths.scores import SCORES
from attn_cli.reading.keys import KEYS, NEVER
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import from_mapping
from attn_cli.train.learning import State, measured
from attn_cli.train.training_reader import read_training
from attn_cli.train.unlearnable import refuse_functions_without_gradient

pytestmark = pytest.mark.slow

H = 3e-6
WORDS = ("not", "do", "like", "hate", "so")
VOCABULARY = ("yes", "no", "well", "hm", "eh", "ah", "oh")
# A word appears twice; the examples differ in length.
EXAMPLES = [["do not do so", "well"], ["hate not like", "no"]]
EQUAL = [["do not do so", "well"], ["hate not like so", "no"]]  # for what has an axis of tokens
D, D_K, D_V, D_O, N = 5, 3, 2, 11, 4

Mapping = dict[str, Any]


def base(seed: int, *, output: int | None = None, **keys: Any) -> Mapping:
    """A problem with projections, biases and a head; a prime for each axis."""
    rng = np.random.default_rng(seed)
    n = rng.normal
    d_last = output or D_V
    problem: Mapping = {
        "tokens": list(WORDS[:3]),
        "embeddings": {word: n(size=D) for word in WORDS},
        "weights": {"query": n(size=(D, D_K)), "key": n(size=(D, D_K)), "value": n(size=(D, D_V))},
        "biases": {"query": n(size=D_K), "key": n(size=D_K), "value": n(size=D_V)},
        "next_word": {
            "vocabulary": list(VOCABULARY),
            "weights": n(size=(d_last, 7)),
            "bias": n(size=7),
        },
    }
    if output is not None:
        problem["weights"]["output"] = n(size=(D_V, output))
        problem["biases"]["output"] = n(size=output)
    return problem | keys


def normal(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


def scores() -> Iterator[tuple[str, Mapping]]:
    """Each score function with its parameters, those that may miss there and not there."""
    yield "dot", {"function": "dot"}
    yield "scaled", {"function": "scaled"}
    additive = {"W1": normal(1, 7, D_K), "W2": normal(2, 7, D_K), "v": normal(3, 7)}
    yield "additive", {"function": "additive", **additive}
    yield "additive, b", {"function": "additive", **additive, "b": normal(4, 7)}
    yield "multiplicative", {"function": "multiplicative", "W": normal(5, D_K, D_K)}
    yield "gated", {"function": "gated", "W_g": normal(6, 1, 2 * D_K)}
    yield "gated, b_g", {"function": "gated", "W_g": normal(6, 1, 2 * D_K), "b_g": normal(7, 1)}
    yield "gated, number", {"function": "gated", "W_g": normal(6, 1, 2 * D_K), "b_g": 0.7}
    yield "gaussian", {"function": "gaussian", "sigma": 1.7}
    yield "cosine", {"function": "cosine"}
    both = {"W": normal(9, 7, 2 * D_K), "v": normal(3, 7)}
    yield "concat", {"function": "concat", **both, "order": "query-key"}
    yield "concat, b", {"function": "concat", **both, "b": normal(4, 7), "order": "key-query"}
    yield "given", {"function": "given", "scores": normal(8, N, N)}


SELECTIONS: list[Mapping] = [{"window": 1}, {"top_k": 2}, {"pairs": [[0, 0], [0, 1], [1, 1]]}]


def problems() -> Iterator[tuple[str, Mapping]]:
    for number, (name, score) in enumerate(scores()):
        yield name, base(10, score=score)
        yield f"{name}, scale", base(11, score=score, scale=0.3, causal=True)
        at = number % len(SELECTIONS)  # what is selected does not depend on the function inside
        sparse = {"function": "sparse", "inside": score, **SELECTIONS[at]}
        yield f"sparse, {name}, {at}", base(12 + at, score=sparse)
    yield "sparse", base(15, score={"function": "sparse", "stride": 2})
    yield "none", base(16, normalize="none", scale=0.2)
    yield "none, causal", base(17, normalize="none", scale=0.2, causal="top-left")
    added = np.where(normal(18, N, N) > 1, -np.inf, normal(19, N, N))
    yield "mask that is added", base(20, mask=added)
    seen = (normal(21, N, N) > 0).astype(int)
    yield "mask", base(22, mask={"values": seen, "true_means": "attend"}, causal=True)
    yield "a query that sees nothing", base(22, mask=nothing_seen())
    yield "key_start", base(23, key_start=1)
    yield "key_start, causal", base(24, key_start=2, causal=True, prefix=1)
    yield "documents", base(25, documents=[0, 1, 0, 1])
    sides = {"query": [0, 1, 1, 7], "key": [1, 1, 0, 1]}
    yield "documents of both sides", base(26, documents=sides, causal="bottom-right")
    lengths = {"cu_seqlens_q": [0, 1, 4], "cu_seqlens_k": [0, 3, 4]}
    yield "documents by their lengths", base(27, documents=lengths, causal="bottom-right")
    yield "documents in a window", base(28, documents=[0, 1, 0, 0], window={"left": 1})
    yield "offset", base(29, causal=True, offset=1)
    padded = base(100, key_tokens=list("abcd"), key_lengths=3)
    yield "key_lengths", {**padded, "causal": True, "offset": 0}
    yield "sink_tokens", base(101, window={"left": 1}, sink_tokens=1)
    yield "order", base(102, causal=True, order=["softcap", "mask", "bias"], lower=True)
    yield "types", base(103, dtype="float64", nonfinite="allow", layout="rows")
    yield from stages()
    yield from heads()
    yield from sources()


def nothing_seen() -> Any:
    mask = np.zeros((N, N))
    mask[1] = -np.inf
    return mask


def stages() -> Iterator[tuple[str, Mapping]]:
    yield "output", base(30, output=D_O)
    norm = {"gamma": normal(31, D), "beta": normal(32, D), "eps": 0.1}
    yield "residual", base(33, output=D, residual=True)
    yield "layer norm", base(34, output=D, layer_norm=norm)
    yield "bare layer norm", base(35, output=D, layer_norm=True)
    yield "all", base(36, output=D, residual=True, layer_norm=norm)
    for at, activation in enumerate(ACTIVATIONS):
        network = {
            "W1": normal(37, D, 7), "b1": normal(38, 7),
            "W2": normal(39, 7, D), "b2": normal(40, D), "activation": activation,
        }  # fmt: skip
        yield activation, base(41 + at, output=D, feed_forward=network)
        last = {"gamma": normal(46, D), "beta": normal(47, D)}
        whole = {**network, "residual": True, "layer_norm": last}
        yield (
            f"{activation}, all",
            base(48, output=D, residual=True, layer_norm=norm, feed_forward=whole),
        )
        yield f"{activation}, layer norm", base(49, output=D, feed_forward={**network, "layer_norm": last})  # fmt: skip  # noqa: E501
    problem = base(52, output=D, feed_forward={"W1": normal(50, D, 7), "W2": normal(51, 7, D_V)})
    problem["next_word"]["weights"] = normal(54, D_V, 7)
    yield "no biases", problem
    for pool in ("last", {"token": "not"}):
        problem = base(53, output=D, residual=True)
        problem["next_word"]["pool"] = pool
        yield f"pool {pool}", {**problem, "answer": {"read": "word"}}


def heads() -> Iterator[tuple[str, Mapping]]:
    problem = base(60, output=None)
    problem["weights"] = {
        "query": normal(61, D, 2 * D_K), "key": normal(62, D, 2 * D_K),
        "value": normal(63, D, 2 * D_V), "output": normal(64, 2 * D_V, D_V),
    }  # fmt: skip
    problem["biases"] = {
        "query": normal(65, 2 * D_K), "key": normal(66, 2, D_K),
        "value": normal(67, 2 * D_V), "output": normal(68, D_V),
    }  # fmt: skip
    yield "heads side by side", {**problem, "heads": 2}
    yield "a scale of each head", {**problem, "heads": 2, "scale": [0.7, -1.3]}
    windows = [{"left": 0, "right": 0}, {"left": 1}]
    yield "a window of each head", {**problem, "heads": 2, "window": windows}
    apart = copy.deepcopy(problem)
    apart["weights"] |= {"query": normal(69, 2, D, D_K), "value": normal(70, 2, D, D_V)}
    yield "a matrix a head", apart
    shared = copy.deepcopy(problem)
    shared["embeddings"] = {word: normal(71 + at, 6) for at, word in enumerate(WORDS)}
    shared["weights"] = {"value": normal(76, 6, 2 * D_V), "output": normal(64, 2 * D_V, D_V)}
    shared["score"] = {"function": "gated", "W_g": normal(77, 1, 2 * D_K), "b_g": normal(78, 1)}
    yield "heads of the embeddings", {**shared, "heads": 2, "positions": "sinusoidal"}
    yield "heads of words in memory", {**shared, "heads": 2, "memory": {"tokens": ["do", "do"]}}


def sources() -> Iterator[tuple[str, Mapping]]:
    yield "sinusoidal", base(80, positions="sinusoidal")
    table = {"learned": normal(81, 7, D)}
    yield "learned", base(82, positions=table)
    yield "learned, residual", base(83, positions=table, output=D, residual=True)
    yield "words in memory", base(84, memory={"tokens": ["so", "do", "so"]})
    yield "both", base(85, memory={"tokens": ["so", "do"]}, positions=table)
    problem = base(86, memory={"embeddings": normal(87, 2, 3)})
    problem["weights"] |= {"key": normal(88, 3, D_K), "value": normal(89, 3, D_V)}
    yield "memory of its own", problem
    given = base(90, query=normal(91, 2, D_K))
    del given["weights"]["query"], given["biases"]["query"]
    yield "query given", given
    both = base(104, key=normal(105, 3, D_K), value=normal(106, 3, D_V))
    for side in ("key", "value"):
        del both["weights"][side], both["biases"][side]
    yield "key and value given", both
    plain = base(92)
    plain["weights"] = {"query": normal(93, D, D)}
    plain["biases"] = {"value": normal(94, D)}
    plain["next_word"] |= {"weights": normal(95, D, 7)}
    yield "keys and values as they are", plain


PROBLEMS = dict(problems())


def learnable(problem: Mapping) -> set[str]:
    """The names of what is written and may be learnt, found without the package."""
    names = {"embeddings", "next_word.weights", "next_word.bias"}
    for group in ("weights", "biases"):
        names |= {f"{group}.{side}" for side in problem[group]}
    score = problem.get("score", {})
    inside = score.get("inside", {})
    keys = ("W1", "W2", "v", "b", "W", "W_g", "b_g", "sigma", "scores")
    names |= {f"score.{key}" for key in keys if key in score}
    names |= {f"score.inside.{key}" for key in keys if key in inside}
    network = problem.get("feed_forward", {})
    names |= {f"feed_forward.{key}" for key in ("W1", "b1", "W2", "b2") if key in network}
    for place, node in (("", problem), ("feed_forward.", network)):
        norm = node.get("layer_norm")
        if isinstance(norm, dict):
            names |= {f"{place}layer_norm.gamma", f"{place}layer_norm.beta"}
    if isinstance(problem.get("positions"), dict):
        names.add("positions.learned")
    if "scores" in {**score, **inside}:  # given, so that Q and K are not read
        names -= {"weights.query", "weights.key", "biases.query", "biases.key"}
    return names


def turned(problem: Mapping) -> Mapping:
    """The same problem in layout columns."""
    problem = copy.deepcopy(problem)

    def turn(node: Any, *keys: str) -> None:
        for key in keys:
            if key in node and np.ndim(node[key]) > 1:
                node[key] = np.swapaxes(node[key], -1, -2).copy()

    turn(problem["weights"], *problem["weights"])
    turn(problem["next_word"], "weights")
    turn(problem.get("feed_forward", {}), "W1", "W2")
    turn(problem.get("memory", {}), "embeddings")
    turn(problem, "query", "key", "value")
    if isinstance(problem.get("positions"), dict):
        turn(problem["positions"], "learned")
    if isinstance(problem.get("mask"), dict):
        turn(problem["mask"], "values")
    else:
        turn(problem, "mask")
    return {**problem, "layout": "columns"}


def examples_of(problem: Mapping) -> list[list[str]]:
    score = problem.get("score", {})
    if "answer" in problem:  # every class needs an example
        return [[EXAMPLES[at % 2][0], each] for at, each in enumerate(VOCABULARY)]
    fixed = {"mask", "documents", "key_tokens"} & set(problem) or "scores" in {
        **score,
        **score.get("inside", {}),
    }
    return EQUAL if fixed else EXAMPLES


def loss(problem: Mapping) -> float:
    """The mean of -log softmax(logits) at the word that follows."""
    total = 0.0
    examples = examples_of(problem)
    for tokens, follows in examples:
        record = compute({**problem, "tokens": tokens.split()}, steps=["logits"])
        logits = record["logits"].tolist()
        at = VOCABULARY.index(follows)
        total += math.log(math.fsum(math.exp(z - logits[at]) for z in logits))
    return total / len(examples)


def arrays(problem: Mapping, name: str) -> list[Any]:
    """The arrays that are a parameter: one, or the vectors of a table; a number becomes one."""
    *parents, last = name.split(".")
    node = problem
    for key in parents:
        node = node[key]
    if isinstance(node[last], float):  # one that reads as a number and as an array of one
        node[last] = np.array([node[last]]) if last == "b_g" else np.array(node[last])
    return list(node[last].values()) if isinstance(node[last], dict) else [node[last]]


def difference(problem: Mapping, names: list[str], direction: Any) -> float:
    """The slope of the loss where these parameters move in a direction."""
    problem = copy.deepcopy(problem)
    held = [array for name in names for array in arrays(problem, name)]
    start = np.concatenate([array.ravel() for array in held])
    at = []
    for step in (-H, H):
        moved = start + step * direction
        for array in held:
            array[...], moved = moved[: array.size].reshape(array.shape), moved[array.size :]
        at.append(loss(problem))
    return (at[1] - at[0]) / (2 * H)


def learnt(problem: Mapping, names: set[str]) -> State:
    """Loss and gradients before the first step, as `attn train` has them."""
    settings: Mapping = {
        "examples": [[t.split(), w] for t, w in examples_of(problem)],
        "parameters": sorted(names),
        "start": "file",
    }
    problem = {**problem, "tokens": settings["examples"][0][0], "train": settings}
    training = read_training(from_mapping(problem))
    return measured(training, training.start, 0)


@cache
def in_rows(name: str) -> State:
    return learnt(PROBLEMS[name], learnable(PROBLEMS[name]))


ALONE = {name for name, _ in scores()}


@pytest.mark.parametrize("name", PROBLEMS)
def test_gradient(name: str) -> None:
    """All parameters move at once, which costs less; those of a score function alone one by one.

    All numbers of a parameter move at once, each by another length: one that is wrong shows.
    """
    problem = PROBLEMS[name]
    names = sorted(learnable(problem))
    found = in_rows(name).gradients
    assert set(found) == set(names)
    own = [each for each in names if name in ALONE and each.startswith("score.")]
    for moved in [[each for each in names if each not in own], *([each] for each in own)]:
        gradient = np.concatenate([found[each].ravel() for each in moved])
        direction = np.random.default_rng(gradient.size).normal(size=gradient.size)
        expected = difference(problem, moved, direction)
        assert abs(gradient @ direction - expected) < 1e-6 * np.linalg.norm(gradient), moved


# A scale and an activation have no rows and columns.
TURNED = [n for n in PROBLEMS if not n.startswith(("sparse", *list(ACTIVATIONS)[1:]))]
TURNED = [n for n in TURNED if not n.endswith(", scale")]


@pytest.mark.parametrize("name", TURNED)
def test_layout_columns_has_the_transposes(name: str) -> None:
    columns, names = turned(PROBLEMS[name]), learnable(PROBLEMS[name])
    expected, found = in_rows(name), learnt(columns, names)
    for in_columns in (loss(columns), found.loss):
        assert math.isclose(in_columns, expected.loss, rel_tol=1e-12)
    whole = {"embeddings"} | {n for n in names if n.startswith("score.")}
    for key, gradient in expected.gradients.items():
        turn = gradient.ndim > 1 and key not in whole and not key.startswith("biases.")
        as_columns = np.swapaxes(gradient, -1, -2) if turn else gradient
        np.testing.assert_allclose(found.gradients[key], as_columns, rtol=1e-9, atol=1e-14)


def test_every_key_that_train_accepts_has_a_tested_gradient() -> None:
    """`train` reads `train` and leaves `sequences` out; `axes` and `grouping` need K of four axes.

    Queries are made of embeddings, which have no such axes.
    """
    tested = {key for problem in PROBLEMS.values() for key in problem}
    accepted = {name for name, key in KEYS.items() if key.learnable != NEVER}
    assert accepted - tested == {"train", "sequences", "axes", "grouping"}
    refused = {name for name, key in KEYS.items() if key.learnable == NEVER}
    assert not refused & tested


def test_every_score_function_has_a_gradient_and_two_normalisers() -> None:
    assert all(function.backward is not None for function in SCORES)
    with_one = {each.name for each in NORMALIZERS if each.backward is not None}
    assert with_one == {"softmax", "none"}


@pytest.mark.parametrize("score", ["dot", {"function": "sparse", "window": 1, "inside": "dot"}])
def test_a_score_function_without_a_gradient_is_refused(score: Any) -> None:
    problem = read_problem(from_mapping(base(97, score=score)))
    refuse_functions_without_gradient(problem)
    function, inner = problem.score.innermost(problem.parameters)
    without = replace(function, backward=None)
    if function is problem.score:
        problem = replace(problem, score=without)
    else:
        problem = replace(problem, parameters={**problem.parameters, "inside": (without, inner)})
    with pytest.raises(AttnError, match=r"^the score function dot has no gradient") as error:
        refuse_functions_without_gradient(problem)
    others = "dot, scaled, additive, concat, multiplicative, gated, sparse, gaussian, cosine, given"
    assert error.value.help == f"those that have one: {others}"


def test_a_word_that_stands_twice_gets_the_sum_of_its_places() -> None:
    """Told apart as two words of the same vector, the two gradients add up."""
    once = base(99)
    again = copy.deepcopy(once)
    again["embeddings"]["do2"] = once["embeddings"]["do"].copy()

    def of(problem: Mapping, tokens: str) -> Any:
        train = {"examples": [[tokens, "hm"]], "start": "file", "parameters": ["embeddings"]}
        training = read_training(from_mapping({**problem, "train": train}))
        return measured(training, training.start, 0).gradients["embeddings"]

    together, apart = of(once, "do not do so"), of(again, "do not do2 so")
    do = WORDS.index("do")
    np.testing.assert_allclose(together[do], apart[do] + apart[-1], rtol=1e-12)
    assert (apart[-1] != 0).all()


def test_what_is_hidden_gets_no_gradient() -> None:
    problem = base(98, causal=True)
    problem["next_word"]["pool"] = {"token": "do"}
    train = {"examples": [["do not like", "hm"]], "start": "file", "parameters": ["embeddings"]}
    training = read_training(from_mapping({**problem, "train": train}))
    found = measured(training, training.start, 0).gradients["embeddings"]
    seen = (found != 0).any(axis=1)
    assert dict(zip(WORDS, seen.tolist(), strict=True)) == {word: word == "do" for word in WORDS}


def test_saturated_gelu_tanh_has_the_slope_of_a_line() -> None:
    x = np.array([-40.0, 40.0])
    np.testing.assert_array_equal(ACTIVATIONS["gelu_tanh"].derivative(x), [0.0, 1.0])


def test_what_is_not_finite_behind_a_mask_has_no_part() -> None:
    weights, d = np.array([[0.25, 0.75, 0.0]]), np.array([[1.0, 3.0, np.inf]])
    seen = np.array([[True, True, False]])
    expected = [[0.25 * (1 - 2.5), 0.75 * (3 - 2.5), 0]]
    softmax, none = NORMALIZERS.get("softmax").backward, NORMALIZERS.get("none").backward
    assert softmax is not None
    assert none is not None
    np.testing.assert_array_equal(softmax(weights, seen, d), expected)
    np.testing.assert_array_equal(none(weights, seen, d), [[1, 3, 0]])
