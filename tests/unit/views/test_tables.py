"""Tables as people read them: on a terminal, in a pipe, narrow, shortened, with any words."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from attn_cli import compute
from attn_cli.dataclass import replace
from attn_cli.lab.compare import Expected, compare
from attn_cli.views import Style
from attn_cli.views.table import render
from tests.conftest import SAMPLES, Attn, in_process, on_terminal

pytestmark = pytest.mark.slow

LOVE = str(SAMPLES / "love_coding.yaml")
ANSI = re.compile(r"\x1b\[[0-9;]*m")
WEIGHTS = """\
weights = softmax(scores)   (query x key: 1 x 3)
query        I     love   coding
─────────────────────────────────
love    0.4223*  0.1554   0.4223*
"""


def test_a_pipe_gets_plain_tables(attn: Attn) -> None:
    ran = attn("compute", LOVE, "--query-token", "love", "--show", "weights")
    assert (ran.status, ran.out, ran.err) == (0, WEIGHTS, "")


def test_a_terminal_gets_the_same_with_colours() -> None:
    ran = on_terminal("compute", LOVE, "--query-token", "love", "--show", "weights")
    assert ran.status == 0
    plain = ANSI.sub("", ran.out)
    assert [line.rstrip() for line in plain.splitlines()] == WEIGHTS.splitlines()
    shaded = re.findall(r"\x1b\[[0-9;]*48;[0-9;]*m *(0\.[0-9]+)", ran.out)
    assert shaded == ["0.4223", "0.1554", "0.4223"]


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour_where_none_is_wanted(env: dict[str, str]) -> None:
    assert "\x1b" not in on_terminal("compute", LOVE, env=env).out
    assert "\x1b" in on_terminal("compute", LOVE, env={"NO_COLOR": ""}).out


@pytest.mark.parametrize("columns", [30, 50, 80])
def test_a_narrow_terminal_gets_blocks_of_columns(columns: int, tmp_path: Path) -> None:
    path = tmp_path / "wide.npz"
    q, k = (
        np.random.default_rng(1).normal(size=(2, 3)),
        np.random.default_rng(2).normal(size=(23, 3)),
    )
    np.savez(path, q=q, k=k, v=k)
    wide = compute(path)
    ran = on_terminal(
        "compute", str(path), "--only", "scores", columns=columns, env={"NO_COLOR": "1"}
    )
    lines = ran.out.splitlines()
    assert ran.out.split()[:6] == ["scores", "=", "Q", "K^T", "/", "sqrt(3)"]
    assert max(map(len, lines)) <= columns
    continued = lines.count("scores, continued")
    assert continued == sum(line.startswith("query ") for line in lines) - 1 > 0
    assert all(lines[at - 1] == "" for at, line in enumerate(lines) if line.endswith("continued"))
    shown = [text for line in lines for text in re.findall(r"-?\d+\.\d{4}", line)]
    expected = {f"{x:.4f}" for x in wide["scores"].ravel()}
    assert set(shown) == expected
    assert len(shown) == 2 * 23
    in_pipe = in_process("compute", str(path), "--only", "scores").stdout.decode()
    assert len(in_pipe.splitlines()) == 5


def test_a_terminal_narrower_than_one_column_cuts_no_number(tmp_path: Path) -> None:
    ran = on_terminal("compute", LOVE, "--only", "output", columns=10, env={"NO_COLOR": "1"})
    for number in ("1.9882", "3.8638", "0.9941"):
        assert number in ran.out


@pytest.mark.parametrize("width", [60, 80, 120, None])
def test_a_verdict_is_wrapped_at_words_on_a_terminal(width: int | None) -> None:
    expected = Expected({"v": np.array([[2, 3, 1], [0, 1, 0], [2, 4, 2]])})
    record = compute(LOVE)
    shown = render(compare(replace(record, steps={}), record, expected), Style(width=width))
    sentence = (
        "check v: no, 1 of 9 values differ by more than 5e-05, most at (coding, v2): "
        "1 here, 2 expected"
    )
    lines = shown.split("\n")
    assert shown.split() == sentence.split()
    assert max(map(len, lines)) <= (width or len(sentence))
    assert (sentence in shown) == (width in (120, None))


def test_words_are_never_markup(attn: Attn, tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(
        'tokens: ["[unk]", "[/s]", ":smile:", "[bold]x", "a\\e[31mb", "two\\nlines", "|"]\n'
        "embeddings: [[1], [2], [3], [4], [5], [6], [7]]\n"
    )
    rows = attn("compute", path, "--only", "embeddings").out.splitlines()[3:]
    assert [row.rpartition(" ")[0].strip() for row in rows] == [
        "[unk]", "[/s]", ":smile:", "[bold]x", r"a\x1b[31mb", r"two\nlines", "|",
    ]  # fmt: skip
    rows = attn("compute", path, "--only", "embeddings", "--format", "markdown").out.splitlines()[
        4:
    ]
    assert rows[0] == r"| \[unk\] | 1 |"
    assert rows[6] == r"| \| | 7 |"


def test_large_steps_are_shortened_and_full_shows_all(attn: Attn, tmp_path: Path) -> None:
    path = tmp_path / "big.npz"
    rng = np.random.default_rng(4)
    np.savez(
        path, q=rng.normal(size=(37, 5)), k=rng.normal(size=(41, 5)), v=rng.normal(size=(41, 2))
    )
    record = compute(path)
    ran = attn("compute", path, "--only", "scores")
    lines = ran.out.splitlines()
    kept_rows, kept_columns = [0, 1, 2, 34, 35, 36], [0, 1, 2, 38, 39, 40]
    assert lines[1].split() == ["query", "0", "1", "2", "...", "38", "39", "40"]
    assert lines[6].split() == ["..."] * 8
    rows = [line.split() for line in (*lines[3:6], *lines[7:10])]
    for row, index in zip(rows, kept_rows, strict=True):
        numbers = [f"{record['scores'][index, j]:.4f}" for j in kept_columns]
        assert row == [str(index), *numbers[:3], "...", *numbers[3:]]
    assert lines[-1] == "(scores has 1517 values: the middle is left out, --full shows all)"
    full = attn("compute", path, "--only", "scores", "--full").out.splitlines()
    assert len(full) == 2 + 37
    for at, line in enumerate(full[2:]):
        assert line.split() == [str(at), *(f"{x:.4f}" for x in record["scores"][at])]
    markdown = attn("compute", path, "--only", "scores", "--format", "markdown").out
    assert "| ... | ... | ... | ... | ... | ... | ... | ... |" in markdown
    assert "--full shows all" in markdown


def test_the_largest_weight_of_a_shortened_row_is_marked_only_where_it_stands(
    attn: Attn, tmp_path: Path
) -> None:
    path = tmp_path / "big.npz"
    k = np.zeros((1000, 1))
    k[500], k[999] = 5.0, 3.0
    np.savez(path, q=np.ones((2, 1)), k=k, v=k)
    assert "*" not in attn("compute", path, "--only", "weights").out
    k[500] = 0.0
    np.savez(path, q=np.ones((2, 1)), k=k, v=k)
    assert attn("compute", path, "--only", "weights").out.count("*") == 2


def test_digits(attn: Attn) -> None:
    row = ["compute", LOVE, "--query-token", "love", "--only", "output"]
    assert attn(*row, "--digits", "7").out.splitlines()[-1].split() == [
        "love", "1.6892752", "3.1115940", "0.8446376",
    ]  # fmt: skip
    assert attn(*row, "--digits", "0").out.splitlines()[-1].split() == ["love", "2", "3", "1"]


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([1.0, 2.0, -3.0], ["1", "2", "-3"]),
        ([1.0, 0.5, 0.0], ["1", "0.5000", "0"]),
        ([1e-9, 2e-9, 0.0], ["1.0000e-09", "2.0000e-09", "0"]),
        ([1e9, 0.5, 1.0], ["1.0000e+09", "5.0000e-01", "1.0000e+00"]),
        ([123456789.0, 1.0, 2.0], ["123456789", "1", "2"]),
        ([0.00004, 1.5, 2.0], ["0.0000", "1.5000", "2"]),
        ([-0.0, 1.0, 2.0], ["0", "1", "2"]),
    ],
)
def test_numbers_as_people_read_them(
    values: list[float], shown: list[str], attn: Attn, tmp_path: Path
) -> None:
    path = tmp_path / "p.npz"
    np.savez(path, embeddings=np.array([values]))
    assert attn("compute", path, "--only", "embeddings").out.splitlines()[-1].split()[1:] == shown


@pytest.mark.parametrize(
    ("empty_rows", "row", "dots"), [("zero", [".", "."], True), ("nan", ["nan", "nan"], False)]
)
def test_a_row_of_nan_is_no_row_of_dots(
    empty_rows: str, row: list[str], dots: bool, attn: Attn, tmp_path: Path
) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(
        "query: [[1], [2]]\nkey: [[3], [5]]\nvalue: [[7], [9]]\nscore: dot\n"
        f"mask: [[-inf, -inf], [0, 0]]\nempty_rows: {empty_rows}\n"
    )
    shown = attn("compute", path, "--only", "weights").out
    assert shown.splitlines()[3].split() == ["0", *row]
    assert ("hidden by: mask" in shown) is dots
    assert "hidden by: mask" in attn("compute", path, "--only", "masked").out


@pytest.mark.regression("columns of full tables were aligned by characters, not by cells")
def test_wide_words_stand_in_line_in_full_tables(attn: Attn) -> None:
    from rich.cells import cell_len

    words = ["我爱", "ab", "コーディング"] + ["x"] * 30
    problem = f"tokens: {json.dumps(words)}\nembeddings: {np.eye(33).tolist()}\n"
    lines = attn("compute", "-", "--only", "weights", "--full", stdin=problem).out.splitlines()[2:]
    assert len({cell_len(line.rstrip("*")) for line in lines if line}) == 1


@pytest.mark.regression("full tables ran over the edge of the terminal")
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


@pytest.mark.regression("normalize: none: hidden weights were marked, negative ones never")
def test_the_largest_is_marked_where_scores_weigh_as_they_are(attn: Attn) -> None:
    problem = (
        "value: [[1], [2]]\nnormalize: none\nmask: [[0, -inf], [0, 0], [-inf, -inf]]\n"
        "score: {function: given, scores: [[-1, -2], [-5, -3], [7, 7]]}\n"
    )
    rows = attn("compute", "-", "--only", "weights", "-q", stdin=problem).out.splitlines()[3:]
    assert [row.split() for row in rows] == [
        ["0", "-1*", "."], ["1", "-5", "-3*"], ["2", ".", "."], ["(.", "hidden", "by:", "mask)"]
    ]  # fmt: skip


@pytest.mark.regression("marks were those of each key in the layout of columns")
def test_marks_stand_at_the_largest_of_each_query_in_columns_too(attn: Attn) -> None:
    problem = {
        "layout": "columns",
        "value": [[1, 2, 3]],
        "score": {"function": "given", "scores": [[1, 5, 2], [7, 0, 3]]},
    }
    rows = attn("compute", "-", "--only", "weights", stdin=json.dumps(problem)).out.splitlines()[3:]
    assert [["*" in cell for cell in row.split()[1:]] for row in rows] == [
        [False, True], [True, False], [False, False],
    ]  # fmt: skip
