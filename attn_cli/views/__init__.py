"""Views: a record -> text or bytes. One module a format, all with one signature.

    render(record, style) -> str | bytes
    encoding(whole, style) -> Encoding      of formats that are written while a step is computed

A view gets the record and nothing else: it opens nothing, prints nothing and computes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from attn_cli.dataclass import dataclass
from attn_cli.record import Record, Whole
from attn_cli.registry import Registry

if TYPE_CHECKING:
    from attn_cli.arrays import AnyArray


@dataclass(frozen=True, kw_only=True)
class Style:
    """How a view shows what it shows.

    `width` None: as wide as it needs; `colour`: a terminal; `ascii`: lines of that alone;
    `several`: other records come before or after it; `verbose`: with all settings.
    """

    digits: int = 4
    labels: bool = False
    width: int | None = None
    colour: bool = False
    ascii: bool = False
    several: bool = False
    verbose: bool = False


BOX = "─"  # the one character beyond ASCII that tables are drawn with; bars have their own

Render = Callable[[Record, Style], str | bytes]


class Encoding(NamedTuple):
    """How the values of one step are written while they are computed.

    `encode` gets the number of the first value, in row-major order, and values that follow it.
    """

    head: bytes  # what comes before the first value
    itemsize: int | None  # bytes of each value; None: they differ, so that values come in order
    encode: Callable[[int, AnyArray], bytes | memoryview]


Encode = Callable[[Whole, Style], Encoding]


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format, as data: its module, its file suffixes, and what it can and cannot do."""

    module: str
    suffixes: tuple[str, ...]
    options: tuple[
        str, ...
    ] = ()  # of digits, full, labels, verbose: those that mean something to it
    one_step: bool = False
    binary: bool = False
    streams: bool = False  # whether values are written as they are computed: by its `encoding`
    drawn: bool = False  # for a terminal, in its encoding; all other text is UTF-8
    verdicts: bool = False  # whether it has a place for what comparisons say
    several: bool = False  # whether several records can follow one another in it


FORMATS = {
    "table": Format(
        module="attn_cli.views.table",
        suffixes=(".txt",),
        options=("digits", "full", "verbose"),
        verdicts=True,
        drawn=True,
        several=True,
    ),
    "json": Format(
        module="attn_cli.views.json", suffixes=(".json", ".jsonl"), verdicts=True, several=True
    ),
    "csv": Format(
        module="attn_cli.views.csv",
        suffixes=(".csv",),
        options=("labels",),
        one_step=True,
        streams=True,
    ),
    "tsv": Format(
        module="attn_cli.views.tsv",
        suffixes=(".tsv",),
        options=("labels",),
        one_step=True,
        streams=True,
    ),
    "markdown": Format(
        module="attn_cli.views.markdown",
        suffixes=(".md",),
        options=("digits", "full", "verbose"),
        verdicts=True,
        several=True,
    ),
    "npy": Format(
        module="attn_cli.views.npy", suffixes=(".npy",), one_step=True, binary=True, streams=True
    ),
    "npz": Format(module="attn_cli.views.npz", suffixes=(".npz",), binary=True),
    "answer": Format(module="attn_cli.views.answer", suffixes=(), several=True),
}

RENDERERS: Registry[Render] = Registry(
    "format", "render", {name: form.module for name, form in FORMATS.items()}
)
ENCODINGS: Registry[Encode] = Registry(
    "format", "encoding", {name: form.module for name, form in FORMATS.items() if form.streams}
)
