"""Words, numbers and the first line of all views in LaTeX."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_cli.errors import printable
from attn_cli.views.tex import beyond_pdflatex, in_math, needs, number, words

# What each command of a word means; with the characters of which nothing needs to be known it is
# all that there may be.
COMMANDS = {
    r"\textbackslash{}": "\\",
    r"\textasciitilde{}": "~",
    r"\textasciicircum{}": "^",
    r"\textless{}": "<",
    r"\textgreater{}": ">",
    r"\textbar{}": "|",
    r"\textvisiblespace{}": "▁",
    r"\symbol{34}": '"',
    r"\textquotesingle{}": "'",
    r"\`{}": "`",
    r"\{": "{",
    r"\}": "}",
    r"\$": "$",
    r"\&": "&",
    r"\#": "#",
    r"\_": "_",
    r"\%": "%",
    r"\ ": " ",
    "{[}": "[",
    "{*}": "*",
    r"\/": "",
}
PIECE = re.compile("|".join(map(re.escape, COMMANDS)) + r"|[^\\{}$&#_%~^\"<>|'`\x00-\x1f]")
HOSTILE = st.text(st.sampled_from("\\{}$&#_%~^\"<>|`'-,?! \n\t\x00\x1b\u202e\u2028▁[]*é日🐈a1"))


def read(latex: str) -> str:
    """The text that LaTeX shows for a word; a KeyError or a rest if something else is in it."""
    pieces = PIECE.findall(latex)
    assert "".join(pieces) == latex
    return "".join(COMMANDS.get(piece, piece) for piece in pieces)


@given(HOSTILE | st.text())
def test_words_are_text_and_nothing_acts(text: str) -> None:
    latex = words(text)
    assert read(latex) == printable(text)
    assert not re.search(
        r"--|,,|  |^ |(?<!\\) $|^[\[*]", latex
    )  # ligatures, lost spaces, arguments
    bare = re.sub(r"\\[{}]", "", latex)
    assert bare.count("{") == bare.count("}")
    assert in_math(text) == rf"\text{{{latex}}}"


@pytest.mark.parametrize(
    ("shown", "latex"),
    [
        ("0", "0"), ("-0.1250", "-0.1250"), ("inf", r"\infty"), ("-inf", r"-\infty"),
        ("nan", r"\mathrm{nan}"), ("1.2000e-05", r"1.2000\times 10^{-5}"),
        ("-3.5e+20", r"-3.5\times 10^{20}"), ("-1e-300", "-10^{-300}"),
        ("10e3", r"10\times 10^{3}")
    ],
)  # fmt: skip
def test_numbers(shown: str, latex: str) -> None:
    assert number(shown) == latex


def test_the_first_line_says_what_is_needed() -> None:
    assert needs(r"\text{café — Ġ} \textvisiblespace{}") == "% needs amsmath"
    assert needs("кот 日本 кот", "booktabs") == (
        "% needs amsmath, booktabs, and lualatex or xelatex for: к о т 日 本"
    )
    assert beyond_pdflatex("ąא🐈e\u0301") == ["ą", "א", "🐈", "\u0301"]
