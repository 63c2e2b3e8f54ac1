"""Files that stay open: how many, until when, and who may read them at once."""

from __future__ import annotations

import gc
import io
import os
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from attn_cli.errors import AttnError
from attn_cli.sources.matrices import stored
from attn_cli.sources.matrices.document import Document
from attn_cli.sources.matrices.matrix import read_array_by_rows
from attn_cli.sources.matrices.stored import File, _filename
from tests.unit.sources.test_stored import by_rows, folder, numbers, saved, typed

pytestmark = pytest.mark.slow

__all__ = ["folder"]  # a fixture


def descriptors() -> int:
    return len(os.listdir("/dev/fd"))


@pytest.fixture
def nothing_left_open() -> Iterator[None]:
    gc.collect()
    gc.freeze()  # what other tests hold is not looked at again
    before = descriptors()
    yield
    gc.collect()
    assert descriptors() == before


@pytest.mark.usefixtures("nothing_left_open")
def test_files_are_closed_with_the_last_view(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "MOST_OPEN", len(stored._open) + 8)
    for _ in range(2 * stored.MOST_OPEN):
        row = typed(saved(folder, numbers((3, 2)))).swapaxes(0, 1)
        assert len(row[:]) == 2


@pytest.mark.usefixtures("nothing_left_open")
def test_beyond_a_number_of_open_files_all_is_read_at_once(folder: Path) -> None:
    file = saved(folder, numbers((3, 2)))
    found = [
        read_array_by_rows(Document({}, inputs=by_rows()), str(file), ("query",))
        for _ in range(stored.MOST_OPEN + 5)
    ]
    assert sum(isinstance(each, np.ndarray) for each in found) == 5


@pytest.mark.usefixtures("nothing_left_open")
def test_what_is_closed_reads_no_other_file(folder: Path) -> None:
    view = typed(saved(folder, numbers((3, 2))))
    view.close()
    with ExitStack() as others:
        for _ in range(64):  # one of them has the number that was freed
            others.enter_context((folder / "q.npy").open("rb"))
        with pytest.raises(AttnError, match="cannot be read"):
            view[:]


def test_threads_read_at_the_same_time(folder: Path) -> None:
    array = numbers((4001, 24))
    view = typed(saved(folder, array), chunk=4096).reshape((4001, 8, 3)).swapaxes(-2, -3)
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda head: view[(head,)][:], range(8)))
    np.testing.assert_array_equal(np.concatenate(read, axis=1), array)


def test_standard_input_is_in_no_other_process(folder: Path) -> None:
    """Standard input has a number for a name, or one that is not a path."""
    file = saved(folder, numbers((3, 2)))
    with file.open("rb") as stream:
        without_name = File(stream.fileno(), "standard input", ("query",), slice(0, 6), None)
        with pytest.raises(AttnError, match="standard input cannot be opened again"):
            pickle.dumps(without_name)
        assert _filename(stream) == str(file)
    for name in (0, "<fdopen>"):
        nameless = io.BytesIO()
        nameless.name = name
        assert _filename(nameless) is None
