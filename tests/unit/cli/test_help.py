"""`attn help`, and the groups of commands that it shows."""

from __future__ import annotations

import re

import pytest

from attn_cli.cli.app import COMMANDS
from tests.conftest import Attn

# The groups in their order, with every command that each may have.
GROUPS = {
    "Compute": ("compute", "model", "next", "translate", "train", "join"),
    "Look": ("explain", "heatmap", "graph", "stats"),
    "Ask": ("check", "identify", "diff", "verify"),
    "List": ("scores", "normalizers", "conventions", "steps", "samples"),
    "Help": ("help", "completion"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_is_its_help_option(command: str, attn: Attn) -> None:
    ran = attn("help", command)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith(f"Usage: attn {command} ")
    assert ran.out == attn(command, "--help").out


def test_help_alone_is_the_help_of_the_program(attn: Attn) -> None:
    ran = attn("help")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith("Usage: attn [OPTIONS] COMMAND")
    assert ran.out == attn("--help").out


def test_the_commands_are_listed_by_group(attn: Attn) -> None:
    listed: dict[str, list[str]] = {}
    for line in attn("help").out.split("Options:")[1].splitlines()[4:]:
        if heading := re.fullmatch(r"(\w+):", line):
            listed[heading[1]] = []
        elif line:
            name, text = line.split(maxsplit=1)
            listed[list(listed)[-1]].append(name)
            assert text == COMMANDS[name].help
            assert line.index(text) == 2 + max(map(len, COMMANDS)) + 2  # one column in all groups
            assert len(line) <= 80
    assert all(listed.values())
    assert [name for names in listed.values() for name in names] == list(COMMANDS)
    groups = {
        group: [name for name in names if name in COMMANDS] for group, names in GROUPS.items()
    }
    assert list(listed.items()) == [(group, names) for group, names in groups.items() if names]


def test_errors_list_the_commands_in_the_same_order(attn: Attn) -> None:
    assert attn("nonsense").err.splitlines()[1] == f"help: there are: {', '.join(COMMANDS)}"
