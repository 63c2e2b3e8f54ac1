"""Faults of what is shown that were found by trying to break the finished program."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from attn_cli import AttnError, attention, compute
from tests.conftest import SAMPLES, Attn, on_terminal


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
    assert [row.split() for row in rows] == [
        ["0", "-1*", "."], ["1", "-5", "-3*"], ["2", ".", "."], [], ["(.", "hidden", "by:", "user)"]
    ]  # fmt: skip


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
