"""Marks of tests: what each of them has to say."""

from __future__ import annotations

import ast

from tests.helpers.processes import ROOT


def test_every_regression_says_what_broke() -> None:
    texts = []
    for file in (ROOT / "tests").rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        if "mark.regression" not in text:
            continue
        nodes = list(ast.walk(ast.parse(text)))
        marks = [n for n in nodes if isinstance(n, ast.Attribute) and n.attr == "regression"]
        calls = [n for n in nodes if isinstance(n, ast.Call) and n.func in marks]
        assert len(calls) == len(marks), f"{file}: @pytest.mark.regression without a text"
        for call in calls:
            (said,) = call.args
            assert isinstance(said, ast.Constant), file
            assert isinstance(said.value, str), file
            assert len(said.value.split()) > 3, f"{file}: {said.value!r}"
            texts.append(said.value)
    assert len(texts) > 50
    assert len(set(texts)) == len(texts)
