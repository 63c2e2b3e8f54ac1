"""Arrays that stay in their files: what is read is what NumPy's own slices of the array hold."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_cli.errors import AttnError
from attn_cli.floats import FLOAT_TYPES
from attn_cli.sources.matrices.casting import cast, rounded
from attn_cli.sources.matrices.document import Document
from attn_cli.sources.matrices.files import Inputs, ReadSizes
from attn_cli.sources.matrices.matrix import read_array_by_rows
from attn_cli.sources.matrices.stored import Stored

TYPES = ["f2", "f4", "f8", ">f4", "i1", "i4", "u8", ">i2"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stored")


def by_rows(**sizes: int) -> Inputs:
    """Inputs that read arrays by rows however small they are."""
    return Inputs(sizes=ReadSizes(by_rows_from=0, **sizes))


def opened(file: Path | str, **sizes: int) -> Stored:
    """What reads the file by rows, its numbers as they are stored."""
    found = read_array_by_rows(Document({}, inputs=by_rows(**sizes)), str(file), ("query",))
    assert isinstance(found, Stored)
    return found


def typed(file: Path | str, type_: str = "float64", *, finite: bool = True, **sizes: int) -> Stored:
    """What reads the file by rows, its numbers in a type."""
    found, located = opened(file, **sizes), Document({}).located
    return found.cast(("query",), FLOAT_TYPES[type_], located, finite=finite)


def held(array: Any, type_: str = "float64") -> Any:
    """The array in a type, as one that is read whole gets there."""
    found = cast(array, ("query",), FLOAT_TYPES[type_].read_as, finite=True)
    return rounded(found, ("query",), FLOAT_TYPES[type_], finite=True)


def saved(folder: Path, array: Any, name: str = "q.npy") -> Path:
    np.save(folder / name, array)
    return folder / name


def numbers(shape: tuple[int, ...], dtype: str = "f8") -> Any:
    """An array in which few cells are alike; no type but its own has floats as they are."""
    cells = np.arange(np.prod(shape)) % 251 - 50 * (dtype != "u8")
    return (cells * (1 if dtype[-2] in "iu" else 1.01)).astype(dtype).reshape(shape)


@st.composite
def views(draw: st.DrawFn) -> Any:
    """An array, how its file has it, and one way to look at it: the same to NumPy and to us."""
    shape = tuple(draw(st.lists(st.integers(1, 7), min_size=2, max_size=4)))
    array = numbers(shape, draw(st.sampled_from(TYPES)))
    if draw(st.booleans()):
        array = np.asfortranarray(array)
    steps: list[Any] = []
    if draw(st.booleans()):
        axes = st.integers(-len(shape), len(shape) - 1)
        steps.append(("swapaxes", draw(axes), draw(axes)))
    if draw(st.booleans()):
        width = draw(st.sampled_from([n for n in range(1, 8) if array.shape[-1] % n == 0]))
        steps.append(("split", width))
    return array, steps


def seen(source: Any, steps: list[Any]) -> Any:
    for name, *values in steps:
        if name == "split":
            (width,) = values
            if source.shape[-1] % width:
                return source
            source = source.reshape((*source.shape[:-1], source.shape[-1] // width, width))
            source = source.swapaxes(-2, -3)
        else:
            source = source.swapaxes(*values)
    return source


@given(views(), st.sampled_from(list(FLOAT_TYPES)), st.data())
def test_what_is_read_is_the_slice(
    folder: Path, view: Any, type_: str, data: st.DataObject
) -> None:
    array, steps = view
    sizes: Any = {
        "chunk": data.draw(st.sampled_from([1, 24, 100, 1 << 20])),
        "gap": data.draw(st.sampled_from([0, 9, 1 << 14])),
    }
    expected, found = (
        seen(held(array, type_), steps),
        seen(typed(saved(folder, array), type_, **sizes), steps),
    )
    assert (found.shape, found.ndim, found.dtype) == (
        expected.shape, expected.ndim, expected.dtype,
    )  # fmt: skip
    depth = data.draw(st.integers(0, expected.ndim - 1))
    lead = tuple(data.draw(st.integers(0, n - 1)) for n in expected.shape[:depth])
    n = expected.shape[depth]
    rows: Any = slice(data.draw(st.integers(0, n)), data.draw(st.none() | st.integers(0, n)))
    if data.draw(st.booleans()):
        rows = np.array(sorted(data.draw(st.sets(st.integers(0, n - 1)))), dtype=np.intp)
    read = found[lead][rows]
    again = found[lead][rows]  # by now the file may be held
    np.testing.assert_array_equal(read, expected[lead][rows], strict=True)
    np.testing.assert_array_equal(again, read)
    assert read.flags.c_contiguous
    assert read.flags.writeable


@pytest.mark.parametrize("dtype", TYPES)
def test_types(folder: Path, dtype: str) -> None:
    array = numbers((5, 3), dtype)
    file = saved(folder, array)
    np.testing.assert_array_equal(opened(file, gap=0)[1:4], array[1:4], strict=True)
    for type_ in FLOAT_TYPES:
        read = typed(file, type_, gap=0)[1:4]
        np.testing.assert_array_equal(read, held(array, type_)[1:4], strict=True)


@pytest.mark.parametrize(("index", "position"), [((3, 5), 3), ((2, 0), 2), (np.array([1, 7]), 7)])
def test_no_rows_beyond_the_last(folder: Path, index: Any, position: int) -> None:
    view = typed(saved(folder, numbers((2, 3))))
    with pytest.raises(IndexError, match=str(position)):
        view[index]


def test_only_the_last_axis_is_split(folder: Path) -> None:
    with pytest.raises(ValueError, match="last axis"):
        opened(saved(folder, numbers((6, 5)))).reshape((2, 3, 5))


class Counted:
    """Counts the bytes that are read at positions of files, and where."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bytes = self.calls = 0
        read = os.preadv

        def counted(descriptor: int, buffers: Any, offset: int) -> int:
            got = read(descriptor, buffers, offset)
            self.bytes += got
            self.calls += 1
            return got

        monkeypatch.setattr(os, "preadv", counted)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


def test_no_more_is_read_than_is_asked_for(folder: Path, counted: Counted) -> None:
    view = typed(saved(folder, numbers((3, 1009, 5))))
    assert view.shape == (3, 1009, 5)
    assert view.swapaxes(0, 1)[(7,)].shape == (3, 5)
    assert counted.bytes == 0
    view[(1,)][10:17]
    assert (counted.bytes, counted.calls) == (7 * 5 * 8, 1)
    view[(2,)][np.array([3, 4, 5, 900, 902])]
    assert (counted.bytes, counted.calls) == (12 * 5 * 8, 4)


def test_what_lies_far_apart_is_read_by_itself(folder: Path, counted: Counted) -> None:
    n, d = 5003, 3
    view = typed(saved(folder, numbers((d, n)))).swapaxes(0, 1)
    view[100:111]  # in layout columns: 11 numbers of each of 3 rows
    assert (counted.bytes, counted.calls) == (11 * d * 8, d)


def test_a_chunk_is_the_most_that_is_read_at_once(folder: Path, counted: Counted) -> None:
    typed(saved(folder, numbers((101, 7))), chunk=10 * 7 * 8, gap=0)[:]
    assert (counted.bytes, counted.calls) == (101 * 7 * 8, 11)


@pytest.mark.parametrize("gap", [200, 1 << 14])  # far apart, and close together
def test_heads_side_by_side_are_read_twice_at_most(
    folder: Path, counted: Counted, gap: int
) -> None:
    heads, n, d = 13, 211, 3
    array = numbers((n, heads * d))
    view = typed(saved(folder, array), gap=gap).reshape((n, heads, d)).swapaxes(-2, -3)
    for head in range(heads):
        np.testing.assert_array_equal(view[(head,)][:], array[:, head * d : (head + 1) * d])
    assert counted.bytes <= 2 * array.nbytes
    assert counted.calls <= 2 * n
    held, counted.bytes = counted.bytes, 0
    view = typed(saved(folder, array), gap=gap, most_held=array.nbytes - 1)
    view = view.reshape((n, heads, d)).swapaxes(-2, -3)
    for head in range(heads):
        view[(head,)][:]
    assert counted.bytes > held or gap == 200


def test_one_head_of_those_side_by_side_does_not_hold_the_rest(
    folder: Path, counted: Counted
) -> None:
    view = typed(saved(folder, numbers((211, 39)))).reshape((211, 13, 3)).swapaxes(-2, -3)
    view[(4,)][10:20]
    assert counted.bytes == (9 * 39 + 3) * 8


WRONG = [(np.nan, "NaN"), (np.inf, "infinite"), (-np.inf, "infinite"), (1e200, "= 1e.200 is too")]


@pytest.mark.parametrize(("value", "said"), WRONG, ids=[said for _, said in WRONG])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("type_", ["float32", "float64"])
def test_the_first_value_that_is_no_number(
    folder: Path, value: float, said: str, order: Any, type_: str
) -> None:
    value, said = (np.nan, "NaN") if value == 1e200 and type_ == "float64" else (value, said)
    array = np.array(numbers((31, 7)), order=order)
    first, second = ((12, 3), (13, 1)) if order == "C" else ((13, 1), (12, 3))
    array[first] = array[second] = value
    view = typed(saved(folder, array), type_, chunk=100, gap=0)
    for looked_at in (view, view.swapaxes(0, 1)):
        with pytest.raises(AttnError, match=said) as caught:
            looked_at[:]
        assert caught.value.path == ("query", *first)
    with pytest.raises(AttnError, match=said) as caught:
        view.reshape((31, 7, 1)).swapaxes(-2, -3)[(1,)][np.arange(31)]
    assert caught.value.path == ("query", 13, 1)
    assert np.isfinite(view[:12]).all()  # of rows that are not read nothing is known
    typed(saved(folder, array), type_, finite=False, chunk=100, gap=0)[:]


def test_the_index_is_that_of_the_whole_array(folder: Path) -> None:
    array = numbers((2, 3, 5, 8))
    array[1, 2, 4, 6] = np.nan
    file = saved(folder, array)
    for view in (
        typed(file)[(1, 2)],
        typed(file).swapaxes(1, 2)[(1, 4)],
        typed(file).swapaxes(-1, -2)[(1,)],
        typed(file).reshape((2, 3, 5, 4, 2)).swapaxes(-2, -3)[(1, 2, 3)],
        typed(saved(folder, np.asfortranarray(array), "f.npy")),
    ):
        with pytest.raises(AttnError) as caught:
            view[:]
        assert caught.value.message == "query[1][2][4][6] is NaN"


@pytest.mark.parametrize(
    ("type_", "value"), [("float16", 70000), ("float32", 4e38), ("bfloat16", 3.4e38)]
)
def test_too_large_for_a_type(folder: Path, type_: str, value: float) -> None:
    array = numbers((5, 3))
    array[4, 1] = value
    with pytest.raises(AttnError) as whole:
        held(array, type_)
    with pytest.raises(AttnError) as by_rows:
        typed(saved(folder, array), type_)[:]
    assert by_rows.value.message == whole.value.message == (
        f"query[4][1] = {value:g} is too large for {type_}"
    )  # fmt: skip
    assert by_rows.value.path == whole.value.path
    assert by_rows.value.help == whole.value.help


def cut_short(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def cut_by_a_byte(file: Path) -> None:
    os.truncate(file, file.stat().st_size - 1)


def grown(file: Path) -> None:
    with file.open("ab") as stream:
        stream.write(b"0")


def written_to(file: Path) -> None:
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))


CHANGES = [cut_short, cut_by_a_byte, grown, written_to]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("heads", [1, 3])
def test_a_file_that_changes_is_an_error(
    tmp_path: Path, change: Callable[[Path], None], heads: int
) -> None:
    array = numbers((101, 6))
    file = saved(tmp_path, array)
    view = typed(file).reshape((101, heads, 6 // heads)).swapaxes(-2, -3)[(0,)]
    np.testing.assert_array_equal(view[:50], array[:50, : 6 // heads])
    size = file.stat().st_size
    change(file)
    now = file.stat().st_size
    what = "was written to" if now == size else f"had {size} bytes and now has {now}"
    for rows in (slice(None), slice(0, 2), np.array([100])):
        with pytest.raises(AttnError) as caught:
            view[rows]
        assert caught.value.message == f"{file} changed while it was read: it {what}"
        assert caught.value.help == "wait until its writer has finished, or read a copy"


def test_a_change_explains_what_is_found(tmp_path: Path) -> None:
    array = numbers((101, 6))
    view = typed(saved(tmp_path, array), gap=0)
    os.utime(saved(tmp_path, array * np.nan), ns=(0, 1))
    with pytest.raises(AttnError, match="changed while it was read: it was written to"):
        view[:]


def test_a_file_in_whose_place_another_is_put_stays_what_it_was(tmp_path: Path) -> None:
    array = numbers((101, 6))
    view = typed(saved(tmp_path, array))
    saved(tmp_path, -array, "other.npy").replace(tmp_path / "q.npy")
    np.testing.assert_array_equal(view[:], array)


def test_a_disk_that_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> int:
        raise OSError(5, "Input/output error")

    view = typed(saved(folder, numbers((3, 2))))
    monkeypatch.setattr(os, "preadv", fails)
    with pytest.raises(AttnError, match=r"q\.npy cannot be read: Input/output error"):
        view[:]


def test_a_read_may_give_less_than_was_asked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = os.preadv

    def some(descriptor: int, buffers: Any, offset: int) -> int:
        return read(descriptor, [buffers[0][:11]], offset)

    array = numbers((31, 7))
    view = typed(saved(folder, array))
    monkeypatch.setattr(os, "preadv", some)
    np.testing.assert_array_equal(view[3:], array[3:])
