"""Things that are measured in turn, A B A B, and what follows from the pairs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

T = TypeVar("T")

# Threads of a BLAS or of OpenMP wait for the next call for a moment before they sleep.
PAUSE = 0.02


@dataclass(frozen=True, slots=True)
class Effort:
    """How often: at least `least` rounds, then until there are `most` or `seconds` are over."""

    least: int = 5
    most: int = 15
    seconds: float = 6.0


def in_turn(calls: Sequence[Callable[[], T]], effort: Effort) -> list[tuple[T, ...]]:
    """Return what the calls returned, round by round, after one round that does not count."""
    rounds: list[tuple[T, ...]] = []
    _round(calls)
    start = time.monotonic()
    while len(rounds) < effort.least or (
        len(rounds) < effort.most and time.monotonic() - start < effort.seconds
    ):
        rounds.append(_round(calls))
    return rounds


def _round(calls: Sequence[Callable[[], T]]) -> tuple[T, ...]:
    results = []
    for call in calls:
        time.sleep(PAUSE)
        results.append(call())
    return tuple(results)


@dataclass(frozen=True, slots=True)
class Paired:
    """Medians of both, and of the ratio pair by pair, with its smallest and largest value."""

    ours: float
    peer: float
    ratio: float
    low: float
    high: float
    runs: int


def paired(pairs: Sequence[tuple[float, ...]]) -> Paired:
    """Return the medians of pairs (ours, peer).

    The median of the ratios, not the ratio of the medians: what slows the machine down for a while
    slows both of a pair.

    >>> paired([(1.0, 2.0), (3.0, 4.0), (9.0, 10.0)])
    Paired(ours=3.0, peer=4.0, ratio=0.75, low=0.5, high=0.9, runs=3)
    """
    ratios = [over(ours, peer) for ours, peer in pairs]
    return Paired(
        median(ours for ours, _ in pairs),
        median(peer for _, peer in pairs),
        median(ratios),
        min(ratios),
        max(ratios),
        len(pairs),
    )


def without_start(rounds: Sequence[tuple[float, ...]]) -> Paired:
    """Return (ours, peer) of rounds (ours, peer, ours on nothing, the peer on nothing).

    Start-up is taken off within a round. Then the ratio is that of the medians: a start-up of
    seconds that is taken off a job of tenths leaves pairs whose ratios say nothing. `low` and
    `high` are ours of one round over the peer's median.

    >>> without_start([(3.0, 9.0, 1.0, 5.0), (4.0, 9.0, 1.0, 5.0), (5.0, 9.0, 1.0, 5.0)])
    Paired(ours=3.0, peer=4.0, ratio=0.75, low=0.5, high=1.0, runs=3)
    """
    ours = [whole - start for whole, _, start, _ in rounds]
    peer = median(whole - start for _, whole, _, start in rounds)
    ratios = [over(alone, peer) for alone in ours]
    return Paired(
        median(ours), peer, over(median(ours), peer), min(ratios), max(ratios), len(rounds)
    )


def over(ours: float, peer: float) -> float:
    """Return ours / peer; two zeros are equal.

    >>> over(0.0, 0.0), over(1.0, 0.0)
    (1.0, inf)
    """
    if peer > 0:
        return ours / peer
    return 1.0 if ours == peer else float("inf")
