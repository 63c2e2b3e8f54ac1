"""What `identify` found: the classes of hypotheses, ranked, and what each of them explains."""

from __future__ import annotations

from collections.abc import Mapping

from attn_cli.conventions.knobs import Plain
from attn_cli.dataclass import dataclass
from attn_cli.errors import ExitStatus

Changes = Mapping[str, Plain]


@dataclass(frozen=True, kw_only=True)
class Hypothesis:
    """One way in which the observed numbers may have been computed.

    `changes` are the keys that say the same, as `compute --set KEY=VALUE` takes them: none for the
    problem itself, None if keys cannot say it. `name` is empty for the problem itself.
    """

    name: str
    sentence: str
    changes: Changes | None
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A class of hypotheses that give the same numbers on this input.

    `rest`: the rms of the observed numbers less those of the class, in floors. `c`: which part of
    the way from the problem to these numbers the observed ones went, 1 for all of it; `bar`: how
    far c goes for noise alone. Both are None for the problem itself. `explains`: the rest is noise,
    and no other class is nearer. `apart`: the rms distance to the numbers of the first class, in
    floors.
    """

    hypotheses: tuple[Hypothesis, ...]
    believed: bool
    rest: float
    c: float | None
    bar: float | None
    explains: bool
    apart: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Read:
    """An observed array: where it was read, and as what.

    `dtype` is the narrowest type that holds all its numbers; `stated` the one that the problem
    says, empty if it says none. `layouts`: all that its shape fits; `layout`: the nearest. `floor`:
    the noise of the step here.
    """

    step: str
    source: str
    shape: tuple[int, ...]
    sizes: tuple[int, ...]
    axes: tuple[str, ...]
    layout: str
    layouts: tuple[str, ...]
    dtype: str
    stated: str
    floor: float


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """One regularity of the rows or cells that are off, in words, and how many it is about."""

    sentence: str


@dataclass(frozen=True, kw_only=True)
class Identified:
    """Which convention made the observed numbers, as far as they can tell.

    `classes` begin with the nearest. `untold`: hypotheses so near to the first class that
    their difference is lost in the noise of this input. `tried`: the number of
    hypotheses; `depth`: how many were joined at most. `scores`: the type in which scores were kept,
    if one of two is nearer; empty if that does not matter. `rows`: the number of rows, over all
    observed steps; `off`: of those in which more than noise is left of the first class. `sample`
    says what was looked at, empty for everything. `separate`: what would separate several classes.
    `open`: there is no problem that was believed.
    """

    command: str = "identify"
    observed: tuple[Read, ...]
    classes: tuple[Explanation, ...]
    untold: tuple[Hypothesis, ...]
    tried: int
    depth: int
    scores: str
    rows: int
    off: int
    sample: str
    pattern: tuple[Pattern, ...] = ()
    separate: tuple[str, ...] = ()
    open: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def explaining(self) -> tuple[Explanation, ...]:
        """The classes that explain the observed numbers."""
        return tuple(each for each in self.classes if each.explains)

    @property
    def status(self) -> ExitStatus:
        """0: what was believed explains it; 1: another single class does; 3: none or several."""
        found = self.explaining
        if len(found) != 1:
            return ExitStatus.UNDECIDED
        return ExitStatus.DONE if self.open or found[0].believed else ExitStatus.NO

    @property
    def agrees(self) -> bool | None:
        """True for status 0, False for 1, None for 3."""
        return {ExitStatus.DONE: True, ExitStatus.NO: False}.get(self.status)

    @property
    def separation(self) -> float | None:
        """The distance of the first class from the next one, in floors; None for one class."""
        return self.classes[1].apart if len(self.classes) > 1 else None
