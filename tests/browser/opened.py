"""A problem's page in the browser, and what tests ask of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from attn_cli.lab.report.report import report
from attn_cli.maths.problem import Problem, Request
from attn_cli.reading.schema import read_document, read_problem
from attn_cli.sources.matrices.document import from_mapping
from attn_cli.sources.matrices.files import Inputs
from attn_cli.views import Style
from attn_cli.views.colour import RGB
from attn_cli.views.html.page import render
from tests.browser.devtools import Browser, Page
from tests.conftest import SAMPLES

NODES = 80  # that change if the pointer moves to another cell, at most
HEADING = "document.querySelector('.work h3').textContent"


class Opened:
    """A problem's page in the browser."""

    def __init__(self, browser: Browser, folder: Path, problem: Problem, **opened: Any) -> None:
        self.problem = problem
        self.report = report(problem, Request(), limit=opened.pop("limit", 5_000_000))
        path = folder / "page.html"
        path.write_text(render(self.report, Style()), encoding="utf-8")
        self.page: Page = browser.open(path, **opened)


def sample(name: str) -> Problem:
    """Read a sample."""
    return read_problem(read_document(str(SAMPLES / f"{name}.yaml"), Inputs()))


def causal(n: int, heads: int = 1, d: int = 4, **keys: Any) -> Problem:
    """Return a problem of random vectors, each query of which sees the keys up to its own."""
    random = np.random.default_rng(n)
    vectors = {name: random.normal(size=(1, heads, n, d)) for name in ("query", "key", "value")}
    given: Mapping[str, Any] = {**vectors, "causal": "top-left", **keys}
    return read_problem(from_mapping(given))


def quiet(page: Page) -> bool:
    """Return whether the page said nothing, and asked for nothing but itself."""
    said = page.events("Runtime.exceptionThrown") + page.events("Log.entryAdded")
    asked = [each["request"]["url"] for each in page.events("Network.requestWillBeSent")]
    dialogs = page.events("Page.javascriptDialogOpening")
    return not said and not dialogs and all(url.startswith(("file:", "data:")) for url in asked)


def few_change(page: Page) -> None:
    """Point at one cell after the other; count all nodes that change, with what is in them.

    The page is closed.
    """
    page.evaluate(
        "window.counts = []; window.now = 0;"
        "new MutationObserver(all => { for (const one of all) { window.now += 1;"
        "for (const node of [...one.addedNodes, ...one.removedNodes])"
        "window.now += 1 + (node.querySelectorAll ? node.querySelectorAll('*').length : 0); } })"
        ".observe(document, "
        "{subtree: true, childList: true, characterData: true, attributes: true})"
    )
    box = page.evaluate(
        "(() => { const b = (document.querySelector('#stage img') || document.querySelector("
        "'#stage tbody')).getBoundingClientRect(); return [b.left, b.top, b.width, b.height]; })()"
    )
    seen = set()
    for part in np.random.default_rng(3).random((25, 2)).tolist():
        page.evaluate("window.now = 0")
        page.move(box[0] + box[2] * part[0], box[1] + min(box[3], 600) * part[1])
        assert page.evaluate("window.now") <= NODES
        seen.add(page.evaluate(HEADING))
    assert len(seen) > 10
    page.close()


def rgb(text: str) -> RGB:
    """Read a computed colour; one without an own ground is that of the page."""
    red, green, blue, *alpha = map(float, re.findall(r"[\d.]+", text))
    assert not alpha or alpha[0] == 1, text
    return int(red), int(green), int(blue)
