"""Start-up is part of the product: what a command does not need is not imported."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.processes import run_to_end

pytestmark = pytest.mark.slow

SAMPLE = "samples/love_coding.yaml"
# What only fractions, NumPy's print and mistakes need.
MISTAKES = {"fractions", "decimal", "attn_cli.sources.text.printed", "attn_cli.sources.text.slips"}
FILES = {"csv", "gzip", "tempfile", "zipfile"}  # what kinds of files need that are not there


def imported_by(code: str) -> set[str]:
    """The modules that a fresh interpreter holds after the code."""
    program = f"import sys\n{code}\nprint(*sys.modules, file=sys.stderr)"
    done = run_to_end([sys.executable, "-c", program])
    assert done.returncode == 0, done.stderr.decode()
    return set(done.stderr.decode().split())


HEAVY = {"numpy", "rich", "yaml", "pydantic"}
METADATA = {"importlib.metadata"}  # of installed packages: their version, and where plugins are


# Commands, and what none of them has imported, nor one before it in the same process.
IN_ORDER: dict[str, set[str]] = {
    **dict.fromkeys(
        [
            *("--version", "--help", "help", "samples", "conventions", "conventions onnx"),
            *("compute --help", "help compute", "train --help", "graph --help"),
        ],
        HEAVY | METADATA,
    ),
    "scores": {"rich", "yaml", "pydantic"},
    "completion bash": {"rich", "pydantic"},
    f"compute {SAMPLE}": {"rich", "pydantic", *FILES, *MISTAKES},
    f"compute {SAMPLE} --format json": {
        *("rich", "pydantic", "numpy.ma", "numpy.typing"),
        *FILES,
    },
    f"compute {SAMPLE} --only q --format csv": {"rich", "pydantic"},
    "train samples/not_like.yaml -o - --steps 1": {"rich", "pydantic"},
    "next samples/not_like.yaml not like --top 3": {"rich.table"},
}


def test_commands() -> None:
    """In one process, so that nothing is imported too early for a later one either."""
    lines = ["from attn_cli.cli import main"]
    for command, absent in IN_ORDER.items():
        lines.append(f"assert main({command.split()!r}) == 0")
        lines.append(f"found = set({sorted(absent)!r}) & sys.modules.keys()")
        lines.append(f"assert not found, ({command!r}, found)")
    assert "attn_cli.cli.app" in imported_by("\n".join(lines))


def test_stored_arrays_need_no_yaml_and_no_rich(tmp_path: Path) -> None:
    names = ("query", "key", "value")
    for name in names:
        np.save(tmp_path / f"{name}.npy", np.ones((3, 2), np.float32))
    given = [text for name in names for text in (f"--{name}", str(tmp_path / f"{name}.npy"))]
    wanted = ("--query-token", "1", "--only", "weights", "-o", str(tmp_path / "w.npy"))
    loaded = imported_by(
        f"from attn_cli.cli import main\nassert main({['compute', *given, *wanted]!r}) == 0"
    )
    assert not loaded & {"yaml", "rich", "json", "csv", "gzip", "zipfile"}
    assert np.load(tmp_path / "w.npy").shape == (1, 3)


def test_python_loads_no_command_line_and_no_yaml() -> None:
    """Neither the API, nor a notebook after it in the same process."""
    shown = ("attn_cli.notebook", "attn_cli.views", "attn_cli.cli", "attn_cli.lab.preview",
             "attn_cli.lab.report.report", "attn_cli.lab.drawing")  # fmt: skip
    loaded = imported_by(
        "import attn_cli\n"
        "assert 'numpy' not in sys.modules\n"
        "from attn_cli import attention, compute\n"
        "record = attention([[1]], [[1]], [[1]])\n"
        "compute({'embeddings': [[1]]})\n"
        "assert 'numpy' in sys.modules\n"
        f"found = [name for name in sys.modules if name.startswith({shown!r})]\n"
        "assert not found, found\n"
        "assert '<table' in record._repr_html_()\n"
        "assert 'attn-record' in record.html()"
    )
    assert "attn_cli.views.html.preview" in loaded
    assert not loaded & {"typer", "rich", "yaml", "attn_cli.cli.app"}
