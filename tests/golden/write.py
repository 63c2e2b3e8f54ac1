"""Write what views show anew: `python -m tests.golden.write FOLDER`; then read the difference.

A folder has `cases.txt`, with lines `NAME $ attn ...`: the file NAME of the folder holds what the
command prints.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from tests.helpers.processes import ATTN, run_to_end

HERE = Path(__file__).parent


def cases(folder: str) -> dict[str, list[str]]:
    """Return file -> the arguments of the command whose output it holds."""
    lines = (HERE / folder / "cases.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split(" $ attn ", 1) for line in lines if line and not line.startswith("#"))
    return {name: shlex.split(command) for name, command in pairs}


def folders() -> list[str]:
    """Return the folders that have cases."""
    return sorted(path.parent.name for path in HERE.glob("*/cases.txt"))


def main(wanted: list[str]) -> None:
    """Write the files of the folders, of all if none is named."""
    for folder in wanted or folders():
        for name, arguments in cases(folder).items():
            done = run_to_end([*ATTN, *arguments])
            if done.returncode:
                sys.exit(f"{name}: {done.stderr.decode()}")
            (HERE / folder / name).write_bytes(done.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
