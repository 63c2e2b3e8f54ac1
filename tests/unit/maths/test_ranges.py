"""Ranges of keys as sets of keys; and that what schemes reach and see whole is what they see."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_cli.arrays import Bools, Integers
from attn_cli.dataclass import replace
from attn_cli.formula import Symbol
from attn_cli.maths.place import Place
from attn_cli.maths.ranges import Range, Ranges, hull, intersection, longest, runs, union, without
from attn_cli.maths.select import Selection, among
from attn_cli.maths.token_positions import TokenPositions
from attn_cli.maths.visible.base import Scheme, all_of, common_reach, open_to_all
from attn_cli.maths.visible.causal import Causal
from attn_cli.maths.visible.document import FEW, Documents
from attn_cli.maths.visible.length import KeyLengths
from attn_cli.maths.visible.user import Mask
from attn_cli.maths.visible.window import Window
from tests.helpers.many import for_each

pytestmark = pytest.mark.slow

SOME = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=5)


def keys_of(ranges: Ranges | list[Range]) -> set[int]:
    return {key for start, stop in ranges for key in range(start, stop)}


def is_tidy(ranges: Ranges) -> bool:
    """Ascending, apart, and none of them empty."""
    edges = [edge for each in ranges for edge in each]
    return edges == sorted(set(edges))


@given(SOME, SOME, st.tuples(st.integers(0, 20), st.integers(0, 20)))
def test_ranges_are_sets(some: list[Range], others: list[Range], taken: Range) -> None:
    for found, expected in (
        (union(some), keys_of(some)),
        (union([*some, *others]), keys_of(some) | keys_of(others)),
        (intersection(union(some), union(others)), keys_of(some) & keys_of(others)),
        (intersection(union(some), [taken]), keys_of(some) & keys_of([taken])),
        (without(union(some), taken), keys_of(some) - keys_of([taken])),
    ):
        assert keys_of(found) == expected
        assert is_tidy(found)


@given(SOME)
def test_the_hull_is_from_the_first_to_the_last(some: list[Range]) -> None:
    keys = keys_of(some)
    assert hull(union(some)) == ((min(keys), max(keys) + 1) if keys else (0, 0))


def test_the_longest_is_not_the_last() -> None:
    assert longest(((0, 5), (7, 9))) == (0, 5)
    assert longest(((2, 3), (5, 11), (13, 14))) == (5, 11)
    assert longest(()) == (0, 0)


def test_generators_are_read_once() -> None:
    assert intersection(((a, a + 2) for a in (0, 4)), iter([(1, 5)])) == ((1, 2), (4, 5))


N_Q, N_K = 12, 17
IDS = st.binary(min_size=N_K, max_size=N_K).map(lambda some: [each % 4 for each in some])


def at(rows: list[int], offset: int = 0) -> Place:
    i = np.array(rows, dtype=np.intp)
    return Place(0, 0, i, np.arange(N_K), TokenPositions((offset,)))


def seen(schemes: list[Scheme], place: Place) -> Bools:
    return all_of(schemes, place)


ROWS = st.integers(1, 2**N_Q - 1).map(lambda bits: [i for i in range(N_Q) if bits >> i & 1])
BOUND = st.integers(-1, N_K)
BEGINNING = st.integers(0, N_K)


@st.composite
def schemes(draw: st.DrawFn) -> Scheme:
    which = draw(st.integers(0, 4))
    if which == 0:
        return Causal(draw(BEGINNING))
    if which == 1:
        return Window(draw(BOUND), draw(BOUND), draw(BEGINNING), draw(BEGINNING))
    if which == 2:
        return KeyLengths((draw(BEGINNING),))
    if which == 3:
        visible = np.array([draw(IDS)], dtype=np.bool_)
        shape = np.broadcast_to(visible, (1, 1, N_Q, N_K))
        return Mask(shape, None, Symbol("mask"), hides=True)
    queries = np.array(draw(IDS))[None, :N_Q]
    return Documents(queries, np.array(draw(st.one_of(IDS, IDS.map(sorted))))[None])


@given(st.lists(schemes(), max_size=3), ROWS, st.integers(-N_K, N_K))
def test_reach_and_open(some: list[Scheme], rows: list[int], offset: int) -> None:
    """Beyond the reach nobody sees a key; what is open is seen by all."""
    place = at(rows, offset)
    reach, (start, stop) = common_reach(some, place, N_K), open_to_all(some, place, N_K)
    visible = seen(some, place)
    assert is_tidy(reach)
    assert keys_of(reach) <= set(range(N_K))
    assert set(np.flatnonzero(visible.any(axis=0))) <= keys_of(reach)
    assert 0 <= start <= stop <= N_K
    assert visible[:, start:stop].all()
    assert set(range(start, stop)) <= keys_of(reach)


@given(st.integers(0, 2), BOUND, BOUND, BEGINNING, st.integers(0, N_Q - 1), st.integers(1, N_Q),
       st.integers(-N_K, N_K))  # fmt: skip
def test_what_is_open_is_as_wide_as_can_be(
    which: int, left: int, right: int, beginning: int, first: int, count: int, offset: int
) -> None:
    """For neighbouring queries it is the longest range of keys that all of them see."""
    rows = list(range(first, min(first + count, N_Q)))
    scheme: Scheme = (
        Causal(beginning),
        Window(left, right, beginning),
        KeyLengths((beginning,)),
    )[which]
    place = at(rows, offset)
    sees = np.broadcast_to(scheme.sees(place), (len(rows), N_K))
    seen_by_all: Bools = np.logical_and.reduce(sees, axis=0)
    assert open_to_all([scheme], place, N_K) == longest(runs(seen_by_all))


@given(IDS, IDS.map(sorted), ROWS)
def test_documents_in_one_piece(query_ids: list[int], key_ids: list[int], rows: list[int]) -> None:
    """The reach is the keys of the queries' documents and no other; open is their only document."""
    scheme = Documents(np.array([query_ids[:N_Q]]), np.array([key_ids]))
    own = {query_ids[row] for row in rows}
    keys = {key for key in range(N_K) if key_ids[key] in own}
    assert keys_of(scheme.reach(at(rows), N_K)) == keys
    assert keys_of(scheme.open(at(rows), N_K)) == (keys if len(own) == 1 else set())


def test_documents_in_pieces() -> None:
    ids = np.array([[0, 1, 0, 2, 2, 1]])
    scheme = Documents(ids, ids)

    def place(*rows: int) -> Place:
        i = np.array(rows)
        return Place(0, 0, i, np.arange(6))

    assert scheme.reach(place(0), 6) == ((0, 1), (2, 3))
    assert scheme.reach(place(3, 4), 6) == ((3, 5),)
    assert scheme.reach(place(0, 4), 6) == ((0, 1), (2, 5))
    assert scheme.open(place(0), 6) == ((0, 1), (2, 3))
    assert scheme.open(place(3, 4), 6) == ((3, 5),)
    assert scheme.open(place(2, 3), 6) == ()


def test_documents_of_another_batch_entry() -> None:
    scheme = Documents(np.array([[0, 0], [5, 6]]), np.array([[1, 0, 0], [6, 5, 5]]))
    place = Place(1, 0, np.array([1]), np.arange(3))
    assert scheme.reach(place, 3) == ((0, 1),)
    assert scheme.open(place, 3) == ((0, 1),)


@for_each("many", [FEW, FEW + 1])
def test_many_documents_reach_all(many: int) -> None:
    """Rather than be looked up one by one."""
    queries, keys = np.arange(many)[None], np.repeat(np.arange(many), 2)[None, 2:]
    place = Place(0, 0, np.arange(many), np.arange(keys.size))
    assert Documents(queries, keys).reach(place, keys.size) == ((0, 2 * many - 2),)
    without_first = Documents(queries, keys + (keys == 1) * many)  # the ids 0 and 1 are nowhere
    start = 0 if many > FEW else 2
    assert hull(without_first.reach(place, keys.size))[0] == start


PAIRS = st.lists(
    st.tuples(st.integers(0, N_Q - 1), st.integers(0, N_K - 1)), min_size=1, max_size=9
)


def as_pairs(pairs: list[tuple[int, int]]) -> Integers:
    return np.array(sorted(pairs), dtype=np.intp)


@st.composite
def selections(draw: st.DrawFn) -> Selection:
    numbers = {
        name: draw(st.one_of(st.none(), st.integers(least, N_K)))
        for name, least in (("window", 0), ("stride", 1), ("block", 1), ("global_tokens", 1))
    }
    pairs = draw(st.one_of(st.none(), PAIRS.map(as_pairs)))
    return replace(Selection(pairs=None, **numbers, defined=None), pairs=pairs)


def selects(selection: Selection, i: int, j: int) -> bool:
    """One pair by the definition of each."""
    s = selection
    return any((
        s.pairs is not None and (i, j) in {(int(a), int(b)) for a, b in s.pairs},
        s.window is not None and i - s.window <= j <= i + s.window,
        s.stride is not None and i % s.stride == j % s.stride,
        s.block is not None and i // s.block == j // s.block,
        s.global_tokens is not None and min(i, j) < s.global_tokens,
    ))  # fmt: skip


@given(selections(), ROWS, st.integers(0, 5), st.integers(1, 4))
def test_what_is_selected_and_how_far_it_reaches(
    selection: Selection, rows: list[int], first: int, step: int
) -> None:
    """Also of keys that lie apart, as a stride has them."""
    i, j = np.array(rows), np.arange(first, N_K, step)
    nothing = np.zeros((0, 0)), np.zeros((0, 0), dtype=np.bool_)
    expected = [[selects(selection, row, int(key)) for key in j] for row in rows]
    np.testing.assert_array_equal(selection(i, j, *nothing), expected)
    assert selection.empty == (not any(selects(selection, a, a) or selection.pairs is not None
                                       for a in range(N_Q)))  # fmt: skip
    reach = selection.reach(i, N_K)
    keys = {key for key in range(N_K) if any(selects(selection, row, key) for row in rows)}
    assert keys <= keys_of(reach) <= set(range(N_K))
    assert is_tidy(reach)


@given(selections(), st.integers(0, N_Q - 1))
def test_the_reach_of_one_query_is_tight(selection: Selection, row: int) -> None:
    """But for strides, which are swept, and for what lies between the pairs of a query."""
    if selection.stride is not None or selection.pairs is not None:
        return
    keys = {key for key in range(N_K) if selects(selection, row, key)}
    assert keys_of(selection.reach(np.array([row]), N_K)) == keys


@given(selections(), IDS, ROWS)
def test_keys_that_are_not_defined_are_never_selected(
    selection: Selection, ids: list[int], rows: list[int]
) -> None:
    """If nothing else is given, all others are."""
    i, j = np.array(rows), np.arange(N_K)
    nothing = np.zeros((0, 0)), np.zeros((0, 0), dtype=np.bool_)
    defined = np.array(ids) > 0
    found = replace(selection, defined=defined)
    selected = np.array(
        [[selection.empty or selects(selection, a, b) for b in range(N_K)] for a in rows]
    )
    np.testing.assert_array_equal(found(i, j, *nothing), selected & defined)
    assert set(np.flatnonzero((selected & defined).any(axis=0))) <= keys_of(found.reach(i, N_K))
    start, stop = found.open(i, N_K)
    assert (selected & defined)[:, start:stop].all()
    assert stop > start or not (selection.empty and defined.any())


def test_the_reach_of_pairs() -> None:
    pairs = as_pairs([(1, 9), (4, 3), (4, 6), (7, 2)])
    reach = Selection(pairs=pairs).reach
    assert reach(np.array([4]), N_K) == ((3, 7),)
    assert reach(np.array([1, 4]), N_K) == ((3, 10),)
    assert reach(np.array([2, 3]), N_K) == ()
    assert reach(np.array([7]), N_K) == ((2, 3),)
    assert Selection(pairs=pairs, top_k=1).reach(np.array([7]), N_K) == ((0, N_K),)


def test_among_no_keys_and_no_pairs() -> None:
    i = np.array([0, 1])
    assert among(as_pairs([(0, 0)]), i, np.arange(0)).shape == (2, 0)
    nothing = np.zeros((0, 2), dtype=np.intp)
    assert not among(nothing, i, np.arange(3)).any()
    assert Selection(pairs=nothing).reach(i, 3) == ()
