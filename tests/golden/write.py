"""Write the texts of views: `python -m tests.golden.write FOLDER`; then read the difference.

A folder has `cases.txt`, with lines `NAME $ [VARIABLE=VALUE ...] attn ...`: the file NAME of the
folder holds what the command prints, in such an environment.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import NamedTuple

from tests.helpers.processes import ATTN, SCRUBBED, run_to_end

HERE = Path(__file__).parent


class Case(NamedTuple):
    """A command whose output a file holds, and what its environment has."""

    arguments: list[str]
    environment: dict[str, str]


def cases(folder: str) -> dict[str, Case]:
    """Return file -> the command whose output it holds."""
    lines = (HERE / folder / "cases.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split(" $ ", 1) for line in lines if line and not line.startswith("#"))
    return {name: _case(shlex.split(command)) for name, command in pairs}


def _case(words: list[str]) -> Case:
    at = words.index("attn")
    return Case(words[at + 1 :], dict(word.split("=", 1) for word in words[:at]))


def folders() -> list[str]:
    """Return the folders that have cases."""
    return sorted(path.parent.name for path in HERE.glob("*/cases.txt"))


def main(wanted: list[str]) -> None:
    """Write the files of the folders, of all if none is named."""
    for folder in wanted or folders():
        for name, case in cases(folder).items():
            inherited = {name: text for name, text in os.environ.items() if name not in SCRUBBED}
            settled = {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"}
            env = {**inherited, **settled, **case.environment}
            done = run_to_end([*ATTN, *case.arguments], env=env)
            if done.returncode:
                sys.exit(f"{name}: {done.stderr.decode()}")
            (HERE / folder / name).write_bytes(done.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
