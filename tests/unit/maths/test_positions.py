"""Positions: sinusoidal in both forms, learned, and what they are added to."""

from __future__ import annotations

import math

import numpy as np
import pytest

from attn_cli import AttnError, compute
from attn_cli.maths.positions import sinusoidal
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import from_mapping
from attn_cli.train.learnt import arrays_of, with_arrays
from tests.helpers.many import for_each
from tests.unit.maths.test_after import D, N, close


@for_each("d", [4, 5, 7])
def test_sinusoidal_positions_of_the_paper(d: int) -> None:
    table = sinusoidal(11, d, 10000.0, "interleaved", np.dtype(np.float64)).values
    for p in range(11):
        for i in range(d):
            angle = p / 10000 ** (2 * (i // 2) / d)
            assert table[p, i] == pytest.approx(
                math.cos(angle) if i % 2 else math.sin(angle), abs=1e-15
            )


def test_sinusoidal_positions_of_tensor2tensor() -> None:
    """Position 1 of d = 4: the separating numbers between the two forms."""
    paper = sinusoidal(2, 4, 10000.0, "interleaved", np.dtype(np.float64)).values[1]
    t2t = sinusoidal(2, 4, 10000.0, "concatenated", np.dtype(np.float64)).values[1]
    np.testing.assert_allclose(paper, [0.8415, 0.5403, 0.0100, 1.0], atol=5e-5)
    np.testing.assert_allclose(t2t, [0.8415, 0.0001, 0.5403, 1.0], atol=5e-5)
    odd = sinusoidal(3, 5, 10000.0, "concatenated", np.dtype(np.float64)).values
    np.testing.assert_array_equal(odd[:, 4], 0)


def test_positions_are_added_before_the_projections_and_the_residual() -> None:
    rng = np.random.default_rng(9)
    X, P = rng.normal(size=(N, D)), rng.normal(size=(N + 2, D))
    W = rng.normal(size=(D, D))
    record = compute(
        {
            "embeddings": X,
            "positions": {"learned": P},
            "weights": {"query": W},
            "residual": True,
        }
    )
    close(record["positioned"], X + P[:N])
    close(record["q"], (X + P[:N]) @ W)
    close(record["k"], X + P[:N])
    close(record["residual"], X + P[:N] + record["output"])
    np.testing.assert_array_equal(record["embeddings"], X)
    assert record.steps["q"].formula == "Q = X' W_q"


def test_one_word_in_two_places() -> None:
    record = compute("samples/positions.yaml")
    np.testing.assert_array_equal(record["embeddings"][0], record["embeddings"][3])
    expected = [math.sin(3), math.cos(3), math.sin(0.03), math.cos(0.03)]
    close(record["positioned"][3], expected)
    np.testing.assert_array_equal(record["positioned"][0], [0, 1, 0, 1])


def test_positions_that_overflow_are_said() -> None:
    p = {
        "embeddings": [[6e4]],
        "positions": {"learned": [[6e4]]},
        "dtype": "float16",
        "score": "dot",
    }
    assert (
        compute(p).warnings[0]
        == "positioned is not finite at [0, 0] (1 value): float16 overflows there"
    )
    tiny = {"function": "sinusoidal", "layout": "concatenated", "base": 5e-324}
    with pytest.raises(
        AttnError, match=r"positions\.base is 4\.94066e-324, of which the powers overflow"
    ):
        compute({"embeddings": np.ones((3, 4)), "positions": tiny})


@for_each("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_all_who_read_x_with_positions_read_the_same_numbers(dtype: str) -> None:
    """The projections, the step, the residual connection and training: rounded once, the same."""
    rng = np.random.default_rng(7)
    problem = read_problem(
        from_mapping(
            {
                "embeddings": rng.normal(size=(N, D)), "positions": "sinusoidal", "dtype": dtype,
                "residual": True,
            }
        )
    )  # fmt: skip
    again = with_arrays(problem, arrays_of(problem))
    record = compute(problem, steps=("positioned", "k"))
    X, P = problem.embeddings, problem.positions
    assert X is not None
    assert P is not None
    assert problem.key is not None
    assert again.key is not None
    expected = problem.precision.dtype.round(X.astype(np.float64) + P.values)
    for found in (record["positioned"], record["k"], problem.key.inputs, again.key.inputs):
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == problem.dtype
    np.testing.assert_array_equal(problem.positioned(np.array([3, 1])), expected[[3, 1]])
