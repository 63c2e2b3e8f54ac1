"""`make fuzz`: fuzz every reader for a time, with a seed; exit status 1 if anything is found."""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import SystemRandom

from tests.fuzz.drawn import laws
from tests.fuzz.hunt import CURRENT, Hunt, hunt
from tests.fuzz.readers import READERS
from tests.helpers.processes import ROOT

MEMORY = 2 << 30  # bytes of addresses above what the start takes
STUCK = 120.0  # seconds after which an input that nothing interrupts ends the process


def arguments() -> argparse.Namespace:
    """Return the arguments."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="of all readers together (60)")
    parser.add_argument("--seed", type=int, help="the same inputs for the same seed (a new one)")
    parser.add_argument("--only", action="append", choices=[*READERS, "hypothesis"])
    parser.add_argument("--inputs", type=int, help="end a reader after so many, too")
    parser.add_argument("--number", type=int, help="read one input again, that of this number")
    parser.add_argument("--findings", type=Path, default=ROOT / ".fuzz", help="a folder (.fuzz)")
    return parser.parse_args()


@contextmanager
def limited_memory() -> Iterator[None]:
    """Have what takes too much memory fail, and not the machine."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    statm = Path("/proc/self/statm")
    if statm.exists():
        pages = int(statm.read_text(encoding="ascii").split()[0])
        most = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def watch(folder: Path) -> None:
    """End the process if one input takes far too long: a loop inside C ignores signals."""
    while True:
        time.sleep(1)
        current = CURRENT[0]
        if current is None or time.monotonic() - current.begun < STUCK:
            continue
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{current.reader}-stuck.input").write_bytes(current.data)
        print(f"stuck: {current.reader}, seed {current.seed}, input {current.number}", flush=True)
        os._exit(1)


def main() -> int:
    """Fuzz, and print a line for each reader."""
    asked = arguments()
    seed = SystemRandom().randrange(1 << 32) if asked.seed is None else asked.seed
    print(f"seed {seed}", flush=True)
    readers = [reader for name, reader in READERS.items() if not asked.only or name in asked.only]
    lawful = asked.number is None and (not asked.only or "hypothesis" in asked.only)
    share = asked.seconds * (0.75 if lawful and readers else 1)
    whole = sum(reader.weight for reader in readers)
    threading.Thread(target=watch, args=(asked.findings,), daemon=True).start()
    failed: list[str] = []
    total = 0
    for reader in readers:
        seconds = share * reader.weight / whole

        def over(found: Hunt, seconds: float = seconds) -> bool:
            return found.seconds >= seconds or found.inputs == asked.inputs

        numbers = itertools.count() if asked.number is None else iter([asked.number])
        with limited_memory():
            found = hunt(reader, seed, until=over, folder=asked.findings, numbers=numbers)
        print(found.line, flush=True)
        total += found.inputs
        for kind, path in found.findings.items():
            print(f"  {kind}: {path}", flush=True)
            failed.append(kind)
    CURRENT[0] = None
    if lawful:
        of_laws = laws(seed, asked.seconds - (share if readers else 0), asked.findings)
        print(of_laws.line)
        total += of_laws.examples
        failed += of_laws.failed
    print(f"{total} inputs, {len(failed)} findings, seed {seed}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
