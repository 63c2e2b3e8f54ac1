"""The exponential form of the additive score against its definition, hidden unit by hidden unit."""

from __future__ import annotations

from math import tanh

import numpy as np
import pytest

from attn_cli.maths.scores import additive

N_Q, N_K, D, H = 7, 11, 3, 5


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("together", [1, 2, 8])
def test_units_of_any_size_side_by_side(dtype: str, together: int) -> None:
    """Some exponentials overflow alone, some only as a product, some neither: no unit spoils it."""
    rng = np.random.default_rng(29)
    Q, K = rng.normal(size=(N_Q, D)).astype(dtype), rng.normal(size=(N_K, D)).astype(dtype)
    size = np.array([0.3, 1, 30, 300, 4000])[:, None]
    p = {
        "W1": (size * rng.normal(size=(H, D))).astype(dtype),
        "W2": (size * rng.normal(size=(H, D))).astype(dtype),
        "v": rng.normal(size=H).astype(dtype),
        "b": rng.normal(size=H).astype(dtype),
    }
    A, B = Q @ p["W1"].T + p["b"], K @ p["W2"].T
    with np.errstate(all="ignore"):
        block = additive.by_tiles(Q, K, p, together=together)
        score = block(slice(1, N_Q), slice(2, N_K)).score
    assert score is not None
    expected = [
        [sum(float(p["v"][h]) * tanh(float(A[i, h] + B[j, h])) for h in range(H))
         for j in range(2, N_K)]
        for i in range(1, N_Q)
    ]  # fmt: skip
    close = 20 * float(np.finfo(dtype).eps) * float(np.abs(p["v"]).sum())
    np.testing.assert_allclose(score, expected, rtol=0, atol=close)


@pytest.mark.parametrize(("size", "definition"), [(3.0, False), (1e-6, True)])
def test_large_factors_take_the_definition_only_if_tanh_is_small(
    monkeypatch: pytest.MonkeyPatch, size: float, definition: bool
) -> None:
    """2 units in the last digit of 1 are too many only if v multiplies them and the score not."""
    Q = K = np.full((N_K, D), size)
    p = {"W1": np.eye(H, D), "W2": np.eye(H, D), "v": np.full(H, 1e6)}
    left: list[str] = []
    monkeypatch.setattr(additive, "prepare", lambda *_: left.append("definition"))
    additive.by_tiles(Q, K, p)
    assert bool(left) == definition


def test_rows_in_the_cache_are_all_rows() -> None:
    rows = list(additive.in_cache(np.zeros((N_Q, N_K)), 3 * 8 * N_K))
    assert [np.arange(N_Q)[part].tolist() for part in rows] == [[0, 1, 2], [3, 4, 5], [6]]
