"""What every row is given: the two interpreters, a folder for arrays, how large and how often."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rounds import Effort, Paired, in_turn, paired
from benchmarks.worker import Worker

SCRIPTS = Path(__file__).parent / "scripts"
QUICK = 16  # how many times smaller the problems are that only try the harness
# Tiles run side by side in threads of their own, so BLAS is to have one each.
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "MKL", "OMP")}


@dataclass(frozen=True, slots=True)
class Bench:
    """The settings of one run of the benchmarks."""

    ours: str  # the interpreter that has this package
    peers: str  # the interpreter that has torch
    folder: Path  # for arrays, empty at first
    threads: int
    effort: Effort
    quick: bool = False

    def size(self, n: int) -> int:
        """Return n, or much less where the harness is only tried."""
        return n // QUICK if self.quick else n

    def file(self, name: str) -> str:
        """Return the path of an array in the folder."""
        return str(self.folder / name)

    @contextmanager
    def workers(self) -> Iterator[tuple[Worker, Worker]]:
        """Start one worker for each side, ours first, and end both."""
        with self.our_worker() as ours, Worker(self.peers, "peers", {}) as peers:
            peers.ask("set_threads", threads=self.threads)
            yield ours, peers

    def our_worker(self) -> Worker:
        """Start a worker of our side alone."""
        return Worker(self.ours, "ours", ONE_THREAD)

    def paired(self, ours: Worker, peer: Worker) -> Paired:
        """Have two workers do in turn what each of them was prepared for."""
        return paired(in_turn([ours.time, peer.time], self.effort))

    def attn(self, *arguments: str) -> list[str]:
        """Return the command line of `attn` as whoever installed it calls it."""
        script = os.path.join(os.path.dirname(self.ours), "attn")
        start = [script] if os.path.exists(script) else [self.ours, "-m", "attn_cli"]
        return [*start, *arguments]

    def compute(self, *arguments: str) -> list[str]:
        """Return the command line of `attn compute`, on as many threads as the peers have."""
        return self.attn("compute", *arguments, "--threads", str(self.threads))

    def script(self, interpreter: str, name: str, *arguments: str) -> list[str]:
        """Return the command line of a peer that is a whole program."""
        return [interpreter, str(SCRIPTS / name), *arguments]
