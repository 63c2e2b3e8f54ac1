"""A change of one line of the package, as `changes/*.txt` writes it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import NamedTuple

from tests.helpers.processes import ROOT

CHANGES = ROOT / "tests" / "mutants" / "changes"
PACKAGE = ROOT / "attn_cli"


class Function(NamedTuple):
    """A function of the package: its file, relative to the package, and its name in it."""

    file: str
    name: str  # as in `Class.method`

    @property
    def path(self) -> Path:
        """Where it is written."""
        return PACKAGE / self.file


class Change(NamedTuple):
    """One line of a function, which is there once, and what is put in its place."""

    function: Function
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.function.file} {self.function.name}\n- {self.old}\n+ {self.new}"

    def code(self) -> CodeType | None:
        """Return the code of the function with the change; None if there is no such line."""
        path = self.function.path
        if not path.exists():
            return None
        source = path.read_text(encoding="utf-8")
        node = definition(ast.parse(source), self.function.name)
        if node is None:
            return None
        lines = source.splitlines(keepends=True)
        span = range(node.lineno - 1, node.end_lineno or node.lineno)
        found = [at for at in span if lines[at].strip() == self.old]
        if len(found) != 1:
            return None
        lines[found[0]] = lines[found[0]].replace(self.old, self.new)
        return code_of(compile("".join(lines), path, "exec"), self.function.name)


def changes(folder: Path = CHANGES) -> list[Change]:
    """Return the changes of all files, in order."""
    found = []
    for path in sorted(folder.glob("*.txt")):
        for block in path.read_text(encoding="utf-8").strip("\n").split("\n\n"):
            place, old, new = block.split("\n")
            assert (old[:2], new[:2]) == ("- ", "+ "), block
            found.append(Change(Function(*place.split(" ")), old[2:], new[2:]))
    return found


def definition(module: ast.Module, name: str) -> ast.FunctionDef | None:
    """Return the definition of a function, the last if there are several."""
    body: list[ast.stmt] = module.body
    node: ast.stmt | None = None
    for part in name.split("."):
        named = [
            n for n in body if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.name == part
        ]
        if not named:
            return None
        node = named[-1]
        body = named[-1].body
    return node if isinstance(node, ast.FunctionDef) else None


def code_of(code: CodeType, name: str) -> CodeType | None:
    """Return the code of a function in that of its module, the last if there are several."""
    return next((each for each in _codes(code) if each.co_qualname == name), None)


def _codes(code: CodeType) -> Iterator[CodeType]:
    for each in reversed(code.co_consts):
        if isinstance(each, CodeType):
            yield each
            yield from _codes(each)
