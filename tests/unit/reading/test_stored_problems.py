"""Problems whose Q, K and V stay in files: the records of arrays that are read whole."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_cli import Record, compute
from attn_cli.dataclass import replace
from attn_cli.errors import AttnError
from attn_cli.maths.problem import Problem, Projection
from attn_cli.reading.schema import read_document, read_problem
from attn_cli.record import Numbered
from attn_cli.sources.matrices import matrix
from attn_cli.sources.matrices.document import from_mapping
from attn_cli.sources.matrices.files import Inputs
from attn_cli.sources.matrices.npy_files import Archive, read_npy
from attn_cli.sources.matrices.stored import Stored
from tests.conformance.cases import PROBLEMS
from tests.conformance.expected import problem_of
from tests.conftest import Attn
from tests.helpers.alike import differences
from tests.helpers.many import check_each
from tests.unit.sources.test_stored import by_rows

pytestmark = pytest.mark.slow

SIDES = ("query", "key", "value")
Keep = Callable[[Path, str, Any], Any]  # writes an array; returns the node that names it


def loaded(problem: dict[str, Any] | Path, inputs: Inputs | None = None) -> Problem:
    """The problem, by default with arrays that are read by rows however small they are."""
    inputs = inputs or by_rows()
    if isinstance(problem, Path):
        return read_problem(read_document(str(problem), inputs))
    return read_problem(from_mapping(problem, inputs))


def as_npy(folder: Path, side: str, array: Any) -> str:
    np.save(folder / f"{side}.npy", array)
    return str(folder / f"{side}.npy")


def as_fortran(folder: Path, side: str, array: Any) -> str:
    return as_npy(folder, side, np.asfortranarray(array))


def as_transpose(folder: Path, side: str, array: Any) -> Any:
    return {"file": as_npy(folder, side, np.swapaxes(array, -1, -2)), "transpose": True}


def as_member(folder: Path, side: str, array: Any) -> str:
    np.savez(folder / f"{side}.npz", other=array[0], wanted=array)
    return f"{folder / side}.npz#wanted"


KEEPS = [as_npy, as_fortran, as_transpose, as_member]


def in_files(problem: dict[str, Any], folder: Path, keep: Keep) -> dict[str, Any]:
    """The problem with Q, K and V in files, as far as they are given."""
    given = {side: keep(folder, side, np.array(problem[side])) for side in SIDES if side in problem}
    return problem | given


def same(found: Record, expected: Record) -> None:
    assert list(found.steps) == list(expected.steps)
    assert (found.settings, found.warnings) == (expected.settings, expected.warnings)
    for name, step in expected.steps.items():
        assert [*map(list, found.steps[name].labels)] == [*map(list, step.labels)]
        if name in ("q", "k", "v"):
            np.testing.assert_array_equal(found[name], step.values, strict=True, err_msg=name)
        else:  # products sum in another order where the arrays lie otherwise in memory
            np.testing.assert_allclose(
                found[name], step.values, rtol=1e-12, atol=1e-12, strict=True, err_msg=name
            )


GIVEN = [name for name, problem in PROBLEMS.items() if "value" in problem]
# Keys that change how Q, K and V are read; of the other problems every third.
OF_ARRAYS = {"layout", "axes", "heads", "kv_heads", "dtype", "nonfinite", "past", "weights"}
FEW = [
    name for at, name in enumerate(GIVEN) if at % 3 == 0 or not OF_ARRAYS.isdisjoint(PROBLEMS[name])
]


@pytest.mark.parametrize("way", range(len(KEEPS)))
def test_each_convention(way: int, tmp_path: Path) -> None:
    """Each with one way of keeping its arrays; the problems, and the outputs of every fifth."""

    def check(case: str) -> None:
        stored = loaded(in_files(PROBLEMS[case], tmp_path, KEEPS[way]))
        assert isinstance(stored.value.inputs, Stored)
        assert list(differences(in_memory(stored), in_memory(problem_of(case)))) == []
        if FEW.index(case) // len(KEEPS) % 5 == 0:
            same(compute(stored, steps=["output"]), compute(problem_of(case), steps=["output"]))

    check_each(FEW[way :: len(KEEPS)], check)


def in_memory(problem: Problem) -> Problem:
    """The problem with Q, K and V as arrays in the memory's order."""
    sides = {side: getattr(problem, side) for side in SIDES}
    return replace(problem, **{
        side: replace(each, inputs=np.array(whole_of(each.inputs), order="C"))
        for side, each in sides.items()
        if each is not None
    })  # fmt: skip


def whole_of(inputs: Any) -> Any:
    """All rows of an array that may be in a file."""
    if inputs.ndim == 2:
        return inputs[:]
    return [whole_of(inputs[(at,)]) for at in range(inputs.shape[0])]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("keep", KEEPS)
def test_types(dtype: str, keep: Keep, tmp_path: Path) -> None:
    Q, K, V = (np.random.default_rng(seed).normal(size=(11, 3)) for seed in range(3))
    problem = {"query": Q, "key": K, "value": V, "dtype": dtype}
    same(compute(loaded(in_files(problem, tmp_path, keep))), compute(problem))


LAYOUTS: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "one": ({}, (7, 6)),
    "columns": ({"layout": "columns"}, (6, 7)),
    "batch": ({}, (2, 7, 6)),
    "packed": ({"heads": 3}, (7, 6)),
    "packed columns": ({"heads": 3, "layout": "columns"}, (2, 6, 7)),
    "bhsd": ({"axes": "bhsd"}, (2, 3, 7, 5)),
    "bshd": ({"axes": "bshd"}, (2, 7, 3, 5)),
    "four columns": ({"layout": "columns"}, (2, 3, 5, 7)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_and_parts_of_them(layout: str, tmp_path: Path) -> None:
    keys, shape = LAYOUTS[layout]
    arrays = [np.random.default_rng(seed).normal(size=shape) for seed in range(3)]
    problem = dict(zip(SIDES, arrays, strict=True)) | keys
    part: dict[str, Any] = {"query_token": 4}
    if "heads" in keys or len(shape) == 4:
        part["head"] = 2
    if len(shape) > 2:
        part["batch"] = 1
    expected, of_part = compute(problem), compute(problem, **part)

    def check(keep: Keep) -> None:
        files = loaded(in_files(problem, tmp_path, keep))
        same(compute(files), expected)
        same(compute(files, **part), of_part)

    check_each(KEEPS, check)


@pytest.mark.parametrize("inputs", [by_rows(), Inputs()], ids=["by rows", "whole"])
def test_the_index_is_that_of_the_array_as_the_problem_has_it(
    inputs: Inputs, tmp_path: Path
) -> None:
    Q = np.ones((5, 7))
    Q[3, 2] = np.nan
    problem = {"query": as_transpose(tmp_path, "query", Q), "key": np.ones((2, 7))}
    with pytest.raises(AttnError, match=r"query\[3\]\[2\] is NaN"):
        compute(loaded(problem | {"value": [[1], [2]]}, inputs))


@pytest.mark.parametrize("side", SIDES)
def test_what_is_no_matrix_of_numbers(side: str, tmp_path: Path) -> None:
    problem = {name: np.ones((3, 2)) for name in SIDES}
    for bad in (np.ones((3, 2), dtype=bool), np.ones((0, 2)), np.ones(3), np.float64(1)):
        said = []
        for node in (bad, as_npy(tmp_path, side, bad)):
            with pytest.raises(AttnError) as caught:
                compute(loaded(problem | {side: node}))
            said.append((caught.value.message, caught.value.path, caught.value.help))
        if np.ndim(bad):  # an array without axes is a number, and a file of it is a file
            assert said[0] == said[1]


def read_by(problem: dict[str, Any], monkeypatch: pytest.MonkeyPatch, **part: Any) -> list[str]:
    """The letters of the sides that a part of the problem reads rows of."""
    read: list[str] = []
    rows = Projection.rows
    stored = loaded(problem)

    def noted(self: Projection, *arguments: Any) -> Any:
        read.extend(side for side in SIDES if getattr(stored, side) is self)
        return rows(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Projection, "rows", noted)
        compute(stored, **part)
    return read


def test_only_what_a_step_needs_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = in_files({side: np.ones((5, 3)) for side in SIDES}, tmp_path, as_npy)
    assert read_by(files, monkeypatch, steps="weights") == ["query", "key"]
    assert read_by(files, monkeypatch, steps="v") == ["value"]
    assert read_by(files, monkeypatch, steps="output") == ["query", "key", "value"]


def test_one_query_reads_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = in_files({side: np.ones((503, 3)) for side in SIDES}, tmp_path, as_npy)
    read, total = os.preadv, 0

    def counted(descriptor: int, buffers: Any, offset: int) -> int:
        nonlocal total
        total += (got := read(descriptor, buffers, offset))
        return got

    monkeypatch.setattr(os, "preadv", counted)
    # Without a gap a small array too is worth reading in parts.
    compute(loaded(files, by_rows(gap=0)), steps="weights", query_token=401)
    assert total == (1 + 503) * 3 * 8


def write_problem(folder: Path, text: str = "query: q.npy\nkey: q.npy\nvalue: v.npy\n") -> Path:
    (folder / "problem.yaml").write_text(text)
    return folder / "problem.yaml"


def test_a_value_is_placed_in_the_problem(tmp_path: Path) -> None:
    np.save(tmp_path / "q.npy", np.ones((5, 3)))
    V = np.ones((5, 3))
    V[4, 1] = np.nan
    np.save(tmp_path / "v.npy", V)
    file = write_problem(tmp_path)
    with pytest.raises(AttnError, match=r"^value\[4\]\[1\] is NaN\n") as caught:
        compute(loaded(file))
    place = caught.value.where
    assert place is not None
    assert (place.file, place.line, place.column) == (str(file), 3, 8)
    compute(loaded(file), steps="weights")  # V is not looked at
    document = read_document(None, by_rows())
    for side, name in zip(SIDES, "vqq", strict=True):
        document.replace((side,), str(tmp_path / f"{name}.npy"), f"--{side}")
    with pytest.raises(AttnError, match=r"^query\[4\]\[1\] is NaN\n") as caught:
        compute(read_problem(document))
    assert "--> --query" in caught.value.report()


def test_a_problem_in_an_archive(tmp_path: Path) -> None:
    # Members of up to 4096 bytes are read at once: they may be numbers or words.
    Q, K, V = (np.random.default_rng(seed).normal(size=(257, 3)) for seed in range(3))
    np.savez(tmp_path / "plain.npz", q=Q, k=K, v=V)
    np.savez_compressed(tmp_path / "packed.npz", q=Q, k=K, v=V)
    plain, packed = (loaded(tmp_path / name) for name in ("plain.npz", "packed.npz"))
    assert isinstance(plain.value.inputs, Stored)
    assert not isinstance(packed.value.inputs, Stored)  # it has no rows before it is unpacked
    same(compute(plain), compute(packed))
    np.testing.assert_array_equal(compute(plain)["v"], V)


@pytest.mark.parametrize("cut", ["q.npy", "q.npz"])
def test_a_file_that_is_cut_short_before(tmp_path: Path, cut: str) -> None:
    np.save(tmp_path / "q.npy", np.ones((50, 3)))
    np.savez(tmp_path / "q.npz", q=np.ones((50, 3)))
    (tmp_path / cut).write_bytes((tmp_path / cut).read_bytes()[:-40])
    for inputs in (by_rows(), Inputs()):
        with pytest.raises(AttnError, match=f"^{re.escape(str(tmp_path / cut))} is"):
            loaded(dict.fromkeys(SIDES, str(tmp_path / cut)), inputs)


def test_a_file_that_changes_while_it_is_read_whole(
    tmp_path: Path, attn: Attn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(stream: Any, *arguments: Any) -> Any:
        array = read_npy(stream, *arguments)
        os.utime(tmp_path / "q.npy", ns=(0, 1))
        return array

    np.save(tmp_path / "q.npy", np.ones((5, 3)))
    monkeypatch.setattr(matrix, "read_npy", slow)
    ran = attn("compute", *(f"--{side}={tmp_path / 'q.npy'}" for side in SIDES))
    assert ran.status == 2
    assert ran.err.startswith(
        f"error: {tmp_path / 'q.npy'} changed while it was read: it was written to\n"
    )


def test_an_archive_in_whose_place_another_is_put(tmp_path: Path) -> None:
    file = tmp_path / "qkv.npz"
    np.savez(file, a=np.ones((5, 3)))
    archive = Archive(lambda: file.open("rb"), "qkv.npz", ())
    assert archive.read("a", ()).shape == (5, 3)
    np.savez(file, b=np.ones((5, 30)))
    with pytest.raises(AttnError, match=r"qkv.npz changed while it was read: it had \d+ bytes and"):
        archive.read("a", ())


@pytest.mark.parametrize(
    ("label", "places"),
    [("17", [4]), ("017", [4]), ("13", [0]), ("12", []), ("18", []), ("-13", []), ("", []),
     ("1" * 30, []), ("\u0661\u0663", [])],
)  # fmt: skip
def test_the_place_of_a_number(label: str, places: list[int]) -> None:
    assert Numbered(range(13, 18)).places(label) == places
    assert list(Numbered(range(13, 18))) == ["13", "14", "15", "16", "17"]
