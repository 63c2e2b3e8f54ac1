"""The problem that a file, or a command line, gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

from attn_cli.maths.problem import Problem
from attn_cli.reading import sequences
from attn_cli.reading.schema import read_document, read_problem
from attn_cli.sources.matrices.document import Document
from attn_cli.sources.matrices.files import Inputs
from tests.helpers.alike import differences


def in_file(path: Path) -> Problem:
    return read_problem(read_document(str(path), Inputs()))


def on_command_line(attn: Any, *arguments: object) -> Problem:
    """The problem that `attn compute` reads; it computes the step `v` alone."""
    found: list[Problem] = []
    read_problems = sequences.read_problems

    def noted(document: Document) -> list[Problem]:
        found.extend(read_problems(document))
        return found

    with patch.object(sequences, "read_problems", noted):
        ran = attn("compute", *arguments, "--only", "v", "-f", "json")
    assert (ran.status, ran.err.count("error")) == (0, 0), ran.err
    (problem,) = found
    return problem


def alike(found: Problem, expected: Problem) -> None:
    """Two problems have the same numbers, to the last bit, and the same of all else."""
    different = list(differences(found, expected))
    assert not different, different
