"""A few of the kills of `make kills`, and faults that are planted and must be found."""

from __future__ import annotations

import pytest

from tests.helpers.processes import program, run_to_end

pytestmark = pytest.mark.slow

PLANTED = {  # a fault: what is put in the place of how a file is written, and what is found
    "in its place": (
        """
from contextlib import contextmanager
@contextmanager
def replacing(target, permissions):
    with open(target, "wb", buffering=0) as out:
        yield out.fileno()
write._replacing = replacing
""",
        "neither the old ones nor the new ones",
    ),
    "left behind": (
        """
from contextlib import nullcontext
write.undone_by_signals = lambda undo: nullcontext()
""",
        "stays",
    ),
    "another status": (
        """
import os
signals._end = lambda number, frame: os._exit(1)
""",
        "exit status 1",
    ),
}


def killed(code: str, *arguments: str) -> tuple[int, str]:
    """Run the kills in a fork, after some code, with small problems."""
    whole = f"""
import sys
from attn_cli.cli import signals, write
from tests.fuzz import kills
kills.SIZE = 13
{code}
sys.exit(kills.main(sys.argv[1:]))
"""
    done = run_to_end(["kills", *arguments], run=program(whole))
    assert done.stderr == b""
    return done.returncode, done.stdout.decode()


def test_a_few_kills_of_some_formats() -> None:
    formats = [text for name in ("csv", "train") for text in ("--only", name)]
    status, out = killed("", "--kills", "8", "--seed", "3", *formats)
    assert status == 0, out
    *lines, last = out.splitlines()
    assert last == "seed 3: 8 kills of each of 2 formats, 0 faults"
    assert ["4 killed while writing" in line for line in lines] == [True, True]


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found(fault: str) -> None:
    code, message = PLANTED[fault]
    status, out = killed(code, "--kills", "8", "--seed", "3", "--only", "csv")
    assert status == 1, out
    assert message in out
