"""Many cases in one test: a failure names its case, and hides no other.

A test of its own for each case costs some milliseconds, most of what a small case takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

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


def for_each(names: str, values: Iterable[Any]) -> Callable[[Callable[..., None]], Any]:
    """What `pytest.mark.parametrize` does, in one test: for functions without fixtures.

    >>> @for_each("a", [1, 2])
    ... @for_each("b, c", [(3, 4), (5, 6)])
    ... def test(a, b, c):
    ...     print(a, b, c)
    >>> test()
    1 3 4
    1 5 6
    2 3 4
    2 5 6
    """
    keys = [name.strip() for name in names.split(",")]
    found = [dict(zip(keys, value if len(keys) > 1 else (value,), strict=True)) for value in values]

    def decorated(test: Callable[..., None]) -> Any:
        first: tuple[Callable[..., None], list[dict[str, Any]]] = (test, [{}])
        checked, inner = getattr(test, "of_each", first)
        cases = [{**case, **more} for case in found for more in inner]

        def run() -> None:
            check_each(cases, lambda case: checked(**case))

        run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
        run.__dict__.update(test.__dict__, of_each=(checked, cases))
        return run

    return decorated
