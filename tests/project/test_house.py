"""The rooms of the house: what each may import. ARCHITECTURE.md has the picture."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import numpy as np
import pytest

import attn_cli
from tests.conftest import SAMPLES, Attn
from tests.helpers.processes import ROOT

PACKAGE = ROOT / "attn_cli"
# From the top to the ground. A room imports what is below it, and nothing above it.
ROOMS = (
    "__main__", "notebook", "cli", "__init__", "api", "testing", "views", "origin", "lab", "train",
    "language", "reading", "engine", "sources", "conventions", "maths", "record", "samples",
    "lists", "formula", "floats", "arrays", "memory", "registry", "errors", "dataclass",
)  # fmt: skip
# Rooms beside each other: neither knows the other.
APART = {("views", "train"), ("views", "language"), ("views", "reading"), ("views", "engine"),
         ("views", "maths"), ("reading", "engine"), ("engine", "sources"), ("sources", "maths"),
         ("engine", "conventions"), ("maths", "conventions"), ("conventions", "maths"),
         ("lab", "train"), ("lab", "language"), ("train", "language")}  # fmt: skip

# Rooms whose modules name each other's types: a problem has stages, and a stage is of a problem.
CIRCLES = ("maths", "engine", "formula")

# An import from the package, at any depth, also in the example of a docstring; names in a bracket
# can be on several lines. A parser of Python takes twenty times as long.
IMPORT = re.compile(r"^ *from (attn_cli[\w.]*) import (\([^)]*\)|.*)", re.MULTILINE)


def imports() -> Iterator[tuple[str, str]]:
    """(module, module that it imports, inside functions too) of the package."""
    for file in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts)
        for imported, names in IMPORT.findall(file.read_text()):
            if imported == "attn_cli":
                each = (name.split()[0] for name in names.strip("()\n ").rstrip(",").split(","))
                yield from ((module, f"attn_cli.{name}") for name in each)
            else:
                yield module, imported


def room(module: str) -> str:
    return module.split(".")[1]


ALL = list(imports())
IMPORTS = [(a, b) for a, b in ALL if room(b) in ROOMS and room(a) != room(b)]


def test_every_module_has_a_room() -> None:
    assert len(IMPORTS) > 500
    assert {room(module) for module, _ in ALL} <= set(ROOMS)


@pytest.mark.parametrize("above", ROOMS)
def test_imports_point_down(above: str) -> None:
    for module, imported in IMPORTS:
        if room(module) == above:
            assert ROOMS.index(room(imported)) > ROOMS.index(above), f"{module} imports {imported}"


def test_rooms_beside_each_other_do_not_know_each_other() -> None:
    for module, imported in IMPORTS:
        assert (room(module), room(imported)) not in APART, f"{module} imports {imported}"


def test_no_modules_import_each_other() -> None:
    """Not in a circle either, and not for the names of types alone."""
    needs: dict[str, set[str]] = {}
    for module, imported in ALL:
        if room(module) not in CIRCLES:
            needs.setdefault(module.removesuffix(".__init__"), set()).add(imported)
    left = set(needs)
    while free := {module for module in left if not needs[module] & left - {module}}:
        left -= free
    assert not left


def test_reading_and_maths_have_no_module_of_the_same_name() -> None:
    names = {room: {file.name for file in (PACKAGE / room).rglob("*.py")} - {"__init__.py"}
             for room in ("reading", "maths")}  # fmt: skip
    assert len(names["reading"]) > 20
    assert not names["reading"] & names["maths"]


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    for file in PACKAGE.rglob("*.py"):
        assert len(file.read_text().splitlines()) <= 400, file.name


ARCHITECTURE = (PACKAGE.parent / "ARCHITECTURE.md").read_text()
FUNCTION = re.compile(r"`([a-z_/]+\.py): ([A-Za-z_.]+)`")


def test_what_the_architecture_names_exists() -> None:
    places = set(re.findall(r"`([a-z_/]+\.py)(?::[^`]*)?`", ARCHITECTURE))
    assert len(places) > 25
    for place in places:
        assert (PACKAGE / place).exists() or (PACKAGE.parent / place).exists(), place
    for place, name in FUNCTION.findall(ARCHITECTURE):
        last = name.split(".")[-1]
        assert re.search(rf"\b{last}\b", (PACKAGE / place).read_text()), f"{place}: {name}"


def called_by(attn: Attn, *arguments: object) -> list[str]:
    """The functions of the package that a command calls, in the order of their first calls."""
    found: dict[str, None] = {}

    def note(frame: object, event: str, _: object) -> None:
        code = frame.f_code  # type: ignore[attr-defined]
        if event == "call" and str(PACKAGE) in code.co_filename:
            place = Path(code.co_filename).relative_to(PACKAGE)
            found.setdefault(f"{place}: {code.co_qualname}")

    sys.setprofile(note)
    try:
        ran = attn(*arguments)
    finally:
        sys.setprofile(None)
    assert ran.status == 0, ran.err
    return list(found)


def way(number: int) -> list[str]:
    """What the architecture says is called, in order."""
    section = ARCHITECTURE.split("## Two ways")[1].split("## The interfaces")[0]
    part = re.split(r"\n(?=`[a-zA-Z]+`, from)", section)[number]
    return [f"{place}: {name}" for place, name in FUNCTION.findall(part)]


def in_order(way: list[str], called: list[str]) -> None:
    assert len(way) > 8
    at = 0
    for function in way:
        matching = [
            n for n, name in enumerate(called) if name in {function, f"{function}.__init__"}
        ]
        assert matching, f"{function} is not called"
        assert matching[0] >= at, f"{function} is called before what comes before it"
        at = matching[0]


def test_the_way_of_embeddings_from_yaml_to_a_table(attn: Attn) -> None:
    in_order(way(1), called_by(attn, "compute", SAMPLES / "love_coding.yaml"))


def test_the_way_of_q_from_npy_to_npy(attn: Attn, tmp_path: Path) -> None:
    for name, shape in (("q", (1, 2, 8192, 128)), ("k", (1, 1, 128, 128)), ("v", (1, 1, 128, 3))):
        np.save(tmp_path / f"{name}.npy", np.ones(shape, np.float32))
    files = [
        text
        for key in ("query", "key", "value")
        for text in (f"--{key}", tmp_path / f"{key[0]}.npy")
    ]
    out = ("--only", "output", "--dtype", "float32", "-o", tmp_path / "out.npy")
    in_order(way(2), called_by(attn, "compute", *files, *out))


def _place(frame: FrameType | None) -> tuple[str, str] | None:
    """The room and the function of the nearest frame of the package, from this one outwards."""
    while frame is not None:
        name = Path(frame.f_code.co_filename)
        if name.is_relative_to(PACKAGE):
            return name.relative_to(PACKAGE).with_suffix("").parts[0], frame.f_code.co_name
        frame = frame.f_back
    return None


def test_calls_point_down() -> None:
    """From a file to a record no room calls one above it, by a callback or otherwise."""
    path = PACKAGE.parent / "samples" / "love_coding.yaml"
    attn_cli.compute(path)  # imports what it needs
    rooms, up = set(), set()

    def note(frame: FrameType, event: str, _: object) -> None:
        called = _place(frame) if event == "call" else None
        if called is None or not Path(frame.f_code.co_filename).is_relative_to(PACKAGE):
            return
        rooms.add(called[0])
        caller = _place(frame.f_back)
        if caller is not None and ROOMS.index(called[0]) < ROOMS.index(caller[0]):
            up.add((caller, called))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        attn_cli.compute(path)
    finally:
        sys.setprofile(before)
    assert {"api", "reading", "sources", "conventions", "engine", "maths", "record"} <= rooms
    # A class that has been created often has an `__init__` of its own, which is in no room.
    assert {(caller, called[1]) for caller, called in up} <= {
        (("dataclass", "_set_each"), "__init__"),
        (("dataclass", "_init"), "__post_init__"),
    }
