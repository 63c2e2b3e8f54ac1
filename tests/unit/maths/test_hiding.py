"""What hides keys: causal order, windows, lengths, documents, masks, and how they are joined."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from attn_cli.arrays import Bools
from attn_cli.formula import Symbol
from attn_cli.maths.place import Place
from attn_cli.maths.ranges import Ranges, hull, union
from attn_cli.maths.token_positions import TokenPositions
from attn_cli.maths.visible.base import (
    CODES,
    REASONS,
    Scheme,
    all_of,
    codes,
    common_reach,
    open_to_all,
)
from attn_cli.maths.visible.causal import Causal
from attn_cli.maths.visible.document import Documents
from attn_cli.maths.visible.length import KeyLengths
from attn_cli.maths.visible.user import Mask
from attn_cli.maths.visible.window import Window
from tests.helpers.many import for_each
from tests.helpers.places import place

RNG = np.random.default_rng(17)
BATCH, HEADS, N_Q, N_K = 2, 3, 5, 7


def seen(scheme: Scheme, at: Place) -> list[list[bool]]:
    """What a scheme says of each cell."""
    whole: Bools = np.broadcast_to(scheme.sees(at), (len(at.i), len(at.j)))
    assert whole.dtype == np.bool_
    return [[bool(cell) for cell in row] for row in whole]


def loop(at: Place, sees: Callable[[int, int], bool]) -> list[list[bool]]:
    """The same from p and j, cell by cell."""
    return [[sees(int(p), int(j)) for j in at.j] for p in at.p_i]


def counts(*schemes: Scheme, n: int = 6) -> list[int]:
    return [int(row.sum()) for row in all_of(schemes, place(range(n), range(n)))]


@for_each("offset", [0, 2, -3, 9])
@for_each("prefix", [0, 1, 4])
def test_causal(offset: int, prefix: int) -> None:
    at = place(range(1, N_Q), range(1, N_K), offset)
    expected = loop(at, lambda p, j: j <= p or j < prefix)
    assert seen(Causal(prefix), at) == expected


def test_with_more_queries_than_keys_both_alignments() -> None:
    """5 queries, 2 keys: bottom-right is offset -3, and leaves three queries without a key."""
    top, bottom = (
        all_of([Causal()], place(range(5), range(2), offset)).astype(int).tolist()
        for offset in (0, -3)
    )
    assert top == [[1, 0], [1, 1], [1, 1], [1, 1], [1, 1]]
    assert bottom == [[0, 0], [0, 0], [0, 0], [1, 0], [1, 1]]


@for_each("offset", [0, 2, -4, 9])
@for_each("left, right", [(2, 0), (0, 3), (1, 2), (-1, 1), (3, -1), (-1, -1)])
@for_each("prefix, sink_tokens", [(0, 0), (2, 0), (0, 3), (1, 2), (4, 1)])
def test_window(offset: int, left: int, right: int, prefix: int, sink_tokens: int) -> None:
    def sees(p: int, j: int) -> bool:
        no_later = right == -1 or j <= p + right
        return j < prefix or (no_later and (left == -1 or p - left <= j or j < sink_tokens))

    at = place(range(1, N_Q), range(1, N_K), offset)
    assert seen(Window(left, right, prefix, sink_tokens), at) == loop(at, sees)


def test_the_windows_that_one_number_may_mean() -> None:
    """n = 6, W = 3."""
    assert counts(Causal(), Window(3 - 1, 0)) == [1, 2, 3, 3, 3, 3]  # transformers, causal
    assert counts(Window(3 - 1, 0)) == [1, 2, 3, 3, 3, 3]
    assert counts(Causal(), Window(3, 0)) == [1, 2, 3, 4, 4, 4]  # flash-attention's (3, 0)
    assert counts(Window(3, 3)) == [4, 5, 6, 6, 5, 4]  # transformers, both ways
    assert counts(Window(3 - 1, 3 - 1)) == [3, 4, 5, 5, 4, 3]  # Keras' band


def test_a_window_as_wide_as_can_be_written() -> None:
    wide = 2**70
    assert counts(Window(wide, wide)) == [6] * 6
    assert Window(wide, wide).reach(place(range(3, 4), range(6)), 6) == ((0, 6),)


def test_key_lengths() -> None:
    scheme = KeyLengths((3, 0))
    for batch, length in enumerate((3, 0)):
        at = place(range(N_Q), range(1, N_K), 2, batch=batch)
        assert seen(scheme, at) == [[j < length for j in range(1, N_K)]] * N_Q
        assert scheme.reach(at, N_K) == scheme.open(at, N_K) == union([(0, length)])


def test_documents() -> None:
    queries = RNG.integers(0, 3, size=(BATCH, N_Q))
    keys = RNG.integers(0, 3, size=(BATCH, N_K))
    for batch in range(BATCH):
        at = place(range(1, N_Q), range(2, N_K), 9, batch=batch)
        expected = [[bool(queries[batch, i] == keys[batch, j]) for j in at.j] for i in at.i]
        assert seen(Documents(queries, keys), at) == expected


def test_the_mask_of_the_user() -> None:
    visible = RNG.random(size=(BATCH, 1, N_Q, N_K)) < 0.5
    added = RNG.normal(size=(1, HEADS, 1, N_K))
    whole = (BATCH, HEADS, N_Q, N_K)
    mask = Mask(
        np.broadcast_to(visible, whole), np.broadcast_to(added, whole), Symbol("mask"), True
    )
    for b in range(BATCH):
        for h in range(HEADS):
            at = place(range(1, N_Q), range(2, N_K), 9, batch=b, head=h)
            assert seen(mask, at) == visible[b, 0, 1:, 2:].tolist()
            addend = mask.addend(at)
            assert addend is not None
            np.testing.assert_array_equal(addend, np.tile(added[0, h, :, 2:], (4, 1)))
    without = Mask(np.broadcast_to(visible, whole), None, Symbol("mask"), True)
    assert without.addend(place(range(N_Q), range(N_K))) is None


def test_codes_name_the_first_reason() -> None:
    assert REASONS == (
        "visible", "causal", "window", "key_lengths", "documents", "sparse", "mask", "top_k",
        "key_start", "zero_key",
    )  # fmt: skip
    assert [CODES[reason] for reason in REASONS] == list(range(10))
    none = np.zeros((1, 1, N_Q, N_K), dtype=np.bool_)
    row = np.arange(N_K) != 0
    schemes: list[Scheme] = [
        Mask(np.broadcast_to(row, none.shape), None, Symbol("mask"), True),
        Documents(np.zeros((1, N_Q), dtype=np.intp), np.arange(N_K)[None, :] // 4),
        KeyLengths((6,)),
        Window(2, -1),
        Causal(),
    ]
    at = place(range(N_Q), range(N_K), 1)

    def reason(p: int, j: int) -> int:
        hides = {1: j > p, 2: j < p - 2, 3: j >= 6, 4: j >= 4, 6: j == 0}
        return next((code for code in sorted(hides) if hides[code]), 0)

    expected = [[reason(p, j) for j in range(N_K)] for p in range(1, N_Q + 1)]
    assert {code for line in expected for code in line} == {0, 1, 2, 4, 6}
    for order in (schemes, schemes[::-1], [schemes[n] for n in (2, 0, 4, 3, 1)]):
        found = codes(order, at)
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(all_of(order, at), found == 0)
    assert codes([KeyLengths((6,))], at)[:, 6].tolist() == [3] * N_Q
    np.testing.assert_array_equal(codes([], at), np.zeros((N_Q, N_K)))
    assert all_of([], at).all()


def test_reaches_are_no_wider_than_they_need_be() -> None:
    def reach(scheme: Scheme, *p: int) -> tuple[int, int]:
        return hull(scheme.reach(token_positions(p), 11))

    assert reach(Causal(), 3, 5, 4) == (0, 6)
    assert reach(Causal(), -4) == (0, 0)
    assert reach(Causal(), 40) == (0, 11)
    assert reach(Causal(3), -4) == (0, 3)
    assert reach(Causal(3), 1, 5) == (0, 6)
    assert reach(Causal(30), 1) == (0, 11)
    assert reach(Window(2, 1), 4, 6) == (2, 8)
    assert reach(Window(-1, 1), 4, 6) == (0, 8)
    assert reach(Window(2, -1), 4, 6) == (2, 11)
    assert reach(Window(2, 1, 1, 4), 9) == (0, 11)
    assert reach(Window(2, 1, 5, 4), 2) == (0, 5)
    assert reach(Window(2, 1, 0, 4), -9) == (0, 0)
    assert reach(Window(2, 1, 0, 4), 1) == (0, 3)
    assert reach(Window(2, -1, 0, 4), -9) == (0, 11)
    assert reach(Window(2, 1), -9) == (0, 0)
    assert reach(Window(2, 1), 40) == (0, 0)
    assert Window(2, 1, 1, 4).reach(token_positions((9,)), 11) == ((0, 4), (7, 11))
    assert reach(KeyLengths((4,)), 2) == (0, 4)
    at = token_positions((4, 6))
    assert common_reach([Window(2, 1), Causal(), KeyLengths((7,))], at, 11) == ((2, 7),)
    assert common_reach([Window(2, 1), KeyLengths((2,))], at, 11) == ()
    assert common_reach([], at, 11) == ((0, 11),)
    assert common_reach([Window(2, 1), Causal()], token_positions(()), 11) == ()


def token_positions(p: tuple[int, ...], batch: int = 0) -> Place:
    """Queries at these positions, against no keys."""
    positions = np.array(p, dtype=np.intp)
    return Place(batch, 0, np.arange(len(p)), np.arange(0), TokenPositions(query=positions[None]))


COUNTS = st.integers(0, 9)
BOUNDS = st.integers(-1, 4)
POSITIONS = st.lists(st.integers(-12, 20), min_size=1, max_size=4)


@given(
    st.tuples(
        st.none() | st.builds(Causal, COUNTS),
        st.none() | st.builds(Window, BOUNDS, BOUNDS, COUNTS, COUNTS),
        st.none() | st.builds(KeyLengths, st.tuples(COUNTS, COUNTS)),
    ),
    POSITIONS,
    st.integers(0, 9),
    st.integers(0, 1),
)
def test_a_reach_excludes_no_key_that_is_seen(
    some: tuple[Causal | None, Window | None, KeyLengths | None],
    positions: list[int],
    n_k: int,
    batch: int,
) -> None:
    p = np.array(positions, dtype=np.intp)
    at = Place(batch, 0, np.arange(len(p)), np.arange(n_k), TokenPositions(query=p[None]))
    schemes = [scheme for scheme in some if scheme is not None]
    for scheme in schemes:
        sees = np.broadcast_to(scheme.sees(at), (len(p), n_k))
        assert not sees[:, outside(scheme.reach(at, n_k), n_k)].any()
        assert sees[:, ~outside(scheme.open(at, n_k), n_k)].all()
    sees = all_of(schemes, at)
    assert not sees[:, outside(common_reach(schemes, at, n_k), n_k)].any()
    start, stop = open_to_all(schemes, at, n_k)
    assert sees[:, start:stop].all()


def outside(ranges: Ranges, n_k: int) -> Bools:
    """Which keys are in none of the ranges, which are ascending, apart and not empty."""
    found = np.ones(n_k, dtype=np.bool_)
    before = -1
    for start, stop in ranges:
        assert before < start < stop <= n_k
        found[start:stop] = False
        before = stop
    return found


def test_formulas() -> None:
    assert str(Causal().formula) == "j <= i"
    assert str(Causal(0, TokenPositions((2,))).formula) == "j <= i + 2"
    assert str(Causal(0, TokenPositions((-2, -2))).formula) == "j <= i - 2"
    assert str(Causal(3, TokenPositions((2, 5))).formula) == "j <= i + offset[batch] or j < 3"
    assert str(Window(2, 0).formula) == "i - 2 <= j <= i"
    assert (
        str(Window(2, 1, token_positions=TokenPositions((3, 3))).formula) == "i + 1 <= j <= i + 4"
    )
    text = "i + offset[batch] - 2 <= j <= i + offset[batch] + 1"
    assert str(Window(2, 1, token_positions=TokenPositions((3, 4))).formula) == text
    assert str(Window(-1, 1, 2, 4).formula) == "j <= i + 1 or j < 2"
    assert str(Window(2, -1, 4, 2).formula) == "j >= i - 2 or j < 4"
    assert str(Window(-1, -1, 4, 2).formula) == "any j"
    assert str(KeyLengths((4,)).formula) == "j < 4"
    assert str(KeyLengths((4, 4)).formula) == "j < 4"
    assert str(KeyLengths((4, 5)).formula) == "j < key_lengths[batch]"
    ids = np.zeros((1, 1), dtype=np.intp)
    assert str(Documents(ids, ids).formula) == "document of i = document of j"
