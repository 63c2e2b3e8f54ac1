"""Chromium without a window: what a page is once its scripts have run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.helpers.processes import run_to_end

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PROGRAM = next((path for path in map(shutil.which, NAMES) if path), None)
MISSING = f"no Chromium is on the path (apt install chromium): none of {', '.join(NAMES)}"
needs_chromium = pytest.mark.skipif(PROGRAM is None, reason=MISSING)


def dom_of(page: str, folder: Path) -> str:
    """Return the document that a page has become, as HTML."""
    assert PROGRAM is not None
    path = folder / "page.html"
    path.write_text(page, encoding="utf-8")
    root = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium asks for it
    options = ["--headless", "--disable-gpu", f"--user-data-dir={folder / 'profile'}", *root]
    done = run_to_end([PROGRAM, *options, "--dump-dom", path.as_uri()], timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()
