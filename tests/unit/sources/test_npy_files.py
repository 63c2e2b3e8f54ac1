"""NPY and NPZ: headers, archives, pipes, and what is not an array."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from attn_cli import AttnError, compute
from tests.conftest import Attn


def framed(header: str, data: bytes = b"") -> bytes:
    text = header.encode("latin-1") + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


@pytest.mark.regression("broken NPY headers ended in a traceback of the parser of headers")
@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), ",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), }}",
        "{'descr': '''<f8', 'fortran_order': False, 'shape': (2, 2), }",
        "-" * 5000 + "1",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 1" + "0" * 30 + "), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (" + "1, " * 70 + "), }",
        "{'descr': '<U0', 'fortran_order': False, 'shape': (2,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (True, 2), }",
        "{'descr': 'O', 'fortran_order': False}",
        "",
    ],
)
def test_no_header_breaks_the_reader(header: str, attn: Attn, tmp_path: Path) -> None:
    path = tmp_path / "f.npy"
    path.write_bytes(framed(header))
    ran = attn("compute", "--query", path, "--key", path, "--value", path)
    assert ran.status == 2
    assert ran.err.startswith(f"error: {path} has a broken NPY header: ")


@pytest.mark.regression("headers with long integers of Python 2 were refused")
def test_a_header_of_python_2_is_read(attn: Attn, tmp_path: Path) -> None:
    path = tmp_path / "f.npy"
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (2L, 2L), }"
    path.write_bytes(framed(header, np.eye(2).tobytes()))
    ran = attn(
        "compute", "--query", path, "--key", path, "--value", path, "--only", "v", "-f", "csv"
    )
    assert (ran.status, ran.out, ran.err) == (0, "1.0,0.0\n0.0,1.0\n", "")


@pytest.mark.regression("code points beyond Unicode ended in a UnicodeDecodeError")
def test_tokens_beyond_unicode_are_no_text(attn: Attn, tmp_path: Path) -> None:
    buffer = BytesIO()
    np.save(buffer, np.array(["a", "b"]))
    data = buffer.getvalue()
    path = tmp_path / "p.npz"
    import zipfile

    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tokens.npy", data[:-8] + b"\xff" * 8)
    ran = attn("compute", path)
    assert ran.err == f"error: {path}#tokens is not text\n  --> {path}\n"


@pytest.mark.regression("an array for scale ended in a traceback")
def test_a_scale_that_is_a_matrix(attn: Attn, tmp_path: Path) -> None:
    for shape in ((2,), (5000,)):
        np.savez(tmp_path / "p.npz", embeddings=np.eye(2), scale=np.ones(shape))
        ran = attn("compute", tmp_path / "p.npz")
        assert ran.status == 2
        assert ran.err.startswith(f"error: scale has {shape[0]} numbers, but there are no heads\n")


@pytest.mark.regression("a name was ignored for a file of one array")
def test_a_name_belongs_to_an_archive(tmp_path: Path) -> None:
    np.save(tmp_path / "q.npy", np.eye(2))
    with pytest.raises(AttnError, match="holds one array, so 'foo' names nothing in it"):
        compute({"query": {"file": str(tmp_path / "q.npy"), "name": "foo"}, "key": 1, "value": 1})


@pytest.mark.regression("paths in an archive were relative to the working directory")
def test_paths_in_an_archive_are_relative_to_it(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.eye(2))
    np.savez(tmp_path / "p.npz", embeddings=np.array("x.npy"))
    np.testing.assert_array_equal(compute(tmp_path / "p.npz")["v"], np.eye(2))


@pytest.mark.regression("the message quoted the repr of a syntax tree")
def test_a_header_of_python_code_is_described_in_our_own_words(attn: Attn, tmp_path: Path) -> None:
    path = tmp_path / "f.npy"
    header = "{'descr': print(1), 'fortran_order': False, 'shape': (2, 2), }"
    path.write_bytes(framed(header, np.eye(2).tobytes()))
    ran = attn("compute", "--query", path, "--key", path, "--value", path)
    said = f"error: {path} has a broken NPY header: it describes no array"
    assert ran.err.splitlines()[0] == said


@pytest.mark.regression("a piped matrix, or a suffix in capitals, was not recognised")
@pytest.mark.parametrize("suffix", ["npy", "npz", "csv", "tsv"])
def test_a_matrix_through_a_pipe_says_itself_what_it_is(
    suffix: str, attn: Attn, tmp_path: Path
) -> None:
    x = np.array([[1.5, 2.0], [3.0, 5.0], [7.0, 11.0]])
    buffer = BytesIO()
    if suffix == "npy":
        np.save(buffer, x)
    elif suffix == "npz":
        np.savez(buffer, x=x)
    else:
        np.savetxt(buffer, x, delimiter="," if suffix == "csv" else "\t")
    np.save(tmp_path / "k.npy", x)
    keys = ["--key", tmp_path / "k.npy", "--value", tmp_path / "k.npy"]
    ran = attn(
        "compute", "--query", "-", *keys, "--only", "q", "-f", "csv", stdin=buffer.getvalue()
    )
    assert ran.out == "1.5,2.0\n3.0,5.0\n7.0,11.0\n"
    upper = tmp_path / "X.NPZ"
    np.savez(tmp_path / "x.npz", x=x, y=x)
    (tmp_path / "x.npz").rename(upper)
    assert (
        attn("compute", "--query", f"{upper}#x", *keys, "--only", "q", "-f", "csv").out == ran.out
    )
