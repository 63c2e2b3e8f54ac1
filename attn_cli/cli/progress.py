"""Progress bars: on standard error, if it is a terminal, for long computations and large files."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING

from attn_cli.cli.signals import undone_by_signals
from attn_cli.cli.talk import say

if TYPE_CHECKING:
    from attn_cli.engine.threads import OnProgress
    from attn_cli.maths.problem import Problem, Request

LONG = 1.0  # seconds; shorter computations get no bar
WIPED = b"\r\x1b[2K\x1b[?25h"  # an empty line, and the cursor that Rich hides
SMALL = 16 << 20  # bytes; smaller files are read before a bar could be seen


@contextmanager
def reading() -> Iterator[Callable[[int, int], None]]:
    """Yield a callback (bytes read, bytes in all)."""
    with _bar("reading") as draw:
        yield lambda done, total: draw(done, total, "") if total > SMALL else None


@contextmanager
def training() -> Iterator[Callable[[int, int, str], None]]:
    """Yield a callback (step, number of steps, text)."""
    with _bar("training") as draw:
        yield draw


@contextmanager
def computing(
    problem: Problem, request: Request, *, streams: bool = False
) -> Iterator[OnProgress | None]:
    """Print an estimate of a long computation; yield a callback for each finished tile.

    It is None if standard error is not a terminal, or if the computation is too short for a bar.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from attn_cli.engine.estimate import estimate
    from attn_cli.memory import in_units

    ahead = estimate(problem, request, streams=streams)
    if ahead.seconds < LONG:
        yield None
        return
    say(
        f"{ahead.scores:.3g} scores, about {_duration(ahead.seconds)} and "
        f"{in_units(ahead.bytes)} of memory"
    )
    begun = monotonic()
    with _bar("computing") as draw:

        def on_progress(done: int, total: int) -> None:
            rate = done / max(monotonic() - begun, 1e-9)
            draw(done, total, f"{done} of {total} tiles, {rate:.3g} a second")

        yield on_progress


def _duration(seconds: float) -> str:
    """Return a time in a unit that people use for it.

    >>> _duration(8.2), _duration(100), _duration(5000), _duration(300000)
    ('8 s', '2 min', '1.4 h', '83 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.2g} h"


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int, str], None]]:
    """Yield a callback (done, total, text) that draws a bar if standard error is a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda _done, _total, _text: None
        return
    bar = _Bar(what)
    try:
        with undone_by_signals(bar.wipe):
            yield bar
    finally:
        bar.stop()


class _Bar:
    """A progress bar of Rich, which is imported at the first call."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._stop: Callable[[], None] | None = None
        self._update: Callable[..., None] = print

    def __call__(self, done: int, total: int, text: str) -> None:
        with suppress(OSError):  # the terminal may be gone; the result is still wanted
            if self._stop is None:
                self._start()
            self._update(completed=done, total=total, description=f"{self._what} {text}".strip())

    def _start(self) -> None:
        from functools import partial

        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = ("{task.description}", "{task.percentage:>3.0f} %")
        progress = Progress(
            TextColumn(columns[0]),
            BarColumn(),
            TextColumn(columns[1]),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._update = partial(progress.update, progress.add_task(self._what, total=None))
        self._stop = progress.stop
        progress.start()

    def stop(self) -> None:
        """Remove the bar from the screen."""
        if self._stop is not None:
            with suppress(OSError):
                self._stop()

    def wipe(self) -> None:
        """Remove the bar from the screen, even if Rich is drawing it at the moment."""
        if self._stop is not None:
            os.write(sys.stderr.fileno(), WIPED)
