"""Print the lowest versions that `pyproject.toml` allows, one requirement on each line.

Only direct requirements have a lowest version here; what they need themselves is the newest.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parent.parent / "pyproject.toml"


def lowest(requirements: list[str]) -> list[str]:
    """Return each requirement `name>=version` as `name==version`; raise ValueError without a floor.

    >>> lowest(["rich>=13.8", "typer>=0.28,<0.29", "ruff==0.17.6"])
    ['rich==13.8', 'typer==0.28', 'ruff==0.17.6']
    """
    found = []
    for requirement in requirements:
        match = re.fullmatch(r"([A-Za-z0-9._-]+)\s*[>=]=\s*([0-9][0-9.]*)(,.*)?", requirement)
        if match is None:
            raise ValueError(f"{requirement!r} has no lowest version")
        found.append(f"{match[1]}=={match[2]}")
    return found


def main() -> None:
    """Print the lowest versions of what the package and its tests need."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    print(*lowest(project["dependencies"] + project["optional-dependencies"]["test"]), sep="\n")


if __name__ == "__main__":
    main()
