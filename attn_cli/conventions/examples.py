"""For each knob problems of two tokens in which its values give different results.

The numbers are small enough to follow by hand. Most knobs need one problem; if two values give the
same result in it, a second problem separates them. A problem does not set its knob, so that a
preset, or the key itself, decides.
"""

from __future__ import annotations

from collections.abc import Mapping

from attn_cli.conventions.knobs import INF, Plain
from attn_cli.dataclass import dataclass


@dataclass(frozen=True, kw_only=True)
class Example:
    """A problem, the steps to compare, and the digits needed to see a difference."""

    problem: Mapping[str, Plain]
    steps: tuple[str, ...] = ("weights",)
    digits: int = 4


_ALIKE = {"query": [[1], [1]], "key": [[1], [1]], "value": [[1], [3]], "score": "dot"}
_NOTHING_SEEN = [[-INF, -INF], [0, -INF]]
_ONE_QUERY = {"query": [[1]], "key": [[0], [1]], "value": [[1], [3]], "score": "dot"}

EXAMPLES: dict[str, tuple[Example, ...]] = {
    "mask.true_means": (
        Example(problem={**_ALIKE, "mask": {"values": [[True, False], [False, True]]}}),
    ),
    "mask.axes": (
        # Two batch entries of two queries and two keys.
        Example(
            problem={
                "query": [[[1], [1]]] * 2,
                "key": [[[1], [1]]] * 2,
                "value": [[[1], [3]]] * 2,
                "score": "dot",
                "mask": {"values": [[0, -INF], [0, 0]]},
            }
        ),
        # Two batch entries of two heads, each of one query and two keys.
        Example(
            problem={
                "query": [[[1, 1]]] * 2,
                "key": [[[1, 1], [1, 1]]] * 2,
                "value": [[[1, 1], [3, 3]]] * 2,
                "score": "dot",
                "heads": 2,
                "mask": {"values": [[[0, -INF]], [[0, 0]]]},
            }
        ),
    ),
    "causal": (
        Example(problem={**_ONE_QUERY, "key": [[1], [1]], "causal": True}),
        Example(problem={**_ONE_QUERY, "key": [[1], [1]], "causal": True, "key_lengths": 2}),
        Example(problem={**_ALIKE, "causal": True, "key_lengths": 1}),
    ),
    "window": (
        Example(problem={**_ALIKE, "window": 1}),
        Example(problem={**_ALIKE, "window": 2}),
    ),
    "order": (
        Example(
            problem={
                "query": [[1], [2]],
                "key": [[1], [2]],
                "value": [[1], [3]],
                "score": "dot",
                "softcap": 2,
                "score_bias": [[0, -1], [0, -1]],
                "mask": [[0, -INF], [0, 0]],
            }
        ),
    ),
    "mask_fill": (
        Example(
            problem={**_ALIKE, "key": [[1], [2]], "mask": _NOTHING_SEEN, "dtype": "float32"},
            steps=("masked", "weights"),
        ),
        Example(problem={**_ALIKE, "key": [[1], [2]], "mask": _NOTHING_SEEN}, steps=("masked",)),
        # The score is lost in the sum with the fill, unless it is of similar size.
        Example(
            problem={
                **_ONE_QUERY,
                "key": [[1e32], [2e32]],
                "mask": [[-INF, -INF]],
                "dtype": "float32",
            },
            steps=("masked", "weights"),
        ),
    ),
    "empty_rows": (
        Example(problem={**_ALIKE, "key": [[1], [2]], "mask": [[-INF, -INF], [0, 0]]}),
        # Here causal order hides all keys: the first query is before the only key.
        Example(problem={**_ALIKE, "key": [[1]], "value": [[5]], "causal": True, "offset": -1}),
    ),
    "scale_placement": (
        Example(
            problem={
                "query": [[3]],
                "key": [[3], [9]],
                "value": [[1], [3]],
                "score": "dot",
                "scale": 0.2,
                "dtype": "float16",
            },
            steps=("scores",),
            digits=5,
        ),
        # With float32 or float64 the difference is one in the last place.
        Example(
            problem={
                "query": [[3]],
                "key": [[3], [9]],
                "value": [[1], [3]],
                "score": "dot",
                "scale": 0.1,
            },
            steps=("scores",),
            digits=17,
        ),
    ),
    "precision.scale": (
        # bfloat16 cannot hold 257/256, and 1 is the nearest; 3 * 257/256 is 3.0156 there.
        Example(
            problem={
                "query": [[3]],
                "key": [[256], [512]],
                "value": [[1], [3]],
                "score": "dot",
                "scale": 257 / 256,
                "dtype": "bfloat16",
            },
            steps=("scores",),
        ),
    ),
    "precision.scaled": (
        # bfloat16 cannot hold 257/256, and 768 * 257/256 = 771 lies between 768 and 772.
        Example(
            problem={
                "query": [[1]],
                "key": [[768], [512]],
                "value": [[1], [3]],
                "score": "dot",
                "scale": 257 / 256,
                "scale_placement": "query",
                "dtype": "bfloat16",
            },
            steps=("scores",),
        ),
    ),
    "precision.scores": (
        # bfloat16 cannot hold 257.
        Example(
            problem={
                "query": [[1, 1]],
                "key": [[256, 1], [256, 0]],
                "value": [[1], [3]],
                "score": "dot",
                "dtype": "bfloat16",
            }
        ),
    ),
    "precision.softmax": (
        Example(problem={**_ONE_QUERY, "key": [[0], [2]], "dtype": "float16"}),
        Example(problem={**_ONE_QUERY, "key": [[0], [2]]}, digits=12),
    ),
    "precision.weighted_sum": (
        # A small difference of two large parts shows how each was rounded.
        Example(
            problem={**_ONE_QUERY, "value": [[1], [-1]], "dtype": "bfloat16"}, steps=("context",)
        ),
    ),
    "grouping": (
        Example(
            problem={
                "query": [[1, 1, 1, 1]],
                "key": [[2, 0], [0, 2]],
                "value": [[1, 1], [3, 3]],
                "score": "dot",
                "heads": 4,
                "kv_heads": 2,
            }
        ),
    ),
    "axes": (
        Example(
            problem={
                "query": [[[[1], [1]], [[2], [2]]]],
                "key": [[[[0], [1]], [[2], [3]]]],
                "value": [[[[1], [3]], [[1], [3]]]],
                "score": "dot",
            }
        ),
    ),
    "positions.layout": (
        Example(
            problem={
                "embeddings": [[0, 0, 0, 0], [0, 0, 0, 0]],
                "positions": {"function": "sinusoidal"},
                "score": "dot",
            },
            steps=("positions",),
        ),
    ),
    "rope.interleaved": (
        Example(
            problem={
                "query": [[1, 2, 3, 4], [1, 2, 3, 4]],
                "key": [[1, 2, 3, 4], [1, 2, 3, 4]],
                "value": [[1], [3]],
                "score": "dot",
                "rope": {"base": 10000},
            },
            steps=("q_rotated",),
        ),
    ),
    "past.rotated": (
        Example(
            problem={
                "query": [[1, 0]],
                "key": [[1, 0]],
                "value": [[1]],
                "past": {"key": [[[[1, 0], [1, 0]]]], "value": [[[[3], [5]]]]},
                "score": "dot",
                "rope": {"base": 10000},
            },
        ),
    ),
    "alibi.slopes": (
        Example(
            problem={
                "query": [[0, 0, 0], [0, 0, 0]],
                "key": [[0, 0, 0], [0, 0, 0]],
                "value": [[1, 1, 1], [3, 3, 3]],
                "score": "dot",
                "heads": 3,
                "alibi": True,
            },
            steps=("biased",),
        ),
    ),
    "alibi.form": (
        Example(
            problem={**_ALIKE, "query": [[0], [0]], "alibi": {"slopes": [1]}}, steps=("biased",)
        ),
    ),
}
