"""Rendering a result, writing it, and printing its warnings on standard error."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

from attn_cli.cli.output import OutputOptions
from attn_cli.cli.talk import say
from attn_cli.cli.terminal import colours_of, has_light_ground, wants_colour
from attn_cli.cli.write import Data, Output, check_file, opened, write_file, write_stdout
from attn_cli.dataclass import replace
from attn_cli.errors import AttnError, ExitStatus, printable
from attn_cli.record import Record, Whole
from attn_cli.views import Encoding, Style

if TYPE_CHECKING:
    from attn_cli.arrays import AnyArray
    from attn_cli.engine.protocol import Target
    from attn_cli.maths.problem import Problem, Request
    from attn_cli.views.view import Rendered, View


BRIEF = ("weights",)  # steps shown with an answer on a terminal, unless an option names steps


def check_target(output: OutputOptions) -> None:
    """Raise AttnError, before anything is computed, if the output cannot be written there."""
    view = output.view()
    if view.binary and _on_terminal(output.output):
        where = output.output if _goes_to_file(output.output) else "standard output"
        raise AttnError(
            f"{view.name} is binary and {where} is a terminal",
            help=f"write it to a file: -o out{view.suffixes[0]}",
        )
    check_place(output.output)
    view.check()


def check_sizes(problem: Problem, request: Request, output: OutputOptions) -> None:
    """Raise AttnError, before anything is computed, if a step is too large for the format."""
    if output.view().bounded:
        from attn_cli.engine.order import whole_of
        from attn_cli.engine.plan import plan_unheld

        steps = plan_unheld(problem, request).steps.values()
        check_steps((whole_of(problem, step) for step in steps), output)


def check_steps(steps: Iterable[Whole], output: OutputOptions) -> None:
    """Raise AttnError if one of these steps is too large for the format."""
    view = output.view()
    if view.bounded:
        style = style_of(output, view)
        for step in steps:
            view.check_size(step=step, style=style)


def check_place(target: str | None) -> None:
    """Raise AttnError if a file cannot be written, as far as that is known beforehand."""
    if target is not None and target != "-":
        check_file(target)


def deliver(result: Any, output: OutputOptions) -> ExitStatus:
    """Render a result, write it to standard output or the file, and print its warnings.

    Its type is one of the command's `results`. It can have `warnings`, `comparisons` and `agrees`:
    if that is false, the exit status is 1, and if it is None, 3.
    """
    view = output.view(type(result).__name__)
    warnings = getattr(result, "warnings", ())
    if output.quiet and warnings:
        quiet = getattr(result, "without_warnings", None)
        result, warnings = replace(result, warnings=()) if quiet is None else quiet(), ()
    emit(view.render(result, style_of(output, view)), warnings, output.output, drawn=view.drawn)
    comparisons = getattr(result, "comparisons", ())
    if comparisons and not view.verdicts:
        from attn_cli.views.cells import verdict

        for comparison in comparisons:
            say(verdict(comparison))
    agrees = getattr(result, "agrees", True)
    if agrees is None:
        return ExitStatus.UNDECIDED
    return ExitStatus.DONE if agrees else ExitStatus.NO


def deliver_several(records: Iterable[Record], output: OutputOptions) -> ExitStatus:
    """Render records one after the other, each written as soon as it is computed."""
    view = output.view()
    if not view.several:
        able = ", ".join(name for name, other in output.views().items() if other.several)
        raise AttnError(
            f"{view.name} holds one record, and there are several sequences",
            help=f"choose one of {able}, or ask for one of them",
        )
    style = replace(style_of(output, view), several=True)
    if view.together:
        every = [replace(each, warnings=()) if output.quiet else each for each in records]
        emit(
            view.render_all(every, style),
            [warning for record in every for warning in record.warnings],
            output.output,
            drawn=view.drawn,
        )
        return ExitStatus.DONE
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    if not view.drawn or _goes_to_file(output.output):
        encoding = "utf-8"
    warnings: list[str] = []

    def rendered() -> Iterator[bytes]:
        for record in records:
            quiet = replace(record, warnings=()) if output.quiet else record
            warnings.extend(quiet.warnings)
            text = view.render(quiet, style)
            for part in (text,) if isinstance(text, str | bytes) else text:
                if isinstance(part, str):
                    shown = part if view.drawn else _visible(part, output.output)
                    yield shown.encode(encoding, "backslashreplace")
                else:
                    yield part

    _write(rendered(), output.output)
    for warning in warnings:
        say(f"warning: {printable(warning)}")
    return ExitStatus.DONE


def deliver_batches(batches: Iterable[Iterable[Record]], output: OutputOptions) -> ExitStatus:
    """Write the records of a batch as soon as they are there, then each warning that is new."""
    view = output.view()
    style = replace(style_of(output, view), several=True)
    said: set[str] = set()
    with opened(output.output) as out:
        for batch in batches:
            records = list(batch)
            parts = [view.render(record, style) for record in records]
            assert all(isinstance(part, str) for part in parts)  # answers are text
            out.write(_visible("".join(map(str, parts)), output.output).encode())
            warnings = dict.fromkeys(w for record in records for w in record.warnings)
            for warning in warnings if not output.quiet else ():
                if warning not in said:
                    say(f"warning: {printable(warning)}")
            said.update(warnings)
    return ExitStatus.DONE


def deliver_beside(records: list[Record], output: OutputOptions) -> ExitStatus:
    """Render records side by side in one table, then print their warnings."""
    from attn_cli.views.beside import render

    warnings = [] if output.quiet else [w for record in records for w in record.warnings]
    style = style_of(output, output.view())
    emit(render(records, style), warnings, output.output, drawn=True)
    return ExitStatus.DONE


def answer_in_a_pipe(output: OutputOptions, *, shown: bool) -> OutputOptions:
    """Return the output with the format `answer` if no option chose a format or steps."""
    to_pipe = (
        output.format is None and output.output in {None, "-"} and not _is_terminal(sys.stdout)
    )
    if to_pipe and not shown and set(output.given) <= {"color", "light"}:
        return replace(output, format="answer")
    return output


def refuse_steps_of_answer(output: OutputOptions, *, shown: bool) -> None:
    """Raise AttnError if an option names steps, and the format is `answer`, which shows none."""
    if shown and output.format == "answer":
        raise AttnError(
            "the format answer shows no steps, so it does not go with --show and --only",
            help="leave out one of the two",
        )


def answer_on_a_terminal(output: OutputOptions, *, shown: bool) -> bool:
    """Return whether the answer and its weights go to a terminal: no option names steps."""
    to_screen = output.format is None and output.output in {None, "-"}
    return to_screen and not shown and _is_terminal(sys.stdout)


def say_what_else(output: OutputOptions, steps: Iterable[str]) -> None:
    """Say how to see the tables of the steps that are left out."""
    others = sorted((n for n in steps if n not in BRIEF), key=lambda name: "." in name)
    if others and not output.quiet:
        some = ",".join(others[:3])
        say(f"note: --show all shows every table, --show {some} some of them")


def emit(rendered: Rendered, warnings: Iterable[str], target: str | None, *, drawn: bool) -> None:
    """Write a rendered view, print warnings; only `drawn` views use the terminal's encoding."""
    if isinstance(rendered, str):
        _write(rendered if drawn else _visible(rendered, target).encode(), target)
    elif isinstance(rendered, bytes):
        _write(rendered, target)
    else:
        _write(encoded(rendered, target), target)
    for warning in warnings:
        say(f"warning: {printable(warning)}")


def deliver_streamed(
    whole: Whole, compute: Callable[[Target], Iterable[str]], output: OutputOptions
) -> ExitStatus:
    """Write a step while it is computed, then print its warnings.

    `compute` gets the sink of the values, and returns the warnings.
    """
    view = output.view()
    encoding = view.encoding(whole, style_of(output, view))
    if _on_terminal(output.output):
        encoding = _visible_encoding(encoding)
    with opened(output.output) as out:
        warnings = compute(_Encoded(encoding, out))
    if not output.quiet:
        for warning in warnings:
            say(f"warning: {printable(warning)}")
    return ExitStatus.DONE


def _visible_encoding(text: Encoding) -> Encoding:
    """Return an encoding as text, with escapes for characters that would act on a terminal."""
    from attn_cli.views.invisible import made_visible

    def shown(data: bytes | memoryview) -> bytes:
        return made_visible(bytes(data).decode()).encode()

    head, encode = shown(text.head), text.encode
    return Encoding(head, None, lambda start, values: shown(encode(start, values)))


class _Encoded:
    """A target of an engine: values are encoded and written at their place in the output."""

    def __init__(self, encoding: Encoding, out: Output) -> None:
        self._encoding, self._out = encoding, out
        self.anywhere = out.anywhere and encoding.itemsize is not None
        self._next = 0  # the number of the next value, if they come in order

    def write(self, start: int, values: AnyArray) -> None:
        """Write values, of which `start` is the number of the first; the head is before value 0."""
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


def encoded(rendered: Iterable[str] | Iterable[bytes], target: str | None) -> Iterator[bytes]:
    """Yield the parts of a view that is rendered in parts, as UTF-8."""
    for part in rendered:
        yield _visible(part, target).encode() if isinstance(part, str) else part


def style_of(output: OutputOptions, view: View) -> Style:
    """Return the style of the view, from options and from where the output goes."""
    to_file = _goes_to_file(output.output)
    terminal = not to_file and _is_terminal(sys.stdout)
    wanted = wants_colour(output.color, os.environ, terminal=terminal, to_file=to_file)
    return Style(
        digits=output.digits,
        labels=output.labels,
        width=_width(output, view, terminal=terminal),
        colours=colours_of(os.environ) if wanted else 0,
        light=has_light_ground(os.environ) if output.light is None else output.light,
        ascii=not to_file and not _can_show(view.characters),
        verbose=output.verbose,
        numbers=output.numbers,
        first=output.from_,
        full=output.full,
        math=output.math,
        booktabs=output.booktabs,
        standalone=output.standalone,
    )


def _width(output: OutputOptions, view: View, *, terminal: bool) -> int | None:
    """Return the width in columns; for data only if an option sets it."""
    if output.width is not None or not view.drawn:
        return output.width
    return shutil.get_terminal_size().columns if terminal else None


def _visible(text: str, target: str | None) -> str:
    """Return data unchanged; on a terminal, with escapes for characters that would act on it."""
    if not _on_terminal(target):
        return text
    from attn_cli.views.invisible import made_visible

    return made_visible(text)


def _on_terminal(target: str | None) -> bool:
    """Return whether the output is a terminal; a file can be one too: /dev/tty."""
    if target is None or target == "-":
        return _is_terminal(sys.stdout)
    try:
        if not stat.S_ISCHR(os.stat(target).st_mode):
            return False
        with open(target, "wb", buffering=0) as device:
            return device.isatty()
    except (OSError, ValueError):  # writing it will report the reason
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
