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
from tests.conftest import ROOT, SAMPLES, Attn, in_process, on_terminal

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
        assert ran.err.startswith("error: scale must be a number, not an array")


@pytest.mark.parametrize("redirect", ["<&-", "0>/dev/null"])
def test_standard_input_that_cannot_be_read(redirect: str) -> None:
    ran = shell(f"compute - {redirect}")
    assert ran.returncode == 2
    assert ran.stderr == (
        b"error: standard input cannot be read, and the problem is to come from it\n"
        b"help: pipe or redirect something into it, or name a file\n"
    )


def shell(line: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        f'"{sys.executable}" -m attn_cli {line}',
        shell=True, cwd=ROOT, capture_output=True, check=False,
    )  # fmt: skip


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


@pytest.mark.parametrize(
    ("option", "where"),
    [
        ("mask.true_means=attend", "--set mask.true_means=attend"),
        ("memory.tokens=[a, b]", "--set memory.tokens=[a, b]"),
        ("score.function=gaussian", "--set score.function=gaussian"),
    ],
)
def test_what_an_option_broke_is_placed_at_the_option(option: str, where: str, attn: Attn) -> None:
    ran = attn("compute", SAMPLES / "love_coding.yaml", "--set", option)
    assert ran.err.splitlines()[1] == f"  --> {where}"


def test_a_key_that_is_not_there_is_not_placed_at_another(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("tokens: [a, b]\nquery: [[[1, 0]]]\nembeddings: [[1, 0]]\n")
    with pytest.raises(AttnError) as caught:
        compute(path)
    assert caught.value.where is not None
    assert caught.value.where.line != 1


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("tokens: [a, b]\rembeddings: [[1, 0], [0, x]]\r", 2, 26),
        ("# a\u2028embeddings: [[1, 0], [0, x]]\n", 2, 26),
        (r'{"tokens": ["\ud83d\ude00"], "embeddings": [[1, x]]}', 1, 49),
    ],
)
def test_places_with_unusual_line_ends_and_escapes(
    text: str, line: int, column: int, tmp_path: Path
) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(text, encoding="utf-8", newline="")
    with pytest.raises(AttnError) as caught:
        compute(path)
    where = caught.value.where
    assert where is not None
    assert where.text is not None
    assert (where.line, where.column) == (line, column)
    assert where.text[column - 1] == "x"


def test_a_key_twice_has_its_path(attn: Attn) -> None:
    ran = attn("compute", "-", "-f", "json", stdin="weights: {query: a, query: b}\n")
    assert json.loads(ran.out)["error"]["path"] == "weights.query"


@pytest.mark.parametrize(
    "arguments",
    [
        ["compute", "-", "--only", "\x1b[31mx"], ["compute", "-", "-f", "\x1b[31mx"],
        ["compute", "-", "-o", "\x1b[31mx"], ["compute", "-", "--normalize", "\x1b[31mx"],
        ["compute", "-", "--memory", "\x1b[31mx"], ["samples", "\x1b[31mx"], ["\x1b[31mx"],
        ["compute", "\x1b[31m.yaml"], ["compute", "-", "--score", '"\\e[31mx"'],
        ["compute", "-", "--set", 'score={function: dot, "\\e[31mx": 1}'],
    ],
)  # fmt: skip
def test_nothing_that_is_shown_can_colour_the_terminal(arguments: list[str], attn: Attn) -> None:
    ran = attn(*arguments, stdin="embeddings: [[1]]\n")
    assert ran.status == 2
    assert "\x1b" not in ran.err
    assert "\\x1b[31m" in ran.err


def test_wide_words_stand_in_line_in_full_tables(attn: Attn) -> None:
    from rich.cells import cell_len

    words = ["我爱", "ab", "コーディング"] + ["x"] * 30
    problem = f"tokens: {json.dumps(words)}\nembeddings: {np.eye(33).tolist()}\n"
    lines = attn("compute", "-", "--only", "weights", "--full", stdin=problem).out.splitlines()[2:]
    assert len({cell_len(line.rstrip("*")) for line in lines if line}) == 1


def test_full_tables_are_split_for_a_narrow_terminal(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", embeddings=np.random.default_rng(1).normal(size=(40, 40)))
    ran = on_terminal(
        "compute",
        str(tmp_path / "p.npz"),
        "--only",
        "v",
        "--full",
        columns=60,
        env={"NO_COLOR": "1"},
    )
    assert max(map(len, ran.out.splitlines()[1:])) <= 60


def test_the_largest_is_marked_where_scores_weigh_as_they_are(attn: Attn) -> None:
    problem = (
        "value: [[1], [2]]\nnormalize: none\nmask: [[0, -inf], [0, 0], [-inf, -inf]]\n"
        "score: {function: given, scores: [[-1, -2], [-5, -3], [7, 7]]}\n"
    )
    rows = attn("compute", "-", "--only", "weights", "-q", stdin=problem).out.splitlines()[3:]
    assert [row.split() for row in rows] == [["0", "-1*", "0"], ["1", "-5", "-3*"], ["2", "0", "0"]]


def test_quiet_leaves_warnings_out_of_the_document_too(attn: Attn) -> None:
    problem = "embeddings: [[1]]\nmask: [[-inf]]\n"
    assert len(json.loads(attn("compute", "-", "-f", "json", stdin=problem).out)["warnings"]) == 1
    assert json.loads(attn("compute", "-", "-qf", "json", stdin=problem).out)["warnings"] == []


def test_numbers_beyond_float64() -> None:
    with pytest.raises(AttnError, match=r"query\[0\]\[0\] is too large for float64"):
        attention([[10**400]], [[1]], [[1]])
    with pytest.raises(AttnError, match="no query " + "9" * 5000 + "|there is no query"):
        attention([[1]], [[1]], [[1]], query_token="9" * 5000)


def test_a_table_of_words_may_have_numbers_for_keys_in_python() -> None:
    with pytest.raises(AttnError, match="'3' has no vector in embeddings"):
        compute({"tokens": ["1", "3"], "embeddings": {1: [1, 0], 2: [0, 1]}})


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
