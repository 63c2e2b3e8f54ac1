"""The worker's side of the conversation, and the one piece of work that is prepared."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np


class Prepared:
    """Work that is done again and again, and what came of it last."""

    def __init__(self) -> None:
        self.work: Callable[[], Any] = lambda: None
        self.result: Any = None

    def run(self, clock: str = "perf_counter") -> float:
        """Return the seconds of one run by a clock of the module `time`."""
        now = getattr(time, clock)
        self.result = None  # the memory of the last result is free for the next
        start = now()
        self.result = self.work()
        return float(now() - start)

    def returned(self) -> Any:
        """Return what one run returns, of work that measures itself."""
        return self.work()

    def save(self, file: str) -> None:
        """Write the last result as .npy."""
        np.save(file, np.asarray(self.result))


def peak() -> int:
    """Return the most memory that this process has had so far, in bytes."""
    with open("/proc/self/status", encoding="ascii") as stream:
        line = next(line for line in stream if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def serve(calls: Mapping[str, Callable[..., Any]]) -> None:
    """Answer questions until there are no more."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no answer
    for line in sys.stdin:
        question = json.loads(line)
        try:
            said = {"result": calls[question["call"]](**question["arguments"])}
        except Exception as error:
            said = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(said) + "\n")
        answers.flush()
