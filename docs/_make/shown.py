"""What the cog blocks of README.md and docs call: commands with their output, and tables.

Every command that a page shows is run here. A page whose commands write files has a `Folder`.
"""

from __future__ import annotations

import inspect
import shutil
import tempfile
from pathlib import Path

from docs._make.catalogues import (
    index_of_formulas,
    list_definitions,
    list_formulas,
    list_knobs,
    list_normalizers,
    list_presets,
    list_scores,
    list_steps,
)
from docs._make.shell import ROOT, Ran, run
from docs._make.tables import (
    table_of_benchmarks,
    table_of_formats,
    table_of_inner_keys,
    table_of_keys,
    table_of_members,
    table_of_normalizers,
    table_of_samples,
    table_of_scores,
    table_of_statistics,
    table_of_statuses,
    table_of_steps,
)

__all__ = [
    "Folder",
    "define_statistics",
    "drawing_of_tiles",
    "file",
    "index_of_formulas",
    "lines",
    "list_definitions",
    "list_formulas",
    "list_knobs",
    "list_normalizers",
    "list_presets",
    "list_scores",
    "list_steps",
    "show",
    "table_of_benchmarks",
    "table_of_formats",
    "table_of_inner_keys",
    "table_of_keys",
    "table_of_members",
    "table_of_normalizers",
    "table_of_samples",
    "table_of_scores",
    "table_of_statistics",
    "table_of_statuses",
    "table_of_steps",
]

_LANGUAGES = {".yaml": "yaml", ".py": "python", ".json": "json", ".csv": "text", ".sh": "sh"}


def show(*commands: str, folder: Path = ROOT) -> None:
    """Print a console block: each command, and what it prints."""
    print("```console")
    for command in commands:
        print(f"$ {command}")
        ran = run(command, folder)
        _refuse_faults(command, ran)
        if ran.output.strip():
            print(ran.output.rstrip("\n"))
    print("```")


def _refuse_faults(command: str, ran: Ran) -> None:
    """Raise if a command does not exist, failed by a fault of ours, or would break the page."""
    if "]]]" in ran.output or "[[[" in ran.output:
        raise RuntimeError(f"{command}\nprints a marker of cog, [[[ or ]]]: show something else")
    if ran.status in (70, 126, 127) or "Traceback (most recent call last)" in ran.output:
        raise RuntimeError(f"{command}\nended with status {ran.status}:\n{ran.output}")


def file(path: str | Path) -> None:
    """Print a file of the checkout as a block of its language."""
    text = (ROOT / path).read_text(encoding="utf-8")
    print(f"```{_LANGUAGES[Path(path).suffix]}\n{text.rstrip()}\n```")


class Folder:
    """A folder of its own for the commands of a page: samples, and the page's files.

    `files` is a folder beside the page. What commands write here goes with the process.
    """

    def __init__(self, files: str) -> None:
        self._held = tempfile.TemporaryDirectory(prefix="attn-docs-")
        self.path = Path(self._held.name)
        (self.path / "samples").symlink_to(ROOT / "samples")
        for source in sorted((ROOT / files).iterdir()):
            shutil.copy(source, self.path)

    def file(self, name: str) -> None:
        """Print a file of this folder as a block of its language."""
        file(self.path / name)

    def show(self, *commands: str) -> None:
        """Print a console block of commands that run in this folder."""
        show(*commands, folder=self.path)

    def run(self, command: str) -> None:
        """Run a command and show nothing; raise if it fails."""
        ran = run(command, self.path)
        if ran.status:
            raise RuntimeError(f"{command}\nended with status {ran.status}:\n{ran.output}")

    def table_of_users(self, *rows: tuple[str, str, str]) -> None:
        """Print who uses a command, each with the tutorial; the commands are run.

        A command with a check may find a difference, which is not an error.
        """
        print("| who | command |\n| --- | --- |")
        for who, command, page in rows:
            if run(command, self.path).status not in (0, 1):
                raise RuntimeError(f"{command}: {run(command, self.path).output}")
            print(f"| {who} ([more]({page})) | `{command}` |")


def lines(path: str, first: str) -> None:
    """Print a file of the checkout from the line that begins with a text to its end."""
    text = (ROOT / path).read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(text) if line.startswith(first))
    print("```yaml\n" + "\n".join(text[start:]) + "\n```")


def drawing_of_tiles() -> None:
    """Print the drawing in the docstring of the engine `tiles`, with its words."""
    from attn_cli.engine import tiles

    text = inspect.getdoc(tiles) or ""
    start = text.rindex("\n", 0, text.index("keys j ->")) + 1
    end = text.index("The scale is multiplied")
    print(f"```text\n{text[start:end].rstrip()}\n```")


def define_statistics() -> None:
    """Print the docstring of the statistics of rows."""
    from attn_cli.lab import row_statistics

    print(f"```text\n{inspect.getdoc(row_statistics)}\n```")
