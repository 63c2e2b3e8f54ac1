"""The man pages: there for each command, and shown as they are meant."""

from __future__ import annotations

import shutil

import pytest

from attn_cli.cli.app import COMMANDS
from attn_cli.cli.surface import Surface, commands, program
from attn_cli.errors import ExitStatus
from docs._make import man
from tests.helpers.processes import ROOT, run_to_end

FOLDER = ROOT / "docs" / "man"
SURFACES = (program(), *commands())


def file_of(surface: Surface) -> str:
    return f"attn-{surface.name}.1" if surface.name else "attn.1"


def test_there_is_one_per_command_and_no_other() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(map(file_of, SURFACES))
    assert len(SURFACES) == 1 + len(COMMANDS)


@pytest.mark.parametrize("surface", SURFACES, ids=file_of)
def test_it_is_what_is_generated(surface: Surface) -> None:
    assert (FOLDER / file_of(surface)).read_text(encoding="utf-8") == man.page(file_of(surface))


@pytest.mark.parametrize("surface", SURFACES, ids=file_of)
def test_it_shows_all_that_help_has(surface: Surface) -> None:
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    command = [
        "groff",
        "-man",
        "-Tutf8",
        "-ww",
        "-rLL=2000n",
        "-P-cbou",
        str(FOLDER / file_of(surface)),
    ]
    done = run_to_end(command)
    assert (done.returncode, done.stderr) == (0, b"")
    lines = [" ".join(line.split()) for line in done.stdout.decode().splitlines()]
    assert surface.usage in lines
    assert set(surface.paragraphs) <= set(lines)
    assert {" ".join(line.split()) for line in surface.examples} <= set(lines)
    keys = surface.keys if surface.name == "compute" else ()
    for parameter in (*surface.arguments, *surface.options, *keys):
        head = " ".join(filter(None, (", ".join(parameter.names), parameter.metavar)))
        at = next(n for n, line in enumerate(lines) if f"{line} ".startswith(f"{head} "))
        assert " ".join(lines[at : at + 2]).startswith(f"{head} {parameter.help}")


def test_the_program_names_all_commands_and_exit_statuses() -> None:
    text = (FOLDER / "attn.1").read_text(encoding="utf-8")
    for name in COMMANDS:
        assert f".BR attn\\-{name} (1)" in text
    assert set(man.STATUS) == set(ExitStatus)
