"""The options of output, each defined once for all commands: format, file, digits, colours.

A command names the types of its results. It offers the formats whose views accept them, and the
options that these views use: `grouped` in `attn_cli.cli.options` calls `offered`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from attn_cli.cli.formats import choose_view
from attn_cli.cli.inputs import Force
from attn_cli.cli.talk import say
from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError, did_you_mean, printable
from attn_cli.views import VIEWS, View

if TYPE_CHECKING:
    from attn_cli.maths.problem import Edge

Text = str | None
COLORS = ("auto", "always", "never")
RECORDS: tuple[str, ...] = ("Record",)
OF_ALL_VIEWS = ("format", "output", "force", "quiet")  # options that every view obeys
LEAST_WIDTH = 20  # columns that a heat map needs
_NEGATIVE = {"light": "dark", "labels": "no-labels", "numbers": "no-numbers"}


@dataclass(kw_only=True)
class OutputOptions:
    """The options of output: how a result is shown and where it is written."""

    # Attributes of a command; without an annotation, so that they are not options.
    results = RECORDS  # the types of its results
    reads_files = True  # whether -o could replace a file that the command reads
    warns = True  # whether there can be warnings
    shades = True  # whether there can be weights, which tables shade
    leads = ""  # what the help of --format begins with

    format: Text = None
    output: Annotated[
        Text,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write to FILE; its suffix sets the format."
        ),
    ] = None
    force: Force = False
    digits: Annotated[
        int | None,
        typer.Option("--digits", metavar="N", help="Decimals (default: 4; json, csv, tsv: all)."),
    ] = None
    full: Annotated[bool, typer.Option("--full", help="Do not shorten large steps.")] = False
    labels: Annotated[
        bool | None,
        typer.Option(
            "--labels/--no-labels",
            help="Add tokens as header and first column (default: of latex only).",
            show_default=False,
        ),
    ] = None
    math: Annotated[
        bool, typer.Option("--math", help="Write the formulas of markdown as LaTeX: $...$.")
    ] = False
    booktabs: Annotated[
        bool, typer.Option("--booktabs", help="Write tables of the package booktabs, not matrices.")
    ] = False
    standalone: Annotated[
        bool, typer.Option("--standalone", help="Write a LaTeX document, not a part of one.")
    ] = False
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Do not print warnings.")] = False
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show settings and conventions under tables.")
    ] = False
    from_: Annotated[
        int,
        typer.Option(
            "--from",
            metavar="N",
            help="Number features (q0, q1), heads, batch entries and tokens without words from N "
            "in tables: 0 (default) or 1. Options and formulas count from 0.",
            show_default=False,
        ),
    ] = 0
    color: Annotated[
        str,
        typer.Option(
            "--color",
            metavar="WHEN",
            help="Use colours: auto (default), always or never.",
            show_default=False,
        ),
    ] = "auto"
    light: Annotated[
        bool | None,
        typer.Option(
            "--light/--dark",
            help="Shades for a light or a dark ground (default: COLORFGBG, else dark).",
            show_default=False,
        ),
    ] = None

    width: Annotated[
        int | None,
        typer.Option(
            "--width",
            metavar="N",
            help="Columns of text (default: those of the terminal, else 80); of json, cells.",
        ),
    ] = None
    max_size: Annotated[
        Text,
        typer.Option(
            "--max-size",
            metavar="SIZE",
            help="Largest page of html (default: 5MB): more is kept as pictures, or rounded.",
            show_default=False,
        ),
    ] = None
    numbers: Annotated[
        bool | None,
        typer.Option(
            "--numbers/--no-numbers",
            help="Write a number into each cell (default: up to 16 keys, if they fit).",
            show_default=False,
        ),
    ] = None

    @classmethod
    def offered(cls) -> dict[str, Any]:
        """Return option -> its annotation, of the options that the command uses."""
        views = cls.views()
        names = f"{cls.leads}{', '.join(views)}."
        means = {"format", "output", "color"}.union(*(view.options for view in views.values()))
        means |= {"force"} if cls.reads_files else set()
        means |= {"quiet"} if cls.warns else set()
        means -= set() if cls.shades else {"light"}
        hints = _hints(cls, {name for name in vars(cls()) if name.rstrip("_") in means})
        hints["format"] = Annotated[
            Text, typer.Option("--format", "-f", metavar="FORMAT", help=names)
        ]
        return {name: hints[name] for name in vars(cls()) if name in hints}

    @classmethod
    def views(cls, *results: str) -> dict[str, View]:
        """Return name -> view, of the views that accept these results (default: the command's)."""
        return VIEWS.of(*(results or cls.results))

    def view(self, *results: str) -> View:
        """Return the view: that of --format, else that of the file's suffix, else the first."""
        if results:  # an unknown format names all formats of the command
            choose_view(self.views(), self.format, self.output)
        return choose_view(self.views(*results), self.format, self.output)

    @property
    def given(self) -> tuple[str, ...]:
        """The options of views that have another value than if they are left out."""
        usual = vars(type(self)())
        return tuple(
            name.rstrip("_")
            for name, value in vars(self).items()
            if value != usual[name] and name not in OF_ALL_VIEWS and value != "never"
        )

    @property
    def name(self) -> str:
        """The name of the format."""
        return self.view().name

    @property
    def drawn(self) -> bool:
        """Whether the format is tables for people, with marks for hidden numbers."""
        return "full" in self.view().options

    @property
    def answers(self) -> bool:
        """Whether the format has a place for the answer to a problem's question."""
        view = self.view()
        return not view.one_step and not view.binary

    @property
    def edge(self) -> Edge | None:
        """How large steps are shortened; None if they are shown in full."""
        from attn_cli.maths.problem import Edge

        return Edge() if self.drawn and not self.full else None

    def check(self, *results: str) -> View:
        """Return the view; raise AttnError for a value that an option cannot have.

        An option without effect on the view gives a warning.
        """
        view = self.view(*results)
        self.check_color()
        check_digits(self.digits)
        if self.width is not None and self.width < LEAST_WIDTH:
            raise AttnError(f"--width must be {LEAST_WIDTH} or more, not {self.width}")
        if self.from_ not in {0, 1}:
            raise AttnError(f"--from must be 0 or 1, not {self.from_}")
        if not self.quiet:
            self._say_meaningless(view, self.views(*results))
        return view

    def check_color(self) -> None:
        """Raise AttnError for an unknown --color."""
        if self.color not in COLORS:
            raise AttnError(
                f"--color cannot be '{printable(self.color)}'",
                help=did_you_mean(self.color, COLORS, what="there are"),
            )

    def check_steps(self, only: str | None) -> View:
        """Return the view of a record, as `check` does; raise AttnError if it cannot hold it."""
        view = self.view()
        if view.one_step and only is None:
            raise AttnError(
                f"{view.name} holds one step, and several are requested",
                help="choose one with --only STEP",
            )
        return self.check()

    def _say_meaningless(self, view: View, views: dict[str, View]) -> None:
        """Warn of each option that has no effect on the view."""
        for option in self.given:
            if option not in view.options:
                able = ", ".join(name for name, other in views.items() if option in other.options)
                but = f", but on: {able}" if able else ""
                negative = vars(self).get(option) is False
                named = _NEGATIVE[option] if negative else option.replace("_", "-")
                say(f"warning: --{named} has no effect on the format {view.name}{but}")


def _hints(cls: type, names: set[str]) -> dict[str, Any]:
    """Return option -> its annotation, for these options only: evaluating all of them is slow."""
    hints: dict[str, Any] = {}
    for each in reversed(cls.__mro__):
        written = vars(each).get("__annotations__", {})
        part = {name: hint for name, hint in written.items() if name in names}
        if part:
            own = {"__annotations__": part, "__module__": each.__module__}
            hints |= get_type_hints(type(each.__name__, (), own), include_extras=True)
    return hints


@dataclass(kw_only=True)
class ListOptions(OutputOptions):
    """The options of output of a list: its command reads no files and has no warnings."""

    reads_files = False
    warns = False


class PageOptions(OutputOptions):
    """The options of output of a command that writes pages of a limited size."""

    @property
    def limit(self) -> int:
        """The bytes that a page may have."""
        from attn_cli.lab.report.size import USUAL
        from attn_cli.reading.resource_limits import read_memory

        return USUAL if self.max_size is None else read_memory(self.max_size, "--max-size")

    def check(self, *results: str) -> View:
        """Return the view; raise AttnError for a value that an option cannot have."""
        if self.max_size is not None:
            _ = self.limit
        return super().check(*results)


def check_digits(digits: int | None) -> None:
    """Raise AttnError for a number of decimals that is out of range."""
    if digits is not None and not 0 <= digits <= 17:
        raise AttnError(
            f"--digits must be from 0 to 17, not {digits}",
            help="17 digits tell any two float64 apart",
        )
