"""Ending a command by a signal: unfinished files are removed, and nothing is printed.

The handler raises no exception: it could be raised anywhere, in an import or in the clean-up
itself, and leave a file behind. It runs the registered clean-up and ends the process.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

ENDING = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
_undo: list[Callable[[], None]] = []


def end_commands_by_signals() -> None:
    """Install the handlers: the process ends with exit status 128 + the signal's number.

    A signal that is ignored stays so: `nohup` has SIGHUP ignored, a shell SIGINT of what runs in
    the background.
    """
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


@contextmanager
def undone_by_signals(undo: Callable[[], None]) -> Iterator[None]:
    """Call `undo` if a signal ends the process within the block.

    It can be called between any two instructions of the block, also before the first one.
    """
    _undo.append(undo)
    try:
        yield
    finally:
        _undo.remove(undo)


def _end(number: int, _: FrameType | None) -> None:
    for each in ENDING:  # a second signal must not interrupt the clean-up
        signal.signal(each, signal.SIG_IGN)
    for undo in reversed(_undo):
        with suppress(Exception):  # the process ends even if the clean-up fails
            undo()
    os._exit(128 + number)
