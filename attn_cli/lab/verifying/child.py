"""The process that imports the function and calls it, case after case, until its pipe is closed.

What the function prints goes to standard error: standard output belongs to attn.
"""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from typing import Any

from attn_cli.errors import AttnError, for_both
from attn_cli.lab.verifying.answer import Call
from attn_cli.lab.verifying.calling import Function, called, own_traceback, signature
from attn_cli.lab.verifying.libraries import library
from attn_cli.lab.verifying.wire import Closed, Line


def main(incoming: int, outgoing: int, arrays: str, function: str, adapter: str) -> None:
    """Import the function, say which options it takes, then answer calls."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # attn ends this process
    os.set_inheritable(incoming, False)
    os.set_inheritable(outgoing, False)
    line = Line(incoming, outgoing)
    sys.path.insert(0, os.getcwd())
    try:
        ours = library(arrays)
        callable_ = imported(function, adapter)
        options = signature(callable_)
    except _ImportFailedError as failed:
        line.send({"error": failed.text, "traceback": failed.traceback})
        return
    except AttnError as error:
        line.send(_told(error))
        return
    line.send({"names": options.names, "note": options.note})
    while True:
        try:
            head, tensors = line.receive()
        except Closed:
            return
        call = Call(arrays=tensors, options=head["options"], dtype=head["dtype"], timeout=0)
        try:
            answer = called(callable_, call, ours)
        except AttnError as error:
            line.send(_told(error))
            continue
        _flush()
        line.send(
            {"verdict": answer.verdict, "text": answer.text, "traceback": answer.traceback},
            answer.results,
        )


def _told(error: AttnError) -> dict[str, str | None]:
    """Return an error as a message."""
    return {
        "error": for_both(error.message),
        "help": None if error.help is None else for_both(error.help),
        "traceback": "",
    }


def imported(function: str, adapter: str) -> Function:
    """Return the function of MODULE:FUNCTION, or the adapter of MODULE:ADAPTER that calls it."""
    found = _imported(function)
    return partial(_imported(adapter), found) if adapter else found


class _ImportFailedError(Exception):
    def __init__(self, text: str, traceback: str) -> None:
        super().__init__(text)
        self.text, self.traceback = text, traceback


def _imported(name: str) -> Function:
    from importlib import import_module

    module, _, path = name.partition(":")
    try:
        found: Any = import_module(module)
    except BaseException as error:
        absent = isinstance(error, ModuleNotFoundError) and error.name in _parents(module)
        what = f"there is no module '{module}'" if absent else f"{module} cannot be imported"
        said = "" if absent else f": {type(error).__name__}: {error}"
        raise _ImportFailedError(what + said, "" if absent else own_traceback(error)) from None
    for part in path.split("."):
        if not hasattr(found, part):
            raise AttnError(f"{module} has no '{path}'", help=_near(found, part, module))
        found = getattr(found, part)
    if not callable(found):
        raise AttnError(f"{name} is {type(found).__name__}, which cannot be called")
    return found  # type: ignore[no-any-return]


def _parents(module: str) -> set[str]:
    parts = module.split(".")
    return {".".join(parts[: at + 1]) for at in range(len(parts))}


def _near(owner: Any, name: str, module: str) -> str:
    from attn_cli.errors import did_you_mean

    public = [n for n in dir(owner) if not n.startswith("_") and callable(getattr(owner, n, None))]
    return did_you_mean(name, public[:20], what=f"{module} has") if public else ""


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):  # the function may have closed it
            continue
