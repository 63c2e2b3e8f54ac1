"""A step that is written while it is computed: the numbers of the whole run, never held as a whole.

In small blocks not to the last bit: a matrix product may add in another order for another number of
rows.
"""

from __future__ import annotations

import os
import subprocess
import weakref
from ast import literal_eval
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_cli import AttnError, compute
from attn_cli.arrays import AnyArray
from attn_cli.dataclass import replace
from attn_cli.engine.blocks import ARRAYS_PER_BLOCK
from attn_cli.engine.definition import Definition
from attn_cli.engine.run import run
from attn_cli.engine.stream import streamed
from attn_cli.engine.tiles import Tiles
from attn_cli.errors import ExitStatus
from attn_cli.maths.problem import Problem, Request
from attn_cli.maths.visible.base import Lead
from attn_cli.reading.schema import read_problem
from attn_cli.record import Record
from attn_cli.sources.matrices.document import from_mapping
from tests.conftest import Attn
from tests.helpers.many import check_each
from tests.helpers.processes import ATTN, program, run_to_end, started
from tests.helpers.streaming import Numbers, memory_of, streaming
from tests.unit.sources.test_stored import by_rows

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(11)


def saved(folder: Path, *lead: int) -> Path:
    path = folder / "p.npz"
    sizes = {"q": (5, 5), "k": (7, 5), "v": (7, 3)}
    np.savez(path, **{n: RNG.normal(size=(*lead, *s)) for n, s in sizes.items()})  # type: ignore[arg-type]
    return path


LEADS: list[tuple[tuple[int, ...], int]] = [((), 4), ((2,), 1), ((2, 3), 4), ((2, 3), 100)]
WRITTEN = [  # text once per step and way: as CSV or TSV in turn
    (only, suffix, *way)
    for a, only in enumerate(["q", "scores", "masked", "weights", "output"])
    for b, way in enumerate(LEADS)
    for suffix in ("npy", ("csv", "tsv")[(a + b) % 2])
]


@pytest.mark.parametrize(("only", "suffix", "lead", "height"), WRITTEN)
def test_parts_are_the_whole(
    only: str, suffix: str, lead: tuple[int, ...], height: int,
    attn: Attn, tmp_path: Path,
) -> None:  # fmt: skip
    path, out = saved(tmp_path, *lead), tmp_path / f"out.{suffix}"
    chosen = ["--batch", "1", "--head", "2"][: 2 * len(lead)] if suffix != "npy" else []
    extra = ["--causal", "bottom-right", *chosen, "--memory", memory_of(height, 7)]
    assert attn("compute", path, "--only", only, "-o", out, *extra).status == 0
    expected = compute({**_long(path), "causal": "bottom-right"})[only]
    if suffix == "npy":
        np.testing.assert_allclose(np.load(out), expected, rtol=1e-12, atol=1e-14)
        assert np.load(out).flags.c_contiguous
        return
    read = np.loadtxt(out, delimiter="," if suffix == "csv" else "\t", ndmin=2)
    np.testing.assert_allclose(read, expected[(1, 2)[: len(lead)]], rtol=1e-12, atol=1e-14)


PARTS: list[tuple[dict[str, Any], int]] = [
    *(({}, 1), ({}, 4), ({}, 100)),
    *(({"batch": 1}, 4), ({"head": 3}, 1), ({"query_token": 4}, 4)),
]
OF_PARTS = [
    (only, *part)
    for a, only in enumerate(["output", "context", "weights", "visible", "lse", "layer_norm"])
    for b, part in enumerate(PARTS)
    if a < 1 or (a + b) % 2 == 0
]


@pytest.mark.parametrize(("only", "chosen", "height"), OF_PARTS)
def test_parts_of_heads_behind_the_tokens(
    only: str, chosen: dict[str, Any], height: int,
    attn: Attn, tmp_path: Path,
) -> None:  # fmt: skip
    path, out = tmp_path / "p.npz", tmp_path / "out.npy"
    sizes = {"q": (2, 5, 4, 5), "k": (2, 7, 2, 5), "v": (2, 7, 2, 3)}
    arrays = {name: RNG.normal(size=size) for name, size in sizes.items()}
    np.savez(path, **arrays, axes=np.array("bshd"), layer_norm=np.array(True))  # type: ignore[arg-type]
    options = [f"--{name.replace('_', '-')}={value}" for name, value in chosen.items()]
    keys = ["--causal", "bottom-right", "--only", only, "--memory", memory_of(height, 7)]
    assert attn("compute", path, *keys, *options, "-o", out).status == 0
    problem = {**_long(path), "axes": "bshd", "causal": "bottom-right", "layer_norm": True}
    expected = compute(problem, steps=[only], **chosen)[only]
    assert np.load(out).shape == expected.shape
    np.testing.assert_allclose(np.load(out), expected, rtol=1e-12, atol=1e-14)


def _long(path: Path) -> dict[str, object]:
    archive = np.load(path)
    return {"query": archive["q"], "key": archive["k"], "value": archive["v"]}


def test_more_than_the_memory_allowed_goes_into_a_file(attn: Attn, tmp_path: Path) -> None:
    path, out = saved(tmp_path), tmp_path / "w.npy"
    refused = attn("compute", path, "--only", "weights", "--memory", "200B", "--format", "json")
    assert refused.status == 2
    assert attn("compute", path, "--only", "weights", "--memory", "200B", "-o", out).status == 0
    np.testing.assert_allclose(np.load(out), compute(path)["weights"], rtol=1e-12, atol=1e-14)


def drawn(axes: str = "bhsd", n_q: int = 13, heads: int = 6) -> dict[str, Any]:
    """Q (2, heads, n_q, 5), K (2, 2, 7, 5) and V (2, 2, 7, 3), or heads behind."""
    rng = np.random.default_rng(6)
    sizes = {"query": (2, heads, n_q, 5), "key": (2, 2, 7, 5), "value": (2, 2, 7, 3)}
    arrays = {name: rng.normal(size=size) for name, size in sizes.items()}
    if axes == "bshd":
        arrays = {name: x.swapaxes(1, 2) for name, x in arrays.items()}
    return arrays | {"axes": axes}


def read(problem: dict[str, Any]) -> Problem:
    return read_problem(from_mapping(problem))


DIVIDED: dict[str, Any] = {
    "all rows at once": {},
    "few rows per block": {"block_bytes": 3 * 7 * 8 * ARRAYS_PER_BLOCK},
    "few queries at a time": {"part_bytes": 400},
    "both": {"block_bytes": 2 * 7 * 8 * ARRAYS_PER_BLOCK, "part_bytes": 450},
    "one query at a time": {"block_bytes": 1, "part_bytes": 1},
}


@cache
def grouped(axes: str, grouping: str) -> Problem:
    keys = {"grouping": literal_eval(grouping), "causal": "bottom-right"}
    return read(drawn(axes, n_q=5, heads=4) | keys)


@cache
def whole_of(axes: str, grouping: str, only: str, divided: str, engine: Any) -> Record:
    request = Request(steps=(only,), tile=(4, 3), **DIVIDED[divided])
    return run(grouped(axes, grouping), request, engine=engine)


GROUPINGS = ("interleave", "tile", [1, 0, 0, 1])
ONLY = ("q", "scores", "lse", "context", "output")


def orders(at: int) -> Iterator[tuple[bool, Any, str]]:
    """A third of the ways to write a step, each with every other: another third for another `at`.

    Written anywhere or in order, with a grouping of the heads, and the step.
    """
    for (a, anywhere), (b, grouping), (c, only) in product(
        enumerate((True, False)), enumerate(GROUPINGS), enumerate(ONLY)
    ):
        if (a + b + c) % 3 == at % 3:
            yield anywhere, grouping, only


@pytest.mark.parametrize("axes", ["bhsd", "bshd"])
@pytest.mark.parametrize("divided", DIVIDED)
@pytest.mark.parametrize("engine", [Definition(), Tiles(subtile=3, aligned=2)])
def test_any_order_of_computing(axes: str, divided: str, engine: Any) -> None:
    at = list(DIVIDED).index(divided) + 2 * (axes == "bshd")
    chosen = [order for order in orders(at) if order[2] == "output" or engine.name != "tiles"]
    check_each(chosen, lambda order: as_the_whole(axes, divided, engine, *order))


def as_the_whole(
    axes: str, divided: str, engine: Any, anywhere: bool, grouping: Any, only: str
) -> None:
    problem = grouped(axes, repr(grouping))
    request = Request(steps=(only,), tile=(4, 3), **DIVIDED[divided])
    step = streaming(problem, request)
    target = Numbers(step, anywhere=anywhere)
    warnings = step.into(target, engine=engine)
    whole = whole_of(axes, repr(grouping), only, divided, engine)
    assert step.whole.axes == whole.steps[only].axes
    assert [list(x) for x in step.whole.labels] == [list(x) for x in whole.steps[only].labels]
    np.testing.assert_allclose(target.array, whole[only], rtol=1e-12, atol=1e-14)
    assert warnings == whole.warnings


@pytest.mark.parametrize("axes", ["bhsd", "bshd"])
def test_the_bits_of_the_whole_run(axes: str) -> None:
    """Of one part of the queries."""
    problem = read(drawn(axes) | {"rope": False, "causal": "bottom-right"})
    for only in ("q", "weights", "output"):
        step = streaming(problem, Request(steps=(only,)))
        target = Numbers(step, anywhere=True)
        step.into(target)
        np.testing.assert_array_equal(target.array, run(problem, Request(steps=(only,)))[only])


class Counted:
    """A tensor that counts how often rows of each entry are read."""

    def __init__(self, array: Any, reads: Counter[Lead], lead: Lead = ()) -> None:
        self._array, self._reads, self._lead = array, reads, lead
        self.shape, self.ndim, self.dtype = array.shape, array.ndim, array.dtype

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, tuple):
            return Counted(self._array[index], self._reads, (*self._lead, *index))
        self._reads[self._lead] += 1
        rows = self._array[index].copy()
        alive[:] = [each for each in alive if each() is not None]
        alive.append(weakref.ref(rows))
        return rows

    def swapaxes(self, first: int, second: int) -> Any:
        raise NotImplementedError

    reshape: Any = swapaxes


alive: list[weakref.ref[AnyArray]] = []  # rows of all tensors that are counted


@pytest.mark.parametrize("axes", ["bhsd", "bshd"])
@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("engine", [Definition(), Tiles()])
def test_keys_that_no_entry_reads_any_more_are_dropped(
    axes: str, streams: bool, engine: Any
) -> None:
    """When keys are read there are those of the entry before, and no others."""
    problem, reads = read(drawn(axes)), Counter[Lead]()
    assert problem.key is not None
    most: list[int] = []

    class Watched(Counted):
        def __getitem__(self, index: Any) -> Any:
            if isinstance(index, tuple):
                return Watched(self._array[index], self._reads, index)
            rows = super().__getitem__(index)
            most.append(len(alive))
            return rows

    alive.clear()
    tensor: Any = Watched(problem.key.inputs, reads)
    problem = replace(problem, key=replace(problem.key, inputs=tensor))
    request = Request(steps=("output",))
    if streams:
        step = streaming(problem, request)
        step.into(Numbers(step), engine=engine)
    else:
        run(problem, request, engine=engine)
    assert most == [1, 2, 2, 2]


FEW: dict[str, dict[str, int]] = {
    "much memory": {},
    "little memory": {"memory": 2000},
    "few queries at a time": {"part_bytes": 400},
    "both": {"part_bytes": 400, "memory": 2000},
}


@pytest.mark.parametrize("few", FEW)
def test_how_often_keys_are_read(few: str) -> None:
    """Once; again only if values come in order and the keys of two heads do not fit."""
    cases = product((True, False), ("bhsd", "bshd"), ("interleave", "tile"), (True, False))
    check_each(cases, lambda case: as_often(few, *case))


def as_often(few: str, anywhere: bool, axes: str, grouping: str, joined: bool) -> None:
    keys: dict[str, Any] = {"grouping": grouping}
    if joined:
        keys["weights"] = {"output": RNG.normal(size=(6 * 3, 4))}
    problem, reads = read(drawn(axes, n_q=5) | keys), Counter[Lead]()
    assert problem.key is not None
    counted: Any = Counted(problem.key.inputs, reads)
    problem = replace(problem, key=replace(problem.key, inputs=counted))
    step = streaming(problem, Request(steps=("output",), **FEW[few]))  # type: ignore[arg-type]
    step.into(Numbers(step, anywhere=anywhere))
    assert sorted(reads) == [(b, h) for b in range(2) for h in range(2)]
    again = not anywhere and not joined and "memory" in FEW[few]
    if again and (grouping == "tile" or axes == "bshd"):
        assert min(reads.values()) > 1
    else:
        assert max(reads.values()) == 1


@pytest.mark.parametrize("anywhere", [True, False])
@pytest.mark.parametrize("axes", ["bhsd", "bshd"])
def test_no_more_is_held_than_may_be(anywhere: bool, axes: str) -> None:
    """Heads behind the queries are held for a part of them, and nothing else for a block."""
    problem = read(drawn(axes))
    sizes: Any = {"block_bytes": 4 * 7 * 8 * ARRAYS_PER_BLOCK, "part_bytes": 4 * (6 * 3 + 5) * 8}
    step = streaming(problem, Request(steps=("output",), **sizes))
    target = Numbers(step, anywhere=anywhere)
    step.into(target, engine=Definition())
    largest = 4 * 3 if axes == "bhsd" else 3 if anywhere else 4 * 6 * 3
    assert max(count for _, count in target.written) == largest


def test_heads_behind_the_queries_are_written_together_if_their_keys_fit() -> None:
    """The keys and values of both key heads take 896 bytes; a row of Q and of the output 184."""
    problem = read(drawn("bshd"))
    for part, largest in ((896, 4 * 6 * 3), (895, 3)):
        step = streaming(problem, Request(steps=("output",), part_bytes=part))
        target = Numbers(step, anywhere=True)
        step.into(target, engine=Definition())
        assert max(count for _, count in target.written) == largest


def test_a_row_that_exceeds_the_memory(tmp_path: Path) -> None:
    problem = read(_long(saved(tmp_path)))
    with pytest.raises(AttnError, match=r"^a row of weights would take 56 B, more than the 55 B"):
        streamed(problem, Request(steps=("weights",), memory=55))
    assert streamed(problem, Request(steps=("weights",), memory=56)) is not None


@pytest.mark.parametrize(
    "wanted", [{"steps": ("k",)}, {"steps": ("weights", "output")}, {"steps": None}]
)
def test_what_is_not_streamed(wanted: Any) -> None:
    assert streamed(read(drawn()), Request(**wanted)) is None
    columns = {"query": [[1.0, 2.0]], "key": [[1.0, 2.0]], "value": [[3.0, 5.0]]}
    assert streamed(read(columns | {"layout": "columns"}), Request(steps=("output",))) is None


READ_ONCE = [  # half of all: any four of them together
    (heads, axes, only, rope, target)
    for (a, heads), (b, axes), (c, only), (d, rope), (e, target) in product(
        *map(enumerate, ((1, 2), ("bhsd", "bshd"), ("output", "weights"), (True, False))),
        enumerate(("file", "pipe")),
    )
    if (a + b + c + d + e) % 2 == 0
]


@pytest.mark.parametrize(("heads", "axes", "only", "rope", "target"), READ_ONCE)
def test_keys_and_values_are_read_once(
    heads: int, axes: str, only: str, rope: bool, target: str,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Whatever the number of query heads, and so is Q: at most 1.05 x each file."""
    n_q, n_k, d = 11, 331, 38
    sizes = {"query": (1, 8, n_q, d), "key": (1, heads, n_k, d), "value": (1, heads, n_k, d)}
    files = {}
    for name, size in sizes.items():
        x = RNG.normal(size=size)
        files[name] = tmp_path / f"{name}.npy"
        np.save(files[name], x.swapaxes(1, 2) if axes == "bshd" else x)
    numbers = {os.stat(file).st_ino: name for name, file in files.items()}
    done, preadv = dict.fromkeys(files, 0), os.preadv

    def counted(descriptor: int, buffers: Any, offset: int) -> int:
        got = preadv(descriptor, buffers, offset)
        done[numbers[os.fstat(descriptor).st_ino]] += got
        return got

    monkeypatch.setattr(os, "preadv", counted)
    written: Any = {name: str(file) for name, file in files.items()} | {"axes": axes}
    written |= {"rope": True, "offset": 0} if rope else {}
    # Several chunks of each array. A chunk is larger than a gap: a smaller read is one of parts.
    problem = read_problem(from_mapping(written, by_rows(chunk=1 << 14, gap=1 << 10)))
    step = streaming(problem, Request(steps=(only,)))
    step.into(Numbers(step, anywhere=target == "file"))
    side_by_side = axes == "bshd" and heads > 1  # the second head is read with the first again
    for name in ("key", "value") if only == "output" else ("key",):
        assert 0.99 <= done[name] / files[name].stat().st_size <= (2.05 if side_by_side else 1.05)
    assert done["value"] == 0 or only == "output"


def test_labels_stand_once(attn: Attn, tmp_path: Path) -> None:
    few = "--format", "csv", "--labels", "--memory", memory_of(1, 7)
    out = attn("compute", saved(tmp_path), "--only", "weights", *few).out
    assert out.splitlines()[0] == ",0,1,2,3,4,5,6"
    assert [line.split(",")[0] for line in out.splitlines()] == ["", *map(str, range(5))]


@pytest.mark.parametrize("labels", [True, False])
@pytest.mark.parametrize("suffix", ["csv", "tsv"])
@pytest.mark.parametrize("lead", [(), (3,)])
def test_one_number_per_query_is_one_line_per_entry(
    labels: bool, suffix: str, lead: tuple[int, ...], attn: Attn, tmp_path: Path
) -> None:
    """Also if the line comes in parts."""
    path, mark = saved(tmp_path, *lead), "," if suffix == "csv" else "\t"
    options = ["--only", "lse", "--format", suffix, "--memory", memory_of(4, 7)]
    out = attn("compute", path, *options, *["--labels"] * labels).out
    expected = np.atleast_2d(compute(_long(path), steps=["lse"])["lse"])
    lines = [line.split(mark) for line in out.splitlines()]
    if labels:
        assert lines.pop(0) == ["", *map(str, range(5))]
        assert [line.pop(0) for line in lines] == (["0", "1", "2"] if lead else [""])
    np.testing.assert_allclose(np.array(lines, dtype=float), expected, rtol=1e-12)
    assert out.endswith("\n")


def test_warnings_are_those_of_the_whole(attn: Attn, tmp_path: Path) -> None:
    """One warning for all rows, however many blocks they come in."""
    hidden = "--set", "mask=[[-inf, -inf, -inf, -inf, -inf, -inf, -inf]]"
    few = "--format", "csv", "--memory", memory_of(1, 7)
    ran = attn("compute", saved(tmp_path), "--only", "output", *few, *hidden)
    assert ran.err == (
        "warning: query 0; query 1; query 2 and 2 more have no key to attend to: "
        "the weights there are 0\n"
    )


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (KeyboardInterrupt(), 130, ""),
        (OSError(28, "No space left on device"), 2, "cannot be written: No space left on device"),
    ],
)
def test_a_failure_in_the_middle_leaves_the_old_file(
    error: BaseException, status: int, said: str,
    attn: Attn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    path, out = saved(tmp_path), tmp_path / "w.npy"
    out.write_text("old")
    pwrite, calls = os.pwrite, []

    def failing(*arguments: Any) -> int:
        calls.append(arguments)
        if len(calls) == 5:
            raise error
        return pwrite(*arguments)

    monkeypatch.setattr(os, "pwrite", failing)
    ran = attn("compute", path, "--only", "weights", "-o", out, "--memory", memory_of(1, 7))
    assert ran.status == status
    assert said in ran.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p.npz", "w.npy"]
    assert out.read_text() == "old"


def test_a_file_that_may_not_become_as_large(tmp_path: Path) -> None:
    """A full disk, as the system says it: here by a limit of the process."""
    saved(tmp_path)
    code = (
        "import resource, sys; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300)); "
        "from attn_cli.cli import main; "
        "sys.exit(main(['compute', 'p.npz', '--only', 'weights', '-o', 'w.npy']))"
    )
    ran = run_to_end(["-c"], run=program(code), cwd=tmp_path)
    assert ran.returncode == 2
    assert ran.stderr.startswith(b"error: w.npy cannot be written: File too large\n")
    assert [p.name for p in tmp_path.iterdir()] == ["p.npz"]


def test_an_error_before_the_first_number_writes_nothing(attn: Attn, tmp_path: Path) -> None:
    np.save(tmp_path / "k.npy", np.full((33_000, 37), np.nan))
    np.save(tmp_path / "q.npy", np.ones((3, 37)))
    k = tmp_path / "k.npy"
    ran = attn("compute", "--query", tmp_path / "q.npy", "--key", k, "--value", k,
               "--only", "output", "--format", "npy")  # fmt: skip
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("error: key[0][0] is NaN")


def test_a_pipe_whose_reader_left_in_the_middle(tmp_path: Path) -> None:
    n = 1500
    np.savez(tmp_path / "p.npz", **{name: RNG.normal(size=(n, 3)) for name in "qkv"})  # type: ignore[arg-type]
    line = [*ATTN, "compute", "p.npz", "--only", "weights"]
    pipe = subprocess.PIPE
    with started(
        [*line, "--format", "npy", "--memory", "1MB"], stdout=pipe, stderr=pipe, cwd=tmp_path
    ) as process:
        assert process.stdout.read(1000).startswith(b"\x93NUMPY")
        process.stdout.close()
        err = process.stderr.read()
        process.wait()
    assert (process.returncode, err) == (ExitStatus.PIPE_CLOSED, b"")


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape)


def problem_of(**keys: Any) -> Problem:
    return read_problem(from_mapping(keys))


BSHD: dict[str, Any] = {
    "query": normal(2, 5, 3, 7),
    "key": normal(2, 11, 3, 7),
    "value": normal(2, 11, 3, 13),
    "axes": "bshd",
}


@pytest.mark.regression("a streamed output in bshd had its heads before the rows")
@pytest.mark.parametrize("height", [1, 2, 100])
def test_heads_are_written_behind_the_rows_where_the_whole_has_them(height: int) -> None:
    request = Request(steps=("output",), part_bytes=height * 3 * (13 + 7) * 8)
    step = streaming(problem_of(**BSHD), request)
    whole, target = step.whole, Numbers(step, anywhere=False)
    assert whole.axes == ("batch", "query", "head", "dimension")
    assert whole.shape == tuple(map(len, whole.labels)) == (2, 5, 3, 13)
    step.into(target)
    np.testing.assert_allclose(target.array, compute(BSHD)["output"], rtol=1e-12)


@pytest.mark.regression("one streamed head kept an axis of heads")
def test_one_head_has_no_axis_of_heads() -> None:
    step = streaming(problem_of(**BSHD), Request(steps=("output",), head=1))
    target = Numbers(step)
    step.into(target)
    assert step.whole.axes == ("batch", "query", "dimension")
    np.testing.assert_allclose(target.array, compute(BSHD)["output"][:, :, 1], rtol=1e-12)


@pytest.mark.regression("a streamed context was transposed as the output is")
def test_other_steps_keep_their_heads_before_the_rows() -> None:
    step = streaming(problem_of(**BSHD), Request(steps=("context",)))
    target = Numbers(step)
    step.into(target)
    assert step.whole.axes == ("batch", "head", "query", "dimension")
    np.testing.assert_allclose(target.array, compute(BSHD)["context"], rtol=1e-12)
