"""entmax: sparsemax, 1.5-entmax by sorting, alpha-entmax by bisection, and the masks of both.

Scores are given as they are: a problem without queries and keys.
"""

from __future__ import annotations

from typing import Any

import entmax
import numpy as np
import pytest
import torch

import attn_cli
from tests.peers.agree import DTYPES, TOLERANCE, agrees, departs, normal

N_Q, N_K, D_V = 23, 11, 3

types = pytest.mark.parametrize("dtype", DTYPES)
spreads = pytest.mark.parametrize("spread", [0.1, 1.0, 5.0])


def given(dtype: str, spread: float = 1.0) -> np.ndarray:
    (scores,) = normal(53, (N_Q, N_K), dtype=dtype)
    scores *= np.asarray(spread, dtype)
    scores[0] = 2  # all alike
    scores[1, :4] = scores[1].max()  # a tie of the largest
    return scores


def ours(scores: np.ndarray, normalize: Any, **keys: Any) -> attn_cli.Record:
    return attn_cli.compute(
        {
            "value": np.arange(N_K * D_V).reshape(N_K, D_V) / 10,
            "score": {"function": "given", "scores": scores},
            "normalize": normalize,
            "dtype": str(scores.dtype),
            **keys,
        }
    )


@types
@spreads
@pytest.mark.parametrize("name", ["sparsemax", "entmax15"])
@pytest.mark.parametrize("k", [None, 5])
def test_by_sorting(dtype: str, spread: float, name: str, k: int | None) -> None:
    """Sorting all, or the 5 largest first, is the same there."""
    scores = given(dtype, spread)
    there = getattr(entmax, name)(torch.from_numpy(scores), dim=-1, k=k).numpy()
    record = ours(scores, name)
    agrees(record["weights"], there, TOLERANCE[dtype])
    if spread > 1:
        assert (there == 0).any()
        assert (record["weights"][there == 0] <= TOLERANCE[dtype]).all()
    agrees(record["row_sums"], np.ones(N_Q), TOLERANCE[dtype])
    agrees(record["output"], there @ np.arange(N_K * D_V).reshape(N_K, D_V) / 10, TOLERANCE[dtype])


@types
@spreads
@pytest.mark.parametrize("alpha", [1.1, 1.25, 1.5, 1.75, 2.0, 2.5, 4.0])
def test_by_bisection(dtype: str, spread: float, alpha: float) -> None:
    scores = given(dtype, spread)
    there = entmax.entmax_bisect(torch.from_numpy(scores), alpha=alpha, n_iter=70).numpy()
    here = ours(scores, {"function": "entmax", "alpha": alpha})["weights"]
    agrees(here, there, tolerance_of(dtype, alpha))


def tolerance_of(dtype: str, alpha: float) -> float:
    """Return how near bisection comes: an error of eps in the threshold is eps^(1/(alpha-1))."""
    eps = float(np.finfo(dtype).eps)
    nearest: float = max(TOLERANCE[dtype], (4 * eps) ** (1 / max(1.0, alpha - 1)))
    return nearest


@types
@pytest.mark.parametrize(("name", "alpha"), [("sparsemax", 2.0), ("entmax15", 1.5)])
def test_alpha_names_them(dtype: str, name: str, alpha: float) -> None:
    scores = given(dtype)
    there = entmax.entmax_bisect(torch.from_numpy(scores), alpha=alpha, n_iter=70).numpy()
    agrees(ours(scores, name)["weights"], there, TOLERANCE[dtype])


def test_alpha_near_1_is_near_softmax() -> None:
    """At 1 itself ours is softmax; bisection does not work there, as its documentation says."""
    scores = given("float64")
    there = entmax.entmax_bisect(torch.from_numpy(scores), alpha=1 + 1e-6, n_iter=70).numpy()
    here = ours(scores, {"function": "entmax", "alpha": 1})["weights"]
    agrees(here, there, 1e-4)
    agrees(here, torch.softmax(torch.from_numpy(scores), -1).numpy(), 1e-12)


@types
@pytest.mark.parametrize("name", ["sparsemax", "entmax15", "bisect"])
def test_hidden_keys_are_minus_infinity_there(dtype: str, name: str) -> None:
    scores, seen = given(dtype), np.random.default_rng(59).random((N_Q, N_K)) < 0.5
    seen[:, 2] = True
    there = np.where(seen, scores, np.asarray(-np.inf, dtype))
    tensor, normalize = torch.from_numpy(there), name
    if name == "bisect":
        weights, normalize = entmax.entmax_bisect(tensor, alpha=1.25, n_iter=70).numpy(), "entmax"
    else:
        weights = getattr(entmax, name)(tensor).numpy()
    parameters = {"alpha": 1.25} if name == "bisect" else {}
    mask = {"values": seen, "true_means": "attend"}
    record = ours(scores, {"function": normalize, **parameters}, mask=mask)
    agrees(record["weights"], weights, TOLERANCE[dtype])
    assert (record["weights"][~seen] == 0).all()


@types
@pytest.mark.parametrize("temperature", [0.25, 3.0])
def test_temperature_divides_the_scores(dtype: str, temperature: float) -> None:
    scores = given(dtype)
    there = entmax.entmax15(torch.from_numpy(scores) / temperature).numpy()
    here = ours(scores, "entmax15", temperature=temperature)["weights"]
    agrees(here, there, TOLERANCE[dtype])


def test_its_bisection_of_sparsemax_takes_no_number_of_steps() -> None:
    """n_iter is documented as the number of steps.

    Seen in entmax 1.3: sparsemax_bisect always makes 50, entmax_bisect the requested number.
    """
    departs("entmax", "1.3")
    scores = torch.from_numpy(given("float64"))
    here = ours(scores.numpy(), "sparsemax")["weights"]
    agrees(here, entmax.sparsemax_bisect(scores, n_iter=1).numpy(), 1e-12)
    one = entmax.entmax_bisect(scores, alpha=2.0, n_iter=1).numpy()
    assert abs(here - one).max() > 0.01
