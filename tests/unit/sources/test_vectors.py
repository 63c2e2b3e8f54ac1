"""Files of word vectors: every format, what is wrong in them, and how little of them is read."""

from __future__ import annotations

import gzip
import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_cli.errors import AttnError
from attn_cli.sources.matrices.files import Inputs
from attn_cli.sources.matrices.vectors import Vectors, nearest_words, read_vectors
from tests.conftest import Attn

GLOVE = "the 0.5 -1 2e-1\ncat 1 2 3\n. . . 4 5 6\ndog 7 8 9\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(
    content: str | bytes, wanted: Iterable[str], inputs: Inputs | None = None, **options: Any
) -> Vectors:
    data = content.encode() if isinstance(content, str) else content
    Path("v.txt").write_bytes(data)
    return read_vectors(inputs or Inputs(), "v.txt", wanted, **options)


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
        "line 2: 1 number instead of 2",
        "v.txt: 'b' has a malformed line only, line 2: 1 number instead of 2",
        "v.txt: 'c' has a malformed line only, line 3: field 3 must be a number, not 'x'",
        "v.txt: 'd' has a malformed line only, line 4: field 3 is NaN",
        "v.txt: 'e' has a malformed line only, line 5: field 3 is infinite",
        "v.txt: 'f' has a malformed line only, line 6: 3 numbers instead of 2",
        "v.txt: 'g' has a malformed line only, line 7: field 3 must be a number, not '1_0'",
        "v.txt: 'h' has a malformed line only, line 8: field 3 is infinite",
        "v.txt: 'i' has a malformed line only, line 9: 1 number instead of 2",
        "v.txt: 'j' has a malformed line only, line 10: 3 numbers instead of 2",
        "v.txt: 'k' has a malformed line only, line 11: 0 numbers instead of 2",
        "v.txt: 'l' has a malformed line only, line 12: field 3 must be a number, not '0,5'",
    )


def test_of_other_lines_the_fields_are_counted() -> None:
    vectors = read(BROKEN, ["m", "z"])
    assert vectors.warnings == (
        "v.txt: 3 malformed lines were skipped: 2, 10, 11; line 2: 1 number instead of 2",
    )


def test_a_line_whose_word_is_lost() -> None:
    assert read("a 1 2\n 3 4\nb 5 6\n", ["z"]).warnings == (
        "v.txt: line 2 is malformed and was skipped: 1 number instead of 2",
    )


def test_one_malformed_line() -> None:
    vectors = read("4 2\na 1 2\nb 1\nb 3 4\nc 5 6\n", ["b", "z"])
    assert plain(vectors) == {"b": [3, 4]}
    assert vectors.warnings == (
        "v.txt: line 3 is malformed and was skipped: 1 number instead of 2",
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
error: line 2 of v.txt is malformed: 1 number instead of 2
  --> v.txt:2:1
   |
 2 | b 1
   | ^
help: fix the line, or delete it"""
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
            "help: name the text file that lists the words of its rows as well, one per line",
        ),
        (
            b"x" * (9 << 20),
            "error: v.txt has a line of more than 4194304 bytes, so it is not a list of words\n"
            "help: expected text in UTF-8, with one word per line",
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


def test_a_field_that_is_long_is_cut_in_what_is_said_of_it(tmp_path: Path, attn: Attn) -> None:
    (tmp_path / "w.vec").write_text(f"a 1 2\nb {'7x' * 3000} 3\n")
    (tmp_path / "p.yaml").write_text("tokens: [a, b]\nembeddings: w.vec\n")
    ran = attn("compute", tmp_path / "p.yaml")
    assert ran.status == 2
    assert f"must be a number, not '{'7x' * 18}7...'\n" in ran.err
    assert max(map(len, ran.err.splitlines())) < 300
