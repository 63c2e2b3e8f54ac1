"""The rooms of the house: what each may import. ARCHITECTURE.md has the picture."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "attn_cli"
# From the top to the ground. A room imports what is below it, and nothing above it.
ROOMS = (
    "__main__", "cli", "__init__", "api", "views", "lab", "train", "language", "reading", "engine",
    "sources", "conventions", "maths", "record", "formula", "samples", "floats", "arrays", "memory",
    "registry", "errors", "dataclass",
)  # fmt: skip
# Rooms beside each other: neither knows the other.
APART = {("views", "train"), ("views", "language"), ("views", "reading"), ("views", "engine"),
         ("views", "maths"), ("reading", "engine"), ("engine", "sources"), ("sources", "maths"),
         ("engine", "conventions"), ("maths", "conventions"), ("conventions", "maths"),
         ("lab", "train"), ("lab", "language"), ("train", "language")}  # fmt: skip


def imports() -> Iterator[tuple[str, str]]:
    """(module, module that it imports, inside functions too) of the package."""
    for file in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts)
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "attn_cli":
                yield from ((module, f"attn_cli.{alias.name}") for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("attn_cli."):
                yield module, node.module or ""


def room(module: str) -> str:
    return module.split(".")[1]


IMPORTS = [(a, b) for a, b in imports() if room(b) in ROOMS and room(a) != room(b)]


def test_every_module_has_a_room() -> None:
    assert len(IMPORTS) > 500
    assert {room(module) for module, _ in imports()} <= set(ROOMS)


@pytest.mark.parametrize("above", ROOMS)
def test_imports_point_down(above: str) -> None:
    for module, imported in IMPORTS:
        if room(module) == above:
            assert ROOMS.index(room(imported)) > ROOMS.index(above), f"{module} imports {imported}"


def test_rooms_beside_each_other_do_not_know_each_other() -> None:
    for module, imported in IMPORTS:
        assert (room(module), room(imported)) not in APART, f"{module} imports {imported}"


def test_reading_and_maths_have_no_module_of_the_same_name() -> None:
    names = {room: {file.name for file in (PACKAGE / room).rglob("*.py")} - {"__init__.py"}
             for room in ("reading", "maths")}  # fmt: skip
    assert len(names["reading"]) > 20
    assert not names["reading"] & names["maths"]


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    for file in PACKAGE.rglob("*.py"):
        assert len(file.read_text().splitlines()) <= 400, file.name
