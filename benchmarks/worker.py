"""A process that stays alive, in the virtual environment of one side, and does as it is asked."""

from __future__ import annotations

import json
import subprocess
from types import TracebackType
from typing import Any, Self

from benchmarks.process import FailedError, environment


class Worker:
    """One of the modules of `benchmarks.inside`, in a process of its own.

    Question and answer are one line of JSON each; between them the worker waits, so that only one
    works at a time.
    """

    def __init__(self, interpreter: str, module: str, variables: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [interpreter, "-m", f"benchmarks.inside.{module}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment() | variables,
        )
        self._name = f"{interpreter} -m benchmarks.inside.{module}"

    def ask(self, what: str, **arguments: Any) -> Any:
        """Return what a function of the worker returned; raise FailedError where it raised."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"call": what, "arguments": arguments}) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise FailedError(f"{self._name} ended with status {self._process.wait()}")
        said = json.loads(answer)
        if "error" in said:
            raise FailedError(f"{what}: {said['error']}")
        return said["result"]

    def time(self) -> float:
        """Return the seconds of one run of what was prepared."""
        return float(self.ask("run"))

    def cpu(self) -> float:
        """Return the CPU time of all threads of one run of what was prepared."""
        return float(self.ask("run", clock="process_time"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()
