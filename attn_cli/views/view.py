"""What a view is: a row of data that says which results it shows, in which module, and how."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from attn_cli.dataclass import dataclass

if TYPE_CHECKING:
    from attn_cli.arrays import AnyArray
    from attn_cli.record import Whole

    Rendered = str | bytes | Iterable[str] | Iterable[bytes]

BOX = "─"  # the one character beyond ASCII that tables are drawn with; bars have their own
BAR = "█"  # the one that bars are drawn with
DECIMALS = 4  # of numbers for people, unless an option sets it
PALETTE, TRUECOLOR = 256, 1 << 24  # colours of a terminal: by index, and by 24 bits each


@dataclass(frozen=True, kw_only=True)
class Style:
    """The options of a view.

    `digits`: number of decimals; None: 4 for people, all for data. `width` None: as wide as
    needed. `colours`: the number that the terminal has, 0 for text without colours; from 256 on
    there are shades. `light`: on a light ground. `ascii`: without other characters. `several`: it
    is one of several records. `verbose`: with all settings. `numbers`: in the cells of a heat map;
    None: if they fit. `first`: the number of the first feature, head, batch entry, and token
    without a word. `labels`: with words beside the numbers; None: as usual for the view. `full`:
    however large. `math`: with formulas as LaTeX. `booktabs`: with the rules of that package.
    `standalone`: a document. `in_full`: the option that shows all of a step, as notes name it.
    """

    digits: int | None = None
    labels: bool | None = None
    width: int | None = None
    colours: int = 0
    light: bool = False
    ascii: bool = False
    several: bool = False
    verbose: bool = False
    numbers: bool | None = None
    first: int = 0
    full: bool = False
    math: bool = False
    booktabs: bool = False
    standalone: bool = False
    in_full: str = "--full"

    @property
    def colour(self) -> bool:
        """Whether text has colours."""
        return self.colours > 0

    @property
    def decimals(self) -> int:
        """The number of decimals of numbers for people."""
        return DECIMALS if self.digits is None else self.digits


class Encoding(NamedTuple):
    """How the values of one step are written while they are computed.

    `encode` gets the number of the first value, in row-major order, and values that follow it.
    """

    head: bytes  # what comes before the first value
    itemsize: int | None  # bytes of each value; None: they differ, so that values come in order
    encode: Callable[[int, AnyArray], bytes | memoryview]


@dataclass(frozen=True, kw_only=True)
class View:
    """A view, as data: the results that it shows, its module, and its properties."""

    name: str  # what --format calls it
    accepts: tuple[str, ...]  # the types of the results that it shows, by name
    module: str
    suffixes: tuple[str, ...] = ()  # of the files that are in this format
    options: tuple[str, ...] = ()  # those of `OutputOptions` that it takes
    one_step: bool = False  # whether it holds one step of a record, and no more
    binary: bool = False
    streams: bool = False  # whether values are written as they are computed: by its `encoding`
    drawn: bool = False  # for a terminal, in its encoding; all other text is UTF-8
    characters: str = BOX  # beyond ASCII, that it is drawn with
    verdicts: bool = False  # whether it shows the verdicts of comparisons
    several: bool = False  # whether several results can follow one another in it
    together: bool = False  # whether they are one text: `render_all(results, style)`
    needs_answer: bool = False  # whether it shows the answer alone
    bounded: bool = False  # whether it draws results of a limited size: by its `check_size`
    optional: bool = False  # whether it needs a package that can be missing: by its `check`

    def render(self, result: Any, style: Style) -> Rendered:
        """Return the result in this format."""
        rendered: Rendered = import_module(self.module).render(result, style)
        return rendered

    def render_all(self, results: Sequence[Any], style: Style) -> Rendered:
        """Return several results in this format, of a view that shows them together."""
        rendered: Rendered = import_module(self.module).render_all(results, style)
        return rendered

    def check(self) -> None:
        """Raise AttnError if what the view needs is not installed."""
        if self.optional:
            import_module(self.module).check()

    def check_size(self, **sizes: Any) -> None:
        """Raise AttnError, before anything is computed, for a result too large for the view."""
        if self.bounded:
            import_module(self.module).check_size(**sizes)

    def fit(self, outline: Any, style: Style) -> tuple[int, int] | None:
        """Return the largest number of rows and columns of a heat map; None: any number.

        Raises AttnError if it cannot show the heat map of this outline.
        """
        found: tuple[int, int] | None = import_module(self.module).fit(outline, style)
        return found

    def encoding(self, whole: Whole, style: Style) -> Encoding:
        """Return how the values of a step are written while they are computed."""
        encoding: Encoding = import_module(self.module).encoding(whole, style)
        return encoding


class Views:
    """All views, in the order of help; the first that accepts a result is the default."""

    def __init__(self, *views: View) -> None:
        self._views = list(views)
        self._found: dict[tuple[str, ...], dict[str, View]] = {}

    def add(self, view: View) -> None:
        """Register a view, also from outside this package."""
        self._views.append(view)
        self._found.clear()

    def remove(self, view: View) -> None:
        """Remove a view from the registry."""
        self._views.remove(view)
        self._found.clear()

    def of(self, *results: str) -> dict[str, View]:
        """Return name -> view, of those that accept one of these types of results."""
        if results not in self._found:
            found = self._found[results] = {}
            for view in self._views:
                if any(result in view.accepts for result in results):
                    found.setdefault(view.name, view)
        return self._found[results]

    @property
    def results(self) -> tuple[str, ...]:
        """The types of results that some view accepts, by name."""
        return tuple(dict.fromkeys(name for view in self._views for name in view.accepts))
