"""Pages of each kind are looked at by axe-core, which finds faults of accessibility."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.browser.chromium import needs_chromium
from tests.browser.devtools import Browser, Page
from tests.conftest import SAMPLES, Attn

AXE = find_spec("axe_playwright_python")  # of which only the script is read
SCRIPT = Path(AXE.origin).parent / "axe.min.js" if AXE and AXE.origin else None
needs_axe = pytest.mark.skipif(
    SCRIPT is None, reason="no axe-core: `make test-browser` installs it"
)
pytestmark = [needs_chromium, needs_axe, pytest.mark.slow]

CLOSED = {"compared pictures"}  # its tables, like those of others, would take axe-core a minute
FINDINGS = """
axe.run(document, {resultTypes: ["violations"]}).then(found => found.violations.map(
  each => [each.impact, each.id, each.help, each.nodes.slice(0, 3).map(node => node.html)]))
"""


def findings(page: Page) -> list[Any]:
    """Return what axe-core finds: impact, rule, what to do, elements."""
    assert SCRIPT is not None
    page.evaluate(SCRIPT.read_text(encoding="utf-8") + ";0")
    found: list[Any] = page.evaluate(FINDINGS)
    return found


def commands(folder: Path) -> dict[str, tuple[object, ...]]:
    """The commands that write a page of each kind."""
    rng = np.random.default_rng(3)
    shapes = {"pictures": (1, 12, 64, 8), "large": (1, 2, 300, 8), "one": (1, 1, 66, 2)}
    for name, shape in shapes.items():
        query, key, value = rng.normal(size=(3, *shape))
        np.savez(folder / f"{name}.npz", query=query, key=key, value=value)
    np.savez(folder / "other.npz", query=query, key=key, value=value, causal="top-left")
    np.savez(folder / "wrong.npz", weights=rng.random((2, 4, 4)), output=rng.random((4, 4)))
    return {
        "tables": ("compute", SAMPLES / "two_heads.yaml"),
        "small": ("compute", SAMPLES / "dog_sentence.yaml"),
        "words": ("compute", SAMPLES / "not_like.yaml"),
        "answer": ("compute", SAMPLES / "question_answering.yaml"),
        "warnings": ("compute", SAMPLES / "scaled.yaml", "--score", "dot", "--scale", "0"),
        "pictures": ("compute", folder / "pictures.npz", "--causal", "top-left"),
        "large": ("compute", folder / "large.npz", "--max-size", "500kB"),
        "one step": ("compute", SAMPLES / "two_heads.yaml", "--only", "q"),
        "worksheet": ("compute", SAMPLES / "two_heads.yaml", "--blank", "weights"),
        "comparison": ("diff", SAMPLES / "two_heads.yaml", folder / "wrong.npz"),
        "compared pictures": ("diff", folder / "one.npz", folder / "other.npz"),
    }


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 1200), ("light", 390)])
def test_pages_have_no_finding(
    browser: Browser, attn: Attn, tmp_path: Path, scheme: str, width: int
) -> None:
    found = {}
    for name, command in commands(tmp_path).items():
        path = tmp_path / f"{name}.html"
        ran = attn(*command, "-q", "-o", path)
        assert (ran.status, ran.err) == (int(command[0] == "diff"), ""), name  # a bug
        page = browser.open(path, width=width)
        page.media(scheme=scheme)
        if name not in CLOSED:
            page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true; })")
        page.frame()
        found[name] = findings(page)
        page.close()
    assert {name: each for name, each in found.items() if each} == {}


def test_the_check_would_find_a_fault(browser: Browser, attn: Attn, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    assert attn("compute", SAMPLES / "not_like.yaml", "-o", path).status == 0
    page = browser.open(path)
    page.evaluate(
        "document.documentElement.removeAttribute('lang');"
        "document.querySelector('.hint').style.color = '#ccc'"
    )
    assert {rule for _, rule, _, _ in findings(page)} == {"html-has-lang", "color-contrast"}
    page.close()
