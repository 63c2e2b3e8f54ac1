"""What follows the attention: each stage against plain Python."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from attn_cli import AttnError, compute
from attn_cli.maths.activations import ACTIVATIONS
from tests.conformance.oracle.normalise import softmax
from tests.conformance.oracle.plain import project
from tests.helpers.many import for_each

N, D, D_FF, D_LAST, WORDS = 5, 3, 7, 11, 13


def base(rng: np.random.Generator) -> dict[str, Any]:
    return {"embeddings": rng.normal(size=(N, D)), "score": "dot"}


def normed(row: Any, gamma: Any, beta: Any, eps: float) -> list[float]:
    mean = math.fsum(row) / len(row)
    variance = math.fsum((x - mean) ** 2 for x in row) / len(row)
    scaled = [(x - mean) / math.sqrt(variance + eps) for x in row]
    return [x * g + b for x, g, b in zip(scaled, gamma, beta, strict=True)]


def close(here: Any, expected: Any) -> None:
    np.testing.assert_allclose(here, expected, rtol=1e-12, atol=1e-13)


def test_residual_and_layer_norm() -> None:
    rng = np.random.default_rng(1)
    gamma, beta = rng.normal(size=D), rng.normal(size=D)
    p = base(rng)
    record = compute(
        {**p, "residual": True, "layer_norm": {"gamma": gamma, "beta": beta, "eps": 0.25}}
    )
    close(record["residual"], p["embeddings"] + record["output"])
    expected = [normed(row, gamma, beta, 0.25) for row in record["residual"].tolist()]
    close(record["layer_norm"], expected)
    assert list(record.steps)[-3:] == ["output", "residual", "layer_norm"]


def test_a_layer_norm_without_parameters_has_mean_0_and_variance_1() -> None:
    record = compute({**base(np.random.default_rng(2)), "layer_norm": True})
    rows = record["layer_norm"]
    np.testing.assert_allclose(rows.mean(axis=1), 0, atol=1e-15)
    variance = record["output"].var(axis=1)
    close(rows.var(axis=1), variance / (variance + 1e-5))


REFERENCE: dict[str, Callable[[float], float]] = {
    "relu": lambda x: max(x, 0.0),
    "gelu": lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2,
    "gelu_tanh": lambda x: x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "tanh": math.tanh,
    "identity": lambda x: x,
}


@for_each("name", ACTIVATIONS)
def test_feed_forward(name: str) -> None:
    rng = np.random.default_rng(3)
    network = {
        "W1": rng.normal(size=(D, D_FF)), "b1": rng.normal(size=D_FF),
        "W2": rng.normal(size=(D_FF, D_LAST)), "b2": rng.normal(size=D_LAST),
    }  # fmt: skip
    record = compute({**base(rng), "feed_forward": {**network, "activation": name}})
    inner = project(record["output"].tolist(), network["W1"].tolist(), network["b1"].tolist())
    hidden = [[REFERENCE[name](x) for x in row] for row in inner]
    close(record["hidden"], hidden)
    close(
        record["feed_forward"],
        project(hidden, network["W2"].tolist(), network["b2"].tolist()),
    )


def test_the_second_residual_and_layer_norm_are_the_networks_own() -> None:
    rng = np.random.default_rng(4)
    network: dict[str, Any] = {
        "W1": rng.normal(size=(D, D_FF)), "W2": rng.normal(size=(D_FF, D)),
        "residual": True, "layer_norm": {"gamma": rng.normal(size=D), "eps": 0.5},
    }  # fmt: skip
    record = compute({**base(rng), "layer_norm": True, "feed_forward": network})
    close(record["residual_2"], record["layer_norm"] + record["feed_forward"])
    expected = [
        normed(row, network["layer_norm"]["gamma"], [0.0] * D, 0.5)
        for row in record["residual_2"].tolist()
    ]
    close(record["layer_norm_2"], expected)


def head(rng: np.random.Generator, pool: Any) -> dict[str, Any]:
    words = [f"w{at}" for at in range(WORDS)]
    return {
        "vocabulary": words,
        "weights": rng.normal(size=(D, WORDS)),
        "bias": rng.normal(size=WORDS),
        "pool": pool,
    }


@for_each("pool, rows", [("mean", range(N)), ("last", [N - 1]), ({"token": "c"}, [2])])
def test_next_word(pool: Any, rows: Any) -> None:
    rng = np.random.default_rng(5)
    next_word = head(rng, pool)
    p = {**base(rng), "tokens": list("abcde"), "next_word": next_word}
    record = compute(p)
    chosen = record["output"][list(rows)].tolist()
    pooled = [math.fsum(column) / len(chosen) for column in zip(*chosen, strict=True)]
    close(record["pooled"], pooled)
    (logits,) = project([pooled], next_word["weights"].tolist(), next_word["bias"].tolist())
    close(record["logits"], logits)
    close(record["probabilities"], softmax(logits))
    assert record.answer == record.text == f"w{logits.index(max(logits))}"
    (choice,) = record.choices
    ranked = sorted(range(WORDS), key=lambda at: -logits[at])
    assert [word for word, _ in choice.ranking] == [f"w{at}" for at in ranked[:5]]
    assert choice.margin == pytest.approx(
        record["probabilities"][ranked[0]] - record["probabilities"][ranked[1]]
    )
    # One query shows its own row, and pools the same rows as before.
    one = compute(p, query_token="b")
    np.testing.assert_allclose(one["probabilities"], record["probabilities"], rtol=1e-13)
    np.testing.assert_allclose(one["output"], record["output"][1:2], rtol=1e-13)
    alone = compute(p, steps=["probabilities"])
    assert list(alone.steps) == ["probabilities"]
    np.testing.assert_allclose(alone["probabilities"], record["probabilities"], rtol=1e-13)


def test_the_mean_of_rows_is_rounded_as_any_step() -> None:
    """1 + 1.5 / 128 lies between two numbers of bfloat16: the even one is 1 + 2 / 128."""
    eye = np.eye(2)
    record = compute({
        "query": 1000 * eye, "key": eye, "value": [[1], [1 + 3 / 128]], "dtype": "bfloat16",
        "next_word": {"vocabulary": ["x", "y"], "weights": [[1.0, 2.0]]},
    })  # fmt: skip
    assert record["output"].ravel().tolist() == [1, 1 + 3 / 128]
    assert record["pooled"].tolist() == [1 + 2 / 128]
    assert record["logits"].tolist() == [1 + 2 / 128, 2 + 4 / 128]


def test_the_answer_is_of_the_whole_vocabulary_also_where_it_is_shown_shortened() -> None:
    from attn_cli.engine.run import run
    from attn_cli.maths.problem import Edge, Request
    from attn_cli.reading.schema import read_problem
    from attn_cli.sources.matrices.document import from_mapping

    weights = np.zeros((D, WORDS))
    bias = np.zeros(WORDS)
    bias[6] = 3
    words = [f"w{at}" for at in range(WORDS)]
    p = {
        **base(np.random.default_rng(6)),
        "next_word": {"vocabulary": words, "weights": weights, "bias": bias},
    }
    record = run(read_problem(from_mapping(p)), Request(edge=Edge(threshold=4, items=2)))
    assert record["probabilities"].shape == (4,)
    assert record.answer == "w6"


def test_a_tie_is_said() -> None:
    p = {
        **base(np.random.default_rng(7)),
        "next_word": {"vocabulary": ["x", "y"], "weights": np.zeros((D, 2))},
    }
    record = compute(p)
    assert record.answer == "x"
    assert record.warnings == ("after '0 1 2 3 4', 'x' and 'y' are equally likely",)


def test_a_batch_has_an_answer_each() -> None:
    rng = np.random.default_rng(8)
    p = {name: rng.normal(size=(2, 5, 3)) for name in ("query", "key", "value")}
    record = compute({**p, "next_word": head(rng, "mean")})
    assert record.steps["logits"].axes == ("batch", "word")
    best = record["logits"].argmax(axis=1)
    assert record.answer == [f"w{at}" for at in best]
    for at in range(2):
        close(record["pooled"][at], record["output"][at].mean(axis=0))


@for_each(
    "keys, message",
    [
        (
            {"residual": True, "weights": {"output": np.ones((3, 2))}},
            "residual needs d_out = d_model, but the output has d_out = 2 and embeddings have "
            "d_model = 3",
        ),
        ({"positions": "rotary"}, "positions cannot be 'rotary'"),
        (
            {"positions": {"learned": np.ones((4, 3))}},
            "positions.learned has 4 rows, but there are 5 tokens",
        ),
        ({"layer_norm": {"eps": 0}}, "layer_norm.eps must be more than 0, not 0"),
        ({"feed_forward": {"W1": np.ones((3, 2))}}, "feed_forward.W2 is missing"),
        (
            {"feed_forward": {"W1": np.ones((2, 3)), "W2": np.ones((3, 3))}},
            "feed_forward.W1 has shape (d_out, d_ff) = (2, 3) but embeddings has d_out = 3",
        ),
        (
            {"feed_forward": {"W1": np.ones((3, 2)), "W2": np.ones((2, 2)), "residual": True}},
            "feed_forward.W2 has shape (d_ff, d_out) = (2, 2) but embeddings has d_out = 3",
        ),
        ({"next_word": {"vocabulary": ["a"]}}, "next_word.weights is missing"),
        (
            {"next_word": {"vocabulary": ["a", "a"], "weights": np.ones((3, 2))}},
            "'a' appears twice in next_word.vocabulary",
        ),
        (
            {"next_word": {"vocabulary": ["a", "b"], "weights": np.ones((3, 3))}},
            "next_word.weights has shape (d_out, words) = (3, 3) but next_word.vocabulary has "
            "words = 2",
        ),
        (
            {
                "next_word": {
                    "vocabulary": ["a"],
                    "weights": np.ones((3, 1)),
                    "pool": {"token": "z"},
                }
            },
            "there is no token 'z'",
        ),
    ],
)
def test_what_does_not_fit(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(AttnError) as raised:
        compute({**base(np.random.default_rng(1)), **keys})
    assert raised.value.message == message


def test_residual_needs_embeddings() -> None:
    given = {name: np.ones((2, 3)) for name in ("query", "key", "value")}
    with pytest.raises(AttnError, match="residual adds the embeddings to the output"):
        compute({**given, "residual": True})


@for_each("dtype, large", [("float16", 600.0), ("float32", 1e20), ("float64", 1e200)])
def test_layer_norm_of_large_rows(dtype: str, large: float) -> None:
    x = [[0.0, large]]
    record = compute(
        {
            "query": x, "key": x, "value": x, "dtype": dtype, "layer_norm": True,
            "score": {"function": "given", "scores": [[0]]},
        }
    )  # fmt: skip
    np.testing.assert_allclose(record["layer_norm"], [[-1, 1]], rtol=1e-3)
    assert record.warnings == ()


def test_layer_norm_of_a_constant_row_in_float16_with_the_eps_of_bert() -> None:
    x = [[1.0, 1.0]]
    record = compute(
        {"query": x, "key": x, "value": x, "dtype": "float16", "layer_norm": {"eps": 1e-12}}
    )
    np.testing.assert_array_equal(record["layer_norm"], [[0, 0]])
    assert record.warnings == ()


def test_a_mean_of_narrow_numbers_does_not_overflow_on_its_way() -> None:
    record = compute(
        {
            "query": [[1.0]] * 400, "key": [[1.0]], "value": [[300.0]], "dtype": "float16",
            "next_word": {"vocabulary": ["a"], "weights": [[0.001]]},
        }
    )  # fmt: skip
    np.testing.assert_array_equal(record["pooled"], [300])
    assert record.warnings == ()


@for_each("steps, named", [(None, ["output", "pooled", "logits"]), (["probabilities"], ["logits"])])
def test_overflow_is_named_in_every_stage(steps: list[str] | None, named: list[str]) -> None:
    record = compute(
        {
            "query": [[1.0]], "key": [[1.0]], "value": [[300.0]], "dtype": "float16",
            "weights": {"output": [[300.0]]},
            "next_word": {"vocabulary": ["a", "b"], "weights": [[1.0, 2.0]]},
        },
        steps=steps,
    )  # fmt: skip
    said = [
        warning.split(" is not finite")[0] for warning in record.warnings if "finite" in warning
    ]
    assert [name for name in said if name in named] == named


def test_a_batch_without_a_next_word_has_no_answer() -> None:
    x = np.ones((2, 3, 2))
    p: dict[str, Any] = {"query": x, "key": x, "value": x}
    assert compute(p).answer is None
    p["next_word"] = {"vocabulary": ["x", "y"], "weights": [[1.0, 0], [1, 0]]}
    assert compute(p).answer == ["x", "x"]
    assert compute(p, batch=1).answer == "x"
    assert compute({**p, **dict.fromkeys(("query", "key", "value"), x[:1])}).answer == ["x"]


def test_top_one_has_a_runner_up() -> None:
    from attn_cli.engine.run import run
    from attn_cli.maths.problem import Request
    from attn_cli.reading.schema import read_problem
    from attn_cli.sources.matrices.document import from_mapping

    rng = np.random.default_rng(10)
    p = {**base(rng), "next_word": head(rng, "mean")}
    (choice,) = run(read_problem(from_mapping(p)), Request(top=1)).choices
    assert len(choice.ranking) == 1
    assert choice.runner_up is not None
    assert choice.margin is not None


def test_the_networks_own_layer_norm_without_its_residual() -> None:
    rng = np.random.default_rng(11)
    network: dict[str, Any] = {
        "W1": rng.normal(size=(D, D_FF)), "W2": rng.normal(size=(D_FF, D)), "layer_norm": True,
    }  # fmt: skip
    record = compute({**base(rng), "layer_norm": True, "feed_forward": network})
    expected = [normed(row, [1.0] * D, [0.0] * D, 1e-5) for row in record["feed_forward"].tolist()]
    close(record["layer_norm_2"], expected)
    assert record.steps["hidden"].formula == "hidden = relu(layer_norm W1)"
    turned = compute(
        {
            "embeddings": np.ones((D, N)), "layout": "columns", "score": "dot",
            "feed_forward": {"W1": np.ones((D_FF, D)), "W2": np.ones((2, D_FF))},
        }
    )  # fmt: skip
    assert turned.steps["hidden"].formula == "hidden = relu(W1 output)"


def test_a_next_word_after_a_network_of_another_depth() -> None:
    rng = np.random.default_rng(12)
    network = {"W1": rng.normal(size=(D, D_FF)), "W2": rng.normal(size=(D_FF, D_LAST))}
    weights = rng.normal(size=(D_LAST, 2))
    record = compute(
        {
            **base(rng),
            "feed_forward": network,
            "next_word": {"vocabulary": ["x", "y"], "weights": weights},
        }
    )
    close(record["logits"], record["feed_forward"].mean(axis=0) @ weights)


@pytest.mark.regression("gate logits were not transposed in the layout of columns")
@for_each("width", [1, 3])
def test_gate_logits_are_columns_where_tokens_are(width: int) -> None:
    x = np.random.default_rng(5).normal(size=(3, 3))  # d_v = n_q: a wrong axis would go unseen
    logits = np.random.default_rng(7).normal(size=(3, width))
    rows = compute({"query": x, "key": x, "value": x, "output_gate": {"logits": logits}})
    gate = {"logits": logits.T}
    turned = {"query": x.T, "key": x.T, "value": x.T, "layout": "columns", "output_gate": gate}
    np.testing.assert_allclose(compute(turned)["gated"].T, rows["gated"], rtol=1e-15)
