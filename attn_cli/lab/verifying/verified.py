"""What was found about a function: the verdict of each case, and of each convention."""

from __future__ import annotations

from typing import NamedTuple

from attn_cli.dataclass import dataclass

RIGHT, WRONG, SHAPE = "right", "wrong", "another shape"
NOT_ASKED, CANNOT_TELL = "not asked", "cannot tell"
SILENT = ("not supported", NOT_ASKED, CANNOT_TELL)  # verdicts that are neither right nor wrong


class Named(NamedTuple):
    """A variant: its name, and a sentence that says what it does."""

    name: str
    sentence: str


class Worst(NamedTuple):
    """The cell that is off most: its result and place, the function's number and the right one."""

    result: str
    place: tuple[int, ...]
    there: float
    here: float
    tolerance: float


def without(names: tuple[str, ...]) -> str:
    """Return that a function does not have parameters.

    >>> without(("mask", "bias", "sinks"))
    'no parameter mask, bias or sinks'
    """
    *first, last = names
    return f"no parameter {', '.join(first)} or {last}" if first else f"no parameter {last}"


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A case in one type. `off` of `numbers` are wrong; `explained`: the variants that give them.

    `text` says more about a verdict, `traceback` is that of an exception. `lacks`: the parameters
    that the function would need.
    """

    case: str
    convention: str
    dtype: str
    verdict: str
    text: str = ""
    traceback: str = ""
    off: int = 0
    numbers: int = 0
    worst: Worst | None = None
    lacks: tuple[str, ...] = ()
    explained: tuple[Named, ...] = ()

    @property
    def wrong(self) -> bool:
        """Whether the function failed here."""
        return self.verdict != RIGHT and self.verdict not in SILENT


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A convention with its cases."""

    name: str
    cases: tuple[Judged, ...]

    @property
    def verdict(self) -> str:
        """Wrong if a case is; else right if a case is; else why none is."""
        found = [each.verdict for each in self.cases]
        if any(each.wrong for each in self.cases):
            return WRONG
        return next((v for v in (RIGHT, *SILENT) if v in found), NOT_ASKED)

    @property
    def failed(self) -> tuple[Judged, ...]:
        """The cases that are wrong."""
        return tuple(each for each in self.cases if each.wrong)

    @property
    def explained(self) -> tuple[Named, ...]:
        """The variants that give the numbers of all cases that are wrong and explained at all."""
        first, *others = [each.explained for each in self.failed if each.explained] or [()]
        return tuple(each for each in first if all(each in other for other in others))

    @property
    def unexplained(self) -> tuple[Judged, ...]:
        """The cases that are wrong, and whose numbers no variant gives."""
        return tuple(each for each in self.failed if not each.explained)

    @property
    def count(self) -> str:
        """How many of its cases are right, of those that were judged."""
        judged = [each for each in self.cases if each.verdict not in SILENT]
        right = sum(each.verdict == RIGHT for each in judged)
        return f"{right} of {len(judged)}" if judged else "-"

    @property
    def why(self) -> str:
        """Why cases were not judged, once for each reason."""
        silent = [each for each in self.cases if each.verdict in SILENT]
        lacks = dict.fromkeys(name for each in silent for name in each.lacks)
        reasons = dict.fromkeys(each.text for each in silent if each.text and not each.lacks)
        return "; ".join([*([without(tuple(lacks))] if lacks else []), *reasons])


@dataclass(frozen=True, kw_only=True)
class Verified:
    """The whole verdict. `unnoticed`: variants that no case which was judged right rules out.

    `knobs`: conventions that the grid does not ask, with the reason.
    """

    command: str = "verify"
    function: str
    like: str
    version: str
    arrays: str
    dtypes: tuple[str, ...]
    conventions: tuple[Asked, ...]
    variants: int
    unnoticed: tuple[Named, ...]
    knobs: tuple[Named, ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool | None:
        """Whether all that was judged is right; None if nothing was."""
        verdicts = [each.verdict for each in self.conventions]
        if WRONG in verdicts:
            return False
        return True if RIGHT in verdicts else None

    def of(self, verdict: str) -> tuple[Asked, ...]:
        """Return the conventions with a verdict."""
        return tuple(each for each in self.conventions if each.verdict == verdict)
