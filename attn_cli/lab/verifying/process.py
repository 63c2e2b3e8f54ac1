"""The function in a child process, started again after a crash or a call without an end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

from attn_cli.errors import AttnError
from attn_cli.lab.verifying.answer import (
    CRASHED,
    DONE,
    RAISED,
    TIMED_OUT,
    Answer,
    Call,
    Signature,
)
from attn_cli.lab.verifying.wire import Closed, Late, Line

IMPORT_SECONDS = 120.0
_START = "import sys; from attn_cli.lab.verifying.child import main; "


class Kernel(Protocol):
    """A function under test: what it takes, and what it gives."""

    name: str

    @property
    def signature(self) -> Signature:
        """The options that it takes."""

    def call(self, call: Call) -> Answer:
        """Return what a call gives."""


class InProcess:
    """A function that is called in this process, without a limit of time."""

    def __init__(self, function: Callable[..., Any], arrays: str, adapter: Any = None) -> None:
        from attn_cli.lab.verifying.calling import signature
        from attn_cli.lab.verifying.libraries import library

        module = getattr(function, "__module__", "")
        self.name = f"{module}:{getattr(function, '__qualname__', type(function).__name__)}"
        self._function = function if adapter is None else partial(adapter, function)
        self._arrays, self._signature = library(arrays), signature(self._function)

    @property
    def signature(self) -> Signature:
        """The options that it takes."""
        return self._signature

    def call(self, call: Call) -> Answer:
        """Return what a call gives; its timeout is ignored."""
        from attn_cli.lab.verifying.calling import called

        return called(self._function, call, self._arrays)


class InChild:
    """A function by its MODULE:FUNCTION, called in a process of its own.

    Raises AttnError if it cannot be imported or called; the traceback of an import that failed goes
    to `tell` first. As a context manager it ends the process.
    """

    def __init__(
        self,
        function: str,
        arrays: str,
        adapter: str = "",
        *,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        for name in filter(None, (function, adapter)):
            _check_name(name)
        self.name, self._command = function, (arrays, function, adapter)
        self._tell = tell
        self._process: subprocess.Popen[bytes] | None = None
        self._line: Line | None = None
        self._ends: tuple[int, int] = (-1, -1)
        self._signature: Signature | None = None

    def __enter__(self) -> InChild:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def signature(self) -> Signature:
        """The options that it takes; the process is started if there is none."""
        self._started()
        assert self._signature is not None
        return self._signature

    def call(self, call: Call) -> Answer:
        """Return what a call gives, within its timeout."""
        line = self._started()
        try:
            line.send({"options": call.options, "dtype": call.dtype}, call.arrays)
            head, arrays = line.receive(call.timeout)
        except Late:
            self.end()
            return Answer(verdict=TIMED_OUT, text=f"more than {call.timeout:g} s")
        except Closed:
            return Answer(verdict=CRASHED, text=self._ended())
        if "error" in head:
            raise AttnError(head["error"], help=head.get("help"))
        results = arrays if head["verdict"] == DONE else None
        return Answer(
            verdict=head["verdict"],
            text=head["text"],
            traceback=head["traceback"] if head["verdict"] == RAISED else "",
            results=results,
        )

    def _started(self) -> Line:
        if self._line is not None:
            return self._line
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        arguments = f"main({theirs_in}, {theirs_out}, *sys.argv[1:])"
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START + arguments, *self._command],
            stdin=subprocess.DEVNULL,
            stdout=_standard_error(),
            stderr=_standard_error(),
            pass_fds=(theirs_in, theirs_out),
            start_new_session=True,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._ends, self._line = (ours_in, ours_out), Line(ours_in, ours_out)
        self._signature = self._first_message()
        return self._line

    def _first_message(self) -> Signature:
        assert self._line is not None
        function = self._command[1]
        try:
            head, _ = self._line.receive(IMPORT_SECONDS)
        except Late:
            self.end()
            raise AttnError(f"importing {function} took more than {IMPORT_SECONDS:g} s") from None
        except Closed:
            raise AttnError(f"the process that imports {function} {self._ended()}") from None
        if "error" in head:
            self.end()
            if head["traceback"]:
                self._tell(head["traceback"])
            raise AttnError(
                head["error"],
                help=head.get("help") or "MODULE is imported as by python -m, from this folder",
            )
        names = head["names"]
        return Signature(names=None if names is None else tuple(names), note=head["note"])

    def _ended(self) -> str:
        """Return how the process ended by itself."""
        assert self._process is not None
        try:
            status = self._process.wait(5)
        except subprocess.TimeoutExpired:  # it closed its pipe, and lives on
            status = 0
        self.end()
        if status < 0:
            with suppress(ValueError):
                return f"ended by {signal.Signals(-status).name}"
        return f"ended with exit status {status}"

    def end(self) -> None:
        """End the process and those that it started."""
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            for end in self._ends:
                os.close(end)
        self._process = self._line = None


def _check_name(name: str) -> None:
    module, colon, path = name.partition(":")
    if not colon or not all(part.isidentifier() for part in (*module.split("."), *path.split("."))):
        meant = name.replace("/", ".").removesuffix(".py")
        advice = (
            f"write MODULE:FUNCTION, such as {meant.rpartition('.')[0]}:{meant.rpartition('.')[2]}"
        )
        if colon or "." not in meant:
            advice = "write MODULE:FUNCTION, such as mykernel:attention"
        raise AttnError(f"'{name}' is not MODULE:FUNCTION", help=advice)


def _standard_error() -> int:
    """Return the file of standard error; nowhere if it is closed."""
    try:
        os.fstat(2)
    except OSError:
        return subprocess.DEVNULL
    return 2
