"""The record of a computation: named steps, each an array with its formula, axes and labels.

A record holds finished values: all warnings and errors have occurred before it exists. Views get
a record and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from attn_cli.dataclass import dataclass, replace
from attn_cli.errors import AttnError, did_you_mean, printable
from attn_cli.formula import Formula

if TYPE_CHECKING:
    import os

    import numpy as np
    from numpy.typing import NDArray

Labels = Sequence[str]
NONE: Mapping[str, str] = {}
FEATURES = ("dimension", "unit")  # the axes along which there are the features of a vector


class Numbered(Sequence[str]):
    """The labels of rows that have no words: their numbers, from 0 or as given."""

    def __init__(self, numbers: range | tuple[int, ...]) -> None:
        self._numbers = numbers

    def number(self, index: int) -> int:
        """Return the number of a row."""
        return self._numbers[index]

    def chosen(self, indices: Iterable[int]) -> Numbered:
        """Return the labels of some rows."""
        return Numbered(tuple(self._numbers[index] for index in indices))

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: Any) -> Any:
        chosen = self._numbers[index]
        return str(chosen) if isinstance(chosen, int) else Numbered(chosen)

    def __iter__(self) -> Iterator[str]:
        return map(str, self._numbers)

    def places(self, label: str) -> list[int]:
        """Return the positions of a label, without a search."""
        if not (label.isascii() and label.isdigit() and len(label) < 19):
            return []
        number = int(label)
        return [self._numbers.index(number)] if number in self._numbers else []


def refuse_unknown_steps(
    names: Iterable[str], there: Iterable[str], meant: Mapping[str, str]
) -> None:
    """Raise AttnError for the first name that is not there; `meant`: other names -> those there."""
    known = list(there)
    for name in names:
        if name not in known:
            raise AttnError(
                f"unknown step '{name}'",
                help=did_you_mean(name, known, what="there are", meant=meant, listed=True),
            )


@dataclass(frozen=True)
class Step:
    """One named array of the computation.

    `expression` is its formula: `formula` is the same as text, `expression.latex()` as LaTeX.
    `shape` is the shape of the whole step. `kept` has, for each axis, the indices whose values are
    held, in order, or None if all are; `values.shape` follows from it. `peaks` has the largest
    value of each query's whole row, even if that is not held; None for all steps except weights.
    `hidden` has for each value the code of the reason that hides its key, 0 if it is not hidden;
    None if the request has no marks. `legend` has the meanings of the codes, by number. `reads`
    names the steps that it is computed from. `role` is the meaning of its numbers: vector, score,
    weight, code or probability. `aliases` are its other names in use. `letter` is what tables call
    the features of a vector, before their numbers: q0, q1. `blank`: tables leave its cells empty.
    """

    name: str
    expression: Formula
    axes: tuple[str, ...]
    labels: tuple[Labels, ...]
    values: NDArray[np.floating[Any]]
    shape: tuple[int, ...]
    kept: tuple[Sequence[int] | None, ...]
    peaks: NDArray[np.floating[Any]] | None = None
    hidden: NDArray[np.uint8] | None = None
    legend: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    role: str = "vector"
    aliases: tuple[str, ...] = ()
    letter: str = ""
    blank: bool = False

    @property
    def formula(self) -> str:
        """The formula as text: `Q = X W_q`."""
        return str(self.expression)

    @property
    def whole(self) -> bool:
        """Whether every value of the step is held."""
        return all(indices is None for indices in self.kept)

    def indices(self, axis: int | str) -> Sequence[int]:
        """Return the indices along an axis, by number or name, whose values are held.

        Raises AttnError for an axis that the step does not have.
        """
        at = self._number(axis)
        kept = self.kept[at]
        return range(self.shape[at]) if kept is None else kept

    def _number(self, axis: int | str) -> int:
        """Return the number of an axis, from 0; -1 is the last."""
        try:
            return range(len(self.axes))[axis] if isinstance(axis, int) else self.axes.index(axis)
        except (IndexError, ValueError):
            raise AttnError(
                f"{self.name} has no axis {printable(repr(axis))}",
                help=f"its axes are: {', '.join(self.axes)}",
            ) from None

    def cut(self, kept: tuple[Sequence[int] | None, ...]) -> Step:
        """Return the step with some indices of each axis alone (None: all), of a whole step."""
        values, peaks, hidden = self.values, self.peaks, self.hidden
        for axis, indices in enumerate(kept):
            if indices is not None:
                values = values.take(list(indices), axis=axis)
                hidden = None if hidden is None else hidden.take(list(indices), axis=axis)
                if peaks is not None and axis < len(kept) - 1:
                    peaks = peaks.take(list(indices), axis=axis)
        return replace(self, values=values, kept=kept, peaks=peaks, hidden=hidden)

    def entry(self, axis: int | str, index: int) -> Step:
        """Return one entry along an axis, by number or name, of a whole step: without that axis.

        `entry("head", 0)` is the first head. Raises AttnError for an axis that there is not.
        """
        at = self._number(axis)
        rest = [other for other in range(len(self.axes)) if other != at]
        taken = (slice(None),) * at + (index,)
        return replace(
            self,
            axes=tuple(self.axes[other] for other in rest),
            labels=tuple(self.labels[other] for other in rest),
            values=self.values[taken],
            hidden=None if self.hidden is None else self.hidden[taken],
            shape=tuple(self.shape[other] for other in rest),
            kept=tuple(self.kept[other] for other in rest),
            peaks=None,
        )

    def letter_of(self, axis: int | str) -> str | None:
        """Return the letter that tables put before the numbers of an axis; None if it has words.

        The axis is given by number or name. Raises AttnError for one that the step does not have.
        """
        at = self._number(axis)
        if not isinstance(self.labels[at], Numbered):
            return None
        return self.letter if self.axes[at] in FEATURES else ""

    def as_matrix(self) -> Step:
        """Return a step of one axis as one of a single row; any other as it is."""
        if len(self.axes) > 1:
            return self
        return replace(
            self,
            axes=("", *self.axes),
            labels=(("",), *self.labels),
            values=self.values[None, :],
            shape=(1, *self.shape),
            kept=(None, *self.kept),
        )

    def transposed(self) -> Step:
        """Return the step with its last two axes swapped: one token per column."""
        return self.reordered((*range(len(self.axes) - 2), len(self.axes) - 1, len(self.axes) - 2))

    def reordered(self, order: tuple[int, ...]) -> Step:
        """Return the step with its axes in another order: first the axis of number order[0]."""
        if order == tuple(range(len(order))):
            return self
        return replace(
            self,
            axes=tuple(self.axes[at] for at in order),
            labels=tuple(self.labels[at] for at in order),
            values=self.values.transpose(order),
            hidden=None if self.hidden is None else self.hidden.transpose(order),
            shape=tuple(self.shape[at] for at in order),
            kept=tuple(self.kept[at] for at in order),
        )


@dataclass(frozen=True)
class Whole:
    """A step without its values, which are written while they are computed."""

    name: str
    axes: tuple[str, ...]
    labels: tuple[Labels, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class Comparison:
    """Whether a step agrees with expected values, and the value with the largest difference."""

    step: str
    agrees: bool
    values: int  # the number of compared values
    off: int  # the number of those that differ by more than the tolerance
    tolerance: float
    place: tuple[str, ...]  # the labels of the value with the largest difference
    letters: tuple[str | None, ...]  # of the labels that are numbers, the letter before them
    here: float
    expected: float
    transposed: bool = False  # whether the expected values are those of the step transposed


@dataclass(frozen=True)
class Choice:
    """A word that was chosen because its value is the largest, and how clearly it is.

    `ranking` has the largest values in descending order, each with its word. `doubt` is the reason
    why the choice is not clear, and empty if it is.
    """

    asked: str  # the word, or the words, of the question
    answer: str
    value: float | None  # None: the word was not looked up, but kept
    runner_up: str | None
    margin: float | None  # value minus that of the runner-up
    ranking: tuple[tuple[str, float], ...] = ()
    doubt: str = ""
    alone: str | None = None  # the answer without context, if one with context was requested
    attention: tuple[tuple[str, float], ...] = ()  # the word's weight of each word of its sentence


@dataclass(frozen=True)
class Record:
    """The steps of one computation, in the order computed, and all that explains them.

    `repeats` maps steps to an earlier step that they are equal to by definition, if no step was
    requested by name: tables have a line in their place. `origin` can compute it again, for a page;
    only `attn_cli.compute` and `attn_cli.attention` give one, and a pickled record has none.
    """

    command: str
    steps: Mapping[str, Step]
    settings: Mapping[str, object]
    query_tokens: Labels
    key_tokens: Labels
    cross: bool = False  # whether keys are other tokens than queries
    answer: object = None
    text: str | None = None  # the answer as a line of text; None if there was no question
    choices: tuple[Choice, ...] = ()
    title: str = ""  # the name of this record, if there are several
    warnings: tuple[str, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    repeats: Mapping[str, str] = NONE
    origin: Any = None

    @property
    def agrees(self) -> bool:
        """Whether all comparisons agree."""
        return all(comparison.agrees for comparison in self.comparisons)

    @property
    def _meant(self) -> dict[str, str]:
        """Other names of the steps -> their names."""
        return {word: name for name, step in self.steps.items() for word in step.aliases}

    def chosen(self, names: Sequence[str] | None) -> Record:
        """Return the record with only these steps, in the order computed; None: all.

        Raises AttnError for a name that is not a step.
        """
        if names is None or not self.steps:
            return self
        refuse_unknown_steps(names, self.steps, self._meant)
        steps = {n: s for n, s in self.steps.items() if n in names}
        return replace(self, steps=steps, repeats=NONE)

    def __getitem__(self, name: str) -> NDArray[np.floating[Any]]:
        """Return the values of a step; raise AttnError, listing the steps, for another name."""
        if name not in self.steps:
            raise AttnError(
                f"the record has no step '{name}'",
                help=did_you_mean(name, self.steps, what="it has", meant=self._meant, listed=True),
            )
        return self.steps[name].values

    def __repr__(self) -> str:
        """Return one line without numbers: `<Record of 9 steps: weights (3, 3); scaled>`."""
        return str(_notebook().line(self))

    def _repr_html_(self) -> str:
        """Return what a notebook shows: at most 100 kB, without a script or a style sheet."""
        return str(_notebook().shown(self))

    def html(self, *, digits: int | None = None, max_size: int | str | None = None) -> str:
        """Return the page that `attn compute FILE -o report.html` writes.

        `digits`: number of decimals (default: 4). `max_size`: the bytes that it may have, such as
        2_000_000 or "2MB" (default: 5MB). The problem is computed once more. Raises AttnError if
        its arrays have changed since, for a record of something else than one problem, and if the
        page needs more bytes.
        """
        return str(_notebook().html(self, digits=digits, max_size=max_size))

    def save(self, path: str | os.PathLike[str], **options: Any) -> None:
        """Write the record to a file, in the format of its suffix: .html, .svg, .tex, .npz, ...

        A file that exists is replaced, as a whole or not at all. `options` are those of the format
        on the command line: digits=2, full=True, labels=True, standalone=True, max_size="2MB", and
        first=1 for --from. CSV, TSV and NPY hold one step, step="weights", or one entry of it,
        batch=0, head=1. SVG and PNG are a heat map of the weights; they take step, heads, batch,
        colours, pool and numbers as well. Raises AttnError for an unknown suffix, with all that
        there are, and for an option that the format does not take.
        """
        _notebook().save(self, path, options)


def _notebook() -> Any:
    """Return the module that shows and writes records: it is above this one, and loaded on use."""
    return import_module("attn_cli.notebook")
