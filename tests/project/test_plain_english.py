"""Habits of language that make sentences hard to read: package, tests and documents lack them.

The test reads docstrings, comments, texts and Markdown. A pattern that hits a good sentence is too
wide: make it narrower. There are no exceptions by place.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.processes import ROOT

THINGS = (
    "number", "row", "line", "slope", "vector", "sentence", "word", "list", "column", "mark",
    "weight", "score", "edge", "module",
)  # fmt: skip
UNIT = (
    r"(?:head|row|line|key|query|token|word|batch entry|sequence|sentence|pair|step|edge|column"
    r"|item|format|setting)"
)
# A pattern, letters of which it needs some, which are found faster, and what to say instead.
HABITS: dict[str, tuple[str | tuple[str, ...], str]] = {
    rf"\b(?:one|an?) (?:{'|'.join(THINGS)}) an? {UNIT}\b": (
        tuple(f" {thing} a" for thing in THINGS),
        "one per head",
    ),
    r"\bone an? (?:head|query|key|row|token|batch entry)\b": (
        ("one a ", "one an "),
        "one per head",
    ),
    r"\bwhat is (?:large|largest|left|over|seen|missing|asked)\b": ("what is ", "name the thing"),
    r"\b[Ww]here (?:nobody|nothing|none|no \w+|that is|there (?:is|are)|not)\b": (
        ("here no", "here th"),
        "if",
    ),
    r"\bhears?\b": ("hear", "is called with"),
    r"\bstands?\b(?! for\b)(?!-)": ("stand", "is, comes"),
    r"\banew\b": ("anew", "again"),
    r"\b[Ww]hoever\b": ("hoever", "the caller, the user"),
    r"\btold\b": ("told", "is given, is called with"),
    r"\bin turns\b": ("in turns", "alternately"),
    r"\bas resolved\b": ("as resolved", "with all settings"),
    r"\bselected away\b": ("selected away", "replaced"),
    r"\bheeds?\b": ("heed", "respects"),
    r"\bmends?\b": ("mend", "fixes"),
    r"\bhardly\b": ("hardly", "barely"),
    r"\bparted\b": ("parted", "separated"),
    r"\breckon": ("reckon", "computes"),
    r"\bgo(?:es)? by\b": (("go by", "goes by"), "depends on"),
    r"\blet go\b": ("let go", "dropped"),
    r"\bbut for\b": ("but for", "except"),
    r"\b(?:has|have|had) (?:a|no) say\b": ((" a say", " no say"), "sets"),
    r"\b[Ww]ild\b": ("ild", "not finite"),
    r"(?<![Tt]here )\b(?:is|are|was) no (?!longer\b|need\b|more\b|one\b)\w+": (
        ("is no ", "are no ", "was no "),
        "is not a",
    ),
    r"\b(?:given|refused|written|allowed|together) beside\b": ("beside", "with"),
}


def habits_in(text: str) -> list[re.Match[str]]:
    """Return the first hit of each pattern in a text."""
    hits = (
        re.search(pattern, text)
        for pattern, (letters, _) in HABITS.items()
        if any(each in text for each in ([letters] if isinstance(letters, str) else letters))
    )
    return [hit for hit in hits if hit]


def texts() -> Iterator[tuple[str, str]]:
    """(file:line, line) of package, tests and documents, for lines that may have a habit."""
    code = [path for name in ("attn_cli", "tests") for path in sorted((ROOT / name).rglob("*.py"))]
    code.remove(Path(__file__))  # it has all habits
    for path in (*code, *documents()):
        text = path.read_text(encoding="utf-8")
        if habits_in(text):
            lines = text.splitlines() if path.suffix == ".md" else in_quotes(text)
            yield from ((f"{path.relative_to(ROOT)}:{at}", s) for at, s in enumerate(lines, 1))


def in_quotes(source: str) -> list[str]:
    """Return the strings and comments of each line of Python."""
    lines = [""] * len(source.splitlines())
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        name = tokenize.tok_name[token.type]
        if name in {"STRING", "COMMENT"} or "FSTRING" in name:
            for at, line in enumerate(token.string.splitlines(), token.start[0] - 1):
                lines[at] += f"{line} "
    return lines


def documents() -> list[Path]:
    names = ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "CHANGELOG.md", "tests/README.md")
    pages = [*(ROOT / name for name in names), *sorted((ROOT / "docs").rglob("*.md"))]
    # Pages that are generated as a whole have the texts of the package.
    return [page for page in pages if "<!-- Generated" not in page.read_text(encoding="utf-8")[:99]]


def test_no_habit_is_left() -> None:
    found = [
        f"{place}: '{hit[0]}': say {HABITS[hit.re.pattern][1]!r}\n    {line.strip()}"
        for place, line in texts()
        for hit in habits_in(line)
    ]
    assert not found, f"{len(found)} lines\n" + "\n".join(found)


@pytest.mark.parametrize(
    "sentence",
    [
        "one slope a head", "one number a batch entry", "what is large", "where nobody looks",
        "hears of reading", "query i stands at key j", "written anew", "whoever asks has checked",
        "a function that is told its tiles", "is no NPY file", "all but for the first",
    ],
)  # fmt: skip
def test_habits_are_found(sentence: str) -> None:
    assert habits_in(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "one slope per head", "there is no file", "a key that a query sees", "is no longer read",
        "where the queries are", "stands for all", "what is computed", "a row of a head",
    ],
)  # fmt: skip
def test_good_sentences_are_not_found(sentence: str) -> None:
    assert not habits_in(sentence)
