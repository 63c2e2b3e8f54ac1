"""What is right for one input: that it is read, or refused with a place; within limits."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NamedTuple

from attn_cli.errors import AttnError

SECONDS = 5.0  # of the processor, for one input
LONGEST = 20_000  # characters of a message
WRITTEN = "a file was written"


class Hang(BaseException):
    """An input took too long. No Exception, so that no reader takes it for one of its own."""


class Fault(NamedTuple):
    """What is wrong with how an input was read."""

    kind: str  # the same for inputs that fail in the same way
    report: str


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise Hang in what takes longer, in time of the processor: other work does not count."""

    def ended(_: int, __: FrameType | None) -> None:
        raise Hang(f"more than {seconds:g} s")

    before = signal.signal(signal.SIGPROF, ended)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def fault(
    read: Callable[[bytes], None], data: bytes, files: tuple[str, ...], seconds: float = SECONDS
) -> Fault | None:
    """Return what is wrong with how the working folder's input is read, or None."""
    try:
        with limited(seconds):
            read(data)
    except AttnError as error:
        return _complaint(error, files) or _written(files)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return Fault(_kind(error), "".join(traceback.format_exception(error)))
    return _written(files)


def _written(files: tuple[str, ...]) -> Fault | None:
    """Return the fault of a file in the working folder that no reader may write."""
    others = [name for name in os.listdir() if name not in files]
    return Fault(WRITTEN, f"written: {others}") if others else None


def _kind(error: BaseException) -> str:
    """Return the type of an exception, with the last line of the package that it came through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [each for each in frames if "attn_cli" in each.filename] or list(frames[-1:])
    if isinstance(error, Hang):
        return f"Hang in {ours[0].name}" if ours else "Hang"
    place = f" at {os.path.basename(ours[-1].filename)}:{ours[-1].lineno}" if ours else ""
    return f"{type(error).__name__}{place}"


def _complaint(error: AttnError, files: tuple[str, ...]) -> Fault | None:
    """Return what is wrong with an error's message, or None."""
    said = error.report()
    try:
        refuse_control_characters(said)
    except AssertionError as wrong:
        return Fault(f"{wrong}", said)
    if not error.message.strip():
        return Fault("an empty message", said)
    names = (*files, "--", "standard input")
    placed = error.where is not None and error.where.file is not None
    if not placed and not any(name in error.message for name in names):
        return Fault(f"no place: {error.message[:40]}", said)
    return None


def refuse_control_characters(said: str) -> None:
    """Raise AssertionError for a message that is endless, or moves a terminal's cursor."""
    if len(said) > LONGEST:
        raise AssertionError("a message that is too long")
    if any(not line.isprintable() for line in said.split("\n")):
        raise AssertionError("a message with control characters")
    if " object at 0x" in said or "Traceback" in said:
        raise AssertionError("a message of Python's")
