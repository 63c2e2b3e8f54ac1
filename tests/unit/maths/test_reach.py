"""The range of keys that a scheme says its queries reach: none is missed, and none too many."""

from __future__ import annotations

import numpy as np
import pytest

from attn_cli import compute
from attn_cli.maths.place import Place
from attn_cli.maths.ranges import hull
from attn_cli.maths.select import Selection
from attn_cli.maths.token_positions import TokenPositions
from attn_cli.maths.visible.base import Scheme, common_reach
from attn_cli.maths.visible.causal import Causal
from attn_cli.maths.visible.length import KeyLengths
from attn_cli.maths.visible.window import Window
from tests.helpers.many import for_each

N_K = 11


def standing_at(p: list[int]) -> Place:
    positions = np.array(p, dtype=np.intp)
    return Place(0, 0, np.arange(len(p)), np.arange(N_K), TokenPositions(query=positions[None]))


def seen_by(scheme: Scheme, p: list[int]) -> list[int]:
    """Every key that one of the queries sees, asked key by key."""
    at = standing_at(p)
    seen = np.broadcast_to(scheme.sees(at), (len(p), N_K))
    return [int(j) for j in np.flatnonzero(seen.any(axis=0))]


SCHEMES = [
    *(Causal(prefix) for prefix in (0, 3)),
    *(Window(left, right) for left in (-1, 0, 2) for right in (-1, 0, 3)),
    *(Window(2, 1, prefix, sinks) for prefix, sinks in ((0, 3), (3, 0), (2, 4), (4, 2))),
    *(KeyLengths((length,)) for length in (0, 5, N_K)),
]


@for_each("scheme", SCHEMES)
@for_each("p", [[0], [4], [10], [4, 5, 6], [-3, -2], [-1, 0, 1], [9, 10, 11, 12]])
def test_the_reach_is_from_the_first_to_the_last_key_seen(scheme: Scheme, p: list[int]) -> None:
    start, stop = hull(common_reach([scheme], standing_at(p), N_K))
    keys = seen_by(scheme, p)
    assert 0 <= start <= stop <= N_K
    if not keys:
        assert (start, stop) == (0, 0)
        return
    assert stop == keys[-1] + 1
    assert start == keys[0]


def test_what_two_schemes_reach_apart_is_nothing() -> None:
    apart: list[Scheme] = [KeyLengths((2,)), Window(1, 0)]
    assert common_reach(apart, standing_at([7]), N_K) == ()
    assert common_reach(apart, standing_at([]), N_K) == ()


@for_each(
    "window, formula",
    [
        (Window(-1, -1), "any j"),
        (Window(-1, 2), "j <= i + 2"),
        (Window(3, -1), "j >= i - 3"),
        (Window(3, 2), "i - 3 <= j <= i + 2"),
        (Window(3, 0, token_positions=TokenPositions((5,))), "i + 2 <= j <= i + 5"),
        (
            Window(3, 0, token_positions=TokenPositions((5, 7))),
            "i + offset[batch] - 3 <= j <= i + offset[batch]",
        ),
        (Window(3, 0, prefix=4), "i - 3 <= j <= i or j < 4"),
        (Window(3, 0, sink_tokens=2), "j <= i and (j >= i - 3 or j < 2)"),
        (Window(3, -1, sink_tokens=2), "j >= i - 3 or j < 2"),
        (Window(-1, 1, sink_tokens=2), "j <= i + 1"),
        (Window(3, 0, sink_tokens=2, prefix=1), "j <= i and (j >= i - 3 or j < 2) or j < 1"),
        (Window(3, 0, sink_tokens=2, prefix=2), "i - 3 <= j <= i or j < 2"),
    ],
)
def test_the_formula_of_a_window(window: Window, formula: str) -> None:
    assert str(window.formula) == formula


def test_the_type_that_overflows_is_named_by_what_is_narrowest_there() -> None:
    """A fill that bfloat16 rounds to -inf makes NaN of weights; what follows is float32."""
    problem = {
        "query": [[1.0]],
        "key": [[1.0], [1.0]],
        "value": [[1.0], [2.0]],
        "dtype": "float32",
        "precision": {"softmax": "bfloat16"},
        "mask": [[-np.inf, -np.inf]],
        "mask_fill": "lowest",
    }
    assert compute(problem).warnings[1:] == (
        "weights is not finite at [0, 0] (2 values): bfloat16 overflows there",
        "context is not finite at [0, 0] (1 value): float32 overflows there",
        "output is not finite at [0, 0] (1 value): float32 overflows there",
    )


@pytest.mark.regression("the reach of pairs ended one key early or late")
def test_pairs_reach_no_further_than_their_keys() -> None:
    selection = Selection(pairs=np.array([[1, 5], [1, 3], [2, 8], [7, 0]]))
    assert selection.reach(np.array([1]), 9) == ((3, 6),)
    assert selection.reach(np.array([1, 2]), 9) == ((3, 9),)
    assert selection.reach(np.array([4]), 9) == ()
