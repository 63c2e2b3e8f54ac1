"""The verdict on each answer of a sheet, and why it is wrong; `judging` finds the verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from attn_cli.arrays import AnyArray, Bools
from attn_cli.dataclass import dataclass
from attn_cli.lab.answers.sheet import Answer, Sheet
from attn_cli.record import Step

if TYPE_CHECKING:
    from attn_cli.lab.answers.slips import Slip

Verdict = Literal["agrees", "rounded", "truncated", "differs"]
AGREEING = ("agrees", "rounded")


class Explanation(NamedTuple):
    """A variant that gives the numbers of an answer, or comes near.

    `off`: how many of them it does not give; `far`: by how much at most.
    """

    name: str
    sentence: str
    off: int = 0
    far: float = 0.0


RIGHT = Explanation("right", "the right numbers")  # as the nearest, if no variant is nearer


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The verdict on the answer for one step. Arrays have the problem's order of axes."""

    answer: Answer
    verdict: Verdict
    step: Step  # the right one
    wrong: Bools  # which of the given values are not within the tolerance
    follows: tuple[str, ...] = ()  # the earlier, wrong steps from which it follows correctly
    explanations: tuple[Explanation, ...] = ()
    nearest: Explanation | None = None  # if there is no explanation
    slip: Slip | None = None  # one number of an earlier step that would explain it
    solved: AnyArray | None = None  # the weights with which a wrong context was computed
    changed: tuple[tuple[float, float], ...] = ()  # right weights, and the solved ones, if few

    @property
    def right(self) -> bool:
        """Whether it agrees, also with rounded intermediate results."""
        return self.verdict in AGREEING


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A sheet with a judgement for each of its answers."""

    command: str
    sheet: Sheet
    judgements: tuple[Judgement, ...]
    order: tuple[str, ...]  # of all steps of the problem
    warnings: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether all answers are right."""
        return all(each.right for each in self.judgements)

    @property
    def first_wrong(self) -> Judgement | None:
        """The judgement of the first step that is not right; None if all are."""
        return next((each for each in self.judgements if not each.right), None)


@dataclass(frozen=True, kw_only=True)
class Graded:
    """The judged sheets of several people."""

    command: str
    sheets: tuple[Judged, ...]
    warnings: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether all answers of all sheets are right."""
        return all(sheet.agrees for sheet in self.sheets)
