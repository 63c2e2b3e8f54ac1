"""Threads, tiles and memory: what people may write, and which of option and environment holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attn_cli import AttnError, attention, compute
from attn_cli.cli.resources import ResourceOptions, memory_of
from attn_cli.engine import threads as threads_module
from attn_cli.engine.run import run
from attn_cli.maths.problem import TILE, Problem, Request
from attn_cli.reading.resource_limits import read_memory, read_threads, read_tile
from tests.conftest import SAMPLES, Attn
from tests.helpers.tiled import by_tiles, defined

LOVE = SAMPLES / "love_coding.yaml"


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("THREADS", "TILE", "MEMORY"):
        monkeypatch.delenv(f"ATTN_{name}", raising=False)
    monkeypatch.setattr(threads_module, "processors", lambda: 13)


NO_THREADS = "write a whole number from 1 to 1024, such as 2"
NO_TILE = "write queries x keys, each from 1 to 65536: 512x512"
NO_MEMORY = "write a size such as 500MB or 2GB"


@pytest.mark.parametrize(
    ("said", "threads"), [(1, 1), ("2", 2), (" 7 ", 7), (1024, 1024), ("008", 8)]
)
def test_threads(said: Any, threads: int) -> None:
    assert read_threads(said) == threads
    assert read_threads(np.int64(threads)) == threads


@pytest.mark.parametrize(
    "said", [0, -1, 1025, 1.0, "1e3", True, False, None, "", " ", "two", "٢", "9" * 400, [2], "1_0"]
)
def test_no_threads(said: Any) -> None:
    with pytest.raises(AttnError) as failure:
        read_threads(said)
    assert (failure.value.message, failure.value.help) == (
        f"threads cannot be '{said}'",
        NO_THREADS,
    )


@pytest.mark.parametrize(
    ("said", "tile"),
    [
        ("256x512", (256, 512)),
        ("256X512", (256, 512)),
        (" 3 x 5 ", (3, 5)),
        ("128", (128, 128)),
        ((5, 7), (5, 7)),
        ([5, 7], (5, 7)),
        ((9,), (9, 9)),
        (("5", 7), (5, 7)),
        ((1, 65536), (1, 65536)),
    ],
)
def test_tiles(said: Any, tile: tuple[int, int]) -> None:
    assert read_tile(said) == tile


NO_TILES: list[Any] = ["", "x", "5x", "x5", "1x2x3", "0x5", "5x0", "65537", "5x65537", "-5x5", 512]
NO_TILES += [5.0, None, (), (1, 2, 3), (0, 5), (5, -1), (5, None), (True, 5), {"queries": 5}]


@pytest.mark.parametrize("said", NO_TILES)
def test_no_tiles(said: Any) -> None:
    with pytest.raises(AttnError) as failure:
        read_tile(said)
    assert (failure.value.message, failure.value.help) == (f"tile cannot be '{said}'", NO_TILE)


@pytest.mark.parametrize(
    ("said", "size"),
    [
        ("1", 1),
        ("1B", 1),
        ("500MB", 500_000_000),
        ("500mb", 500_000_000),
        ("2GiB", 2 << 30),
        ("1.5 G", 1_500_000_000),
        (" 3K ", 3000),
        ("0.5KiB", 512),
        ("4TB", 4 * 10**12),
        ("4TiB", 4 << 40),
        ("1Mi", 1 << 20),
    ],
)
def test_sizes(said: str, size: int) -> None:
    assert read_memory(said) == size


NO_SIZES = ["", " ", "0", "0.0GB", "B", "5iB", "5i", "-1", "+1", "1e9", "nan", "inf", "1,5G"]
NO_SIZES += ["1.G", ".5G", "2PB", "1 2", "9" * 400, "1GBB", "٢GB"]


@pytest.mark.parametrize("said", NO_SIZES)
def test_no_sizes(said: str) -> None:
    with pytest.raises(AttnError) as failure:
        read_memory(said)
    assert (failure.value.message, failure.value.help) == (f"memory cannot be '{said}'", NO_MEMORY)


OPTIONS = {"threads": ("3", "5"), "tile": ("3x4", "5"), "memory": ("3KB", "5KB")}
READ: dict[str, tuple[object, object]] = {
    "threads": (3, 5),
    "tile": ((3, 4), (5, 5)),
    "memory": (3000, 5000),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_the_option_goes_before_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (option, environment), (of_option, of_environment) = OPTIONS[name], READ[name]
    nothing = {"threads": 13}
    assert ResourceOptions().given() == nothing
    monkeypatch.setenv(f"ATTN_{name.upper()}", environment)
    assert ResourceOptions().given() == nothing | {name: of_environment}
    assert ResourceOptions(**{name: option}).given() == nothing | {name: of_option}
    monkeypatch.setenv(f"ATTN_{name.upper()}", "nonsense")
    assert ResourceOptions(**{name: option}).given() == nothing | {name: of_option}
    monkeypatch.setenv(f"ATTN_{name.upper()}", "")  # as if it were not there
    assert ResourceOptions().given() == nothing


def test_memory_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert memory_of(None) is None
    monkeypatch.setenv("ATTN_MEMORY", "2KB")
    assert memory_of(None) == 2000
    assert memory_of("3KB") == 3000


@pytest.mark.parametrize(
    ("name", "text", "help"),
    [
        ("THREADS", "0", NO_THREADS),
        ("THREADS", " ", NO_THREADS),
        ("TILE", "5x5x5", NO_TILE),
        ("MEMORY", "much", NO_MEMORY),
        ("MEMORY", "1\x1b[31mGB", NO_MEMORY),
    ],
)
def test_nonsense_in_the_environment(
    name: str, text: str, help: str, attn: Attn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"ATTN_{name}", text)
    shown = text.replace("\x1b", "\\x1b")
    ran = attn("compute", LOVE)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == f"error: ATTN_{name} cannot be '{shown}'\nhelp: {help}\n"


def test_the_environment_of_a_graph(attn: Attn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTN_MEMORY", "much")
    ran = attn("graph", LOVE)
    assert (ran.status, ran.err) == (2, f"error: ATTN_MEMORY cannot be 'much'\nhelp: {NO_MEMORY}\n")
    assert attn("graph", LOVE, "--memory", "1GB").status == 0


def test_what_was_said_arrives(attn: Attn, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, tuple[int, int]]] = []

    def watched(problem: Problem, request: Request, **given: Any) -> Any:
        seen.append((request.threads, request.tile))
        return run(problem, request, **given)

    for module in ("attn_cli.engine.run", "attn_cli.api"):
        monkeypatch.setattr(f"{module}.run", watched)
    attn("compute", LOVE)
    attn("compute", LOVE, "--threads", 2, "--tile", "3x5")
    monkeypatch.setenv("ATTN_THREADS", "4")
    monkeypatch.setenv("ATTN_TILE", "7")
    attn("compute", LOVE)
    compute(str(LOVE))  # a library does not read the environment, and brings no threads unasked
    compute(str(LOVE), threads=5, tile=(3, 2))
    attention([[1.0]], [[1.0]], [[1.0]], threads=6, tile=(2, 3))
    assert seen == [(13, TILE), (2, (3, 5)), (4, (7, 7)), (1, TILE), (5, (3, 2)), (6, (2, 3))]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"threads": 0}, "threads cannot be '0'"),
        ({"threads": True}, "threads cannot be 'True'"),
        ({"threads": 2.0}, "threads cannot be '2.0'"),
        ({"tile": 512}, "tile cannot be '512'"),
        ({"tile": (0, 1)}, "tile cannot be '(0, 1)'"),
        ({"tile": (1.5, 1)}, "tile cannot be '(1.5, 1)'"),
    ],
)
def test_nonsense_in_the_api(keys: Any, message: str) -> None:
    with pytest.raises(AttnError) as of_compute:
        compute(str(LOVE), **keys)
    with pytest.raises(AttnError) as of_attention:
        attention([[1]], [[1]], [[1]], **keys)
    for error in (of_compute.value, of_attention.value):
        assert error.message == message
        assert error.help == (NO_THREADS if "threads" in keys else NO_TILE)


@pytest.mark.parametrize("memory", [200, 10_000, 10**9])
def test_a_limit_of_memory_changes_no_number(memory: int) -> None:
    """Blocks of contexts are smaller, and at least a tile for each thread."""
    x = np.random.default_rng(2).normal(size=(11, 2))
    problem = {"query": x, "key": x, "value": x}
    expected = defined(problem)["output"]
    found = by_tiles(problem, memory=memory, tile=(2, 3), threads=2)
    np.testing.assert_allclose(found.record["output"], expected, rtol=1e-13)
