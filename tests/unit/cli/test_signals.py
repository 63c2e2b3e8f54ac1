"""How a process ends: by signals, at any moment, and with streams that nobody reads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attn_cli.errors import ExitStatus
from tests.conftest import SAMPLES, Attn
from tests.helpers.many import check_each
from tests.helpers.processes import ATTN, program, started

pytestmark = pytest.mark.slow

LOVE = str(SAMPLES / "love_coding.yaml")
Q = b"2.0,1.0,2.0\n0.0,1.0,0.0\n2.0,2.0,2.0\n"  # X W_q of it, by hand
ENDING = {
    signal.SIGINT: ExitStatus.INTERRUPTED,
    signal.SIGTERM: ExitStatus.TERMINATED,
    signal.SIGHUP: ExitStatus.HUNG_UP,
}
LIMIT = 60  # seconds after which a child that hangs is a failure


def child(
    *arguments: str, before: Callable[[], None] | None = None, **streams: object
) -> tuple[int, bytes, bytes]:
    """Run attn in a process of its own; return its status, with what it wrote to pipes.

    `before` is called in it before it starts.
    """
    return ended([*ATTN, *arguments], preexec_fn=before, **streams)


def python(code: str, *arguments: str, **options: object) -> tuple[int, bytes, bytes]:
    """Run some code in a process of its own, in which all modules are imported."""
    return ended(["-c", *arguments], run=program(code), **options)


def new_python(code: str, *arguments: str) -> tuple[int, bytes, bytes]:
    """Run some code in a process of its own, which imports what it needs."""
    return ended([sys.executable, "-c", code, *arguments])


def ended(arguments: list[str], **options: Any) -> tuple[int, bytes, bytes]:
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    with started(arguments, **options) as process:
        out, err = process.communicate(timeout=LIMIT)
        return process.returncode, out or b"", err or b""


# For each manner of writing and each signal: forks one process for each instruction of writing a
# file, and sends it the signal there.
AT_EVERY_LINE = """
import os, signal, sys
from attn_cli.cli import signals, write

folder = sys.argv[1]
out = os.path.join(folder, "out.csv")

def ended_at(line, number, written):
    seen = 0
    def trace(frame, event, _):
        nonlocal seen
        if os.path.basename(frame.f_code.co_filename) not in ("write.py", "signals.py"):
            return None
        if frame.f_code.co_name == "_end":
            return None
        if event == "line":
            seen += 1
            if seen == line:
                os.kill(os.getpid(), number)
        return trace
    signals.end_commands_by_signals()
    sys.settrace(trace)
    if written == "in order":
        write.write_file(out, [b"new", b"er"])
    else:
        with write.opened(out) as opened:
            opened.write_at(3, b"er")
            opened.write_at(0, b"new")
    sys.settrace(None)
    os._exit(0)

for asked in sys.argv[2:]:
    written, number = asked.split(":")
    statuses = []
    while not statuses or statuses[-1]:
        with open(out, "w") as old:
            old.write("old")
        process = os.fork()
        if process == 0:
            try:
                ended_at(len(statuses) + 1, int(number), written)
            finally:
                os._exit(99)
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
        with open(out) as now:
            print(asked, statuses[-1], now.read(), *sorted(os.listdir(folder)), sep=":")
"""


def test_a_signal_at_any_line_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    asked = [
        f"in order:{signal.SIGINT:d}",
        f"in order:{signal.SIGTERM:d}",
        f"at offsets:{signal.SIGHUP:d}",
    ]
    status, out, err = new_python(AT_EVERY_LINE, str(tmp_path), *asked)
    assert (status, err) == (0, b"")
    lines = out.decode().splitlines()

    def check(case: str) -> None:
        *ended, last = [line for line in lines if line.startswith(f"{case}:")]
        assert last == f"{case}:0:newer:out.csv"
        assert len(ended) > 15
        end = ENDING[signal.Signals(int(case.partition(":")[2]))]
        old, new = (f"{case}:{end:d}:{text}:out.csv" for text in ("old", "newer"))
        assert {old} < set(ended) <= {old, new}

    check_each(asked, check)


def test_a_second_signal_does_not_break_off_the_undoing(tmp_path: Path) -> None:
    code = f"""
import os, signal
from attn_cli.cli import signals
signals.end_commands_by_signals()
def slowly():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(os.getpid(), number)
    open({str(tmp_path / "undone")!r}, "w").close()
with signals.undone_by_signals(slowly):
    os.kill(os.getpid(), signal.SIGTERM)
"""
    assert python(code) == (ExitStatus.TERMINATED, b"", b"")
    assert (tmp_path / "undone").exists()


def test_what_cannot_be_undone_does_not_keep_the_process(tmp_path: Path) -> None:
    code = f"""
import os, signal
from attn_cli.cli import signals
signals.end_commands_by_signals()
with signals.undone_by_signals(lambda: open({str(tmp_path / "undone")!r}, "w").close()):
    with signals.undone_by_signals(lambda: 1 / 0):
        os.kill(os.getpid(), signal.SIGHUP)
"""
    assert python(code) == (ExitStatus.HUNG_UP, b"", b"")
    assert (tmp_path / "undone").exists()


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_that_is_ignored_stays_ignored(number: signal.Signals) -> None:
    def ignored() -> None:
        signal.signal(number, signal.SIG_IGN)

    code = f"""
import os, sys
from attn_cli.engine import stream as module
computed = module.streamed
def streamed(*given, **named):
    os.kill(os.getpid(), {int(number)})
    return computed(*given, **named)
module.streamed = streamed
sys.argv = ["attn", "compute", {LOVE!r}, "--only", "q", "--format", "csv"]
from attn_cli.__main__ import entry
entry()
"""
    assert python(code, preexec_fn=ignored) == (0, Q, b"")
    assert python(code) == (ENDING[number], b"", b"")


@pytest.mark.parametrize(
    ("module", "begun"),
    [
        ("attn_cli.cli", False),
        ("attn_cli.errors", False),
        ("typer", False),
        ("attn_cli.cli.compute", False),
        ("attn_cli.cli.options", False),
        ("numpy", True),
        ("yaml", True),
    ],
)
def test_ctrl_c_during_an_import_is_silent(module: str, begun: bool) -> None:
    code = f"""
import os, signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
sys.argv = ["attn", "compute", {LOVE!r}]
from attn_cli.__main__ import entry
entry()
"""
    expected = ExitStatus.INTERRUPTED if begun else -signal.SIGINT
    assert new_python(code) == (expected, b"", b"")


def test_little_is_imported_before_ctrl_c_has_its_meaning() -> None:
    code = "import attn_cli.__main__, sys; print(*(m for m in sys.modules if 'attn' in m))"
    status, out, _ = new_python(code)
    assert (status, out.split()) == (0, [b"attn_cli", b"attn_cli.__main__"])


def test_garbage_is_not_looked_for_at_exit() -> None:
    """All that is imported is frozen when the command is over: to visit it takes milliseconds."""
    code = """
import gc, os, sys
gc.freeze = lambda: os.write(2, b"frozen")
sys.argv = ["attn", "--version"]
from attn_cli.__main__ import entry
entry()
"""
    status, _, err = python(code)
    assert (status, err) == (0, b"frozen")


def test_an_end_of_file_is_no_interrupt() -> None:
    """EOFError out of a command is a bug of ours: Typer would take it for Ctrl-C."""
    code = f"""
import sys
from attn_cli.engine import run as module
def run(*given, **named):
    raise EOFError("a bug")
module.run = run
sys.argv = ["attn", "compute", {LOVE!r}]
from attn_cli.__main__ import entry
entry()
"""
    status, out, err = python(code)
    assert (status, out) == (1, b"")
    assert err.endswith(b"EOFError: a bug\n")


SPOKEN = {  # command lines that say something on standard error, and their status
    "an error": (("compute", "nonexist"), 2),
    "an error as json": (("compute", "nonexist", "-f", "json"), 2),
    "wrong usage": (("compute", "--nonesuch"), 2),
    "no command": ((), 2),
    "yes": (("compute", LOVE, "--check", "q=[[2,1,2],[0,1,0],[2,2,2]]", "--only", "q"), 0),
    "no": (("compute", LOVE, "--check", "q=[[2,1,2],[0,1,0],[2,2,7]]", "--only", "q"), 1),
    "a warning": (("compute", LOVE, "--only", "weights", "--set", "mask=[[-inf, -inf, -inf]]"), 0),
    "trained": (("train", str(SAMPLES / "not_like.yaml"), "-o", "-", "--steps", "1"), 0),
}
AS_DATA = ("-f", "csv")


def spoken(name: str) -> tuple[tuple[str, ...], int]:
    arguments, status = SPOKEN[name]
    return (*arguments, *(AS_DATA if "--only" in arguments else ())), status


def nowhere_full(*arguments: str) -> tuple[int, bytes]:
    with open("/dev/full", "wb") as full:
        return child(*arguments, stderr=full)[:2]


def nowhere_closed(*arguments: str) -> tuple[int, bytes]:
    def closed() -> None:
        os.close(2)

    return child(*arguments, before=closed, stderr=None)[:2]


def nowhere_read(*arguments: str) -> tuple[int, bytes]:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return child(*arguments, stderr=writer)[:2]
    finally:
        os.close(writer)


NOWHERE = (nowhere_full, nowhere_closed, nowhere_read)


@pytest.mark.parametrize("name", SPOKEN)
def test_standard_error_that_cannot_be_written_changes_no_status(name: str, attn: Attn) -> None:
    """An error all three ways, what else is said one way each: it is all said by one function."""
    arguments, expected = spoken(name)
    heard = attn(*arguments)
    assert heard.status == expected
    assert heard.err or "json" in name
    at = list(SPOKEN).index(name)
    for way in NOWHERE if name == "an error" else NOWHERE[at % 3 : at % 3 + 1]:
        assert way(*arguments) == (expected, heard.out.encode())


@pytest.mark.parametrize(
    "arguments", [("compute", LOVE), ("--help",), ("--version",), ("samples",)]
)
def test_standard_output_that_is_closed_is_an_error(arguments: tuple[str, ...]) -> None:
    def closed() -> None:
        os.close(1)

    status, _, err = child(*arguments, before=closed, stdout=None)
    assert (status, err) == (
        2,
        b"error: standard output is closed\nhelp: write to a file with -o FILE\n",
    )


def test_no_file_takes_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    """With 2 closed the file that is written would be 2, and what a library says would be in it."""

    def closed() -> None:
        os.close(2)

    out = tmp_path / "out.csv"
    code = f"""
import os, sys
write = os.write
def talking(descriptor, data):
    write(2, b"talk")
    return write(descriptor, data)
os.write = talking
sys.argv = ["attn", "compute", {LOVE!r}, "--only", "q", "-o", {str(out)!r}]
from attn_cli.__main__ import entry
entry()
"""
    assert python(code, preexec_fn=closed, stderr=None)[0] == 0
    assert out.read_bytes() == Q


def test_an_error_as_json_whose_reader_has_gone() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        status, _, err = child("compute", "nonexist", "-f", "json", stdout=writer)
    finally:
        os.close(writer)
    assert (status, err) == (ExitStatus.PIPE_CLOSED, b"")


def test_a_named_pipe_whose_reader_leaves(tmp_path: Path) -> None:
    """As with standard output: the reader has what it wanted."""
    rng = "[" + ", ".join(f"[{n}, 1]" for n in range(211)) + "]"
    problem, pipe = tmp_path / "p.yaml", tmp_path / "pipe.csv"
    problem.write_text(f"embeddings: {rng}\nscore: dot\n")  # 211 x 211 scores: 300 kB, not 64
    os.mkfifo(pipe)
    reader = subprocess.Popen(["head", "-c", "10", str(pipe)], stdout=subprocess.PIPE)
    try:
        asked = ("compute", str(problem), "--only", "scores", "-o", str(pipe))
        assert child(*asked) == (ExitStatus.PIPE_CLOSED, b"", b"")
        assert reader.communicate(timeout=LIMIT)[0] == b"1.0,1.0,1."
    finally:
        reader.kill()
        reader.wait()


def test_a_link_to_a_pipe_is_written_to() -> None:
    status, out, err = child("compute", LOVE, "--only", "q", "-f", "csv", "-o", "/dev/stdout")
    assert (status, out, err) == (0, Q, b"")
