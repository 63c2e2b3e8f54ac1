"""`attn completion`: the scripts, in the shells that they are for."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from attn_cli.cli.app import COMMANDS
from attn_cli.cli.shells import SHELLS
from attn_cli.cli.surface import Parameter, Surface, commands, program
from tests.conftest import SAMPLES, Attn
from tests.helpers.many import check_each
from tests.helpers.processes import ROOT, run_to_end, started

pytestmark = pytest.mark.slow

SURFACES = {each.name: each for each in commands()}
FORMATS = ("table", "json", "csv", "tsv", "markdown", "npy", "npz", "answer")
# What is typed before TAB, and words that are offered then; of one that is alone, the whole line.
TYPED = {
    "attn com": ("completion", "compute"),
    "attn compute --fo": ("--force", "--format"),
    "attn compute --format ": FORMATS,
    "attn compute -f ": FORMATS,
    "attn compute --format=js": ("--format=json",),
    "attn compute samples/bank.yaml --score ga": ("gated", "gaussian"),
    "attn compute --normalize sparse": ("sparsemax",),
    "attn compute --show q,weig": ("q,weights",),
    "attn compute --causal --fo": ("--force", "--format"),
    "attn compute --window 3 --like open": ("opennmt",),
    "attn compute --window 3 --kv": ("--kv-heads",),
    "attn compute sampl": ("samples/",),
    "attn compute --format json sampl": ("samples/",),
    "attn compute --query sampl": ("samples/",),
    "attn steps -o READM": ("README.md",),
    "attn graph --format ": ("text", "dot", "mermaid", "json"),
    "attn conventions o": ("onnx", "onnx@1.21", "onnx@1.22", "opennmt"),
    "attn conventions torch gp": ("gpt-oss",),
    "attn conventions onnx@1.22 jax@0": ("jax@0.10.0",),
    "attn conventions jax@": ("jax@0.10.0",),
    "attn samples love": ("love_coding",),
    "attn help conv": ("conventions",),
    "attn completion ": tuple(SHELLS),
    "attn samples additive | attn compute --fo": ("--force", "--format"),
}  # fmt: skip


# Shells that show a list as soon as there is one, and ask nothing.
START = {
    "bash": ("bash", "--norc", "--noprofile", "-i"),
    "zsh": ("zsh", "-f", "-i"),
}
SETTINGS = {
    "bash": "; ".join(
        f"bind 'set {setting}'"
        for setting in (
            "show-all-if-ambiguous on",
            "completion-query-items 0",
            "page-completions off",
            "bell-style none",
        )
    ),
    "zsh": "unsetopt list_ambiguous auto_menu beep; LISTMAX=10000; "
    "autoload -U compinit; compinit -u -D",
}


def need(shell: str) -> None:
    if shell != "bash" and shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")


def rubbed_out(shown: str) -> str:
    """Return the text of a terminal after each backspace has removed the letter before it."""
    while "\b" in shown.lstrip("\b"):
        shown = re.sub("[^\b]\b", "", shown, count=1)
    return shown


class Terminal:
    """A shell on a terminal, at which keys are typed."""

    def __init__(self, leader: int) -> None:
        self.leader = leader
        self.lines = 0

    def type(self, keys: str, *awaited: str) -> str:
        """Type keys, and return what is shown, once it has all that is awaited."""
        os.write(self.leader, keys.encode())
        shown = ""
        end = time.monotonic() + 60
        while not all(each in shown for each in awaited):
            ready, _, _ = select.select([self.leader], [], [], max(end - time.monotonic(), 0))
            assert ready, f"{awaited} are not all in {shown!r}"
            shown = rubbed_out(shown + os.read(self.leader, 65536).decode())
        return shown

    def run(self, line: str) -> str:
        """Run a line in place of what has been typed, and return what is shown until it is done."""
        self.lines += 1  # the mark is not in what is typed, which is shown as well
        return self.type(f"\x15{line}; echo mark''{self.lines}.\n", f"mark{self.lines}.")


@contextmanager
def terminal(*command: str, home: Path) -> Iterator[Terminal]:
    """Give a shell on a wide terminal that understands nothing but lines."""
    leader, follower = pty.openpty()
    import fcntl
    import struct
    import termios

    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 200, 300, 0, 0))
    environment = {**os.environ, "TERM": "dumb", "PS1": "% ", "HOME": str(home), "LC_ALL": "C"}
    streams: Any = {"stdin": follower, "stdout": follower, "stderr": follower}
    with started(command, **streams, cwd=ROOT, env=environment):
        os.close(follower)
        yield Terminal(leader)
    os.close(leader)


@pytest.fixture
def script(attn: Attn, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The script of a shell that is here, in a file."""
    need(request.param)
    ran = attn("completion", request.param)
    assert (ran.status, ran.err) == (0, "")
    path = tmp_path / f"attn.{request.param}"
    path.write_text(ran.out)
    return path


def completed(shown: str, words: tuple[str, ...]) -> None:
    """Assert that the words are offered, and files only if one of them is a file."""
    for word in words:
        assert re.search(rf"(?<![\w=-]){re.escape(word)}(?![\w-])", shown), (word, shown)
    if not any((ROOT / word).exists() for word in words):
        assert "CHANGELOG.md" not in shown


@pytest.mark.parametrize("script", ["bash", "zsh"], indirect=True)
def test_words_are_completed_on_a_terminal(script: Path, tmp_path: Path) -> None:
    """And zsh finds the script in a folder: in the same shell, as each one reads its own files."""
    shell = script.suffix[1:]
    with terminal(*START[shell], home=tmp_path) as typing:
        if shell == "zsh":
            shutil.copy(script, tmp_path / "_attn")
            typing.run(f"fpath=({tmp_path} $fpath)")
        typing.run(SETTINGS[shell])
        if shell == "zsh":
            for _ in range(2):  # the first TAB loads the file
                typing.type("attn com\t", *TYPED["attn com"])
                typing.run(":")
            typing.run("compdef -d attn; unfunction _attn; fpath[1]=()")
            assert "compute" not in typing.type("attn com\t", "com") + typing.run(":")
        typing.run(f"source {script}")
        for typed, words in TYPED.items():
            completed(typing.type(f"{typed}\t", *words) + typing.run(":"), words)


@pytest.mark.parametrize("script", ["fish"], indirect=True)
def test_words_are_completed_by_fish(script: Path, tmp_path: Path) -> None:
    asked = [f"echo mark{n}; complete -C '{typed}'" for n, typed in enumerate(TYPED)]
    code = "\n".join([f"source {script}", *asked])
    done = run_to_end(
        ["fish", "--no-config", "-c", code], env={**os.environ, "HOME": str(tmp_path)}
    )
    assert (done.returncode, done.stderr) == (0, b"")
    answers = re.split(r"mark\d+\n", done.stdout.decode())[1:]
    for answer, words in zip(answers, TYPED.values(), strict=True):
        completed(answer, words)


def words_of(*surfaces: Surface) -> set[str]:
    """All names and values."""
    return {
        word
        for surface in surfaces
        for parameter in (*surface.arguments, *surface.options, *surface.keys)
        for word in (*parameter.names, *parameter.values)
    }


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_has_every_command_option_and_value(shell: str, attn: Attn) -> None:
    text = attn("completion", shell).out
    there = set(re.findall(r"[\w-]+", text))
    for word in words_of(program(), *SURFACES.values()):
        name = word.lstrip("-") if shell == "fish" else word
        if not re.fullmatch(r"[\w-]+", name):  # as onnx@1.21
            assert re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text), word
        else:
            assert name in there, word


def problem_of(command: str) -> list[str]:
    """Arguments with which a command has all that it needs."""
    files = {
        "check": "love_coding",
        "compute": "love_coding",
        "diff": "love_coding",
        "explain": "love_coding",
        "graph": "love_coding",
        "heatmap": "love_coding",
        "identify": "love_coding",
        "next": "not_like",
        "stats": "love_coding",
        "train": "not_like",
    }
    if command == "translate":
        return ["chat"]
    if command == "verify":
        return ["kernel:attention", "--like", "torch"]
    more = {
        "diff": [str(SAMPLES / "love_coding.yaml")],
        "train": ["--show-gradients"],
        "identify": ["--observed", "output=[[1]]"],
    }
    if command not in files:
        return []
    return [str(SAMPLES / f"{files[command]}.yaml"), *more.get(command, [])]


def listed(error: str) -> set[str]:
    """The values that an error lists."""
    if found := re.search(r"(?:there are|it can be): (.*)", error):
        return set(found[1].rstrip("?").split(", "))
    return {"true", "false"} if "must be true or false" in error else set()


def some_keys(surface: Surface) -> tuple[Parameter, ...]:
    """All keys of a problem of `attn compute`, and some of the other commands, which share them."""
    if surface.name == "compute":
        return surface.keys
    return surface.keys[list(SURFACES).index(surface.name) % 5 :: 5]


CASES = {
    f"{surface.name} {(*each.names, each.metavar)[0]}": (surface, each)
    for surface in SURFACES.values()
    for each in (*surface.arguments, *surface.options, *some_keys(surface))
    if each.metavar is not None
    # What is written into the folder, what stays a list of all three, and free words.
    if not {"-o", "--output", "--copy", "--order"} & set(each.names)
    if surface.name != "translate" or each.names
}


@pytest.mark.parametrize("name", SURFACES)
def test_values_are_those_that_errors_list(name: str, attn: Attn) -> None:
    def check(case: str) -> None:
        surface, parameter = CASES[case]
        if parameter.names:
            ran = attn(surface.name, *problem_of(surface.name), parameter.names[0], "nonsense")
        else:
            ran = attn(surface.name, "nonsense")
        assert ran.status == 2
        there = listed(ran.err)
        assert bool(there) == bool(parameter.values), ran.err
        if "step" not in ran.err:  # of a problem, which has not all of them
            assert there == set(parameter.values)
        assert there <= set(parameter.values)

    check_each([case for case in CASES if CASES[case][0].name == name], check)


def test_other_shells_are_refused(attn: Attn) -> None:
    ran = attn("completion", "bsh")
    assert ran.status == 2
    assert ran.err.startswith("error: there is no completion for 'bsh'\nhelp: did you mean 'bash'?")
    ran = attn("completion", "powershell")
    assert (ran.status, ran.err) == (
        2,
        "error: there is no completion for 'powershell'\nhelp: there are: bash, zsh, fish\n",
    )
    assert attn("completion").err.startswith("error: SHELL is missing\n")


def test_words_need_no_quotes_in_a_shell() -> None:
    for word in words_of(program(), *SURFACES.values()):
        assert re.fullmatch(r"[\w.@-]+", word), word


def test_short_names_of_options_are_first() -> None:
    for surface in (program(), *SURFACES.values()):
        for option in surface.options:
            long = [name.startswith("--") for name in option.names]
            assert long == sorted(long), option.names
    assert program().options[-1].names == ("-h", "--help")


def test_the_program_and_its_commands_are_walked() -> None:
    assert list(SURFACES) == list(COMMANDS)
    assert {name for option in program().options for name in option.names} == {
        "--version", "-V", "--help", "-h",
    }  # fmt: skip
