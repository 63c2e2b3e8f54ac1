"""Files that are written whole or not at all, pipes that close, and how a process ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from attn_cli import __version__
from attn_cli.cli import main
from attn_cli.errors import ExitStatus
from attn_cli.views import VIEWS
from tests.conftest import SAMPLES, Attn, in_process
from tests.helpers.processes import ATTN, run_to_end, started

pytestmark = pytest.mark.slow

LOVE = str(SAMPLES / "love_coding.yaml")


class TestFiles:
    """-o: the format of the suffix, whole or not at all."""

    @pytest.mark.parametrize("name", VIEWS.of("Record"))
    def test_every_suffix_has_its_format(self, name: str, attn: Attn, tmp_path: Path) -> None:
        form = VIEWS.of("Record")[name]
        only = ["--only", "output"] if form.one_step else []
        asked = ("compute", LOVE, *only, "--format", name)
        explicit = in_process(*asked).stdout if form.binary else attn(*asked).out.encode()
        for suffix in form.suffixes:
            out = tmp_path / f"out{suffix}"
            assert attn("compute", LOVE, *only, "-o", out).status == 0
            assert out.read_bytes() == explicit

    def test_dash_is_standard_output(self, attn: Attn) -> None:
        assert attn("compute", LOVE, "-o", "-").out == attn("compute", LOVE).out

    def test_an_existing_file_is_replaced_and_keeps_its_mode(
        self, attn: Attn, tmp_path: Path
    ) -> None:
        out = tmp_path / "out.json"
        out.write_text("old")
        out.chmod(0o640)
        assert attn("compute", LOVE, "-o", out).status == 0
        assert json.loads(out.read_text())["format"] == "attn/1"
        assert out.stat().st_mode & 0o777 == 0o640

    def test_a_new_file_has_the_mode_of_any_other(self, attn: Attn, tmp_path: Path) -> None:
        (tmp_path / "other").write_text("")
        attn("compute", LOVE, "-o", tmp_path / "out.json")
        assert (tmp_path / "out.json").stat().st_mode == (tmp_path / "other").stat().st_mode

    def test_a_link_stays_a_link(self, attn: Attn, tmp_path: Path) -> None:
        (tmp_path / "real.json").write_text("old")
        (tmp_path / "link.json").symlink_to("real.json")
        attn("compute", LOVE, "-o", tmp_path / "link.json")
        assert (tmp_path / "link.json").is_symlink()
        assert (tmp_path / "real.json").read_text() != "old"

    def test_a_failure_leaves_the_old_file_and_nothing_beside_it(
        self, attn: Attn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        out = tmp_path / "out.json"
        out.write_text("old")

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "replace", full)
        ran = attn("compute", LOVE, "-o", out)
        assert ran.status == 2
        assert ran.err == (
            f"error: {out} cannot be written: No space left on device\n"
            "help: name a file in a folder that exists and that you may write to\n"
        )
        assert [path.name for path in tmp_path.iterdir()] == ["out.json"]
        assert out.read_text() == "old"

    def test_a_device_is_written_to(self, attn: Attn) -> None:
        ran = attn("compute", LOVE, "-o", "/dev/null", "--format", "json")
        assert (ran.status, ran.err) == (0, "")


class TestProcess:
    """What only a process of its own shows."""

    def test_a_closed_pipe_is_quiet(self) -> None:
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
        for arguments in (["compute", LOVE], ["samples"], ["scores"], ["--help"], ["--version"]):
            pipe = subprocess.PIPE
            with started([*ATTN, *arguments], stdout=pipe, stderr=pipe, env=environment) as process:
                process.stdout.close()
                err = process.stderr.read()
                process.wait()
            assert (process.returncode, err) == (ExitStatus.PIPE_CLOSED, b"")

    def test_a_full_disk_is_an_error(self) -> None:
        with open("/dev/full", "wb") as full:
            done = run_to_end([*ATTN, "compute", LOVE], stdout=full)
        assert done.returncode == 2
        assert done.stderr == b"error: standard output cannot be written: No space left on device\n"

    def test_a_terminal_without_the_characters(self) -> None:
        ran = in_process("compute", LOVE, "--tokens", "é ß 猫", PYTHONIOENCODING="ascii")
        assert (ran.returncode, ran.stderr) == (0, b"")
        assert b"\\xe9" in ran.stdout

    def test_words_that_are_no_text(self) -> None:
        done = run_to_end([*ATTN, "compute", LOVE, "--tokens", b"a \xff c"])
        assert done.returncode == 2
        assert done.stderr.startswith(b"error: tokens is not UTF-8: 'a \\udcff c'\n")

    def test_module_and_command_are_the_same(self) -> None:
        ran = in_process("--version")
        assert ran.stdout.decode() == f"attn {__version__}\n"


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("attn_cli.engine.run.run", interrupt)
    assert main(["compute", LOVE]) == ExitStatus.INTERRUPTED
    assert capfd.readouterr() == ("", "")


def test_our_own_bugs_stay_tracebacks(monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("attn_cli.engine.run.run", bug)
    with pytest.raises(ZeroDivisionError):
        main(["compute", LOVE])


@pytest.mark.regression("a closed standard input ended in a traceback")
@pytest.mark.parametrize("closed", [True, False])
def test_standard_input_that_cannot_be_read(closed: bool) -> None:
    with open(os.devnull, "wb") as written:
        how: Any = {"preexec_fn": partial(os.close, 0)} if closed else {}
        with started(
            [*ATTN, "compute", "-"], stdin=written, stderr=subprocess.PIPE, **how
        ) as process:
            err = process.stderr.read()
    assert process.returncode == 2
    assert err == (
        b"error: standard input cannot be read, and the problem is to come from it\n"
        b"help: pipe or redirect something into it, or name a file\n"
    )


@pytest.mark.regression("with stderr closed, warnings were written among the data")
def test_talk_never_goes_to_standard_output(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("embeddings: [[1], [2]]\nmask: [[-inf, -inf], [0, 0]]\n")
    line = f'"{sys.executable}" -m attn_cli compute {path} --only scores --format csv 2>&-'
    assert run_to_end(line, shell=True).stdout == b"1.0,2.0\n2.0,4.0\n"
