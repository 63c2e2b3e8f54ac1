"""Talk: warnings and errors, on standard error and nowhere else."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """Print a line of talk; if standard error is closed or cannot be written it goes unsaid.

    The exit status is that of the answer, whether or not somebody listens.
    """
    if sys.stderr is None:
        return
    try:
        print(text, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        abandon(sys.stderr.fileno())


def abandon(descriptor: int) -> None:
    """Send what is still buffered nowhere: Python would try again at exit, and complain."""
    import os

    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
