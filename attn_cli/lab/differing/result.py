"""The result of `attn diff`: a row per step that both sides have, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from attn_cli.dataclass import dataclass
from attn_cli.lab.heat_map import HeatMap

Verdict = Literal["same", "noise", "inherited", "bug", "cannot tell"]
AGREES = {"same": True, "noise": True, "bug": False}


@dataclass(frozen=True, kw_only=True)
class Worst:
    """The cell with the largest difference: its place, and its values."""

    place: tuple[tuple[str, int], ...]  # axis, index
    here: float
    there: float
    expected: float | None  # what the stage gives from the earlier steps there


@dataclass(frozen=True, kw_only=True)
class Share:
    """A head, row block or key block that has more than its part of the difference."""

    axis: str
    first: int
    stop: int  # not included
    share: float  # of the sum of squares
    floors: float

    @property
    def text(self) -> str:
        """Return `head 3 holds 94 % of it`."""
        where = f"{self.axis} {self.first}"
        if self.stop > self.first + 1:
            where = f"{_PLURALS.get(self.axis, self.axis)} {self.first} to {self.stop - 1}"
            return f"{where} hold {100 * self.share:.0f} % of it"
        return f"{where} holds {100 * self.share:.0f} % of it"


_PLURALS = {"query": "queries", "key": "keys", "token": "tokens", "dimension": "features",
            "unit": "units"}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class StepDifference:
    """What there is to say of one step.

    `added` and `inherited` are rms in units of the floor: the rms of the emulations of the stage in
    `type`. Of the row `visible`, `added` is None, and `cells` are those that one side alone sees.
    `type` is None for truth values and codes, which have no noise.
    """

    step: str
    type: str | None
    note: str  # name, layout and base of the array
    cells: int  # that were compared; of visible: that differ
    added: float | None
    inherited: float | None
    floor: float | None
    largest: float  # the largest |there - expected|
    worst: Worst | None
    verdict: Verdict
    shares: tuple[Share, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """A wrong result that is held against the same limit."""

    name: str  # zeros, the mean of V, the previous row, ...
    passes: bool  # whether it would have been accepted


@dataclass(frozen=True, kw_only=True)
class Panels:
    """One step as heat maps of both sides, on one scale, and of there - here."""

    step: str
    here: HeatMap
    there: HeatMap
    apart: HeatMap
    chosen: int  # the number of the panel with the worst cell


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Two computations compared, in the order of the stages."""

    command: str
    here: str
    there: str
    steps: tuple[StepDifference, ...]
    unmatched_here: tuple[str, ...]
    unmatched_there: tuple[str, ...]
    model: str | None  # the side whose problem the stages were computed with; None: no problem
    type: str | None  # of the other side
    verdict: Verdict
    first: StepDifference | None  # the first that is more than noise
    sentence: str  # the verdict in words
    identified: tuple[str, ...] = ()  # what `identify` says of the first
    power: tuple[Alternative, ...] = ()
    power_of: str = ""  # the step that these are alternatives of
    tolerance: float | None = None
    sampled: str = ""  # which rows were compared, if not all
    panels: Panels | None = None
    saved: str = ""  # what `--save` wrote
    notes: tuple[str, ...] = ()
    settings: Mapping[str, object]
    warnings: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool | None:
        """Whether there is no bug; None if it cannot be decided."""
        return AGREES.get(self.verdict)

    @property
    def blind(self) -> str:
        """The note that all wrong results that were tried pass; empty if one does not."""
        if not self.power or not all(each.passes for each in self.power):
            return ""
        what = "this tolerance" if self.tolerance is not None else "the noise of this type"
        return f"{what} accepts everything that was tried: it cannot find a fault"
