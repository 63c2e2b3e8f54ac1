"""Inputs that are broken on purpose: a placed error for each, whatever library finds it first."""

from __future__ import annotations

import gzip
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_cli import AttnError, compute
from attn_cli.reading.schema import read_document, read_problem
from attn_cli.sources.matrices import lines, npy_files
from attn_cli.sources.matrices.document import from_mapping
from attn_cli.sources.matrices.files import Inputs
from attn_cli.sources.matrices.foreign import folder_of_a_model
from tests.conftest import Attn
from tests.unit.sources.test_stored import by_rows

pytestmark = pytest.mark.slow

CANNOT = "help: write the archive again; a copy that was cut short ends like this\n"


def archive(compression: int = zipfile.ZIP_STORED, **more: Any) -> bytes:
    """An NPZ of Q, K and V."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as made:
        for name, values in {"q": [[1.0]], "k": [[2.0]], "v": [[3.0]], **more}.items():
            with made.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.array(values))
    return out.getvalue()


def entry_of(data: bytes, name: bytes) -> int:
    """Where the entry of a member begins in the directory."""
    at = data.index(b"PK\x01\x02")
    while data[at + 46 : at + 46 + len(name)] != name:
        at = data.index(b"PK\x01\x02", at + 1)
    return at


def past_the_end(data: bytes) -> bytes:
    """Let the directory point to a copy of a member's head at the end, behind which nothing is."""
    at = entry_of(data, b"q.npy")
    local = data[: data.index(npy_files.NPY_MAGIC)]
    return data[: at + 42] + len(data).to_bytes(4, "little") + data[at + 46 :] + local


def test_a_directory_that_points_past_the_end(tmp_path: Path, attn: Attn) -> None:
    path = tmp_path / "p.npz"
    path.write_bytes(past_the_end(archive()))
    ran = attn("compute", path)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == (
        f"error: {path}#q cannot be unpacked: parts of it are missing or inconsistent\n"
        f"  --> {path}\n{CANNOT}"
    )
    with pytest.raises(AttnError, match="cannot be unpacked"):
        compute(path)
    ran = attn("compute", "-", stdin=path.read_bytes())
    assert (ran.status, ran.out) == (2, "")
    assert "standard input#q cannot be unpacked" in ran.err
    ran = attn("compute", "--query", f"{path}#q", "--key", f"{path}#k", "--value", f"{path}#v")
    assert (ran.status, ran.out) == (2, "")


@pytest.mark.parametrize(
    "compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_an_archive_with_any_byte_changed(compression: int, tmp_path: Path) -> None:
    """It is read, or refused with an AttnError; from a file and from memory."""
    data = archive(compression)
    path, refused = tmp_path / "p.npz", 0
    path.write_bytes(data)

    def is_read() -> bool:
        try:
            read_problem(read_document(str(path), Inputs()))
        except AttnError:
            return False
        return True

    # The directory at the end is alike in all of them, and so are the entries of its members.
    stored = compression == zipfile.ZIP_STORED
    last = entry_of(data, b"v.npy") if stored else len(data)
    places = [at for at in range(len(data)) if at % (5 if stored else 17) == 0 or at >= last]
    with path.open("r+b", buffering=0) as file:
        for at in places:
            for byte in {0, 0xFF, data[at] ^ 1} - {data[at]}:
                os.pwrite(file.fileno(), bytes([byte]), at)
                refused += not is_read()
            os.pwrite(file.fileno(), data[at : at + 1], at)
    assert is_read()
    for length in reversed(range(0, len(data), 7)):
        os.truncate(path, length)
        assert not is_read()
    assert refused > len(places) // 2


@pytest.mark.parametrize("large", [1 << 31, (1 << 64) - 1])
def test_places_that_no_file_has(large: int, tmp_path: Path) -> None:
    data = archive()
    at = entry_of(data, b"q.npy")
    offset = min(large, 0xFFFFFFFE)
    path = tmp_path / "p.npz"
    path.write_bytes(data[: at + 42] + offset.to_bytes(4, "little") + data[at + 46 :])
    problem = {"query": f"{path}#q", "key": [[1]], "value": [[1]]}
    for inputs in (Inputs(), by_rows()):
        with pytest.raises(AttnError):
            read_problem(read_document(str(path), inputs))
        with pytest.raises(AttnError):
            read_problem(from_mapping(problem, inputs))


def test_an_archive_that_lies_about_its_size(
    tmp_path: Path, attn: Attn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a member says of its packed size does not let it unpack to more."""
    monkeypatch.setattr(npy_files, "BOMB_BYTES", 1 << 20)
    data = archive(zipfile.ZIP_DEFLATED, mask=np.zeros((1, 1 << 20), dtype=np.int8))
    path = tmp_path / "p.npz"
    at = entry_of(data, b"mask.npy")
    lie = (1 << 22).to_bytes(4, "little")
    for text in (data, data[: at + 20] + lie + data[at + 24 :]):
        path.write_bytes(text)
        ran = attn("compute", path)
        assert ran.status == 2
        assert f"{path}#mask unpacks to {(1 << 20) + 128} bytes from " in ran.err


@pytest.mark.parametrize(("suffix", "delimiter"), [("csv", ","), ("tsv", "\t")])
@pytest.mark.parametrize("end", ["\n", "", "\n\n\r\n"])
def test_labels_without_rows(
    suffix: str, delimiter: str, end: str, tmp_path: Path, attn: Attn
) -> None:
    path = tmp_path / f"m.{suffix}"
    path.write_text(delimiter.join(("", "p", "q")) + end)
    ran = attn("compute", "--query", path, "--key", path, "--value", path)
    assert (ran.status, ran.out) == (2, "")
    said = ran.err.splitlines()
    assert said[0] == f"error: {path} has labels but no rows"
    assert said[1].strip() == f"--> {path}:1:1"
    assert said[-1].startswith("help: its very first cell is empty, so the first line is taken")
    with pytest.raises(AttnError, match="has labels but no rows"):
        compute({"query": [[1]], "key": [[1]], "value": [[1]], "score_bias": str(path)})


THREE = {"query": np.ones((2, 3)), "key": np.ones((2, 3)), "value": np.ones((2, 5))}
RAGGED: dict[str, tuple[dict[str, Any], tuple[object, ...]]] = {  # and the path that is named
    "window": ({"window": [[1], [2, 3]]}, ("window",)),
    "window of one list": ({"window": [[1, 2, 3], 4]}, ("window",)),
    "logits": (
        {"normalize": {"function": "sink_logits", "logits": [[1], [2, 3]]}},
        ("normalize", "logits", 1),
    ),
    "lengths": ({"key_lengths": [[1], [2, 3]]}, ("key_lengths", 1)),
    "offset": ({"offset": [[1], [2, 3]]}, ("offset", 1)),
    "documents": ({"documents": [[0], [0, 1]]}, ("documents", 0)),
    "weights": ({"weights": {"query": [[[1], [2, 3]]]}}, ("weights", "query", 0, 1)),
    "empty": ({"weights": {"query": [[], []]}}, ("weights", "query")),
    "mask": ({"mask": [[[0], [0, 1]]]}, ("mask", 0, 1)),
    "bias": ({"score_bias": [[1], [2, 3]]}, ("score_bias", 1)),
    "tokens": ({"tokens": [["a"], ["b", "c"]]}, ("tokens",)),  # one list per batch entry
}


@pytest.mark.parametrize("name", RAGGED)
def test_lists_of_different_lengths(name: str) -> None:
    keys, path = RAGGED[name]
    with pytest.raises(AttnError) as caught:
        compute({**THREE, **keys})
    assert caught.value.path == path


def test_a_window_of_two_numbers_keeps_its_advice() -> None:
    for node in ([1, 2], ("1", "2"), np.array([1, 2])):
        with pytest.raises(AttnError, match=r"write \{left: 1, right: 2\}"):
            compute({**THREE, "window": node})


def test_what_has_an_array_and_is_none() -> None:
    class Strange:
        def __array__(self, *_: object, **__: object) -> np.ndarray:
            raise RuntimeError("no array today")

    with pytest.raises(AttnError, match="query cannot become a NumPy array: no array today"):
        compute({**THREE, "query": Strange()})
    with pytest.raises(AttnError, match=r"query\[0\]"):
        compute({**THREE, "query": [Strange(), Strange()]})


def packed(*parts: bytes) -> Callable[[], bytes]:
    return lambda: gzip.compress(b"".join(parts))


BLANK = b"error: v.txt.gz has more than %d bytes of blank lines without a word between them\n"
UNPACKS = b"error: v.txt.gz unpacks to "
# Name -> the text, the message, and bounds that are lower than the package's.
ENDLESS: dict[str, tuple[Callable[[], bytes], bytes, dict[str, int]]] = {
    "blank lines": (packed(b"le 1 0\n" * 9, b"\n" * (1 << 18)), BLANK % 99, {"MOST_BLANK": 99}),
    "lines of blanks": (packed(b"le 1 0\n", (b" \t\r" * 9000 + b"\n") * 80), BLANK % (1 << 20), {}),
    "words far apart": (
        packed(b"le 1 0\n", (b" " * 65_000 + b"\nla 1 0\n") * 20),
        UNPACKS,
        {"UNPACKED": 1 << 20},
    ),
    "one line again and again": (packed((b"le 1 0." + b"0" * 200_000 + b"\n") * 85), UNPACKS, {}),
}


@pytest.mark.parametrize("case", ENDLESS)
def test_a_packed_text_that_hardly_ends(
    case: str, attn: Attn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make, message, bounds = ENDLESS[case]
    for name, bound in bounds.items():
        monkeypatch.setattr(lines, name, bound)
    Path("v.txt.gz").write_bytes(make())
    ran = attn("translate", "chat", "--embeddings", "v.txt.gz")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith(message.decode())


def test_text_that_is_packed_well_is_read(
    attn: Attn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither bound is near what files of vectors are: blank lines, and ten bytes from one."""
    monkeypatch.chdir(tmp_path)
    numbers = b"".join(b"w%d 0.5 0.25 0.125\n" % n for n in range(3000))
    blank = (b" " * 1000 + b"\n") * 524  # half of what is refused
    text = b"\n\n" + numbers + blank + b"sous 1 0 0\n"
    Path("v.txt.gz").write_bytes(gzip.compress(text))
    Path("d.csv").write_text("sous,under\n")
    ran = attn("translate", "-d", "d.csv", "sous", "--embeddings", "v.txt.gz")
    assert (ran.status, ran.out) == (0, "under\n")
    monkeypatch.setattr(lines, "UNPACKED", 1 << 20)
    numbers = b"".join(b"w%d 0.5 0.25 0.%0400d\n" % (n, 7919 * n) for n in range(2600))
    assert len(numbers) > lines.UNPACKED
    Path("v.txt.gz").write_bytes(gzip.compress(numbers + b"sous 1 0 0\n"))
    assert 10 < len(numbers) / Path("v.txt.gz").stat().st_size < npy_files.BOMB_RATIO / 2
    ran = attn("translate", "-d", "d.csv", "sous", "--embeddings", "v.txt.gz")
    assert (ran.status, ran.out) == (0, "under\n")


def test_two_byte_order_marks_in_any_text(
    attn: Attn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mark = b"\xef\xbb\xbf"
    texts = {
        "p.yaml": b"embeddings: [[1]]",
        "m.csv": b"1\n",
        "d.csv": b"sous,under\n",
        "v.txt": b"sous 1 0\nw 0 1\n",
        "list.txt": b"sous\n",
    }
    np.save("rows.npy", [[1.0, 0.0]])
    runs = {
        "p.yaml": ("compute", "p.yaml"),
        "m.csv": ("compute", "--query", "m.csv", "--key", "m.csv", "--value", "m.csv"),
        "d.csv": ("translate", "-d", "d.csv", "sous"),
        "v.txt": ("translate", "-d", "d.csv", "sous", "--embeddings", "v.txt"),
        "list.txt": (
            "translate", "-d", "d.csv", "sous", "--embeddings", "rows.npy", "--words", "list.txt",
        ),
    }  # fmt: skip
    for name, line in runs.items():
        for each, text in texts.items():
            Path(each).write_bytes(text)
        for marks, status in ((0, 0), (1, 0), (2, 2)):
            Path(name).write_bytes(marks * mark + texts[name])
            ran = attn(*line)
            assert ran.status == status, (name, marks)
            assert (f"{name} begins with two byte order marks" in ran.err) == (marks == 2)
    assert attn("translate", "-", stdin=2 * mark + b"sous\n").status == 2


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("other", ["float64", "float16"])
def test_a_signalling_nan_is_refused_like_any_other(
    large: bool, other: str, tmp_path: Path
) -> None:
    """A cast of it is an invalid operation, of which NumPy would warn."""
    bits = np.array([0x3F800000, 0x7F800001, 0x40000000], dtype=np.uint32)
    path = tmp_path / "q.npy"
    np.save(path, bits.view(np.float32).reshape(1, 3))
    problem = {**dict.fromkeys(("query", "key", "value"), str(path)), "dtype": other}
    with pytest.raises(AttnError, match=r"^query\[0\]\[1\] is NaN\n"):
        compute(read_problem(from_mapping(problem, by_rows() if large else Inputs())))


def test_a_folder_of_tensors_is_that_of_a_model(tmp_path: Path) -> None:
    assert not folder_of_a_model(str(tmp_path))
    (tmp_path / "readme.txt").write_text("")
    assert not folder_of_a_model(str(tmp_path))
    (tmp_path / "part-1.safetensors").write_text("")
    assert folder_of_a_model(str(tmp_path))


def test_bytes_that_no_text_has_are_those_of_an_npy_file(attn: Attn) -> None:
    others = ("--key", "k.npy", "--value", "v.npy")
    for given, said in {
        b"1,2\0\n": "is not an NPY file: it begins with b'1,2",
        b"\x93NUMPY": "has a broken NPY header: the file ends in it",
    }.items():
        ran = attn("compute", "--query", "-", *others, stdin=given)
        assert ran.status == 2
        assert ran.err.startswith(f"error: standard input {said}")


def test_the_first_line_says_what_delimits_a_table(attn: Attn, tmp_path: Path) -> None:
    np.save(tmp_path / "k.npy", np.eye(2))
    keys = ("--key", tmp_path / "k.npy", "--value", tmp_path / "k.npy", "--only", "q", "-f", "csv")
    ran = attn("compute", "--query", "-", *keys, stdin=b"1,2\n3,4\t\n")
    assert (ran.status, ran.out) == (0, "1.0,2.0\n3.0,4.0\n")
