"""Faults that were found by trying to break the finished program; each was one."""

from __future__ import annotations

import json
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_cli import AttnError, attention, compute
from tests.conftest import SAMPLES, Attn, in_process
from tests.helpers.processes import run_to_end

INF = np.inf


def test_tokens_are_the_rows_of_embeddings_also_where_those_are_keys(
    attn: Attn, tmp_path: Path
) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("tokens: [a, b, c]\nquery: [[1, 0]]\nembeddings: [[1, 0], [0, 1], [1, 1]]\n")
    ran = attn("compute", path, "--show", "embeddings,scores")
    assert ran.status == 0
    lines = ran.out.splitlines()
    assert [line.split()[0] for line in lines[3:6]] == ["a", "b", "c"]
    assert lines[8].split() == ["query", "a", "b", "c"]
    assert lines[10].split()[0] == "0"


TABLE = {"a": [1.0, 0.0], "b": [0.0, 1.0], "c": [1.0, 1.0]}


def test_a_table_of_words_for_memory_alone() -> None:
    query = [[1.0, 0.0], [2.0, 2.0]]
    problem: dict[str, Any] = {
        "embeddings": TABLE,
        "memory": {"tokens": ["c", "a", "b"]},
        "query": query,
    }
    expected = attention(query, [TABLE[w] for w in "cab"], [TABLE[w] for w in "cab"])["output"]
    np.testing.assert_array_equal(compute(problem)["output"], expected)
    with_tokens = compute({**problem, "tokens": ["a", "b"]})
    np.testing.assert_array_equal(with_tokens["output"], expected)
    assert list(with_tokens.query_tokens) == ["a", "b"]


def test_memory_tokens_may_be_labels_beside_a_table() -> None:
    record = compute(
        {
            "tokens": ["a", "b"], "embeddings": TABLE, "memory": {"tokens": ["x", "y", "z"]},
            "key": [[1.0, 0], [0, 1], [1, 1]], "value": [[1.0], [2], [3]],
        }
    )  # fmt: skip
    assert list(record.key_tokens) == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"a": [1, 0], "b": [0, 1], "c": [1]}, "embeddings.c has length 1, but embeddings.a has 2"),
        ({"a": [1, 0], "b": [np.nan, 1]}, "embeddings.b[0] is NaN"),
        ({"a": [True, False], "b": [1, 2]}, "embeddings.a holds booleans, not numbers"),
        ({"a": [[1, 0]]}, "embeddings.a has shape (1, 2), but a word has one vector"),
    ],
)
def test_every_vector_of_a_table_is_checked(table: dict[str, Any], message: str) -> None:
    with pytest.raises(AttnError) as caught:
        compute({"tokens": ["a"], "embeddings": table})
    assert caught.value.message == message


def test_nan_in_a_table_is_placed_at_its_word(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("tokens: [a, b]\nembeddings:\n  a: [1, 0]\n  b: [.nan, 1]\n")
    with pytest.raises(AttnError) as caught:
        compute(path)
    assert caught.value.where is not None
    assert (caught.value.where.line, caught.value.where.column) == (4, 7)


def framed(header: str, data: bytes = b"") -> bytes:
    text = header.encode("latin-1") + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


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


def test_a_header_of_python_2_is_read(attn: Attn, tmp_path: Path) -> None:
    path = tmp_path / "f.npy"
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (2L, 2L), }"
    path.write_bytes(framed(header, np.eye(2).tobytes()))
    ran = attn(
        "compute", "--query", path, "--key", path, "--value", path, "--only", "v", "-f", "csv"
    )
    assert (ran.status, ran.out, ran.err) == (0, "1.0,0.0\n0.0,1.0\n", "")


def test_tokens_beyond_unicode_are_no_text(attn: Attn, tmp_path: Path) -> None:
    buffer = BytesIO()
    np.save(buffer, np.array(["a", "b"]))
    data = buffer.getvalue()
    path = tmp_path / "p.npz"
    import zipfile

    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tokens.npy", data[:-8] + b"\xff" * 8)
    ran = attn("compute", path)
    assert ran.err == f"error: {path}#tokens is no text\n  --> {path}\n"


def test_a_scale_that_is_a_matrix(attn: Attn, tmp_path: Path) -> None:
    for shape in ((2,), (5000,)):
        np.savez(tmp_path / "p.npz", embeddings=np.eye(2), scale=np.ones(shape))
        ran = attn("compute", tmp_path / "p.npz")
        assert ran.status == 2
        assert ran.err.startswith(f"error: scale has {shape[0]} numbers, but there are no heads\n")


@pytest.mark.parametrize("redirect", ["<&-", "0>/dev/null"])
def test_standard_input_that_cannot_be_read(redirect: str) -> None:
    ran = shell(f"compute - {redirect}")
    assert ran.returncode == 2
    assert ran.stderr == (
        b"error: standard input cannot be read, and the problem is to come from it\n"
        b"help: pipe or redirect something into it, or name a file\n"
    )


def shell(line: str) -> subprocess.CompletedProcess[bytes]:
    return run_to_end(f'"{sys.executable}" -m attn_cli {line}', shell=True)


def test_talk_never_goes_to_standard_output(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("embeddings: [[1], [2]]\nmask: [[-inf, -inf], [0, 0]]\n")
    ran = shell(f"compute {path} --only scores --format csv 2>&-")
    assert ran.stdout == b"1.0,2.0\n2.0,4.0\n"
    assert shell("compute nowhere.yaml 2>&-").stdout == b""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_data_is_utf_8_whatever_the_terminal_is(encoding: str) -> None:
    arguments = ("compute", str(SAMPLES / "love_coding.yaml"), "--tokens", "é ß 猫")
    ran = in_process(*arguments, "--format", "json", PYTHONIOENCODING=encoding)
    assert json.loads(ran.stdout.decode())["tokens"]["query"] == ["é", "ß", "猫"]
    table = in_process(*arguments, PYTHONIOENCODING=encoding).stdout
    assert b"\\u2500" not in table
    assert b"-----" in table


def test_given_scores_leave_no_weight_unread() -> None:
    problem = {"value": [[1.0]], "score": {"function": "given", "scores": [[1.0]]}}
    for group in ("weights", "biases"):
        with pytest.raises(
            AttnError, match=f"{group}.key has nothing to apply to: key is not read"
        ):
            compute({**problem, group: {"key": [["x"]]}})


def test_a_name_belongs_to_an_archive(tmp_path: Path) -> None:
    np.save(tmp_path / "q.npy", np.eye(2))
    with pytest.raises(AttnError, match="holds one array, so 'foo' names nothing in it"):
        compute({"query": {"file": str(tmp_path / "q.npy"), "name": "foo"}, "key": 1, "value": 1})


def test_a_table_keeps_what_kind_of_numbers_it_holds(tmp_path: Path) -> None:
    (tmp_path / "m01.csv").write_text("1,0\n0,1\n")
    (tmp_path / "words.csv").write_text("true,false\nfalse,true\n")
    X = np.eye(2)
    with pytest.raises(AttnError, match="whole numbers 0 and 1, and does not say"):
        compute({"embeddings": X, "mask": str(tmp_path / "m01.csv")})
    mask = {"file": str(tmp_path / "words.csv"), "true_means": "attend"}
    np.testing.assert_array_equal(compute({"embeddings": X, "mask": mask})["weights"], X)


def test_a_label_too_few_is_ragged(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(",a,b\nx,1,2,3\n")
    with pytest.raises(AttnError, match="line 2 has 4 fields, line 1 has 3 fields"):
        compute({"embeddings": str(tmp_path / "t.csv")})


@pytest.mark.parametrize(
    ("text", "column", "line"),
    [
        (',0,1\n"a,b",1,oops\n', 9, '"a,b",1,oops'),
        (",0,1\na\u2028b,1,2\nc,3,oops\n", 5, "c,3,oops"),
        ("1,2\r\n3,  x\r\n", 5, "3,  x"),
    ],
)
def test_places_in_tables(text: str, column: int, line: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8", newline="")
    with pytest.raises(AttnError) as caught:
        compute({"embeddings": str(tmp_path / "t.csv")})
    assert caught.value.where is not None
    assert (caught.value.where.column, caught.value.where.text) == (column, line)


def test_one_line_of_a_table_is_a_vector(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("3,5\n")
    record = compute({"embeddings": np.eye(2), "biases": {"query": str(tmp_path / "b.csv")}})
    np.testing.assert_array_equal(record["q"], [[4, 5], [3, 6]])


def test_scores_that_were_given_are_read_again(attn: Attn, tmp_path: Path) -> None:
    out = tmp_path / "g.npz"
    assert attn("compute", SAMPLES / "given.yaml", "-o", out).status == 0
    np.testing.assert_array_equal(compute(out)["output"], compute(SAMPLES / "given.yaml")["output"])


def test_paths_in_an_archive_are_relative_to_it(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.eye(2))
    np.savez(tmp_path / "p.npz", embeddings=np.array("x.npy"))
    np.testing.assert_array_equal(compute(tmp_path / "p.npz")["v"], np.eye(2))


def test_json_names_the_one_query_whatever_is_shown(attn: Attn) -> None:
    ran = attn(
        "compute",
        SAMPLES / "love_coding.yaml",
        "--query-token",
        "love",
        "--only",
        "k",
        "-f",
        "json",
    )
    assert json.loads(ran.out)["tokens"]["query"] == ["love"]


def test_a_single_quoted_word_is_not_altered(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(r"tokens: ['\ud83d\ude00']" + "\nembeddings: [[1]]\n")
    assert list(compute(path).query_tokens) == [r"\ud83d\ude00"]


def test_an_index_from_python_is_no_word() -> None:
    x = [[1.0], [2.0]]
    assert attention(x, x, x, tokens=["1", "0"], query_token=1)["q"].tolist() == [[2.0]]
    assert attention(x, x, x, tokens=["1", "0"], query_token="1")["q"].tolist() == [[1.0]]
    with pytest.raises(AttnError, match="there is no query -1: there are 2"):
        attention(x, x, x, query_token=-1)


@pytest.mark.parametrize(
    ("tail", "as_json"),
    [
        (["-qf", "json"], True), (["-qfjson"], True), (["-fjson"], True), (["-f=json"], True),
        (["--format=json"], True), (["--format", "json", "--format", "csv"], False),
        (["--format", "csv", "-f", "json"], True),
    ],
)  # fmt: skip
def test_a_failure_is_a_document_where_json_is_in_force(
    tail: list[str], as_json: bool, attn: Attn
) -> None:
    ran = attn("compute", "nowhere.yaml", "--only", "q", *tail)
    assert ran.status == 2
    assert (ran.out != "") is as_json
    assert (ran.err == "") is as_json


def test_the_line_end_of_a_block_is_no_part_of_a_word(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("embeddings: [[1, 2]]\nscore: |\n  dot\ntokens:\n  - >\n    one\n")
    record = compute(path)
    assert record.settings["score"] == {"function": "dot"}
    assert list(record.query_tokens) == ["one"]


@pytest.mark.parametrize("width", [1, 3])
def test_gate_logits_are_columns_where_tokens_are(width: int) -> None:
    x = np.random.default_rng(5).normal(size=(3, 3))  # d_v = n_q: a wrong axis would go unseen
    logits = np.random.default_rng(7).normal(size=(3, width))
    rows = compute({"query": x, "key": x, "value": x, "output_gate": {"logits": logits}})
    gate = {"logits": logits.T}
    turned = {"query": x.T, "key": x.T, "value": x.T, "layout": "columns", "output_gate": gate}
    np.testing.assert_allclose(compute(turned)["gated"].T, rows["gated"], rtol=1e-15)


def test_what_is_quoted_is_cut(attn: Attn) -> None:
    text = "9" * 100_000
    said = f"error: --memory cannot be '{text}"[: 2000 + len("error: ")]
    ran = attn("compute", SAMPLES / "love_coding.yaml", "--memory", text)
    assert (ran.status, ran.err.splitlines()[0]) == (2, f"{said}...")
    ran = attn("compute", SAMPLES / "love_coding.yaml", "--set", f"heads={text}x")
    assert ran.status == 2
    assert len(ran.err) < 2500
    assert ran.err.splitlines()[1] == f"  --> --set heads={text}"[: 2000 + len("  --> ")] + "..."


def test_a_header_of_python_code_is_described_in_our_own_words(attn: Attn, tmp_path: Path) -> None:
    path = tmp_path / "f.npy"
    header = "{'descr': print(1), 'fortran_order': False, 'shape': (2, 2), }"
    path.write_bytes(framed(header, np.eye(2).tobytes()))
    ran = attn("compute", "--query", path, "--key", path, "--value", path)
    said = f"error: {path} has a broken NPY header: it describes no array"
    assert ran.err.splitlines()[0] == said


def test_advice_that_quotes_a_long_text_is_cut(attn: Attn, tmp_path: Path) -> None:
    """A key of 7000 digits whose value follows its colon is in the advice too."""
    (tmp_path / "p.yaml").write_text(f"embed{'7' * 7000}dings:[[1, 0], [0, 1]]\n")
    ran = attn("compute", tmp_path / "p.yaml")
    assert ran.status == 2
    assert "\nhelp: write 'embed777" in ran.err
    assert max(map(len, ran.err.splitlines())) < 2100
