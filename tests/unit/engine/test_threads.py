"""Threads: errors, interrupts, warnings, progress; and how many NumPy's own library may use."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import ModuleType

import numpy as np
import pytest

from attn_cli import AttnError, attention
from attn_cli.engine import threads as threads_module
from attn_cli.engine.threads import StoppedError, Workers, one_thread_of_blas, processors
from tests.helpers.tiled import by_tiles

SOON = 10.0  # seconds after which a test gives up


def alive() -> set[threading.Thread]:
    return set(threading.enumerate())


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("parts", [0, 1, 2, 5, 50])
def test_each_part_is_done_once(threads: int, parts: int) -> None:
    before = alive()
    done: list[int] = []
    told: list[tuple[int, int]] = []
    workers = Workers(threads, lambda count, of: told.append((count, of)))
    workers.expect(parts)
    workers.each(done.append, range(parts))
    assert sorted(done) == list(range(parts))
    assert told == [(at + 1, parts) for at in range(parts)]
    assert alive() == before


def test_as_many_at_a_time_as_there_are_threads() -> None:
    """Three parts that wait for each other need three threads; the caller's is not among them."""
    meet = threading.Barrier(3)
    names: set[int] = set()

    def part(_: int) -> None:
        meet.wait(SOON)
        names.add(threading.get_ident())

    Workers(3).each(part, range(9))
    assert len(names) == 3
    assert threading.get_ident() not in names


def test_one_thread_is_the_caller_s() -> None:
    names: set[int] = set()
    for workers, parts in ((Workers(1), range(3)), (Workers(4), range(1))):
        workers.each(lambda _: names.add(threading.get_ident()), parts)
    assert names == {threading.get_ident()}


def test_counts_add_up_over_calls() -> None:
    told: list[tuple[int, int]] = []
    workers = Workers(2, lambda done, of: told.append((done, of)))
    workers.expect(3)
    workers.expect(2)
    workers.each(lambda _: None, range(3))
    workers.finished(2)
    assert told == [(1, 5), (2, 5), (3, 5), (5, 5)]
    workers.finished()
    assert told[-1] == (6, 6)  # never more than all
    Workers(2).finished()  # nobody listens


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_first_error_in_order_is_raised(threads: int) -> None:
    """Though a later part has failed before."""
    before, later = alive(), threading.Event()

    def part(at: int) -> None:
        if at == 1:
            if threads > 1:
                later.wait(SOON)
            raise ValueError(at)
        if at == 2:
            later.set()
            raise ZeroDivisionError

    with pytest.raises(ValueError, match=r"^1$"):
        Workers(threads).each(part, range(5))
    assert alive() == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_error_stops_the_others_within_one_tile(error: type[BaseException]) -> None:
    before, workers = alive(), Workers(2)
    running, tiles = threading.Event(), [0]
    begun: list[int] = []

    def part(at: int) -> None:
        begun.append(at)
        if at == 0:
            running.wait(SOON)
            raise error
        ends = monotonic() + SOON
        while monotonic() < ends:
            workers.check()
            tiles[0] += 1
            running.set()
        pytest.fail("nobody stopped this part")

    began = monotonic()
    with pytest.raises(error):
        workers.each(part, range(100))
    assert monotonic() - began < SOON
    assert alive() == before
    assert tiles[0] > 0
    assert len(begun) < 100
    workers.check()  # what comes next is not stopped
    again: list[int] = []
    workers.each(again.append, range(4))
    assert sorted(again) == [0, 1, 2, 3]


def test_an_interrupt_while_waiting_stops_all() -> None:
    """The keyboard interrupts the thread that waits, not one that works."""
    before, begun = alive(), threading.Event()
    interrupted = False

    def tell(_done: int, _all: int) -> None:
        nonlocal interrupted
        begun.wait(SOON)
        interrupted = True
        raise KeyboardInterrupt

    workers = Workers(2, tell)

    def part(at: int) -> None:
        ends = monotonic() + SOON
        while at and monotonic() < ends:
            begun.set()
            workers.check()

    began = monotonic()
    with pytest.raises(KeyboardInterrupt):
        workers.each(part, range(5))
    assert interrupted
    assert monotonic() - began < SOON
    assert alive() == before


def test_a_stopped_part_says_so() -> None:
    workers = Workers(2)
    workers.check()
    workers._stopped = True
    with pytest.raises(StoppedError):
        workers.check()


@pytest.mark.parametrize("threads", [1, 3])
def test_no_thread_warns(threads: int) -> None:
    """Warnings of NumPy belong to a thread: those of ours are as quiet as the one that asks."""
    x = np.zeros(3)

    def part(_: int) -> None:
        np.divide(x, x)

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("error")
        Workers(threads).each(part, range(9))
        by_tiles({"query": [[1.0]] * 9, "key": [[1e3]] * 9, "value": [[1.0]] * 9, "causal": True,
                  "offset": -3}, ("lse", "output"), tile=(2, 2), threads=threads)  # fmt: skip


def test_processors_are_those_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 6}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 11)
    assert processors() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    assert processors() == 11
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert processors() == 1


class Limits:
    """Takes the place of threadpoolctl: what was limited, and whether it has been put back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.said: list[object] = []
        module = ModuleType("threadpoolctl")

        @contextmanager
        def threadpool_limits(*, limits: int, user_api: str) -> Iterator[None]:
            self.said.append((limits, user_api))
            try:
                yield
            finally:
                self.said.append("back")

        module.threadpool_limits = threadpool_limits  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "threadpoolctl", module)


def test_blas_is_held_while_threads_run(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(monkeypatch)
    with one_thread_of_blas(2):
        assert limits.said == [(1, "blas")]
    assert limits.said == [(1, "blas"), "back"]


def test_blas_is_left_alone_for_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(monkeypatch)
    with one_thread_of_blas(1):
        pass
    assert limits.said == []


def test_blas_is_put_back_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(monkeypatch)
    with pytest.raises(KeyboardInterrupt), one_thread_of_blas(5):
        raise KeyboardInterrupt
    assert limits.said == [(1, "blas"), "back"]


def test_without_threadpoolctl_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)  # as if it were not installed
    with one_thread_of_blas(2):
        pass
    with pytest.raises(ZeroDivisionError), one_thread_of_blas(2):
        raise ZeroDivisionError


def test_the_api_holds_blas_for_one_record(monkeypatch: pytest.MonkeyPatch) -> None:
    limits, x = Limits(monkeypatch), [[1.0]]
    attention(x, x, x)
    assert limits.said == []
    attention(x, x, x, threads=2)
    assert limits.said == [(1, "blas"), "back"]
    limits.said.clear()
    with pytest.raises(AttnError):
        attention(x, x, x, threads=2, steps=["nothing"])
    assert limits.said == [(1, "blas"), "back"]


def test_threads_are_loaded_when_there_are_several() -> None:
    assert "concurrent" not in vars(threads_module)
