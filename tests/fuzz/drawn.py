"""The laws of the suite with other examples: Hypothesis at random, a few tests at a time."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import monotonic

from tests.helpers.processes import ROOT, run_to_end

AT_ONCE = 6  # tests of one process, which takes seconds to start
PYTEST = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider")
_EXAMPLES = re.compile(r"(\d+) passing\D+(\d+) failing\D+(\d+) invalid")


@dataclass
class Laws:
    """What came of the laws."""

    tests: int = 0
    examples: int = 0
    seconds: float = 0.0
    failed: list[str] = field(default_factory=list)

    @property
    def line(self) -> str:
        """The counts, as a line of a table."""
        rate = self.examples / self.seconds if self.seconds else 0.0
        return (
            f"{'Hypothesis':18} {self.examples:9} inputs {rate:9.0f} a second "
            f"{len(self.failed):4} findings ({self.tests} tests)"
        )


def names_of_tests(*files: str) -> list[str]:
    """Return the tests of these files, of all by default, that draw their examples."""
    listed = run_to_end([*PYTEST, "--collect-only", "-m", "hypothesis", *files])
    return [line for line in listed.stdout.decode().splitlines() if "::" in line]


def laws(seed: int, seconds: float, folder: Path) -> Laws:
    """Run the laws in an order of this seed until the time is over; save what fails."""
    found = Laws()
    begun = monotonic()
    random, waiting, round_ = Random(seed), list[str](), 0
    while found.seconds < seconds:
        if not waiting:
            round_ += 1
            waiting = names_of_tests()
            random.shuffle(waiting)
        tests, waiting = waiting[:AT_ONCE], waiting[AT_ONCE:]
        _run(found, tests, seed + round_ - 1, seconds - found.seconds, folder)
        found.seconds = monotonic() - begun
    return found


def _run(found: Laws, tests: list[str], seed: int, seconds: float, folder: Path) -> None:
    profile = ("--hypothesis-profile=random", f"--hypothesis-seed={seed}")
    command = [*PYTEST, *profile, "--hypothesis-show-statistics", *tests]
    try:
        done = run_to_end(command, timeout=max(10.0, seconds))
    except subprocess.TimeoutExpired:
        return  # what was not finished in time counts for nothing
    said = done.stdout.decode()
    found.tests += len(tests)
    found.examples += sum(sum(map(int, each)) for each in _EXAMPLES.findall(said))
    if done.returncode != 0:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"hypothesis-{seed}-{found.tests}.txt"
        again = " ".join([*("pytest", *profile), *tests])
        file.write_text(f"{again}\n\n{said}\n{done.stderr.decode()}", encoding="utf-8")
        found.failed.append(str(file.relative_to(ROOT) if file.is_relative_to(ROOT) else file))
