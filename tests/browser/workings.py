"""What the page says of cells, and what `attn explain` says of them, in the same words."""

from __future__ import annotations

import re
from itertools import groupby
from typing import Any

import numpy as np

from attn_cli.errors import printable
from attn_cli.lab.derivation.choice import Asked
from attn_cli.lab.derivation.derive import derive
from attn_cli.lab.derivation.result import Line, Row
from attn_cli.maths.problem import Problem
from attn_cli.views.derivation import written as w
from attn_cli.views.derivation.written import shown
from tests.browser.opened import Opened

# Chooses each cell by a click, or by keys on a picture, and reads the lines of the working.
EVERY_CELL = """
(() => {
  const found = [];
  const there = () => [...document.querySelectorAll(".work dt")].filter(dt => !dt.hidden);
  const read = () => there().map(dt => {
    const dd = dt.nextElementSibling;
    const [result, note] = [...dd.children].map(e => e.textContent);
    return [dt.textContent, dd.firstChild.data + result, note];
  });
  const heads = [...document.querySelectorAll(".controls input[name=lead]")];
  for (const head of heads.length ? heads : [null]) {
    if (head) head.click();
    document.querySelectorAll("#stage tbody tr").forEach((row, query) =>
      row.querySelectorAll("td").forEach((cell, key) => {
        cell.click();
        found.push([head ? Number(head.value) : 0, query, key, read()]);
      }));
  }
  return found;
})()
"""


def plain(text: str) -> str:
    """Return the arithmetic of the page in the signs of `attn explain`."""
    text = text.replace("\u2212", "-").replace("\u00b7", "*").replace("\u221e", "inf")
    text = re.sub(r"\u221a\(", "sqrt(", re.sub(r"\u221a([\d.]+)", r"sqrt(\1)", text))
    return _bare(re.sub(r" e(-?)(\d+)\b", lambda m: f"e{m[1] or '+'}{int(m[2]):02d}", text))


def _bare(text: str) -> str:
    """Return numbers without zeros at their ends: one row alone may differ in the last bit."""
    return re.sub(r"(\d)\.0+\b|(\.\d*?)0+\b", lambda m: m[1] or m[2], text)


def explained(problem: Problem, lead: tuple[int, ...], query: int, key: int) -> list[Any]:
    """Return label, text and result numbers of each step, from the derivation of a cell."""
    batch, head = problem.entry(lead)
    asked = Asked(
        batch=batch if problem.batch else None,
        head=head if problem.heads is not None else None,
        query=query,
        key=key,
    )
    found = []
    for step, group in groupby(derive(problem, asked).lines, key=lambda line: line.step):
        lines = [line for line in group if not isinstance(line, Row)]
        if lines and "token" not in lines[0].index:
            found.append((step, lines))
    return found


def label(line: Line) -> str:
    """Return what the page calls a line."""
    return w.filled(line, line.template.label, str, printable)


def numbers(line: Line) -> str:
    """Return the arithmetic of a line, its result last."""

    def write(x: float) -> str:
        return w.shown(x, 4)

    parts = [w.numbers(line, write, w.TEXT), w.further(line, write, w.TEXT)]
    return _bare(" = ".join([*filter(None, parts), write(float(np.asarray(line.result)))]))


def wrong(opened: Opened, cells: list[Any]) -> list[Any]:
    """Return the lines of cells that are not those of `attn explain`."""
    found: list[Any] = []
    for lead, query, key, lines in cells:
        rest = list(lines)
        for step, expected in explained(opened.problem, opened.report.leads[lead], query, key):
            place = (opened.report.leads[lead], query, key, step)
            name, text, _ = rest.pop(0) if rest else ("", "", "")
            if name != label(expected[0]):
                found.append((place, name, label(expected[0])))
            elif isinstance(expected[0].result, tuple):  # of more than eight dimensions
                vector = [float(shown(x, 4)) for x in expected[0].result[:6]]
                found += [] if same(listed(text)[:6], vector) else [(place, text, vector)]
            elif "dimension" in expected[0].index and step != "context":
                vector = [float(shown(float(np.asarray(line.result)), 4)) for line in expected]
                found += [] if same(listed(text), vector) else [(place, text, vector)]
            else:
                parts = plain(text).split("\n")
                for part, line in zip(parts, expected, strict=True):
                    ends = numbers(line)
                    if not agrees(part, ends):
                        found.append((place, part, ends))
        found += [(lead, query, key, "more", rest)] if rest else []
    return found


def agrees(part: str, ends: str) -> bool:
    """Return whether a line ends with the arithmetic and the result of another.

    One row alone can differ in the last bit, so that its result is rounded the other way.
    """
    (sums, _, result), (expected, _, value) = part.rpartition(" "), ends.rpartition(" ")
    near = result == value or abs(float(result) - float(value)) < 1.01e-4
    return near and (sums.endswith(f"= {expected}") or sums == expected or not expected)


def same(some: list[float], others: list[float]) -> bool:
    """Return whether two vectors are the same; NaN is NaN."""
    return np.array_equal(some, others, equal_nan=True)


def listed(vector: str) -> list[float]:
    """Read a vector; of a long one, the numbers that it begins with."""
    return [
        float(number) for number in plain(vector).strip("[]").split(", ") if "more" not in number
    ]
