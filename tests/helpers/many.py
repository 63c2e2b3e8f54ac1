"""Many cases in one test: a failure names its case, and hides no other.

A test of its own for each case costs some milliseconds, most of what a small case takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

Case = TypeVar("Case")


def check_each(cases: Iterable[Case], check: Callable[[Case], object]) -> None:
    """Check each case; then raise what was raised, with the names of the cases."""
    failed: dict[str, Exception] = {}
    for case in cases:
        try:
            check(case)
        except Exception as error:
            error.add_note(f"case: {case}")
            failed[str(case)] = error
    if failed:
        raise ExceptionGroup(f"{len(failed)} cases: {'; '.join(failed)}", [*failed.values()])
