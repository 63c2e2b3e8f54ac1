"""The plugin of pytest that tries changes: in the place of the loop over all tests."""

from __future__ import annotations

import ast
import builtins
import functools
import gc
import importlib
import os
import pkgutil
import resource
import time
from collections import Counter
from collections.abc import Sequence
from types import CodeType, FunctionType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

import attn_cli
from tests.mutants.change import Change, Function, code_of, definition

MEMORY = 8 << 30  # bytes of addresses: a fault may ask for any size
KEPT = "tests.conformance.expected._oracle"  # the one cache that holds nothing of the package's
CALLED: set[Function] = set()  # functions that have been called since this was emptied
NOTED = "_functions_called"  # its name for all modules
FORK = Function("", "")  # called by a test that starts a process, whose calls are not seen


class Mutants:
    """Runs all tests, then some of them again for each change."""

    def __init__(self, changes: Sequence[Change], jobs: int) -> None:
        self.changes, self.jobs = changes, jobs
        self.counts: Counter[str] = Counter()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try all changes, and say what became of each."""
        shown: Any = session.config.pluginmanager.getplugin("terminalreporter")
        forget()  # what tests made when they were imported
        functions = found({change.function for change in self.changes})
        calls = self._calls(session.items, functions, shown)
        forget()
        running: dict[int, tuple[Change, int]] = {}
        for change in self.changes:
            if len(running) == self.jobs:
                self._end_one(running, shown)
            code = change.code()
            if code is None or change.function not in functions:
                self._say(shown, change, "no such line" if code is None else "no such function")
                continue
            reader, writer = os.pipe()
            process = os.fork()
            if not process:
                said = ""
                try:
                    os.close(reader)
                    for each in functions[change.function]:
                        each.__code__ = code
                    said = _failed(_calls_of(change.function, calls))
                except BaseException as error:
                    said = f"killed by {type(error).__name__}: {error}"
                finally:
                    os.write(writer, said.encode())
                    os._exit(0)
            os.close(writer)
            running[process] = (change, reader)
        while running:
            self._end_one(running, shown)
        shown.write_line(", ".join(f"{count} {what}" for what, count in self.counts.items()))
        session.testsfailed = sum(self.counts.values()) - self.counts["killed"]
        return True

    def _calls(
        self, items: list[pytest.Item], functions: dict[Function, list[FunctionType]], shown: Any
    ) -> dict[Function, list[tuple[float, pytest.Item]]]:
        """Run every test; return those that call each function, with their seconds."""
        setattr(builtins, NOTED, CALLED)
        os.register_at_fork(before=lambda: CALLED.add(FORK))
        before = {each: each.__code__ for group in functions.values() for each in group}
        for function, group in functions.items():
            code = noting(function)
            for each in group:
                each.__code__ = code or each.__code__
        found: dict[Function, list[tuple[float, pytest.Item]]] = {}
        for item, following in zip(items, [*items[1:], None], strict=True):
            CALLED.clear()
            begun = time.process_time()
            reports = runtestprotocol(item, nextitem=following, log=False)
            seconds = time.process_time() - begun
            if any(report.failed for report in reports):
                shown.write_line(f"fails without a change: {item.nodeid}")
                continue
            for function in CALLED:
                found.setdefault(function, []).append((seconds, item))
        for each, code in before.items():
            each.__code__ = code
        for calls in found.values():
            calls.sort(key=lambda call: call[0])
        shown.write_line(f"{len(items)} tests have run")
        return found

    def _end_one(self, running: dict[int, tuple[Change, int]], shown: Any) -> None:
        process, status = os.wait()
        change, reader = running.pop(process)
        with os.fdopen(reader) as stream:
            said = stream.read()
        if status:
            said = "killed by no end"
        self._say(shown, change, said)

    def _say(self, shown: Any, change: Change, said: str) -> None:
        self.counts["killed" if said.startswith("killed") else said] += 1
        shown.write_line(f"\n{said}: {change}")


def _calls_of(
    function: Function, calls: dict[Function, list[tuple[float, pytest.Item]]]
) -> list[tuple[float, pytest.Item]]:
    """Return the tests of a function; then those that start processes, which may call it there."""
    seen = calls.get(function, [])
    if seen and not function.file.startswith("cli"):
        return seen
    known = {item for _, item in seen}
    return seen + [call for call in calls.get(FORK, []) if call[1] not in known]


def _failed(calls: list[tuple[float, pytest.Item]]) -> str:
    """Run the tests until one fails, and say which; each may take five times its time and 5 s."""
    if not calls:
        return "called by no test"
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for (seconds, item), following in zip(calls, [*calls[1:], (0, None)], strict=True):
        limit = int(time.process_time() + 5 * seconds + 5)
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
        reports = runtestprotocol(item, nextitem=following[1], log=False)
        if any(report.failed for report in reports):
            return f"killed by {item.nodeid}"
    return "survived"


def found(functions: set[Function]) -> dict[Function, list[FunctionType]]:
    """Return the objects of these functions; most have one."""
    for module in pkgutil.walk_packages(attn_cli.__path__, "attn_cli."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    gc.unfreeze()  # what is frozen is not among the objects
    names = {(str(function.path), function.name): function for function in functions}
    objects: dict[Function, list[FunctionType]] = {}
    for each in gc.get_objects():
        if isinstance(each, FunctionType):
            code = each.__code__
            function = names.get((code.co_filename, code.co_qualname))
            if function is not None:
                objects.setdefault(function, []).append(each)
    return objects


def noting(function: Function) -> CodeType | None:
    """Return the code of a function that begins with noting that it has been called."""
    module = ast.parse(function.path.read_text(encoding="utf-8"))
    node = definition(module, function.name)
    if node is None:
        return None
    note = ast.parse(f"{NOTED}.add(({function.file!r}, {function.name!r}))")
    node.body[:0] = note.body
    ast.fix_missing_locations(module)
    return code_of(compile(module, function.path, "exec"), function.name)


def forget() -> None:
    """Empty the caches, which hold what the package made without a change."""
    gc.unfreeze()  # tests freeze, and what is frozen is not among the objects
    for each in gc.get_objects():
        if isinstance(each, functools._lru_cache_wrapper):
            name = f"{each.__module__}.{each.__name__}"
            if name.startswith(("tests.", "attn_cli.")) and name != KEPT:
                each.cache_clear()
