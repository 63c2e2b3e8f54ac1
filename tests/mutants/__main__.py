"""Put faults into functions of the package; see that tests notice: `--only maths/ --jobs 2`."""

from __future__ import annotations

import argparse
import os
import sys

import pytest

from tests.mutants.change import changes
from tests.mutants.plugin import Mutants


def main(arguments: list[str]) -> int:
    """Return 1 if a fault is not noticed, or its line is no longer there."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", action="append", help="changes whose text has this")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="forks at a time")
    parser.add_argument("tests", nargs="*", help="files or folders of tests (all)")
    asked = parser.parse_args(arguments)
    chosen = [c for c in changes() if any(text in str(c) for text in asked.only or [""])]
    options = ["-p", "no:cacheprovider", "-p", "no:faulthandler", "--timeout=0"]
    return int(pytest.main([*options, *asked.tests], plugins=[Mutants(chosen, asked.jobs)]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
