"""What a call of the function gave: its results, or why there are none."""

from __future__ import annotations

from attn_cli.arrays import AnyArray
from attn_cli.dataclass import dataclass

# Verdicts of a call; only the first has results to compare.
DONE, UNSUPPORTED, RAISED, NOT_ARRAYS = "done", "not supported", "raised", "not arrays"
CHANGED, CRASHED, TIMED_OUT = "changed its inputs", "crashed", "took too long"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The verdict of a call; `text` says more, in a line, and `traceback` is the function's own.

    `results`: output, and lse if it was asked for; `lacks`: parameters that the call needs.
    """

    verdict: str
    text: str = ""
    traceback: str = ""
    results: dict[str, AnyArray] | None = None
    lacks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call of the function: the arrays and the other options, by name, and the type of numbers.

    `timeout` seconds are allowed, in a process of its own.
    """

    arrays: dict[str, AnyArray]
    options: dict[str, object]
    dtype: str
    timeout: float


@dataclass(frozen=True, kw_only=True)
class Signature:
    """The names of the options that a function takes; None: any. `note`: if it cannot be read."""

    names: tuple[str, ...] | None
    note: str = ""

    def lacks(self, wanted: tuple[str, ...]) -> tuple[str, ...]:
        """Return the names that the function does not take."""
        return () if self.names is None else tuple(n for n in wanted if n not in self.names)
