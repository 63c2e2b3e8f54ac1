"""How a signal ends a command: what it must not leave behind is undone, and nothing is said.

The handler raises no exception: one could come up anywhere, in the middle of an import or of the
undoing itself, and leave a file behind. It undoes what is registered and ends the process.
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
    """From here on, end the process by these signals with exit status 128 + the signal's number.

    A signal that is ignored stays so: `nohup` has SIGHUP ignored, a shell SIGINT of what runs in
    the background.
    """
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


@contextmanager
def undone_by_signals(undo: Callable[[], None]) -> Iterator[None]:
    """Have `undo` called if a signal ends the process within the block.

    It is called between any two instructions of the block, also before the first one.
    """
    _undo.append(undo)
    try:
        yield
    finally:
        _undo.remove(undo)


def _end(number: int, _: FrameType | None) -> None:
    for each in ENDING:  # a second one must not break off the undoing
        signal.signal(each, signal.SIG_IGN)
    for undo in reversed(_undo):
        with suppress(Exception):  # what can be undone is, and the process ends in any case
            undo()
    os._exit(128 + number)
