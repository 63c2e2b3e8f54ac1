"""The text of tables, to the character: points, marks, names, repetitions, blocks, colours."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attn_cli.engine.run import run
from attn_cli.maths.problem import Request
from attn_cli.reading.schema import read_problem
from attn_cli.record import Record
from attn_cli.sources.matrices.document import from_mapping
from attn_cli.views import Style, markdown
from attn_cli.views.cells import cell_width
from attn_cli.views.colour import contrast, xterm
from attn_cli.views.table import render

SGR = re.compile(r"\x1b\[[0-9;]*m")
WORDS = ["one", "two", "three"]
IDENTITY = [[1, 0], [0, 1], [1, 1]]


def record_of(*steps: str, marks: bool = True, **keys: Any) -> Record:
    """Return the record of a problem as the command line makes it for tables."""
    wanted = Request(steps=steps or None, marks=marks)
    return run(read_problem(from_mapping(keys)), wanted)


def given_weights(weights: list[list[float]], **keys: Any) -> Record:
    """Return the record of weights that are these numbers."""
    value = [[float(at)] for at in range(len(weights[0]))]
    score = {"function": "given", "scores": weights}
    return record_of("weights", value=value, score=score, normalize="none", **keys)


def test_points_are_in_one_column_and_marks_are_at_their_numbers() -> None:
    record = record_of(
        "masked",
        "weights",
        embeddings=IDENTITY,
        tokens=WORDS,
        score="dot",
        causal=True,
        mask=[[0, 0, 0], [-np.inf, 0, 0], [0, 0, 0]],
    )
    assert render(record, Style(digits=2)) == (
        "masked = scores where j <= i and mask > -inf, else -inf   (query x key: 3 x 3)\n"
        "query   one   two   three\n"
        "─────────────────────────\n"
        "one       1     .       .\n"
        "two       .     1       .\n"
        "three     1     1       2\n"
        "(. hidden by: causal, mask)\n"
        "\n"
        "weights = softmax(masked)   (query x key: 3 x 3)\n"
        "query    one    two   three\n"
        "────────────────────────────\n"
        "one     1*      .       .\n"
        "two      .     1*       .\n"
        "three   0.21   0.21    0.58*\n"
        "(. hidden by: causal, mask)\n"
    )


def test_numbers_of_all_kinds_are_aligned_at_their_points() -> None:
    rows = [[1.0, -12.5, np.inf], [0.25, 0.0, -np.inf], [100.0, 3.0, 0.5]]
    assert render(given_weights(rows, nonfinite="allow"), Style(digits=1)).splitlines()[1:] == [
        "query       0       1        2",
        "───────────────────────────────",
        "0         1     -12.5    inf*",
        "1         0.2*    0     -inf",
        "2       100*      3        0.5",
    ]
    assert render(given_weights([[1e9, 0.5, 0]]), Style(digits=2)).splitlines()[1:] == [
        "query          0          1          2",
        "───────────────────────────────────────",
        "0       1.00e+09*  5.00e-01   0",
    ]


def test_columns_of_vectors_are_named_after_them() -> None:
    record = record_of(
        embeddings=IDENTITY,
        score="dot",
        heads=2,
        residual=True,
        feed_forward={"W1": [[1, 0], [0, 1]], "W2": [[1, 0], [0, 1]], "activation": "relu"},
    )
    columns = {name: step.letter_of(-1) for name, step in record.steps.items()}
    assert columns == {
        "embeddings": "x", "q": "q", "k": "k", "v": "v", "products": "", "scores": "",
        "weights": "", "context": "c", "concat": "c", "output": "o", "residual": "r",
        "hidden": "h", "feed_forward": "f",
    }  # fmt: skip


def test_from_one_counts_features_heads_and_tokens_without_words() -> None:
    record = record_of("q", "weights", embeddings=IDENTITY, score="dot", heads=2)
    assert render(record, Style(first=1, digits=1)) == (
        "─── head 1 ───\n\n"
        "q: Q = X   (query x dimension: 3 x 1)\n"
        "query   q1\n"
        "──────────\n"
        "1        1\n"
        "2        0\n"
        "3        1\n\n"
        "weights = softmax(scores)   (query x key: 3 x 3)\n"
        "query     1     2     3\n"
        "────────────────────────\n"
        "1       0.4*  0.2   0.4*\n"
        "2       0.3*  0.3*  0.3*\n"
        "3       0.4*  0.2   0.4*\n\n"
        "─── head 2 ───\n\n"
        "q: Q = X   (query x dimension: 3 x 1)\n"
        "query   q1\n"
        "──────────\n"
        "1        0\n"
        "2        1\n"
        "3        1\n\n"
        "weights = softmax(scores)   (query x key: 3 x 3)\n"
        "query     1     2     3\n"
        "────────────────────────\n"
        "1       0.3*  0.3*  0.3*\n"
        "2       0.2   0.4*  0.4*\n"
        "3       0.2   0.4*  0.4*\n"
    )
    shown = markdown.render(record, Style(first=1))
    assert "### head 2\n" in shown
    assert "| query | q1 |" in shown


def test_from_one_names_the_head_that_an_option_counted_from_zero() -> None:
    problem = read_problem(from_mapping({"embeddings": IDENTITY, "heads": 2, "score": "dot"}))
    record = run(problem, Request(steps=("q",), head=1, rows=(2,)))
    assert render(record, Style(first=1)).splitlines()[0] == "─── head 2 ───"
    assert render(record, Style(first=1)).splitlines()[-1].split() == ["3", "1"]
    assert render(record, Style()).splitlines()[0] == "q: Q = X   (query x dimension: 1 x 1)"


def test_a_repeated_step_is_a_line_unless_it_is_named() -> None:
    keys: dict[str, Any] = {"embeddings": IDENTITY, "tokens": WORDS, "score": "dot"}
    shown = render(record_of(**keys), Style())
    for name, formula, same in (
        ("q", "q: Q = X   (query x dimension: 3 x 2)", "embeddings"),
        ("v", "v: V = X   (key x dimension: 3 x 2)", "embeddings"),
        ("scores", "scores = Q K^T   (query x key: 3 x 3)", "products"),
        ("output", "output = context   (query x dimension: 3 x 2)", "context"),
    ):
        assert f"{formula}\n(the same as {same})\n" in shown
        assert f"**{formula.replace('*', '')}**" in markdown.render(record_of(**keys), Style())
        named = record_of(name, same, **keys)
        assert "the same" not in render(named, Style())
        assert "the same" not in render(record_of(**keys).chosen([name, same]), Style())
    assert shown.count("the same as") == 5
    blank = markdown.render(record_of(**keys), Style())
    assert "**scores = Q K^T   (query x key: 3 x 3)**\n\n(the same as products)\n" not in blank
    assert "**scores = Q K^T   (query x key: 3 x 3)**\n\nthe same as products\n" in blank


def test_a_continued_block_of_columns_says_so() -> None:
    record = given_weights([[0.25, 0.75, 0, 0.5], [1, 0, 0, 0]], key_tokens=list("abcd"))
    assert render(record, Style(width=25)) == (
        "weights = scores, as they\n"
        "  are\n"
        "  (query x key: 2 x 4)\n"
        "query        a        b\n"
        "────────────────────────\n"
        "0       0.2500   0.7500*\n"
        "1       1*       0\n"
        "\n"
        "weights, continued\n"
        "query        c        d\n"
        "────────────────────────\n"
        "0       0        0.5000\n"
        "1       0        0\n"
    )
    assert "continued" not in render(record, Style())
    large = given_weights(np.eye(40).tolist())
    lines = render(large, Style(width=60)).splitlines()
    assert lines.count("weights, continued") == sum(line.startswith("query ") for line in lines) - 1
    assert max(map(len, lines)) <= 60


HOSTILE = [
    "\u202edrawkcab", "a\x1b[31mred", "x\u2028y\n|", "日本語", "* | ` _ \\frac{1}{2}",
    "👩\u200d👧" * 9, "long " * 60,
]  # fmt: skip


@pytest.mark.parametrize("width", [40, 80, 200, None])
def test_hostile_words_are_text_and_break_no_line(width: int | None) -> None:
    eye = np.eye(len(HOSTILE)).tolist()
    record = record_of("q", "weights", embeddings=eye, tokens=HOSTILE, score="dot")
    plain = render(record, Style(width=width))
    lines = plain.split("\n")
    assert all(line.isprintable() and line == line.rstrip() for line in lines)
    assert width is None or max(map(cell_width, lines)) <= width
    assert not re.search(r"\\(u\w{0,3})?\.\.\.", plain)  # no escape is cut
    for words in ("\\u202edraw", "a\\x1b[31mr", "日本語", "* | ` _ ", "long long"):
        assert sum(line.startswith(words) for line in lines) >= 2
    for colours, light in ((16, False), (256, True), (1 << 24, False)):
        shown = render(record, Style(width=width, colours=colours, light=light))
        assert [line.rstrip() for line in SGR.sub("", shown).split("\n")] == lines
        assert all(line.count("\x1b[0m") * 2 == line.count("\x1b") for line in shown.split("\n"))
    assert render(record_of("q", embeddings=IDENTITY), Style(ascii=True)).isascii()


@given(
    st.lists(st.sampled_from([*HOSTILE, "a", "word"]), min_size=1, max_size=9),
    st.integers(20, 90),
    st.integers(0, 6),
    st.sampled_from([0.1, 1.0, 1e9, 1e-9, 12345.678]),
    st.sampled_from([0, 256]),
)
@settings(max_examples=25)
def test_no_line_is_wider_than_the_terminal_if_every_cell_fits(
    words: list[str], width: int, digits: int, size: float, colours: int
) -> None:
    rng = np.random.default_rng(len(words) + width)
    matrix = rng.normal(size=(3, len(words))) * size
    record = given_weights(matrix.tolist(), key_tokens=words)
    whole, shown = (
        SGR.sub("", render(record, Style(width=w, digits=digits, colours=colours))).split("\n")
        for w in (None, width)
    )
    numbers = [number for row in whole[3:] for number in row.split()[1:]]
    table = shown[next(at for at, line in enumerate(shown) if line.startswith("query")) :]
    assert sorted(n for row in table if row[:1].isdigit() for n in row.split()[1:]) == sorted(
        numbers
    )
    word = max(width // 3, 12)
    if len("query") + 4 + max(word, *map(len, numbers)) <= width:
        assert max(map(cell_width, table)) <= width


@pytest.mark.parametrize("light", [False, True])
@pytest.mark.parametrize("colours", [256, 1 << 24])
def test_every_weight_can_be_read_on_its_shade(colours: int, light: bool) -> None:
    weights = np.arange(65) / 64
    shown = render(given_weights([weights.tolist()]), Style(colours=colours, light=light))
    row = shown.splitlines()[3]
    cells = re.findall(r"\x1b\[38;(5;\d+|2;\d+;\d+;\d+);48;([0-9;]+)m +([0-9.]+)[ *]*\x1b\[0m", row)
    assert [text for *_, text in cells] == [f"{w:.4f}" if w % 1 else f"{w:.0f}" for w in weights]

    def rgb(code: str) -> tuple[int, int, int]:
        kind, *parts = map(int, code.split(";"))
        return xterm(parts[0]) if kind == 5 else (parts[0], parts[1], parts[2])

    grounds = [rgb(ground) for _, ground, _ in cells]
    assert len(set(grounds)) == (9 if colours == 256 else 33)
    inks = [rgb(ink) for ink, *_ in cells]
    assert min(map(contrast, inks, grounds)) >= 4.5
    page = (255, 255, 255) if light else (0, 0, 0)
    assert contrast(grounds[0], page) < 1.5 < contrast(grounds[-1], page)


def test_heads_have_one_scale_of_shades_and_hidden_keys_none() -> None:
    keys: dict[str, Any] = {"tokens": WORDS, "score": "dot", "heads": 2}
    apart = record_of("weights", embeddings=[[9, 0], [0, 0], [-9, 0]], **keys)
    shade = re.compile(r"\x1b\[38;5;\d+;48;5;(\d+)m")
    one, two = map(shade.findall, render(apart, Style(colours=256)).split("head 1"))
    assert one[0] == one[-1] == "222"  # 1: the last colour
    assert two == ["24"] * 9  # 1/3 each, on the scale of the other head
    causal = render(record_of("weights", embeddings=IDENTITY, causal=True), Style(colours=256))
    assert len(shade.findall(causal)) == 6  # of 9 cells, of which 3 are hidden
    few = render(apart, Style(colours=16))
    assert not shade.search(few)
    assert "\x1b[1m" in few


def test_negative_weights_have_a_scale_on_both_sides_of_0() -> None:
    shade = re.compile(r"\x1b\[38;5;\d+;48;5;(\d+)m")
    shown = render(given_weights([[-0.5, 0, 0.25, 0.5]]), Style(colours=256, light=True))
    assert shade.findall(shown) == ["25", "255", "173", "88"]
