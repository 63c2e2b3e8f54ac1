"""Processes of `attn` that begin as forks of the tests' own, where everything is imported already.

A fork takes some milliseconds, a process of Python a quarter of a second. It has streams, signals,
a folder and an environment of its own, as any process has. Only what happens while modules are
imported cannot be seen there: that needs a process that is new.
"""

from __future__ import annotations

import faulthandler
import gc
import io
import os
import pkgutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

from rich.style import Style

import attn_cli
from attn_cli.cli import main

SAMPLE = Path(__file__).parent.parent.parent / "samples" / "love_coding.yaml"
# What Python reads when it starts: a fork has started with that of the tests.
_READ_AT_START = ("PYTHON", "LC_", "LANG")


def serves(environment: Mapping[str, str] | None) -> bool:
    """Whether a fork is what a new process with this environment would be.

    PYTHONIOENCODING is seen to; PYTHONPATH and PYTHONDONTWRITEBYTECODE change nothing here.
    """
    return environment is None or _at_start(environment) == _at_start(os.environ)


def _at_start(environment: Mapping[str, str]) -> dict[str, str]:
    handled = ("PYTHONIOENCODING", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(_READ_AT_START) and name not in handled
    }


class Fork(subprocess.Popen[Any]):
    """A Popen whose process is a fork that calls `run`, and not a program."""

    def __init__(self, run: Callable[[], object], arguments: Any, **options: Any) -> None:
        _import_all()
        self._run = run
        super().__init__(arguments, **options)

    def _execute_child(self, args: Any, executable: Any, preexec_fn: Any, *others: Any) -> None:
        """Fork, in the place of what starts a program.

        The others, in order: close_fds, pass_fds, cwd, env, startupinfo, creationflags, shell, and
        both ends of the pipes of 0, 1 and 2.
        """
        _, open_, cwd, env, _, _, _, *pipes = others[:13]
        streams = (pipes[0], pipes[3], pipes[5])
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if not self.pid:
            try:
                self._begin(streams, open_, cwd, env, preexec_fn)
                sys.argv = [os.fsdecode(each) for each in args]
                _leave(self._run)
            finally:
                os._exit(70)
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]

    def _begin(
        self, streams: tuple[int, ...], open_: tuple[int, ...], cwd: Any, env: Any, before: Any
    ) -> None:
        """Have what a process begins with: its streams, folder, environment and signals."""
        os.setsid()
        for number, descriptor in enumerate(streams):
            if descriptor >= 0:
                os.dup2(descriptor, number)
        edges = [2, *sorted(open_), 4096]
        for below, above in pairwise(edges):
            os.closerange(below + 1, above)
        if cwd is not None:
            os.chdir(cwd)
        if env is not None:
            os.environ.clear()
            os.environ.update({os.fsdecode(k): os.fsdecode(v) for k, v in env.items()})
        faulthandler.disable()
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        for kept in (Style.parse, Style._add):  # styles keep the codes of their first terminal
            kept.cache_clear()
        if before is not None:
            before()
        _open_standard_streams()


def _open_standard_streams() -> None:
    """Make sys.stdin, stdout and stderr as a start of Python does: None for what is closed."""
    encoding, _, errors = os.environ.get("PYTHONIOENCODING", "").partition(":")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream: Any = None
        with suppress(OSError):
            raw = io.FileIO(number, "rb" if number == 0 else "wb", closefd=False)
            made = io.BufferedReader(raw) if number == 0 else io.BufferedWriter(raw)
            stream = io.TextIOWrapper(
                made,
                encoding=encoding or "utf-8",
                errors="backslashreplace" if number == 2 else errors or "strict",
                line_buffering=number == 2 or raw.isatty(),
            )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _leave(run: Callable[[], object]) -> NoReturn:
    """Leave the process as the end of a program does."""
    status = 0
    try:
        run()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        traceback.print_exc()
        status = 1
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and not stream.closed:
                stream.flush()
    except OSError:
        status = 120
    os._exit(status)


@cache
def _import_all() -> None:
    """Import what commands import, and compute once, before the first fork."""
    import rich.table  # noqa: F401
    import yaml  # noqa: F401

    for module in pkgutil.walk_packages(attn_cli.__path__, "attn_cli."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    # What a computation keeps for the next one, such as the formulas of its steps.
    main(["compute", str(SAMPLE), "-o", os.devnull])
    gc.collect()
    gc.freeze()  # a fork would copy all that the garbage collector looks at
