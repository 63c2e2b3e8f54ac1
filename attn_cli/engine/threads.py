"""Threads for independent parts of a computation, and the number that NumPy's BLAS may use.

NumPy lets other threads run while it multiplies matrices and takes exponentials, so that a few
threads, each with a tile of its own in the cache, keep all processors busy. Its library for
products (BLAS) has threads too, and both kinds together are slower than either.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import numpy as np

T = TypeVar("T")
OnProgress = Callable[[int, int], None]  # tiles that are done, tiles in all


def processors() -> int:
    """Return the number of processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


class Workers:
    """Runs a function on each of some parts, on as many threads as are allowed.

    The function calls `check` between tiles: a thread cannot be ended from outside.
    """

    def __init__(self, threads: int, on_progress: OnProgress | None = None) -> None:
        self.threads = threads
        self._on_progress = on_progress
        self._stopped = False
        self._done = 0
        self._all = 0

    def expect(self, tiles: int) -> None:
        """Add to the expected number of tiles."""
        self._all += tiles

    def finished(self, tiles: int = 1) -> None:
        """Report finished tiles; called from the thread that waits for the others."""
        self._done += tiles
        if self._on_progress is not None:
            self._on_progress(self._done, max(self._all, self._done))

    def check(self) -> None:
        """Raise StoppedError if the computation was interrupted."""
        if self._stopped:
            raise StoppedError

    def each(self, work: Callable[[T], None], parts: Sequence[T]) -> None:
        """Call `work` on every part; raise the error of the first part that has one.

        An interrupt from the keyboard stops the other threads within one tile.
        """
        if self.threads == 1 or len(parts) < 2:
            for part in parts:
                work(part)
                self.finished()
            return
        from concurrent.futures import ThreadPoolExecutor

        def quiet(part: T) -> None:
            with np.errstate(all="ignore"):  # which belongs to each thread
                work(part)

        with ThreadPoolExecutor(min(self.threads, len(parts))) as pool:
            waiting = [pool.submit(quiet, part) for part in parts]
            try:
                for future in waiting:
                    future.result()
                    self.finished()
            except BaseException:
                self._stopped = True
                pool.shutdown(wait=True, cancel_futures=True)
                self._stopped = False
                raise


class StoppedError(Exception):
    """Raised in a thread to end it; caught with the pool of threads."""


@contextmanager
def one_thread_of_blas(threads: int) -> Iterator[None]:
    """Limit NumPy's products to one thread each while several threads of ours run.

    That needs threadpoolctl, which is optional; without it, or with one thread, nothing is changed.
    The limit holds for the whole process until the end of the block.
    """
    if threads == 1:
        yield
        return
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        yield
        return
    with threadpool_limits(limits=1, user_api="blas"):
        yield
