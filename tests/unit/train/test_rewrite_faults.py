"""A trained file is parsed before it replaces anything, and compared with what is meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_cli import AttnError, errors
from attn_cli.sources.matrices.document import Document
from attn_cli.sources.text.events import parse
from attn_cli.train import rewrite
from attn_cli.train.spans import spans
from tests.conftest import Attn

TRAINED = """# learnt from
tokens: [a, b]
embeddings: {a: [1, 0], b: [0, 1]}
weights: {query: [[1, 2], [3, 5]]}
next_word: {vocabulary: [x, y], weights: [[1, 0], [0, 1]]}
train: {examples: [[a b, x], [b a, y]], steps: 2}
"""
JSON = """{"tokens": ["a", "b"], "embeddings": {"a": [1, 0], "b": [0, 1]},
"weights": {"query": [[1, 2], [3, 5]]},
"next_word": {"vocabulary": ["x", "y"], "weights": [[1, 0], [0, 1]]},
"train": {"examples": [["a b", "x"], ["b a", "y"]], "steps": 2}}
"""
MARK = b"\xef\xbb\xbf"


@pytest.mark.parametrize("form", ["yaml", "json"])
@pytest.mark.parametrize("marks", [0, 1])
def test_a_byte_order_mark_stays(form: str, marks: int, tmp_path: Path, attn: Attn) -> None:
    path = tmp_path / f"t.{form}"
    path.write_bytes(marks * MARK + (JSON if form == "json" else TRAINED).encode())
    assert attn("train", path, "-o", path).status == 0
    data = path.read_bytes()
    assert data.count(MARK) == marks
    assert data.startswith(marks * MARK + (b"{" if form == "json" else b"#"))
    assert attn("train", path, "-o", path).status == 0  # it can be read again
    assert path.read_bytes().count(MARK) == marks


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_two_byte_order_marks_are_refused(form: str, tmp_path: Path, attn: Attn) -> None:
    path = tmp_path / f"t.{form}"
    before = 2 * MARK + (JSON if form == "json" else TRAINED).encode()
    path.write_bytes(before)
    ran = attn("train", path, "-o", path)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == (
        f"error: {path} begins with two byte order marks (U+FEFF)\n  --> {path}:1:1\n"
        "help: keep one of them, or none: remove the first three bytes of the file\n"
    )
    assert path.read_bytes() == before


def test_a_byte_order_mark_that_begins_a_later_line(tmp_path: Path, attn: Attn) -> None:
    """As two files put together have: the parser would pass over it, and miscount."""
    path = tmp_path / "t.yaml"
    first, second = TRAINED.split("\n", 1)
    path.write_text(f"{first}\n\ufeff{second}")
    before = path.read_bytes()
    ran = attn("train", path, "-o", path)
    assert ran.status == 2
    head, place, *_ = ran.err.splitlines()
    assert head == "error: a byte order mark (U+FEFF) begins this line"
    assert place.strip() == f"--> {path}:2:1"
    assert path.read_bytes() == before


def _shifted(text: str, paths: Any) -> Any:
    moved = {}
    for path, span in spans(text, paths).items():
        scalars = tuple((start + 1, end + 1) for start, end in span.scalars)
        moved[path] = span._replace(start=span.start + 1, end=span.end + 1, scalars=scalars)
    return moved


FAULTS: dict[str, Any] = {
    "the places are off by one": ("spans", _shifted),
    "the last decimal is lost": ("written", lambda number: f"{float(number):.3f}"),
    "a row too many": ("rows", lambda value, *_: f"[{[*value.tolist(), value[0].tolist()]}]"),
    "no number": ("rows", lambda *_: "[[x, y], [z, w]]"),
    "no yaml": ("rows", lambda *_: "[[1, 2], [3, 5]"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_would_read_otherwise_is_not_written(
    fault: str, tmp_path: Path, attn: Attn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong in rewriting, the file that there was is still there."""
    monkeypatch.setattr(rewrite, *FAULTS[fault])
    path = tmp_path / "t.yaml"
    path.write_text(TRAINED)
    ran = attn("train", path, "-o", path)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith(f"error: {path} cannot be rewritten: ")
    assert "help: nothing was written; " in ran.err
    assert path.read_text() == TRAINED
    assert [each.name for each in tmp_path.iterdir()] == ["t.yaml"]


def test_another_meaning_elsewhere_is_not_written() -> None:
    """What is not learnt must be as it was, down to quotes."""
    document = Document(parse(TRAINED, "t.yaml"), "t.yaml", TRAINED)
    values: dict[errors.Path, Any] = {("weights", "query"): np.array([[1.0, 2.0], [3.0, 5.0]])}
    check = rewrite._refuse_another_meaning
    check(document, TRAINED, values)
    for old, new in (
        ("steps: 2", "steps: 3"), ("steps: 2", "steps: '2'"), ("steps: 2", "steps: [2]"),
        ("[a, b]", "[a]"), ("[a, b]", "[b, a]"), ("tokens:", "token:"), ("x, y]", "x, y, y]"),
        ("[3, 5]]", "[3, 7]]"), ("[3, 5]]", "[3, 5, 7]]"), ("[3, 5]]", "[3]]"),
        ("[3, 5]]", "[[3], 5]]"), ("[[1, 2], [3, 5]]", "5"),
    ):  # fmt: skip
        assert old in TRAINED
        with pytest.raises(AttnError, match="cannot be rewritten"):
            check(document, TRAINED.replace(old, new, 1), values)
