"""Published and computed figures on which implementations of attention differ.

Each is worked out from a formula, or copied from the named source, to the digits shown there.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import attn_cli

INF = math.inf
S = [[1.0, 2.0, 3.0]]
THIRD = [1 / 3] * 3
SOFTMAX = [0.0900, 0.2447, 0.6652]


def weights(scores: Any, **keys: Any) -> Any:
    """The weights of scores as given."""
    value = np.ones((len(scores[0]), 1))
    problem = {"value": value, "score": {"function": "given", "scores": scores}, **keys}
    return attn_cli.compute(problem)["weights"].astype(float)


def near(found: Any, expected: Any, digits: int) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.5 * 10.0**-digits)


class TestNormalizers:
    @pytest.mark.parametrize(
        ("normalize", "expected"),
        [
            ("softmax", [0.0486, 0.3592, 0.5922]),
            ("sparsemax", [0, 0.25, 0.75]),
            ("entmax15", [0, 0.326007, 0.673993]),
            ({"function": "entmax", "alpha": 1.5}, [0, 0.326007, 0.673993]),
            ({"function": "entmax", "alpha": 2}, [0, 0.25, 0.75]),
        ],
    )
    def test_the_readme_of_entmax(self, normalize: Any, expected: list[float]) -> None:
        digits = 4 if normalize == "softmax" else 6
        near(weights([[-2, 0, 0.5]], normalize=normalize), [expected], digits)

    def test_sinks(self) -> None:
        near(weights(S), [SOFTMAX], 4)
        near(weights(S, normalize="softmax1"), [[0.0871, 0.2369, 0.6439]], 4)
        for sink, expected in ((0, [0.0871, 0.2369, 0.6439]), (2, [0.0723, 0.1966, 0.5344])):
            normalize = {"function": "sink_logits", "logits": sink}
            near(weights(S, normalize=normalize), [expected], 4)


class TestOrder:
    """softcap 2 on (1, 2, 3)."""

    MASK = ((0.0, 0.0, -INF),)

    def test_the_cap_before_the_mask(self) -> None:
        found = weights(S, softcap=2, mask=self.MASK)
        near(found, [[0.354583, 0.645417, 0]], 6)
        assert found[0, 2] == 0

    def test_the_mask_before_the_cap_leaks(self) -> None:
        order = ["mask", "bias", "softcap"]
        found = weights(S, softcap=2, mask=self.MASK, order=order)
        near(found, [[0.347957, 0.633356, 0.018687]], 6)
        assert weights(S, softcap=2, mask=self.MASK, like="onnx@1.21") == pytest.approx(found)
        assert weights(S, softcap=2, mask=self.MASK, like="onnx@1.22")[0, 2] == 0

    def test_the_bias_before_or_after_the_cap(self) -> None:
        bias = [[0, -1, -2]]
        after = weights(S, softcap=2, score_bias=bias)
        near(after, [[0.500530, 0.335164, 0.164306]], 6)
        before = weights(S, softcap=2, score_bias=bias, order=["bias", "softcap", "mask"])
        np.testing.assert_allclose(before, [THIRD], rtol=1e-15)
        assert weights(S, softcap=2, score_bias=bias, like="x-transformers") == pytest.approx(
            before, rel=1e-6
        )


class TestFills:
    """A row all of whose keys are hidden."""

    MASK = ((-INF, -INF, -INF),)

    def of(self, value: Any, dtype: str, how: str = "add") -> Any:
        fill = {"value": value, "how": how}
        return weights(S, mask=self.MASK, mask_fill=fill, dtype=dtype)

    def test_what_is_added_is_lost_in_float32_and_not_in_float64(self) -> None:
        np.testing.assert_array_equal(self.of(-1e9, "float32"), [[np.float32(1 / 3)] * 3])
        near(self.of(-1e9, "float64"), [[0.090, 0.245, 0.665]], 3)

    def test_a_smaller_number_leaks_in_float32_too(self) -> None:
        near(self.of(-1e6, "float32"), [SOFTMAX], 2)

    def test_what_is_selected_is_uniform(self) -> None:
        for value in (-1e6, -1e9, "lowest", "0.7 lowest"):
            np.testing.assert_allclose(self.of(value, "float64", "select"), [THIRD], rtol=1e-15)

    def test_zero_where_nothing_is_filled(self) -> None:
        np.testing.assert_array_equal(weights(S, mask=self.MASK), [[0, 0, 0]])
        np.testing.assert_array_equal(
            weights(S, mask=self.MASK, empty_rows="uniform"), [[1 / 3] * 3]
        )
        assert np.isnan(weights(S, mask=self.MASK, empty_rows="nan")).all()

    def test_a_fill_that_real_scores_beat(self) -> None:
        """TransformerLens #385: scores near -110 000 against a fill of -100 000."""
        scores = [[-110_000.0, -110_001.0, -110_002.0, -110_000.0, -110_000.0]]
        mask = {"values": [[1, 1, 1, 0, 0]], "true_means": "attend"}
        found = weights(scores, mask=mask, mask_fill=-100_000)
        np.testing.assert_array_equal(found, [[0, 0, 0, 0.5, 0.5]])


@pytest.mark.parametrize(
    ("keys", "counts"),
    [
        ({"causal": True, "window": {"keys": 3}}, [1, 2, 3, 3, 3, 3]),
        ({"causal": True, "window": 3, "like": "hf-eager"}, [1, 2, 3, 3, 3, 3]),
        ({"causal": True, "window": {"left": 3, "right": 0}}, [1, 2, 3, 4, 4, 4]),
        ({"causal": True, "window": 3, "like": "flash-attn"}, [1, 2, 3, 4, 4, 4]),
        ({"window": {"left": 3, "right": 3}}, [4, 5, 6, 6, 5, 4]),
        ({"window": 3, "like": "jax"}, [4, 5, 6, 6, 5, 4]),
        ({"window": {"left": 2, "right": 2}}, [3, 4, 5, 5, 4, 3]),
        ({"window": 3, "like": "keras"}, [3, 4, 5, 5, 4, 3]),
    ],
)
def test_how_many_keys_a_window_of_three_shows(keys: dict[str, Any], counts: list[int]) -> None:
    record = attn_cli.attention(np.eye(6), np.eye(6), np.eye(6), **keys)
    assert (record["visible"] == 0).sum(axis=1).tolist() == counts


def test_flash_attention_leaves_three_of_five_rows_empty_with_two_keys() -> None:
    q, k = np.ones((5, 1)), np.ones((2, 1))
    record = attn_cli.attention(q, k, k, causal=True, like="flash-attn")
    np.testing.assert_array_equal(record["output"].ravel(), [0, 0, 0, 1, 1])


class TestHeads:
    """Six query heads, two key heads whose values tell them apart."""

    def found(self, **keys: Any) -> list[float]:
        q, k = np.ones((1, 6, 1, 1)), np.ones((1, 2, 1, 1))
        value = np.array([0.0, 1.0]).reshape(1, 2, 1, 1)
        return list(attn_cli.attention(q, k, value, **keys)["output"].ravel())

    def test_interleave(self) -> None:
        assert self.found() == self.found(like="torch") == [0, 0, 0, 1, 1, 1]

    def test_tile(self) -> None:
        assert self.found(grouping="tile") == [0, 1, 0, 1, 0, 1]
        assert self.found(like="x-transformers") == [0, 1, 0, 1, 0, 1]


class TestPositions:
    def rotated(self, **rope: Any) -> Any:
        """(1, 2, 3, 4) at position 1."""
        x = [[1, 2, 3, 4]]
        return attn_cli.attention(x, x, x, rope=rope or True, offset=1)["q_rotated"]

    def test_rope(self) -> None:
        near(self.rotated(), [[-1.9841, 1.9599, 2.4624, 4.0198]], 4)
        near(self.rotated(interleaved=True), [[-1.1426, 1.9221, 2.9599, 4.0298]], 4)

    @pytest.mark.parametrize(
        ("layout", "expected"),
        [
            ("interleaved", [0.8415, 0.5403, 0.0100, 1.0]),
            ("concatenated", [0.8415, 0.0001, 0.5403, 1.0]),
        ],
    )
    def test_sinusoidal(self, layout: str, expected: list[float]) -> None:
        positions = {"function": "sinusoidal", "layout": layout}
        record = attn_cli.compute({"embeddings": np.zeros((2, 4)), "positions": positions})
        near(record["positions"][1], expected, 4)

    def test_alibi_slopes_of_twelve_heads(self) -> None:
        """Slopes are read off a key that lies one behind its query."""

        def slopes(kind: str) -> Any:
            q, k = np.zeros((1, 12, 1, 1)), np.zeros((1, 12, 2, 1))
            alibi = {"slopes": kind}
            return -attn_cli.attention(q, k, k, alibi=alibi, offset=1)["biased"][0, :, 0, 0]

        near(slopes("paper")[[0, 1, 7]], [0.5, 0.25, 0.0039], 4)
        near(slopes("paper")[8:], [0.7071, 0.3536, 0.1768, 0.0884], 4)
        near(slopes("plain")[:3], [0.630, 0.397, 0.25], 3)
        near(slopes("plain")[3:4], [0.1575], 4)


class TestScalePlacement:
    """float16 inputs, sums in float32: the largest error of 64 x 64 scores."""

    def error(self, d: int, placement: str) -> float:
        rng = np.random.default_rng(64)
        Q, K = (rng.normal(size=(64, d)).astype(np.float16).astype(float) for _ in range(2))
        exact = Q @ K.T / math.sqrt(d)
        record = attn_cli.attention(
            Q, K, K, dtype="float16", precision={"scores": "float32"}, scale_placement=placement
        )
        return float(np.abs(record["scores"] - exact).max())

    @pytest.mark.parametrize(
        ("d", "placement", "least", "most"),
        [
            (80, "scores", 0, 3e-6),
            (80, "query", 4e-4, 4e-3),
            (80, "split", 8e-4, 8e-3),
            (64, "scores", 0, 3e-6),
            (64, "query", 0, 3e-6),  # 1/8 is exact
            (64, "split", 5e-4, 5e-3),
        ],
    )
    def test_errors(self, d: int, placement: str, least: float, most: float) -> None:
        assert least <= self.error(d, placement) < most


class TestTeachingPages:
    """What published lessons have wrong; the figures are the right ones."""

    def test_amanailab(self) -> None:
        record = attn_cli.attention(np.eye(2), np.eye(2), [[1, 2], [3, 4]])
        near(record["output"][0, 0], 1.66048, 5)

    def test_click4ai(self) -> None:
        record = attn_cli.attention([[1, 2], [3, 4]], [[5, 6], [7, 8]], [[9, 10], [11, 12]])
        near(record["output"], [[10.9717, 11.9717], [10.9999, 11.9999]], 4)

    def test_leyaa(self) -> None:
        """Two keys whose products differ by 1, of three features."""
        record = attn_cli.attention([[1, 0, 0]], [[1, 0, 0], [0, 1, 0]], [[1, 2], [3, 4]])
        near(record["output"], [[1.7191, 2.7191]], 4)
