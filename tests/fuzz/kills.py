"""`make kills`: end the command line at random moments while it writes a file over an old one.

After SIGINT, SIGTERM and SIGHUP there must be the old file or the new one, whole, and nothing
beside it; after SIGKILL an unfinished file may stay beside it as well. Exit status 1 if it was
otherwise.

Every second kill is at any moment of the command, the others soon after a file appears beside the
output. Commands are run in forks of one process that has imported everything, so that moments fall
into their work, and their files are written slowly; `start` is a whole process, from our first
instruction on: before that an interpreter ends with a traceback of its own.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random, SystemRandom
from time import perf_counter, sleep

import numpy as np

from attn_cli.cli import main as command_line
from attn_cli.cli.signals import end_commands_by_signals
from attn_cli.views import VIEWS

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
OLD = b"what was there before\n" * 997
WRITING = 0.02  # seconds that a file takes to be written
PIECES = 10
PIECE = 512  # bytes that a write of a few takes at least
SIZE = 41  # queries and keys: some ten thousand bytes of text


@dataclass
class Found:
    """What the kills of one format came to."""

    name: str
    faults: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {what}" for what, count in sorted(self.counts.items()))
        return f"{self.name:16}{counts}{'' if not self.faults else f'; {len(self.faults)} FAULTS'}"


def inputs(folder: Path) -> None:
    """Write the problems that the command lines read."""
    rng = np.random.default_rng(1)
    words = [f"w{n}" for n in range(SIZE)]
    X = rng.normal(size=(SIZE, SIZE))
    rows = "\n".join(f"  {word}: {row.tolist()}" for word, row in zip(words, X, strict=True))
    model = (
        f"tokens: {words}\nembeddings:\n{rows}\nscore: dot\n"
        f"next_word: {{vocabulary: [no, yes], weights: {X[:, :2].tolist()}}}\n"
        "train: {examples: [[w0 w1, no], [w1 w2, yes]], steps: 3, start: file}\n"
    )
    (folder / "words.yaml").write_text(model)
    np.savez(folder / "p.npz", embeddings=X)


def command_lines() -> dict[str, tuple[str, list[str]]]:
    """Return the file that each format is written to, and the command that writes it."""
    found: dict[str, tuple[str, list[str]]] = {}
    for name, form in VIEWS.of("Record").items():
        if name == "answer":
            found[name] = "out.txt", ["next", "words.yaml", "-f", name]
            continue
        only = ["--only", "weights"] if form.one_step else []
        full = ["--full"] if "full" in form.options else []
        found[name] = f"out{form.suffixes[0]}", ["compute", "p.npz", *only, *full, "-q"]
    for name, form in VIEWS.of("Graph").items():
        all_edges = ["--threshold", "0", "--top", str(SIZE**2)]
        found[f"graph {name}"] = f"out{form.suffixes[0]}", ["graph", "p.npz", *all_edges]
    found["conventions"] = "out.json", ["conventions"]
    found["train"] = "out.yaml", ["train", "words.yaml"]
    return found


def forked(arguments: list[str]) -> int:
    """Run a command line in a fork, as the process of `attn` does; return the fork's number."""
    at_once = [signal.SIGINT]  # of which Python would make a KeyboardInterrupt in the fork
    signal.pthread_sigmask(signal.SIG_BLOCK, at_once)
    process = os.fork()
    if process:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, at_once)
        return process
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, at_once)
        os.write, os.pwrite = slowly(os.write), slowly(os.pwrite)
        os._exit(command_line(arguments, end_commands_by_signals))
    finally:
        os._exit(99)


def slowly(write: Callable[..., int]) -> Callable[..., int]:
    """Return a call of the system that writes as a slow disk does: so that a kill can fall between.

    It writes a piece and says how much that was, as the system may.
    """

    def piece(descriptor: int, data: memoryview, *offset: int) -> int:
        sleep(WRITING / PIECES)
        return write(descriptor, data[: len(data) // PIECES + PIECE], *offset)

    return piece


def executed(arguments: list[str]) -> int:
    """Run a command line in a process of its own, from behind the interpreter's own start on."""
    ready = Path("ready")
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL); open('ready', 'w').close(); "
        "from attn_cli.__main__ import entry; entry()"
    )
    process = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, "-c", code, *arguments])
    while not ready.exists():
        sleep(WRITING / 100)
    ready.unlink()
    return process


def ended(process: int) -> int:
    """Wait for a process; return its exit status, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def is_writing(process: int, out: Path) -> bool:
    """Wait until a file is beside the output, or that is another; return whether it comes to that.

    What is another at once is written in its place: a fault.
    """
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT  # it is still to be waited for
    while os.waitid(os.P_PID, process, options) is None:
        if len(os.listdir(out.parent)) > 1 or out.stat().st_size != len(OLD):
            return True
        sleep(WRITING / 100)
    return False


def kills(name: str, count: int, random: Random, folder: Path) -> Found:
    """Kill the command that writes a format so many times; we are in `folder`."""
    target, arguments = command_lines()["csv" if name == "start" else name]
    run = executed if name == "start" else forked
    outputs = folder / "out"
    outputs.mkdir()
    out = outputs / target
    line = [*arguments, "-o", str(out)]
    found = Found(name)
    times = []
    for at in range(3):
        out.write_bytes(OLD)
        begun = perf_counter()
        # The first one is run here: forks have in memory what it has read and imported.
        status = command_line(line) if at == 0 and run is forked else ended(run(line))
        times.append(perf_counter() - begun)
        if status:
            found.faults.append(f"exit status {status} without a kill")
            return found
    new = out.read_bytes()
    for at in range(count):
        number = SIGNALS[at % len(SIGNALS)]
        out.write_bytes(OLD)
        os.ftruncate(2, 0)
        process = run(line)
        if at // len(SIGNALS) % 2:
            found.counts["killed while writing"] += is_writing(process, out)
            sleep(random.uniform(0, WRITING))
        else:
            sleep(random.uniform(0, sorted(times)[1]))
        os.kill(process, number)
        status = ended(process)
        for fault in _faults(found, outputs, target, new, number, status):
            found.faults.append(f"{number.name} {at}: {fault}")
    return found


def _faults(
    found: Found, outputs: Path, target: str, new: bytes, number: signal.Signals, status: int
) -> Iterator[str]:
    """Yield what is wrong after a kill, and count what there is; remove what SIGKILL has left."""
    content = (outputs / target).read_bytes()
    if content not in (OLD, new):
        yield f"{target} has {len(content)} bytes, neither the old ones nor the new ones"
    found.counts["old" if content == OLD else "new"] += 1
    found.counts["over before the kill"] += status == 0
    if status not in (0, -number, 128 + number):
        yield f"exit status {status}"
    if status == 0 and content != new:
        yield "exit status 0, and the file is not the new one"
    # Behind the new file a command may have said what it did before it was ended.
    said = os.pread(2, os.fstat(2).st_size, 0)
    if status and said and (content == OLD or b"Traceback" in said):
        yield "something was said"
    left = [each for each in outputs.iterdir() if each.name != target]
    if left and number != signal.SIGKILL:
        yield f"{left[0].name} stays"
    found.counts["unfinished left by SIGKILL"] += len(left)
    for each in left:
        each.unlink()


def hunt(names: list[str], count: int, seed: int) -> list[Found]:
    """Kill the commands of these formats, in a new folder, with what they say in a file there."""
    results = []
    screen = os.dup(2)
    with tempfile.TemporaryDirectory() as path:
        os.chdir(path)
        said = os.open("said", os.O_RDWR | os.O_CREAT | os.O_APPEND)
        os.dup2(said, 2)
        try:
            inputs(Path(path))
            for name in names:
                found = kills(name, count, Random(f"{seed} {name}"), Path(path))
                results.append(found)
                print(found, flush=True)
                for fault in found.faults[:10]:
                    print(f"  {fault}", flush=True)
                for each in (Path(path) / "out").iterdir():
                    each.unlink()
                (Path(path) / "out").rmdir()
        finally:
            os.dup2(screen, 2)
            os.chdir("/")
    return results


def main(arguments: list[str]) -> int:
    """Kill as asked for; return the exit status."""
    every = [*command_lines(), "start"]
    parser = argparse.ArgumentParser(prog="make kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="of each format (200)")
    parser.add_argument("--seed", type=int, help="of the moments (a new one)")
    parser.add_argument("--only", action="append", choices=every)
    asked = parser.parse_args(arguments)
    seed = SystemRandom().randrange(10**6) if asked.seed is None else asked.seed
    results = hunt(asked.only or every, asked.kills, seed)
    faults = sum(len(found.faults) for found in results)
    print(f"seed {seed}: {asked.kills} kills of each of {len(results)} formats, {faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
