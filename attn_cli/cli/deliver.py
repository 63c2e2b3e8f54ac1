"""How a record is rendered, where it goes, and what is said beside it."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TextIO

from attn_cli.cli.options import OutputOptions
from attn_cli.cli.talk import say
from attn_cli.cli.write import Data, Output, check_file, opened, write_file, write_stdout
from attn_cli.dataclass import replace
from attn_cli.errors import AttnError, ExitStatus, printable
from attn_cli.record import Record, Whole
from attn_cli.views import BOX, ENCODINGS, FORMATS, RENDERERS, Encoding, Style

if TYPE_CHECKING:
    from attn_cli.arrays import AnyArray
    from attn_cli.engine.protocol import Target


def check_target(output: OutputOptions) -> None:
    """Raise AttnError, before anything is computed, where the output cannot go there."""
    if FORMATS[output.name].binary and _on_terminal(output.output):
        where = output.output if _goes_to_file(output.output) else "standard output"
        raise AttnError(
            f"{output.name} is binary and {where} is a terminal",
            help=f"write it to a file: -o out.{output.name}",
        )
    check_place(output.output)


def check_place(target: str | None) -> None:
    """Raise AttnError where a file cannot be written, as far as that can be known beforehand."""
    if target is not None and target != "-":
        check_file(target)


def deliver(record: Record, output: OutputOptions) -> ExitStatus:
    """Render the record, write it to standard output or the file, and warn on standard error."""
    if output.quiet:
        record = replace(record, warnings=())
    rendered = RENDERERS.get(output.name)(record, _style(output))
    emit(rendered, record.warnings, output.output, drawn=FORMATS[output.name].drawn)
    if record.comparisons and not FORMATS[output.name].verdicts:
        from attn_cli.views.cells import verdict

        for comparison in record.comparisons:
            say(verdict(comparison))
    return ExitStatus.DONE if record.agrees else ExitStatus.NO


def deliver_several(records: Iterable[Record], output: OutputOptions) -> ExitStatus:
    """Render records one after the other, each written as soon as it is there."""
    form = FORMATS[output.name]
    if not form.several:
        able = ", ".join(name for name, other in FORMATS.items() if other.several)
        raise AttnError(
            f"{output.name} holds one record, and there are several sequences",
            help=f"choose one of {able}, or ask for one of them",
        )
    style = replace(_style(output), several=True)
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    if not form.drawn or _goes_to_file(output.output):
        encoding = "utf-8"
    warnings: list[str] = []

    def rendered() -> Iterator[bytes]:
        for record in records:
            quiet = replace(record, warnings=()) if output.quiet else record
            warnings.extend(quiet.warnings)
            text = RENDERERS.get(output.name)(quiet, style)
            if isinstance(text, str):
                text = text if form.drawn else _visible(text, output.output)
                text = text.encode(encoding, "backslashreplace")
            yield text

    _write(rendered(), output.output)
    for warning in warnings:
        say(f"warning: {printable(warning)}")
    return ExitStatus.DONE


def deliver_beside(records: list[Record], output: OutputOptions) -> ExitStatus:
    """Render records side by side in one table, then say what there was to warn of."""
    from attn_cli.views.beside import render

    warnings = [] if output.quiet else [w for record in records for w in record.warnings]
    emit(render(records, _style(output)), warnings, output.output, drawn=True)
    return ExitStatus.DONE


def answer_in_a_pipe(output: OutputOptions, *, shown: bool) -> OutputOptions:
    """Return the output with the answer alone as its format, where nobody asked to see more."""
    if output.format is None and output.output in {None, "-"} and not shown:
        asked = (output.digits is not None, output.full, output.labels, output.verbose)
        if not _is_terminal(sys.stdout) and not any(asked):
            return replace(output, format="answer")
    return output


def emit(
    rendered: str | bytes, warnings: Iterable[str], target: str | None, *, drawn: bool
) -> None:
    """Write what a view made, then warn; only what is `drawn` is in the terminal's encoding."""
    if isinstance(rendered, str) and not drawn:
        rendered = _visible(rendered, target).encode()
    _write(rendered, target)
    for warning in warnings:
        say(f"warning: {printable(warning)}")


def deliver_streamed(
    whole: Whole, compute: Callable[[Target], Iterable[str]], output: OutputOptions
) -> ExitStatus:
    """Write a step while it is computed, then say what there was to warn of.

    `compute` gets where the values go, and returns the warnings.
    """
    encoding = ENCODINGS.get(output.name)(whole, _style(output))
    if _on_terminal(output.output):
        encoding = _visible_encoding(encoding)
    with opened(output.output) as out:
        warnings = compute(_Encoded(encoding, out))
    if not output.quiet:
        for warning in warnings:
            say(f"warning: {printable(warning)}")
    return ExitStatus.DONE


def _visible_encoding(text: Encoding) -> Encoding:
    """Return an encoding as text with escapes for what would act on a terminal."""
    from attn_cli.views.invisible import made_visible

    def shown(data: bytes | memoryview) -> bytes:
        return made_visible(bytes(data).decode()).encode()

    head, encode = shown(text.head), text.encode
    return Encoding(head, None, lambda start, values: shown(encode(start, values)))


class _Encoded:
    """A target of an engine: what it writes is encoded, and goes to its place in the output."""

    def __init__(self, encoding: Encoding, out: Output) -> None:
        self._encoding, self._out = encoding, out
        self.anywhere = out.anywhere and encoding.itemsize is not None
        self._next = 0  # the number of the value that comes next, if they come in order

    def write(self, start: int, values: AnyArray) -> None:
        """Write values, the first of which has that number; before the first ones the head."""
        head, itemsize, encode = self._encoding
        data = encode(start, values)
        if self.anywhere and itemsize is not None:
            if start == 0:
                self._out.write_at(0, head)
            self._out.write_at(len(head) + start * itemsize, data)
            return
        assert start == self._next
        if start == 0 and head:
            self._out.write(head)
        self._out.write(data)
        self._next += values.size


def _style(output: OutputOptions) -> Style:
    style = style_for(output.output, output.digits, labels=output.labels)
    return replace(style, verbose=output.verbose)


def style_for(
    target: str | None, digits: int | None, *, labels: bool = False, characters: str = BOX
) -> Style:
    """Return how to show it, by where it goes; `characters` are those that it is drawn with."""
    to_file = _goes_to_file(target)
    terminal = not to_file and _is_terminal(sys.stdout)
    return Style(
        digits=4 if digits is None else digits,
        labels=labels,
        width=shutil.get_terminal_size().columns if terminal else None,
        colour=terminal and _wants_colour(),
        ascii=not to_file and not _can_show(characters),
    )


def _visible(text: str, target: str | None) -> str:
    """Return data as it is, but on a terminal with escapes for what would act on it."""
    if not _on_terminal(target):
        return text
    from attn_cli.views.invisible import made_visible

    return made_visible(text)


def _on_terminal(target: str | None) -> bool:
    """Return whether the output is seen on a terminal; that can be a file as well: /dev/tty."""
    if target is None or target == "-":
        return _is_terminal(sys.stdout)
    try:
        if not stat.S_ISCHR(os.stat(target).st_mode):
            return False
        with open(target, "wb", buffering=0) as device:
            return device.isatty()
    except (OSError, ValueError):  # writing it says why
        return False


def _write(data: Data, target: str | None) -> None:
    if target is None or target == "-":
        write_stdout(data)
    else:
        write_file(target, data)


def _goes_to_file(target: str | None) -> bool:
    return target not in {None, "-"}


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def _can_show(text: str) -> bool:
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _wants_colour() -> bool:
    """Return whether the terminal is one for colours: see no-color.org."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") not in {"dumb", "unknown"}
