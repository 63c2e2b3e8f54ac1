"""Messages on stderr: their place, their length, and no control characters."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from attn_cli import AttnError, compute
from attn_cli.cli.talk import wrapped
from tests.conftest import SAMPLES, Attn
from tests.helpers.processes import ATTN, read_terminal, run_to_end, started

pytestmark = pytest.mark.slow


@pytest.mark.regression("a message quoted 100,000 characters")
def test_what_is_quoted_is_cut(attn: Attn) -> None:
    text = "9" * 100_000
    said = f"error: --memory cannot be '{text}"[: 2000 + len("error: ")]
    ran = attn("compute", SAMPLES / "love_coding.yaml", "--memory", text)
    assert (ran.status, ran.err.splitlines()[0]) == (2, f"{said}...")
    ran = attn("compute", SAMPLES / "love_coding.yaml", "--set", f"heads={text}x")
    assert ran.status == 2
    assert len(ran.err) < 2500
    assert ran.err.splitlines()[1] == f"  --> --set heads={text}"[: 2000 + len("  --> ")] + "..."


@pytest.mark.regression("the help of a message quoted a key of any length")
def test_advice_that_quotes_a_long_text_is_cut(attn: Attn, tmp_path: Path) -> None:
    """A key of 7000 digits whose value follows its colon is in the advice too."""
    (tmp_path / "p.yaml").write_text(f"embed{'7' * 7000}dings:[[1, 0], [0, 1]]\n")
    ran = attn("compute", tmp_path / "p.yaml")
    assert ran.status == 2
    assert "\nhelp: write 'embed777" in ran.err
    assert max(map(len, ran.err.splitlines())) < 2100


@pytest.mark.regression("a fault of --set was placed in the file")
@pytest.mark.parametrize(
    ("option", "where"),
    [
        ("mask.true_means=attend", "--set mask.true_means=attend"),
        ("memory.tokens=[a, b]", "--set memory.tokens=[a, b]"),
        ("score.function=gaussian", "--set score.function=gaussian"),
    ],
)
def test_what_an_option_broke_is_placed_at_the_option(option: str, where: str, attn: Attn) -> None:
    ran = attn("compute", SAMPLES / "love_coding.yaml", "--set", option)
    assert ran.err.splitlines()[1] == f"  --> {where}"


@pytest.mark.regression("a missing key was placed at the first key of the file")
def test_a_key_that_is_not_there_is_not_placed_at_another(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("tokens: [a, b]\nquery: [[[1, 0]]]\nembeddings: [[1, 0]]\n")
    with pytest.raises(AttnError) as caught:
        compute(path)
    assert caught.value.where is not None
    assert caught.value.where.line != 1


@pytest.mark.regression("the error of a key that is written twice had no path")
def test_a_key_twice_has_its_path(attn: Attn) -> None:
    ran = attn("compute", "-", "-f", "json", stdin="weights: {query: a, query: b}\n")
    assert json.loads(ran.out)["error"]["path"] == "weights.query"


@pytest.mark.regression("control characters of arguments reached the terminal")
@pytest.mark.parametrize(
    "arguments",
    [
        ["compute", "-", "--only", "\x1b[31mx"], ["compute", "-", "-f", "\x1b[31mx"],
        ["compute", "-", "-o", "\x1b[31mx"], ["compute", "-", "--normalize", "\x1b[31mx"],
        ["compute", "-", "--memory", "\x1b[31mx"], ["samples", "\x1b[31mx"], ["\x1b[31mx"],
        ["compute", "\x1b[31m.yaml"], ["compute", "-", "--score", '"\\e[31mx"'],
        ["compute", "-", "--set", 'score={function: dot, "\\e[31mx": 1}'],
    ],
)  # fmt: skip
def test_nothing_that_is_shown_can_colour_the_terminal(arguments: list[str], attn: Attn) -> None:
    ran = attn(*arguments, stdin="embeddings: [[1]]\n")
    assert ran.status == 2
    assert "\x1b" not in ran.err
    assert "\\x1b[31m" in ran.err


def talk_on_terminal(columns: int, *arguments: str, cwd: Path, **env: str) -> str:
    """Return what a command line says on a standard error that is a terminal of a width.

    Without colours unless the environment says otherwise.
    """
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    null = subprocess.DEVNULL
    own = {n: v for n, v in os.environ.items() if n != "COLUMNS"} | {"NO_COLOR": "1"} | env
    with started(
        [*ATTN, *arguments], stdin=null, stdout=null, stderr=follower, cwd=cwd, env=own
    ) as process:
        os.close(follower)
        said = read_terminal(leader)
        process.wait()
    return said.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_messages_wrap_at_words_on_a_terminal(columns: int, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(
        "query: [[1, 0]]\nkey: [[1, 0]]\nvalue: [[1]]\n"
        f"# {'x' * 100}\nweights: {{query: [[1, 0], [0, 1]]}}  # {'x' * 100}\n"
    )
    ran = run_to_end([*ATTN, "compute", "p.yaml", "--set", "zzz=1"], cwd=tmp_path)
    in_pipe = ran.stderr.decode()
    assert max(map(len, in_pipe.split("\n"))) > 400
    said = talk_on_terminal(columns, "compute", "p.yaml", "--set", "zzz=1", cwd=tmp_path)
    lines = said.rstrip("\n").split("\n")
    assert max(map(len, lines)) <= columns
    assert said.split() == in_pipe.split()
    at = next(at for at, line in enumerate(lines) if line.startswith("help: "))
    assert all(line.startswith("      ") for line in lines[at + 1 :])
    assert all(
        len(line) + 1 + len(after.split()[0]) > columns for line, after in pairwise(lines[at:])
    )
    said = talk_on_terminal(columns, "compute", "p.yaml", cwd=tmp_path)
    quoted, caret = (line for line in said.split("\n") if " | " in line)
    assert "error: weights.query has nothing to apply to" in said
    assert len(quoted) <= columns
    assert len(quoted) == min(columns, 76 + 5)
    assert quoted[caret.index("^") :].startswith("query: [[")


def test_words_that_are_longer_than_a_terminal_stay_whole() -> None:
    assert wrapped("error: " + "x" * 30 + " b", 20) == "error:\n       " + "x" * 30 + "\n       b"
    assert wrapped("a --query-token b", 12) == "a\n--query-token\nb"
    assert wrapped("   a picture that is drawn", 10) == "   a picture that is drawn"
    assert wrapped("   --> --tokens a b c d", 19) == "   --> --tokens a b\n       c d"
    assert wrapped(" 1 | a --> b and more", 10) == " 1 | a --> b and more"


Q = [[5, 1, 20]]


K = [[1, 0, 2], [0, 3, 1]]


V = [[2, 7], [11, 3]]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_narrow_inputs_are_noted_once_on_a_terminal(dtype: str, tmp_path: Path) -> None:
    for name, matrix in (("q", Q), ("k", K), ("v", V)):
        np.save(tmp_path / f"{name}.npy", np.array(matrix, dtype=dtype))
    problem = ["compute", "--query", "q.npy", "--key", "k.npy", "--value", "v.npy"]
    note = f"note: inputs are {dtype}, computed in float64: --dtype float32 halves time and size\n"
    assert talk_on_terminal(120, *problem, cwd=tmp_path) == note
    for options in (["--dtype", "float64"], ["--dtype", "float32"], ["--quiet"]):
        assert talk_on_terminal(120, *problem, *options, cwd=tmp_path) == ""
    np.save(tmp_path / "q.npy", np.array(Q, dtype=np.float64))
    assert run_to_end([*ATTN, *problem], cwd=tmp_path).stderr == b""


SGR = re.compile(r"\x1b\[[0-9;]*m")


def test_errors_have_colours_on_a_terminal_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("embeddings: [[1, 0], [0, 1]]\nscore: scald\n")
    coloured = talk_on_terminal(100, "compute", "p.yaml", cwd=tmp_path, NO_COLOR="")
    plain = talk_on_terminal(100, "compute", "p.yaml", cwd=tmp_path)
    error, place, blank, quoted, caret, *advice = coloured.split("\n")
    assert error.startswith("\x1b[1;31merror:\x1b[0m ")
    assert [place, blank, quoted] == plain.split("\n")[1:4]
    assert caret.endswith(" \x1b[1;31m^\x1b[0m")
    assert advice[0].startswith("\x1b[1mhelp:\x1b[0m ")
    assert SGR.sub("", coloured) == plain
    assert (
        talk_on_terminal(100, "compute", "p.yaml", "--color", "never", cwd=tmp_path, NO_COLOR="")
        == plain
    )
    assert (
        talk_on_terminal(100, "compute", "p.yaml", cwd=tmp_path, NO_COLOR="", TERM="dumb") == plain
    )


def test_colours_of_errors_are_as_the_options_and_the_environment_say(
    attn: Attn, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = ("compute", SAMPLES / "love_coding.yaml", "--zzz")
    plain = attn(*wrong).err
    assert "\x1b" not in plain
    for options in (("--color", "always"), ("--color=never", "--color=always")):
        assert SGR.sub("", attn(*wrong, *options).err) == plain != attn(*wrong, *options).err
    assert attn(*wrong).err == plain  # what one command says is not what the next one says
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert attn(*wrong).err.startswith("\x1b[1;31merror:\x1b[0m ")
    assert attn(*wrong, "--color", "never").err == plain
    monkeypatch.setenv("NO_COLOR", "1")
    assert attn(*wrong).err == plain


def test_a_failed_check_and_warnings_have_colours(attn: Attn) -> None:
    check = ("--check", "q=[[1, 0, 0], [0, 1, 0], [0, 0, 1]]")
    for form, said in (("table", 1), ("csv", 2)):
        ran = attn("compute", SAMPLES / "love_coding.yaml", *check, "--color", "always",
                   "-f", form, *(("--only", "q") if form == "csv" else ()))  # fmt: skip
        verdict = (ran.out, ran.err)[said - 1].splitlines()[-1]
        assert (ran.status, verdict[:12], verdict[-4:]) == (1, "\x1b[1;31mcheck", "\x1b[0m")
    assert ran.err.startswith("\x1b[1;35mwarning:\x1b[0m ")
    right = ("--check", "q=[[2, 1, 2], [0, 1, 0], [2, 2, 2]]")
    yes = attn("compute", SAMPLES / "love_coding.yaml", *right, "--color", "always")
    assert (yes.status, yes.out.count("\x1b"), yes.err) == (0, 0, "")
