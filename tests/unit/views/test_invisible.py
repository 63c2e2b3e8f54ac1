"""Words with characters that act on a terminal: escapes there, and in what other programs show."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest

from attn_cli.views.invisible import made_visible
from tests.conftest import Attn, in_process, on_terminal

pytestmark = pytest.mark.slow

CONTROLS = {  # each with its escape
    "\x1b[31m": "\\x1b[31m",
    "\x1b]0;title\x07": "\\x1b]0;title\\x07",
    "\x07": "\\x07",
    "\x08": "\\x08",
    "\r": "\\r",
    "\x00": "\\x00",
    "\x7f": "\\x7f",
    "\x9b2J": "\\x9b2J",
    "\u202e": "\\u202e",
    "\u2066": "\\u2066",
    "\u200b": "\\u200b",
    "\u200d": "\\u200d",
    "\u2028": "\\u2028",
    "\ufeff": "\\ufeff",
    "\U000e0041": "\\U000e0041",
}
WORD = "é猫" + "".join(control for control in CONTROLS if control != "\x00") + "z"
SHOWN = "é猫" + "".join(escape for control, escape in CONTROLS.items() if control != "\x00") + "z"


def invisible(text: str) -> set[str]:
    """The characters of a text that nobody sees, without line ends and tabs."""
    return {
        c
        for c in text
        if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and c not in "\n\t"
    }


@pytest.fixture
def problem(tmp_path: Path) -> str:
    path = tmp_path / "p.json"
    tree = {
        "tokens": [WORD, "b"],
        "embeddings": {WORD: [1, 0], "b": [0, 1]},
        "next_word": {"vocabulary": [WORD, "y"], "weights": [[9, 0], [9, 0]]},
        "train": {"examples": [[[WORD, "b"], WORD], [["b"], "y"]], "steps": 1},
    }
    path.write_text(json.dumps(tree))
    return str(path)


@pytest.mark.parametrize("control", CONTROLS)
def test_each_is_escaped_and_others_are_not(control: str) -> None:
    assert made_visible(f"a{control}b") == f"a{CONTROLS[control]}b"
    assert made_visible("é 猫\xa0\u3000ß\n\t", kept="\n\t") == "é 猫\xa0\u3000ß\n\t"
    assert made_visible("\n\t", kept="\n") == "\n\\t"


ON_TERMINAL = {
    "answer": ("next", "-f", "answer"),
    "table": ("next", "--verbose"),
    "csv": ("compute", "--only", "q", "-f", "csv", "--labels"),
    "tsv": ("compute", "--only", "weights", "-f", "tsv", "--labels"),
    "markdown": ("compute", "-f", "markdown", "--verbose"),
    "latex": ("next", "-f", "latex", "--verbose"),
    "json": ("compute", "-f", "json"),
    "graph": ("graph",),
    "dot": ("graph", "-f", "dot"),
    "mermaid": ("graph", "-f", "mermaid"),
    "graph as json": ("graph", "-f", "json"),
    "statistics": ("stats",),
    "statistics as csv": ("stats", "-f", "csv"),
    "statistics as markdown": ("stats", "--per-query", "-f", "markdown"),
    "trained": ("train", "-o", "-"),
    "gradients": ("train", "--show-gradients"),
    "device": ("compute", "--only", "q", "-f", "csv", "--labels", "-o", "/dev/stdout"),
}


@pytest.mark.parametrize("case", ON_TERMINAL)
def test_on_a_terminal(case: str, problem: str) -> None:
    command, *options = ON_TERMINAL[case]
    ran = on_terminal(command, problem, *options, env={"NO_COLOR": "1"}, columns=300)
    assert ran.status == 0
    assert invisible(ran.out + ran.err) == set()
    if case != "gradients":
        assert "é" in ran.out or "\\u00e9" in ran.out  # the trained file is as JSON wrote it


@pytest.mark.parametrize("form", ["csv", "tsv"])
def test_labels_with_line_ends_are_read_again(form: str, tmp_path: Path, attn: Attn) -> None:
    out, path = tmp_path / f"m.{form}", tmp_path / "p.json"
    words = ["a\rb", "c\nd", "e\tf", "g,h", '"']
    rows = [[float(n), 1.5] for n in range(5)]
    path.write_text(json.dumps({"tokens": words, "embeddings": rows}))
    assert attn("compute", path, "--only", "q", "--labels", "-o", out).status == 0
    ran = attn("compute", "--query", out, "--key", out, "--value", out, "--only", "q", "-f", "json")
    assert json.loads(ran.out)["steps"]["q"]["values"] == rows


def test_data_in_a_pipe_is_as_it_is(problem: str) -> None:
    ran = in_process("next", problem, PYTHONIOENCODING="utf-8")
    assert (ran.returncode, ran.stdout.decode()) == (0, f"{WORD}\n")
    ran = in_process("compute", problem, "--only", "q", "-f", "csv", "--labels")
    assert f'\n"{WORD}","1.0","0.0"\n' in ran.stdout.decode()  # "\r" would end the line


@pytest.mark.parametrize("command", ["compute", "graph"])
def test_json_says_the_same_without_them(command: str, problem: str, attn: Attn) -> None:
    ran = attn(command, problem, "-f", "json")
    assert invisible(ran.out) == set()
    assert "é猫" in ran.out
    document = json.loads(ran.out)
    found = document["tokens"]["key"] if command == "compute" else document["nodes"][0]["label"]
    assert found in (WORD, [WORD, "b"])


def test_an_error_is_as_harmless(problem: str, attn: Attn) -> None:
    for form in ((), ("-f", "json")):
        ran = attn("compute", problem, "--query-token", WORD[:-1], *form)
        assert ran.status == 2
        assert invisible(ran.out + ran.err) == set()
        assert "\\u202e" in ran.out + ran.err
    name = "no\x1b[2Jfile\u202e.yaml"
    for line in (("compute", name), ("compute", f"--{name}"), ("translate", name), ("next", name)):
        ran = attn(*line)
        assert ran.status == 2
        assert invisible(ran.out + ran.err) == set()


def test_numbers_cannot_go_to_a_terminal_as_a_file(problem: str) -> None:
    ran = on_terminal("compute", problem, "--only", "q", "-f", "npy", "-o", "/dev/stdout")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("error: npy is binary and /dev/stdout is a terminal\n")
