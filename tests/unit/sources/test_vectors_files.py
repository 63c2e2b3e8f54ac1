"""Files of word vectors: how little of them is read, NPY with a list of words, nearest words."""

from __future__ import annotations

import contextlib
import difflib
import gzip
import io
import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attn_cli.errors import AttnError
from attn_cli.sources.matrices import lines as lines_module
from attn_cli.sources.matrices.files import Inputs, ReadSizes
from attn_cli.sources.matrices.lookup import is_vectors_file
from attn_cli.sources.matrices.vectors import Vectors, nearest_words, read_vectors
from tests.unit.sources.test_vectors import GLOVE, plain, read

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# How little is read


def big(path: str, lines: int, *, tail: bytes = b"") -> int:
    line = b"word%d" + b" 0.12345" * 100 + b"\n"
    Path(path).write_bytes(b"".join(line % at for at in range(lines)) + tail)
    return Path(path).stat().st_size


def test_reading_ends_with_the_last_wanted_word() -> None:
    big("v.txt", 5_000, tail=b"\xff broken\n" + b"x" * (9 << 20))
    vectors = read_vectors(Inputs(), "v.txt", ["word30", "word3"], strict=True)
    assert list(vectors.rows) == ["word3", "word30"]
    with pytest.raises(AttnError, match=r"line 5001 of v\.txt is malformed"):
        read_vectors(Inputs(), "v.txt", ["word30", "word"], strict=True)


def test_a_small_packed_file_that_is_cut_short() -> None:
    Path("v.gz").write_bytes(gzip.compress(GLOVE.encode() * 10)[:-8])
    assert list(read_vectors(Inputs(), "v.gz", ["dog"]).rows) == ["dog"]


def test_a_packed_file_that_is_cut_short_behind_the_last_wanted_word() -> None:
    rng = np.random.default_rng(0)
    text = "\n".join(f"w{at} " + " ".join(map(str, rng.random(50))) for at in range(300))
    data = gzip.compress(text.encode())
    Path("v.gz").write_bytes(data[:-1_000])
    assert list(read_vectors(Inputs(), "v.gz", ["w3"]).rows) == ["w3"]
    with pytest.raises(AttnError, match="cannot be unpacked"):
        read_vectors(Inputs(), "v.gz", ["w3", "w299"])


@pytest.mark.parametrize("packed", [False, True])
def test_memory_does_not_grow_with_the_file(packed: bool) -> None:
    size = big("v.txt", 4_000)
    if packed:
        Path("v.txt").write_bytes(gzip.compress(Path("v.txt").read_bytes(), 1))
    tracemalloc.start()
    vectors = read_vectors(Inputs(), "v.txt", ["word3999", "none"])
    assert nearest_words(Inputs(), "v.txt", "word399x", n=1) == ["word399"]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert list(vectors.rows) == ["word3999"]
    assert size > 3.2e6
    assert peak < 2.5e6


def test_progress_is_told_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "STEP", 1 << 18)
    size = big("v.txt", 1_200)
    told: list[tuple[int, int]] = []
    read_vectors(Inputs(), "v.txt", ["none"], progress=lambda *at: told.append(at))
    assert told[-1] == (size, size)
    assert told == sorted(told)
    assert {total for _, total in told} == {size}
    assert len(told) == size // lines_module.STEP + 1


@pytest.mark.parametrize("block", [5, 6, 7, 16, 17, 18, 1000])
@pytest.mark.parametrize("packed", [False, True])
def test_lines_do_not_depend_on_the_blocks_they_come_in(block: int, packed: bool) -> None:
    data = "\ufeff4 3\n\n\n" + GLOVE.replace("dog", "dog 1 \nx 7\ndog").rstrip("\n")
    content = gzip.compress(data.encode()) if packed else data
    inputs = Inputs(sizes=ReadSizes(block=block))
    vectors = read(content, ["dog", "cat", ". . .", "x"], inputs)
    assert plain(vectors) == {"cat": [1, 2, 3], ". . .": [4, 5, 6], "dog": [7, 8, 9]}
    assert vectors.warnings == (
        "v.txt: 2 malformed lines were skipped: 7, 8; line 7: 1 number instead of 3",
        "v.txt: 'x' has a malformed line only, line 8: 1 number instead of 3",
        "v.txt: the header promises 4 words, the file has 6",
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([*"ab10.-e \t\n\r", "\n1 ", "\na 1", "é", "nan"]), max_size=40))
def test_no_bytes_end_in_a_traceback(parts: list[str]) -> None:
    for encoding in ("utf-8", "latin-1"):
        with contextlib.suppress(AttnError):
            data = "".join(parts).encode(encoding)
            vectors = read(data, ["a", "1", "é", "a 1", "b"])
            assert {row.shape for row in vectors.rows.values()} <= {(vectors.d,)}
            assert set(vectors.rows) | set(vectors.missing) == {"a", "1", "é", "a 1", "b"}
            assert all(np.isfinite(row).all() for row in vectors.rows.values())
        with contextlib.suppress(AttnError):
            read(data, ["a", "é", "zz"], strict=True)
        with contextlib.suppress(AttnError):
            nearest_words(Inputs(), "v.txt", "ab")


# An NPY and its words


def npy(array: Any, words: str | bytes = "cat\n. . .\ncafé\ncat\n") -> None:
    np.save("v.npy", array)
    Path("w.txt").write_bytes(words.encode() if isinstance(words, str) else words)


def from_npy(*wanted: str, **options: Any) -> Vectors:
    return read_vectors(Inputs(), "v.npy", wanted, words="w.txt", **options)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<i2", "<f2"])
@pytest.mark.parametrize(
    "words",
    [
        "cat\n. . .\ncafé\ncat\n",
        "\ufeffcat\r\n. . . \r\ncafe\u0301\r\ncat",
        "cat\n. . .\ncafé\nx\n\n",
    ],
)
def test_an_npy_with_its_words(order: Any, dtype: str, words: str) -> None:
    npy(np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9], [0, 0, 0]], dtype=dtype, order=order), words)
    vectors = from_npy("café", "cat", "dog", ". . .")
    assert plain(vectors) == {"cat": [1, 2, 3], ". . .": [4, 5, 6], "café": [7, 8, 9]}
    assert (vectors.name, vectors.d, vectors.missing) == ("v.npy", 3, ("dog",))
    assert vectors.warnings == ()
    assert vectors.rows["cat"].dtype == np.float64


def test_an_npy_and_its_words_differ_in_number() -> None:
    npy(np.ones((3, 2)))
    with pytest.raises(AttnError) as caught:
        from_npy("cat")
    assert caught.value.report() == (
        "error: v.npy has 3 rows, but w.txt lists 4 words\n"
        "  --> w.txt\n"
        "help: list one word per line, in the order of the rows"
    )


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones(4), "not shape (4,) in float64"),
        (np.ones((4, 0)), "not shape (4, 0) in float64"),
        (np.ones((4, 2), dtype=bool), "not shape (4, 2) in bool"),
    ],
)
def test_an_npy_that_is_no_table_of_words(array: Any, message: str) -> None:
    npy(array)
    with pytest.raises(AttnError) as caught:
        from_npy("cat")
    assert caught.value.message == f"v.npy must be a matrix of numbers, one row per word, {message}"


def test_an_npy_of_something_else() -> None:
    npy(np.ones((4, 2), dtype=complex))
    with pytest.raises(AttnError, match=r"^v\.npy holds complex numbers, not real numbers"):
        from_npy("cat")


def test_rows_that_cannot_be_used() -> None:
    npy(np.array([[1, 2], [3, np.nan], [4, 5], [np.inf, 6]]), "a\nb\nc\nd\n")
    vectors = from_npy(*"abcd")
    assert plain(vectors) == {"a": [1, 2], "c": [4, 5]}
    assert vectors.missing == ("b", "d")
    assert vectors.warnings == (
        "w.txt: 2 malformed lines were skipped: 2, 4; line 2: number 2 of its row in v.npy is NaN",
    )
    with pytest.raises(AttnError) as caught:
        from_npy("d", strict=True)
    assert (
        caught.value.report()
        == """\
error: line 4 of w.txt is malformed: number 1 of its row in v.npy is infinite
  --> w.txt:4:1
   |
 4 | d
   | ^
help: fix the line, or delete it"""
    )


def test_a_list_in_latin_1() -> None:
    npy(np.ones((2, 1)), "a\ncafé\n".encode("latin-1"))
    vectors = from_npy("café")
    assert vectors.missing == ("café",)
    assert vectors.warnings == (
        "w.txt: line 2 is malformed and was skipped: byte 0xe9 in its word is not UTF-8",
    )


class Cutting(Inputs):
    """Inputs during whose reading of the list of words another process cuts the matrix short."""

    def open_again(self, name: str, path: Any = ()) -> io.BufferedReader:
        if name == "w.txt":
            os.truncate("v.npy", os.path.getsize("v.npy") - 8)
        return super().open_again(name, path)


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_npy_that_is_cut_short_before_or_meanwhile(order: Any) -> None:
    npy(np.ones((4, 5000), order=order))
    size = os.path.getsize("v.npy")
    with pytest.raises(AttnError) as caught:
        read_vectors(Cutting(), "v.npy", ["cat"], words="w.txt")
    assert caught.value.message == (
        f"v.npy changed while it was read: it had {size} bytes and now has {size - 8}"
    )
    with pytest.raises(AttnError) as caught:
        from_npy("cat")
    assert caught.value.message == (
        "v.npy is cut short: shape (4, 5000) in float64 needs 160000 bytes of data, "
        "the file has 159992"
    )


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_npy_on_a_system_that_cannot_read_rows(
    order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    npy(np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9], [0, 0, 0]], order=order))
    monkeypatch.delattr(os, "preadv")
    assert plain(from_npy("café", "cat", "dog")) == {"cat": [1, 2, 3], "café": [7, 8, 9]}


def test_only_the_rows_that_are_wanted_are_read() -> None:
    np.lib.format.open_memmap("v.npy", mode="w+", dtype=np.float64, shape=(4, 400_000))
    Path("w.txt").write_text("a\nb\nc\nd\n")
    tracemalloc.start()
    assert from_npy("none").missing == ("none",)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5e5  # a row would be 3.2 MB


# Names


def test_the_names_of_such_files() -> None:
    names = ["a.vec", "a.txt", "a.glove", "x/a.b.TXT.GZ", "a.vec.gz"]
    assert [name for name in names if not is_vectors_file(name)] == []
    names = ["a.npy", "a.gz", "a.vec.zip", "vec", "a.vecs", "-", "", "a.txt/b", "a.txt\n"]
    assert [name for name in names if is_vectors_file(name)] == []


WORDS = ["the", "cat", "cart", "Cat", "chat", "dog", "caté", ".", "hat́", "concatenate"]


@pytest.mark.parametrize("header", ["", f"{len(WORDS)} 2\n"])
def test_the_nearest_words(header: str) -> None:
    Path("v.txt").write_text(header + "broken\n" + "".join(f"{w} 1 2\n" for w in WORDS))
    Path("w.txt").write_text("".join(f"{w}\n" for w in WORDS))
    for options in ({}, {"words": "w.txt"}):

        def near(word: str, n: int = 5, options: Any = options) -> list[str]:
            return nearest_words(Inputs(), "v.txt", word, n=n, **options)

        # 2 M / T: cat, Cat 6/6, cart, chat, caté 6/7, hat́ 4/6 (its accent is a letter of its own)
        assert near("cat") == ["cat", "Cat", "cart", "chat", "caté"]
        assert near("cat", 2) == ["cat", "Cat"]
        assert near("CATE\u0301", 1) == ["caté"]
        assert near("concatenation") == ["concatenate"]
        assert near("zebra") == []
        assert near("cat", 0) == []
        assert near("") == []


def test_the_nearest_words_are_those_of_difflib() -> None:
    rng = np.random.default_rng(3)
    words = ["".join(rng.choice(list("abcde"), size=rng.integers(1, 8))) for _ in range(2_000)]
    words = list(dict.fromkeys(words))
    Path("w.txt").write_text("".join(f"{w}\n" for w in words))
    for asked in ("abcde", "a", "eeee", "dabadabada"):
        found = nearest_words(Inputs(), "", asked, words="w.txt", n=4)

        def ratio(word: str, asked: str = asked) -> float:
            return difflib.SequenceMatcher(None, word, asked).ratio()

        alike = sorted((w for w in words if ratio(w) >= 0.6), key=ratio, reverse=True)
        assert found == alike[:4]
