"""How tests run: on one thread, within a time limit, and with no process that stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from time import sleep

import pytest
from hypothesis import settings

import tests
from tests.helpers.processes import run_to_end, started


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended may wait for its parent as a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
def test_a_process_and_what_it_started_end_with_the_test() -> None:
    pids = []

    def fails() -> None:
        line = "sleep 1000 & echo $!; wait"
        with started(line, shell=True, stdout=subprocess.PIPE) as process:
            pids.extend([process.pid, int(process.stdout.readline())])
            assert all(map(alive, pids))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert len(pids) == 2
    while any(map(alive, pids)):  # a signal may take a moment; the time limit of the test ends this
        sleep(0.01)


@pytest.fixture(params=["SIGINT", "SIGHUP", "SIGTERM", "SIGQUIT"])
def ignored(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """A signal that this process ignores, as in the background of a shell or under nohup."""
    number = signal.Signals[request.param]
    before = signal.signal(number, signal.SIG_IGN)
    yield number
    signal.signal(number, before)


def test_a_process_begins_with_its_signals_at_their_defaults(ignored: signal.Signals) -> None:
    program = f"import signal; print(signal.getsignal({int(ignored)}) is signal.SIG_IGN)"
    command = [sys.executable, "-c", program]
    inherits = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    assert inherits == b"True\n"
    assert run_to_end(command).stdout == b"False\n"
    assert signal.getsignal(ignored) is signal.SIG_IGN


def test_linear_algebra_has_one_thread() -> None:
    assert not tests.NUMPY_WAS_THERE
    for name in tests.ONE_THREAD:
        assert os.environ[name] == "1"
        program = f"import os; print(os.environ[{name!r}])"
        assert run_to_end([sys.executable, "-c", program]).stdout == b"1\n"


def test_every_test_has_a_time_limit(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.pluginmanager.hasplugin("timeout")
    assert float(pytestconfig.getini("timeout")) == 300


def test_examples_are_the_same_each_time(pytestconfig: pytest.Config) -> None:
    if pytestconfig.getoption("--hypothesis-profile") == "random":
        pytest.skip("drawn at random, as `make fuzz` asks")
    assert settings.default is not None
    assert settings.default.derandomize
