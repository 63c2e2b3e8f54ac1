"""Marks of tests: what each of them has to say."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.helpers.processes import ROOT

# A mark with a text, which can be on several lines: a parser of Python takes ten times as long.
MARK = re.compile(r'pytest\.mark\.regression\(\s*((?:"(?:[^"\\\n]|\\.)*"\s*)+),?\s*\)')


def test_every_regression_says_what_broke() -> None:
    texts = []
    for file in (ROOT / "tests").rglob("*.py"):
        source = file.read_text(encoding="utf-8")
        if file == Path(__file__) or "mark.regression" not in source:
            continue
        said = [ast.literal_eval(f"({found})") for found in MARK.findall(source)]
        marks = source.count("mark.regression")
        assert len(said) == marks, f"{file}: @pytest.mark.regression without a text"
        for text in said:
            assert len(text.split()) > 3, f"{file}: {text!r}"
        texts += said
    assert len(texts) > 50
    assert len(set(texts)) == len(texts)
