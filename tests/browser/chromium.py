"""Chromium without a window: what a page is once its scripts have run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.program import MISSING, PROGRAM, options_of_root
from tests.helpers.processes import run_to_end

needs_chromium = pytest.mark.skipif(PROGRAM is None, reason=MISSING)


def dom_of(page: str, folder: Path) -> str:
    """Return the document that a page has become, as HTML."""
    assert PROGRAM is not None
    path = folder / "page.html"
    path.write_text(page, encoding="utf-8")
    profile = f"--user-data-dir={folder / 'profile'}"
    options = ["--headless", "--disable-gpu", profile, *options_of_root()]
    done = run_to_end([PROGRAM, *options, "--dump-dom", path.as_uri()], timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()
