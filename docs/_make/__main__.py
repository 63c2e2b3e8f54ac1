"""`python -m docs._make write` writes what is generated, `check` fails if it has drifted.

`man` writes the man pages alone, `reports` the pages of the gallery.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from cogapp import Cog

from docs._make.pages import MAN_PAGES, PAGES
from docs._make.reports import REPORTS, same
from docs._make.shell import ROOT

_ALONE: dict[str, Mapping[str, Callable[[], str]]] = {"man": MAN_PAGES, "reports": REPORTS}


def main(mode: str) -> int:
    """Write or check all pages; return the exit status."""
    if mode in _ALONE:
        for path, render in _ALONE[mode].items():
            _whole(path, render(), "write")
        return 0
    drifted = [path for path, render in PAGES.items() if not _whole(path, render(), mode)]
    options = ["-r"] if mode == "write" else ["--check", "--diff"]
    status = int(Cog().main(["cog", *options, "-P", "-I", str(ROOT), *map(str, _cog_pages())]))
    for path in drifted:
        print(f"{path} has drifted: run `make docs`", file=sys.stderr)
    return int(bool(status or drifted))


def _whole(name: str, text: str, mode: str) -> bool:
    """Write a page that is generated as a whole, or return whether it is as it should be."""
    path = ROOT / name
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    if name in REPORTS and same(before, text):
        return True
    if mode == "write" and before != text:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    elif before != text:
        sys.stdout.writelines(
            difflib.unified_diff(
                before.splitlines(True), text.splitlines(True), name, f"{name}, generated"
            )
        )
        return False
    return True


def _cog_pages() -> list[Path]:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in pages if "[[[cog" in page.read_text(encoding="utf-8")]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
