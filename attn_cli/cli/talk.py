"""Talk: warnings and errors, on standard error and nowhere else."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """Print a line of talk; where standard error is closed it goes unsaid, not elsewhere."""
    if sys.stderr is not None:
        print(text, file=sys.stderr)
