"""Files of word vectors: every format, what is wrong in them, and how little of them is read."""

from __future__ import annotations

import contextlib
import gzip
import os
import tracemalloc
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attn_cli.errors import AttnError
from attn_cli.read import lines as lines_module
from attn_cli.read.arrays import Rows
from attn_cli.read.files import Inputs
from attn_cli.read.vectors import Vectors, is_vectors_file, nearest_words, read_vectors

GLOVE = "the 0.5 -1 2e-1\ncat 1 2 3\n. . . 4 5 6\ndog 7 8 9\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(content: str | bytes, wanted: Iterable[str], **options: Any) -> Vectors:
    data = content.encode() if isinstance(content, str) else content
    Path("v.txt").write_bytes(data)
    return read_vectors(Inputs(), "v.txt", wanted, **options)


def plain(vectors: Vectors) -> dict[str, list[float]]:
    return {word: row.tolist() for word, row in vectors.rows.items()}


def refused(content: str | bytes, wanted: Iterable[str], **options: Any) -> str:
    with pytest.raises(AttnError) as caught:
        read(content, wanted, **options)
    return caught.value.report()


# Formats


@pytest.mark.parametrize(
    "content",
    [
        GLOVE,
        GLOVE.rstrip("\n"),
        "4 3\n" + GLOVE,
        "\n4 3\n\n" + GLOVE,
        "4\t3\n" + GLOVE.replace("\n", " \n"),
        GLOVE.replace("\n", "\r\n"),
        "4 3 \r\n" + GLOVE.replace("\n", " \t \r\n"),
        GLOVE.replace(" ", "\t").replace(".\t.\t.", ". . ."),
        GLOVE.replace("e ", "e\t").replace("t ", "t\t").replace(". 4", ".\t4").replace("g ", "g\t"),
        GLOVE.replace(" ", "  ").replace(".  .  .", ". . ."),
        " " + GLOVE.replace("\n", "\n "),
        "\ufeff" + GLOVE,
        "\ufeff4 3\n" + GLOVE,
    ],
)
def test_one_table_in_every_dress(content: str) -> None:
    vectors = read(content, ["dog", "...", ". . .", "the", "bird"])
    assert plain(vectors) == {"the": [0.5, -1, 0.2], ". . .": [4, 5, 6], "dog": [7, 8, 9]}
    assert (vectors.name, vectors.d, vectors.missing) == ("v.txt", 3, ("...", "bird"))
    assert vectors.warnings == ()


@pytest.mark.parametrize("header", ["", "4 3\n"])
@pytest.mark.parametrize("name", ["v.vec.gz", "v.vec"])
def test_gzip_is_known_by_its_bytes(name: str, header: str) -> None:
    parts = (header + GLOVE).encode()
    Path(name).write_bytes(gzip.compress(parts[:20]) + gzip.compress(parts[20:]))
    vectors = read_vectors(Inputs(), name, ["dog", "cat"])
    assert plain(vectors) == {"cat": [1, 2, 3], "dog": [7, 8, 9]}
    assert vectors.name == name


def test_rows_have_the_type_that_is_asked_for() -> None:
    assert read(GLOVE, ["cat"]).rows["cat"].dtype == np.float64
    assert read(GLOVE, ["cat"], dtype=np.dtype(np.float16)).rows["cat"].dtype == np.float16


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("7 2\n8 3\n", {"7": [2], "8": [3]}),  # 7 lines of 2 numbers would look different
        ("7 1\n8 3\n", {"8": [3]}),  # a header as good as any
        ("7 1.0\n8 3\n", {"7": [1], "8": [3]}),
        ("7 0\n8 3\n", {"7": [0], "8": [3]}),
        ("7 2\n8 3 4\n", {"8": [3, 4]}),
        ("1 1\n8 3\n7 5\n", {"8": [3], "7": [5]}),
        ("+7 1\n8 3\n", {"8": [3]}),
        ("8 1 2\n7 3 4\n", {"8": [1, 2], "7": [3, 4]}),
    ],
)
def test_a_header_is_two_whole_numbers_that_fit(
    content: str, expected: dict[str, list[float]]
) -> None:
    vectors = read(content, ["7", "8"])
    assert plain(vectors) == expected


def test_words_with_numbers_in_them_do_not_mislead() -> None:
    vectors = read("top 10 0.5 0.5\na 1 2\nb 3 4\nc 5 6\n", ["top 10", "b"])
    assert (plain(vectors), vectors.d) == ({"top 10": [0.5, 0.5], "b": [3, 4]}, 2)


@pytest.mark.parametrize("stored", ["NFC", "NFD"])
@pytest.mark.parametrize("asked", ["NFC", "NFD"])
def test_composed_and_decomposed_words_are_the_same(stored: str, asked: str) -> None:
    def form(kind: str, text: str) -> str:
        return unicodedata.normalize(kind, text)  # type: ignore[arg-type]

    content = f"a 1\n{form(stored, 'été')} 2\n{form('NFD', 'été')} 3\n"
    vectors = read(content, [form(asked, "été")])
    assert plain(vectors) == {form("NFC", "été"): [2]}


def test_blanks_beyond_ascii_are_letters() -> None:
    assert plain(read("a\u00a0b 1 2\n\u2028 3 4\n\x85 5 6\n", ["a\u00a0b", "\u2028", "\x85"])) == {
        "a\u00a0b": [1, 2],
        "\u2028": [3, 4],
        "\x85": [5, 6],
    }


def test_the_first_of_two_wins_and_is_asked_for_once() -> None:
    vectors = read("a 1\nb 2\na 3\n", ["a", "c", "a", "c"])
    assert (plain(vectors), vectors.missing) == ({"a": [1]}, ("c",))


def test_nothing_wanted_is_nothing_found() -> None:
    vectors = read(GLOVE + "broken\n", [])
    assert (plain(vectors), vectors.d, vectors.warnings) == ({}, 3, ())


@pytest.mark.parametrize("word", ["", " ", "\udcff", "cat 1", "cat\n", "CAT"])
def test_words_that_no_line_can_have_are_missing(word: str) -> None:
    assert read(GLOVE, [word]).missing == (word,)


# Malformed lines

BROKEN = (
    "a 1 2\n"  # 1
    "b 1\n"  # 2: too few
    "c 1 x\n"  # 3
    "d 1 nan\n"  # 4
    "e 1 -inf\n"  # 5
    "f 1 2 3\n"  # 6: too many
    "g 1 1_0\n"  # 7
    "h 1 1e400\n"  # 8
    "i  1\n"  # 9: two blanks that might be taken for a field
    "j 0.5 1 2\n"  # 10
    "k\n"  # 11
    "l 1 0,5\n"  # 12
    "m 3 4\n"
)


def test_malformed_lines_are_counted_and_told() -> None:
    vectors = read(BROKEN, "abcdefghijklm")
    assert plain(vectors) == {"a": [1, 2], "m": [3, 4]}
    assert vectors.missing == tuple("bcdefghijkl")
    assert vectors.warnings == (
        "v.txt: 11 malformed lines were skipped: 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 1 more; "
        "line 2: 1 number where 2 belong",
        "v.txt: 'b' has a malformed line only, line 2: 1 number where 2 belong",
        "v.txt: 'c' has a malformed line only, line 3: field 3 must be a number, not 'x'",
        "v.txt: 'd' has a malformed line only, line 4: field 3 is NaN",
        "v.txt: 'e' has a malformed line only, line 5: field 3 is infinite",
        "v.txt: 'f' has a malformed line only, line 6: 3 numbers where 2 belong",
        "v.txt: 'g' has a malformed line only, line 7: field 3 must be a number, not '1_0'",
        "v.txt: 'h' has a malformed line only, line 8: field 3 is infinite",
        "v.txt: 'i' has a malformed line only, line 9: 1 number where 2 belong",
        "v.txt: 'j' has a malformed line only, line 10: 3 numbers where 2 belong",
        "v.txt: 'k' has a malformed line only, line 11: 0 numbers where 2 belong",
        "v.txt: 'l' has a malformed line only, line 12: field 3 must be a number, not '0,5'",
    )


def test_of_other_lines_the_fields_are_counted() -> None:
    vectors = read(BROKEN, ["m", "z"])
    assert vectors.warnings == (
        "v.txt: 3 malformed lines were skipped: 2, 10, 11; line 2: 1 number where 2 belong",
    )


def test_one_malformed_line() -> None:
    vectors = read("4 2\na 1 2\nb 1\nb 3 4\nc 5 6\n", ["b", "z"])
    assert plain(vectors) == {"b": [3, 4]}
    assert vectors.warnings == (
        "v.txt: line 3 is malformed and was skipped: 1 number where 2 belong",
    )


def test_latin_1_in_the_place_of_a_wanted_word() -> None:
    vectors = read("a 1 2\ncafé 3 4\n".encode("latin-1"), ["café"])
    assert vectors.missing == ("café",)
    assert vectors.warnings == (
        "v.txt: line 2 is malformed and was skipped: byte 0xe9 in its word is not UTF-8",
        "v.txt: 'café' has a malformed line only, line 2: byte 0xe9 in its word is not UTF-8",
    )
    # the Latin-1 bytes of 'Ã©' are the UTF-8 of another word
    assert read("é 1 2\n", ["Ã©"]).missing == ("Ã©",)


def test_a_number_too_large_for_the_type() -> None:
    half = read("a 1 2\nb 7e4 1\n", ["b"], dtype=np.dtype(np.float16))
    assert half.warnings[0] == (
        "v.txt: line 2 is malformed and was skipped: field 2 = 70000 is too large for float16"
    )
    assert plain(read("a 1 2\nb 7e4 1\n", ["b"])) == {"b": [7e4, 1]}


def test_strict_reading_raises_at_the_first() -> None:
    assert (
        refused(BROKEN, ["c"], strict=True)
        == """\
error: line 2 of v.txt is malformed: 1 number where 2 belong
  --> v.txt:2:1
   |
 2 | b 1
   | ^
help: mend the line, or delete it"""
    )
    assert plain(read(BROKEN, ["a"], strict=True)) == {"a": [1, 2]}


def test_strict_reading_shows_the_field_in_a_long_line() -> None:
    long = "é " + "0.25 " * 60 + "0,5" + " 0.25" * 60
    good = "a" + " 1" * 121 + "\n"
    assert (
        refused(good + good + long + "\n", ["é"], strict=True)
        == """\
error: line 3 of v.txt is malformed: field 62 must be a number, not '0,5'
  --> v.txt:3:303
   |
 3 | ...0.25 0.25 0.25 0.25 0.25 0.25 0,5 0.25 0.25 0.25 0.25 0.25 0.25 0.25 0...
   |                                  ^
help: write the decimal point as '.'"""
    )


def test_the_key_path_is_in_the_error() -> None:
    with pytest.raises(AttnError) as caught:
        read(BROKEN, ["c"], strict=True, path=("embeddings", "file"))
    assert caught.value.as_document()["path"] == "embeddings.file"


@pytest.mark.parametrize(
    ("header", "warning"),
    [
        ("3 2", "v.txt: the header promises 3 words, the file has 2"),
        ("1 2", "v.txt: the header promises 1 words, the file has 2"),
    ],
)
def test_a_header_that_is_wrong(header: str, warning: str) -> None:
    content = f"{header}\na 1 2\n\nb 3 4\n\n"
    assert read(content, ["z"]).warnings == (warning,)
    assert read(content, ["b"]).warnings == ()  # the file was not read to its end


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "error: v.txt is empty"),
        ("\n \r\n", "error: v.txt is empty"),
        (
            "cat\ndog\n",
            """\
error: v.txt holds no word vectors: none of its first lines is a word and its numbers
  --> v.txt:1:1
   |
 1 | cat
   | ^
help: expected lines such as: cat 0.5 -1.25 3""",
        ),
        (
            "200 300\n",
            """\
error: v.txt holds no word vectors: none of its first lines is a word and its numbers
  --> v.txt:1:1
   |
 1 | 200 300
   | ^
help: expected lines such as: cat 0.5 -1.25 3""",
        ),
        (
            b"2 2\ncat \0\0\x80?\0\0\0@\ndog \0\0@@\0\0\x80@\n",
            """\
error: v.txt is binary, or at least no text in UTF-8
help: save it as text, the binary format of word2vec with: gensim's \
save_word2vec_format(..., binary=False)""",
        ),
        (
            "cat 1 2\n".encode("utf-16"),
            """\
error: v.txt is binary, or at least no text in UTF-8
help: save it as text, the binary format of word2vec with: gensim's \
save_word2vec_format(..., binary=False)""",
        ),
        (
            b"PK\x03\x04....",
            "error: v.txt is a ZIP archive, not text\nhelp: unzip it, and name the text file",
        ),
        (
            b"\x93NUMPY....",
            "error: v.txt is an NPY file, which holds numbers and no words\n"
            "help: name the text file that lists the words of its rows as well, one a line",
        ),
        (
            b"x" * (9 << 20),
            "error: v.txt has a line of more than 4194304 bytes, so it is no list of words\n"
            "help: expected text in UTF-8, with one word a line",
        ),
        (
            gzip.compress(b"cat 1\n")[:-4],
            "error: v.txt cannot be unpacked: Compressed file ended before the end-of-stream "
            "marker was reached\n"
            "help: fetch the file again; a copy that was cut short ends like this",
        ),
    ],
    ids=["empty", "blank", "words", "header", "binary", "utf-16", "zip", "npy", "long", "gzip"],
)  # fmt: skip
def test_no_usable_file(content: str | bytes, message: str) -> None:
    assert refused(content, ["cat"]) == message
    with pytest.raises(AttnError, match=r"^v\.txt "):
        nearest_words(Inputs(), "v.txt", "cat")


def test_what_cannot_be_read_twice_is_refused() -> None:
    os.mkfifo("pipe.txt")  # opening it would wait for a writer
    for name, shown in (("-", "standard input"), ("pipe.txt", "pipe.txt"), ("/dev/zero",) * 2):
        with pytest.raises(AttnError) as caught:
            read_vectors(Inputs(), name, ["cat"])
        assert caught.value.report() == (
            f"error: {shown} cannot be read twice, and that may be needed here\n"
            "help: put it into a file, and name the file"
        )


@pytest.mark.parametrize("name", ["none.txt", ".", "a\0b"])
def test_files_that_are_not_there(name: str) -> None:
    with pytest.raises(AttnError):
        read_vectors(Inputs(), name, ["cat"])


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


def test_a_packed_file_that_is_cut_short_behind_the_last_wanted_word() -> None:
    rng = np.random.default_rng(0)
    text = "\n".join(f"w{at} " + " ".join(map(str, rng.random(50))) for at in range(1_000))
    data = gzip.compress(text.encode())
    Path("v.gz").write_bytes(data[:-1_000])
    assert list(read_vectors(Inputs(), "v.gz", ["w3"]).rows) == ["w3"]
    with pytest.raises(AttnError, match="cannot be unpacked"):
        read_vectors(Inputs(), "v.gz", ["w3", "w999"])


@pytest.mark.parametrize("packed", [False, True])
def test_memory_does_not_grow_with_the_file(packed: bool) -> None:
    size = big("v.txt", 30_000)
    if packed:
        Path("v.txt").write_bytes(gzip.compress(Path("v.txt").read_bytes(), 1))
    tracemalloc.start()
    vectors = read_vectors(Inputs(), "v.txt", ["word29999", "none"])
    assert nearest_words(Inputs(), "v.txt", "word2999x", n=1) == ["word2999"]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert list(vectors.rows) == ["word29999"]
    assert size > 24e6
    assert peak < 5e6


def test_progress_is_told_now_and_then() -> None:
    size = big("v.txt", 20_000)
    told: list[tuple[int, int]] = []
    read_vectors(Inputs(), "v.txt", ["none"], progress=lambda *at: told.append(at))
    assert told[-1] == (size, size)
    assert told == sorted(told)
    assert {total for _, total in told} == {size}
    assert len(told) == size // lines_module.STEP + 1


@pytest.mark.parametrize("block", [5, 6, 7, 16, 17, 18, 1000])
@pytest.mark.parametrize("packed", [False, True])
def test_lines_do_not_depend_on_the_blocks_they_come_in(
    block: int, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines_module, "BLOCK", block)
    data = "\ufeff4 3\n\n\n" + GLOVE.replace("dog", "dog 1 \nx 7\ndog").rstrip("\n")
    content = gzip.compress(data.encode()) if packed else data
    vectors = read(content, ["dog", "cat", ". . .", "x"])
    assert plain(vectors) == {"cat": [1, 2, 3], ". . .": [4, 5, 6], "dog": [7, 8, 9]}
    assert vectors.warnings == (
        "v.txt: 2 malformed lines were skipped: 7, 8; line 7: 1 number where 3 belong",
        "v.txt: 'x' has a malformed line only, line 8: 1 number where 3 belong",
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
        "help: list one word a line, in the order of the rows"
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
    assert caught.value.message == f"v.npy must be a matrix of numbers, one row a word, {message}"


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
help: mend the line, or delete it"""
    )


def test_a_list_in_latin_1() -> None:
    npy(np.ones((2, 1)), "a\ncafé\n".encode("latin-1"))
    vectors = from_npy("café")
    assert vectors.missing == ("café",)
    assert vectors.warnings == (
        "w.txt: line 2 is malformed and was skipped: byte 0xe9 in its word is not UTF-8",
    )


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_npy_that_is_cut_short_before_or_meanwhile(order: Any) -> None:
    npy(np.ones((4, 5000), order=order))
    size = os.path.getsize("v.npy")
    with open("v.npy", "rb") as stream:
        rows = Rows(stream, "v.npy", ())
        os.truncate("v.npy", size - 8)
        with pytest.raises(AttnError) as caught:
            rows.read(3)
    message = (
        "v.npy is cut short: shape (4, 5000) in float64 needs 160000 bytes of data, "
        "the file has 159992"
    )
    assert caught.value.message == message
    with pytest.raises(AttnError) as caught:
        from_npy("cat")
    assert caught.value.message == message


def test_only_the_rows_that_are_wanted_are_read() -> None:
    np.lib.format.open_memmap("v.npy", mode="w+", dtype=np.float64, shape=(4, 4_000_000))
    Path("w.txt").write_text("a\nb\nc\nd\n")
    tracemalloc.start()
    assert from_npy("none").missing == ("none",)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5e6  # a row would be 32 MB


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
    import difflib

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
