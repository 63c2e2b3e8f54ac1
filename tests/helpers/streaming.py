"""A target of steps that are written while they are computed, and what each write may hold."""

from __future__ import annotations

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.engine.blocks import ARRAYS_PER_BLOCK
from attn_cli.engine.stream import Streamed, streamed
from attn_cli.maths.problem import Problem, Request


class Numbers:
    """A target in memory; of one that is ordered, values must come one after the other."""

    def __init__(self, step: Streamed, *, anywhere: bool = True) -> None:
        self.anywhere = anywhere
        self.shape = step.whole.shape
        self.values = np.full(int(np.prod(self.shape)), 97, dtype=step.whole.dtype)
        self.written: list[tuple[int, int]] = []  # where values begin, how many they are

    def write(self, start: int, values: AnyArray) -> None:
        assert values.flags.c_contiguous
        assert self.anywhere or start == sum(count for _, count in self.written)
        self.values[start : start + values.size] = values.reshape(-1)
        self.written.append((start, values.size))

    @property
    def array(self) -> AnyArray:
        """All values; each has been written once."""
        places = sorted(self.written)
        ends = np.cumsum([count for _, count in places])
        assert [start for start, _ in places] == [0, *ends[:-1]]
        assert ends[-1] == self.values.size
        return self.values.reshape(self.shape)


def streaming(problem: Problem, request: Request) -> Streamed:
    step = streamed(problem, request)
    assert step is not None
    return step


def in_parts(problem: Problem, step: str, rows: int, n_k: int) -> AnyArray:
    """The step, written so many rows at a time."""
    found = streaming(problem, Request(steps=(step,), memory=_bytes_of(rows, n_k)))
    target = Numbers(found)
    found.into(target)
    return target.array


def _bytes_of(rows: int, n_k: int) -> int:
    return 2 * rows * n_k * 8 * ARRAYS_PER_BLOCK


def memory_of(rows: int, n_k: int) -> str:
    """An option: half of it is so many rows of a block of scores of float64."""
    return f"{_bytes_of(rows, n_k)}B"
