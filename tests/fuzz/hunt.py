"""The loop: draws inputs of one reader, judges them, counts, and saves what it finds."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import chdir
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import monotonic, process_time
from typing import NamedTuple

from tests.fuzz.judge import SECONDS, WRITTEN, Fault, fault
from tests.fuzz.readers import Reader

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # a disk takes most of the time
PREFIX = "attn-fuzz-"  # of the working folders
TRIES = 400  # at a smaller input of the same fault
KEPT = 20  # kinds of fault of one reader that are saved


class Current(NamedTuple):
    """The input that is being read."""

    reader: str
    seed: int
    number: int
    data: bytes
    begun: float


CURRENT: list[Current | None] = [None]  # for the user


@dataclass
class Hunt:
    """What came of the inputs of one reader."""

    reader: str
    inputs: int = 0
    seconds: float = 0.0
    processor: float = 0.0  # seconds of it, which other work on the machine does not change
    findings: dict[str, Path] = field(default_factory=dict)  # kind of fault -> the saved input

    @property
    def line(self) -> str:
        """The counts, as a line of a table."""
        rate = self.inputs / self.seconds if self.seconds else 0.0
        own = self.inputs / self.processor if self.processor else 0.0
        counts = f"{self.inputs:9} inputs {rate:7.0f} a second ({own:.0f} of the processor)"
        return f"{self.reader:18} {counts} {len(self.findings):4} findings"


def drawn(reader: Reader, seed: int, number: int) -> bytes:
    """Return the input of this number: the same for the same seed."""
    return reader.draw(Random(f"{seed} {reader.name} {number}"))


def hunt(
    reader: Reader,
    seed: int,
    *,
    until: Callable[[Hunt], bool],
    folder: Path,
    numbers: Iterator[int],
    limit: float = SECONDS,
) -> Hunt:
    """Judge the inputs of these numbers until that is true; save each new kind of fault."""
    found = Hunt(reader.name)
    begun, processor = monotonic(), process_time()
    folder = folder.absolute()
    with (
        TemporaryDirectory(prefix=PREFIX, dir=MEMORY) as work,
        chdir(work),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("error")
        for number in numbers:
            data = drawn(reader, seed, number)
            CURRENT[0] = Current(reader.name, seed, number, data, monotonic())
            wrong = _judged(reader, data, limit)
            found.inputs += 1
            if (
                wrong is not None
                and wrong.kind not in found.findings
                and len(found.findings) < KEPT
            ):
                small = smaller(reader, data, wrong.kind, limit)
                found.findings[wrong.kind] = _saved(
                    folder, reader, (seed, number), data, small, wrong
                )
            found.seconds = monotonic() - begun
            found.processor = process_time() - processor
            if until(found):
                break
    return found


def _judged(reader: Reader, data: bytes, limit: float) -> Fault | None:
    """Judge an input in the working folder, which is a temporary one; empty it if need be."""
    wrong = fault(reader.read, data, reader.files, limit)
    if wrong is not None and wrong.kind == WRITTEN:
        folder = Path.cwd()
        assert folder.name.startswith(PREFIX)
        for path in folder.iterdir():
            path.unlink()
    return wrong


def smaller(reader: Reader, data: bytes, kind: str, limit: float) -> bytes:
    """Return a part of an input that has the same fault, found by leaving out ever less."""
    tries, size = TRIES if not kind.startswith("Hang") else 20, max(1, len(data) // 2)
    while size and tries > 0:
        at, gone = 0, False
        while at < len(data) and tries > 0:
            less = data[:at] + data[at + size :]
            tries -= 1
            wrong = _judged(reader, less, limit)
            if wrong is not None and wrong.kind == kind:
                data, gone = less, True
            else:
                at += size
        size = size if gone and size == 1 else size // 2
    return data


def _saved(
    folder: Path, reader: Reader, number: tuple[int, int], data: bytes, small: bytes, wrong: Fault
) -> Path:
    """Write an input, the smaller one and the report; return where."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{reader.name}-{hashlib.sha256(wrong.kind.encode()).hexdigest()[:8]}"
    (folder / f"{name}.whole").write_bytes(data)
    (folder / f"{name}.input").write_bytes(small)
    seed, at = number
    again = f'make fuzz FUZZ="--seed {seed} --only {reader.name} --number {at}"'
    report = (
        f"{wrong.kind}\nreader {reader.name}, seed {seed}, input {at}\n{again}\n\n{wrong.report}"
    )
    (folder / f"{name}.txt").write_text(report, encoding="utf-8", errors="backslashreplace")
    return folder / f"{name}.input"
