"""SVG as Chromium draws it: no text leaves the drawing, and no two texts lie on each other."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.browser.chromium import dom_of, needs_chromium
from tests.conftest import SAMPLES, Attn
from tests.helpers.hostile import HOSTILE
from tests.unit.lab.test_graph import as_written

pytestmark = needs_chromium

TOLERANCE = 1.0  # pixels
OVERLAP = 3.0  # pixels: a line is higher than its letters
# Texts are measured where they are drawn, turned ones too.
SCRIPT = """
const found = [...document.querySelectorAll("svg")].map(svg => {
  const frame = svg.getBoundingClientRect();
  return [...svg.querySelectorAll("text")].map(text => {
    const box = text.getBoundingClientRect();
    const shown = [...text.childNodes].filter(n => n.nodeType == 3).map(n => n.data).join("");
    return [shown, box.left - frame.left, box.top - frame.top, frame.right - box.right,
            frame.bottom - box.bottom, box.width, box.height];
  });
});
document.body.replaceChildren();
const out = document.createElement("pre");
out.textContent = JSON.stringify({title: document.title, found: found});
document.body.append(out);
"""
Box = tuple[float, float, float, float]


def problems() -> Iterator[tuple[str, dict[str, Any]]]:
    """Problems by name: many sizes, and labels that are hard to place."""
    rng = np.random.default_rng(3)
    for count in (1, 2, 4, 8, 9, 14, 40, 64):
        weights = rng.dirichlet(np.ones(count), size=count)
        yield f"{count}", as_written(weights.tolist(), [f"token{at}" for at in range(count)])
    many = len(HOSTILE)
    yield "hostile", as_written(rng.dirichlet(np.ones(many), many).tolist(), list(HOSTILE))
    long = [
        "internationalisation",
        "x" * 300,
        "日本語" * 9,
        "👩🏽‍🚀" * 12,
        "שלום" * 9,
        "नमस्ते" * 9,
        "W" * 24,
    ]
    yield "long", as_written(rng.dirichlet(np.ones(len(long)), len(long)).tolist(), long)
    yield (
        "cross",
        as_written([[-1234.5678, 0.25, 3]], ["query"], memory={"tokens": ["x", "y" * 30, "z"]}),
    )


def commands(folder: Path) -> Iterator[tuple[object, ...]]:
    """What is drawn."""
    for name, problem in problems():
        path = folder / f"{name}.json"
        path.write_text(json.dumps(problem))
        yield "heatmap", path
        yield "heatmap", path, "--only", "scores", "--colours", "row"
        if name != "64":
            yield "graph", path, "--threshold", 0
    for sample in ("bank", "cross_attention", "dog_sentence", "love_coding", "two_heads"):
        yield "heatmap", SAMPLES / f"{sample}.yaml"
        yield "graph", SAMPLES / f"{sample}.yaml"
    for name, shape in (
        ("heads", (1, 12, 8, 8)),
        ("large", (1, 12, 64, 64)),
        ("pooled", (1100, 1500)),
        ("batch", (2, 3, 1, 1)),
    ):
        np.save(folder / f"{name}.npy", np.random.default_rng(5).random(shape).astype(np.float32))
        yield "heatmap", folder / f"{name}.npy"


def test_texts_are_within_the_drawing_and_apart(attn: Attn, tmp_path: Path) -> None:
    drawn, names = [], []
    for command in commands(tmp_path):
        ran = attn(*command, "-f", "svg", "-q")
        assert (ran.status, ran.err) == (0, ""), command
        names.append(" ".join(str(part) for part in command))
        drawn.append(ran.out)
    page = f"<!doctype html><meta charset=utf-8><title>drawn</title><body>{'<hr>'.join(drawn)}"
    dom = dom_of(f"{page}<script>{SCRIPT}</script>", tmp_path)
    measured = json.loads(html.unescape(re.findall(r"<pre>(.*)</pre>", dom, re.DOTALL)[0]))
    assert measured["title"] == "drawn"  # no token was run
    assert len(measured["found"]) == len(names)
    for name, texts in zip(names, measured["found"], strict=True):
        assert texts, name
        boxes: list[tuple[str, Box]] = []
        for text, left, top, right, bottom, width, height in texts:
            assert width > 0 or not text.strip(), (name, text)
            assert min(left, top, right, bottom) >= -TOLERANCE, (
                name,
                text,
                left,
                top,
                right,
                bottom,
            )
            boxes.append((text, (left, top, left + width, top + height)))
        apart(name, boxes)


def apart(name: str, boxes: list[tuple[str, Box]]) -> None:
    """Fail if two texts lie on each other."""
    sides = np.array([box for _, box in boxes])
    lows, highs = sides[:, :2] + OVERLAP / 2, sides[:, 2:] - OVERLAP / 2
    drawn = np.all(highs > lows, axis=1)  # a blank has no width
    meet = np.all((lows[:, None] < highs[None]) & (lows[None] < highs[:, None]), axis=2)
    meet &= drawn[:, None] & drawn[None, :]
    np.fill_diagonal(meet, False)
    pairs = [(boxes[one], boxes[other]) for one, other in np.argwhere(meet)]
    assert not pairs, (name, pairs[:3])


def test_the_check_would_find_texts_on_each_other() -> None:
    with pytest.raises(AssertionError):
        apart("x", [("a", (0, 0, 20, 12)), ("b", (10, 2, 30, 14))])
    apart("x", [("a", (0, 0, 20, 12)), ("b", (20, 0, 40, 12)), ("c", (0, 12, 20, 24))])
