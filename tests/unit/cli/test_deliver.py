"""Options of output that the format does not use, and devices as output."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import Attn

Q = [[5, 1, 20]]


K = [[1, 0, 2], [0, 3, 1]]


V = [[2, 7], [11, 3]]


@pytest.mark.parametrize(
    ("command", "options", "warning"),
    [
        ("compute", ["--full", "-f", "json"], "--full has no effect on the format json, but on: "),
        ("compute", ["--digits", "3", "-f", "npz"], "--digits has no effect on the format npz"),
        ("compute", ["--labels"], "--labels has no effect on the format table, but on: csv, tsv"),
        ("compute", ["-v", "--only", "q", "-f", "csv"], "--verbose has no effect on the format "),
        ("compute", ["--from", "1", "-f", "json"], "--from has no effect on the format json, but "),
        ("graph", ["--color", "always", "-f", "dot"], "--color has no effect on the format dot\n"),
    ],
)
def test_an_option_that_means_nothing_to_a_format_is_a_warning(
    command: str, options: list[str], warning: str, attn: Attn, tmp_path: Path
) -> None:
    problem = ["--query", str(Q), "--key", str(K), "--value", str(V), "-o", str(tmp_path / "out")]
    options = options if "-f" in options else [*options, "-f", "table"]
    ran = attn(command, *problem, *options)
    assert ran.status == 0
    assert re.sub(r"\x1b\[[0-9;]*m", "", ran.err).startswith(f"warning: {warning}")
    assert ran.err.count("\n") == 1
    assert (tmp_path / "out").exists()
    assert attn(command, *problem, *options, "--quiet").err == ""


def test_a_device_as_output_gets_a_table_without_a_format(attn: Attn) -> None:
    problem = ["compute", "--query", str(Q), "--key", str(K), "--value", str(V)]
    ran = attn(*problem, "--only", "output", "-o", "/dev/null")
    assert (ran.status, ran.out, ran.err) == (0, "", "")
