"""Where Chromium is, if it is there at all."""

from __future__ import annotations

import os
import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PROGRAM = next((path for path in map(shutil.which, NAMES) if path), None)
MISSING = f"no Chromium is on the path (apt install chromium): none of {', '.join(NAMES)}"


def options_of_root() -> list[str]:
    """Return the option without which Chromium does not start as root."""
    return ["--no-sandbox"] if os.geteuid() == 0 else []
