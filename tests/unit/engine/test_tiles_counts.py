"""How many scores tiles compute: no more than the strips of queries that see a key."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attn_cli.arrays import Array, Bools
from attn_cli.dataclass import replace
from attn_cli.engine import estimate as estimates
from attn_cli.engine.blocks import ARRAYS_PER_BLOCK
from attn_cli.engine.definition import SLOWER
from attn_cli.engine.estimate import estimate
from attn_cli.engine.run import run
from attn_cli.engine.tiles import Tiles
from attn_cli.errors import AttnError
from attn_cli.maths.problem import Request
from tests.helpers.tiled import Mapping, by_tiles, defined, loaded

N = 211
SUBTILE, TILE = 11, (44, 37)
ROW, COL = np.arange(N)[:, None], np.arange(N)[None, :]
DOCUMENTS = np.repeat([3, 1, 4, 5], [50, 61, 7, 93])


def rows(n: int = N, **keys: Any) -> Mapping:
    rng = np.random.default_rng(3)
    made = {side: rng.normal(size=(n, 2)) for side in ("query", "key", "value")}
    return made | {"score": "dot"} | keys


def sparse(**selection: int) -> Mapping:
    return rows(score={"function": "sparse", **selection})


def of_subtiles(visible: Bools, height: int = SUBTILE) -> int:
    """Each subtile of queries against every key that one of them sees, and no other."""
    starts = range(0, len(visible), height)
    subtiles = (visible[start : start + height] for start in starts)
    return sum(len(subtile) * int(subtile.any(axis=0).sum()) for subtile in subtiles)


def count(problem: Mapping, tile: tuple[int, int] = TILE, **k: Any) -> int:
    found = by_tiles(problem, tile=tile, subtile=SUBTILE, aligned=8, **k)
    expected = defined(problem)["output"]
    np.testing.assert_allclose(found.record["output"], expected, rtol=1e-11, atol=1e-11)
    assert found.left == 0
    return found.scores


def same_block(size: int) -> Bools:
    found: Bools = size * (ROW // size) <= COL
    return found & (size * (ROW // size + 1) > COL)


EVERY = np.ones((N, N), dtype=np.bool_)
WHOLE: dict[str, tuple[Mapping, Bools]] = {
    "dense": (rows(), EVERY),
    "causal": (rows(causal=True), COL <= ROW),
    "causal with an offset": (rows(causal=True, offset=-50), COL <= ROW - 50),
    "a prefix": (rows(causal=True, prefix=70), (COL <= ROW) | (COL < 70)),
    "a window": (rows(window={"left": 13, "right": 5}), (COL >= ROW - 13) & (COL <= ROW + 5)),
    "a window of more than a tile": (
        rows(causal=True, window={"left": 90}),
        (COL <= ROW) & (COL >= ROW - 90),
    ),
    "a window with sinks": (
        rows(causal=True, window={"left": 10}, sink_tokens=3),
        (COL <= ROW) & ((COL >= ROW - 10) | (COL < 3)),
    ),
    "lengths": (rows(key_lengths=101), EVERY & (COL < 101)),
    "documents": (rows(documents=DOCUMENTS), DOCUMENTS[:, None] == DOCUMENTS[None]),
    "causal documents": (
        rows(documents=DOCUMENTS, causal=True),
        (DOCUMENTS[:, None] == DOCUMENTS[None]) & (COL <= ROW),
    ),
    "sparse window": (sparse(window=7), abs(ROW - COL) <= 7),
    "sparse block": (sparse(block=23), same_block(23)),
    "sparse globals": (
        sparse(global_tokens=5, window=1),
        (ROW < 5) | (COL < 5) | (abs(ROW - COL) <= 1),
    ),
    "causal sparse window": (sparse(window=7) | {"causal": True}, (COL <= ROW) & (ROW - COL <= 7)),
    "a mask": (rows(mask=np.where(COL <= ROW, 0.0, -np.inf)), EVERY),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_strips_against_what_they_see(name: str) -> None:
    problem, visible = WHOLE[name]
    assert count(problem) == of_subtiles(visible)


@pytest.mark.parametrize("stride", [1, 2, 7, 50, 210, 211, 10**6])
def test_a_stride_computes_what_it_selects(stride: int) -> None:
    every = (ROW - COL) % stride == 0
    assert count(sparse(stride=stride)) == every.sum()


def test_a_stride_and_what_is_near() -> None:
    every = (ROW - COL) % 19 == 0
    near = abs(ROW - COL) <= 4
    assert count(sparse(stride=19, window=4)) == every.sum() + of_subtiles(near)
    assert count(sparse(stride=19, block=23)) == every.sum() + of_subtiles(same_block(23))


def test_a_stride_under_causal_order() -> None:
    """Of queries of one tile all compute what the last of a subtile of them sees."""
    computed = count(sparse(stride=19) | {"causal": True})
    visible = ((ROW - COL) % 19 == 0) & (COL <= ROW)
    classes = [visible[first::19] for first in range(19)]
    assert computed == sum(of_subtiles(each) for each in classes)


def test_blocks_of_rows_are_whole_tiles() -> None:
    """Memory for 100 rows (d_v = 2 numbers of 8 bytes) is used for 88, or subtiles would lie across
    what is selected.
    """
    memory = 100 * 2 * 8 * ARRAYS_PER_BLOCK
    assert count(sparse(block=44), block_bytes=memory) == of_subtiles(same_block(44))
    assert of_subtiles(same_block(44)) == same_block(44).sum()


def test_no_tile_is_larger_than_asked_for() -> None:
    """The memory of a thread: at most so many queries against so many keys."""
    found = by_tiles(rows(), tile=TILE, subtile=SUBTILE)
    assert max(found.events.of("scores")) == TILE[0] * TILE[1]


def test_what_is_seen_by_all_needs_no_strips() -> None:
    """Strips change what is computed only at the edge."""
    assert count(rows(), tile=(100, 100)) == N * N
    wide = by_tiles(rows(causal=True), tile=(44, 37), subtile=44, aligned=8).scores
    seen = COL <= ROW
    assert wide == of_subtiles(seen, 44)
    assert of_subtiles(seen, 44) > of_subtiles(seen, SUBTILE) > seen.sum()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_few_queries_are_still_shared(threads: int) -> None:
    """A tile is not so high that a thread has none; below a subtile nothing is shared."""
    found = by_tiles(rows(), tile=(500, 500), subtile=SUBTILE, threads=threads)
    assert found.scores == N * N
    heights: list[int] = []

    def on_progress(done: int, _: int) -> None:
        heights.append(done)

    problem = loaded(rows())
    request = Request(steps=("output",), threads=threads, tile=(500, 500), engine="tiles")
    run(problem, request, on_progress=on_progress)
    assert heights == list(range(1, -(-N // max(Tiles.subtile, -(-N // threads))) + 1))


ESTIMATED: dict[str, tuple[Mapping, Bools]] = {
    name: WHOLE[name] for name in ("dense", "causal", "causal with an offset", "lengths", "a mask")
}


@pytest.mark.parametrize("name", ESTIMATED)
def test_the_estimate_of_scores(name: str) -> None:
    problem, visible = ESTIMATED[name]
    request = Request(steps=("output",))
    found = estimate(loaded(problem), request).scores
    assert found == pytest.approx(visible.sum(), rel=2e-3 if "offset" in name else 0)


@pytest.mark.parametrize("left", [0, 5, 40])
def test_the_estimate_of_a_window(left: int) -> None:
    """Exact, except for the part of the queries in which the window leaves the edge."""
    visible = (COL <= ROW) & (ROW - left <= COL)
    found = estimate(loaded(rows(causal=True, window={"left": left})), Request(steps=("output",)))
    assert found.scores == pytest.approx(visible.sum(), rel=0.03)


@pytest.mark.parametrize(
    ("selection", "keys"),
    [({"stride": 7}, N // 7), ({"stride": 7, "window": 2}, N // 7 + 5), ({"block": 1}, 1)],
)
def test_the_estimate_of_selections(selection: dict[str, int], keys: int) -> None:
    """Tiles follow a stride, and the definition looks at all keys between."""
    problem, request = loaded(sparse(**selection)), Request(steps=("output",))
    by_tiles = estimate(problem, replace(request, engine="tiles"))
    assert by_tiles.scores == pytest.approx(keys * N, rel=0.03)
    if "stride" in selection:
        assert estimate(problem, request).scores == N * N


def test_the_estimate_of_heads_and_rows() -> None:
    rng = np.random.default_rng(1)
    x: Array = rng.normal(size=(2, 3, 7, 5))
    problem = loaded({"query": x, "key": x, "value": x})
    assert estimate(problem, Request(steps=("output",))).scores == 2 * 3 * 7 * 7
    assert estimate(problem, Request(steps=("output",), rows=(1, 4), head=2)).scores == 2 * 2 * 7
    assert estimate(problem, Request(steps=("weights",), batch=0)).scores == 3 * 7 * 7
    assert estimate(problem, Request(steps=("q",))).scores == 0


def test_the_estimate_of_memory_holds_what_is_shown() -> None:
    problem = loaded(rows())
    weights = estimate(problem, Request(steps=("weights",)))
    output = estimate(problem, Request(steps=("output",)))
    assert weights.bytes - output.bytes == 8 * (N * N - 2 * N)
    written = estimate(problem, Request(steps=("weights",), memory=8 * N), streams=True)
    assert weights.bytes - written.bytes == 8 * N * N
    with pytest.raises(AttnError, match="more than the 10 B allowed"):
        estimate(problem, Request(steps=("weights",), memory=10))
    assert output.seconds == 0  # nothing that takes long


def test_tiles_that_are_larger_than_the_memory() -> None:
    """Two threads with 37 x 41 scores of 8 bytes each hold 24 272 bytes; the output takes 3 376."""
    problem = loaded(rows())
    request = Request(steps=("output",), threads=2, tile=(37, 41), memory=24_271, engine="tiles")
    expected = (
        "tiles of 37 x 41 on 2 threads would take 23.7 KiB, more than the 23.7 KiB allowed\n"
        "help: make them smaller, such as tile='512x512', or allow more: memory_limit"
    )
    with pytest.raises(AttnError) as error:
        run(problem, request)
    assert str(error.value) == expected
    run(problem, replace(request, memory=24_272))
    run(problem, replace(request, tile=(1 << 16, 1 << 16), memory=2 * 8 * N * N))


def test_the_estimate_of_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of tiles on one thread, as in the trial; threads divide it, the definition multiplies it."""
    monkeypatch.setattr(estimates, "QUICK", 0)
    monkeypatch.setattr(estimates, "_seconds_per_score", lambda *_: 0.25)
    problem, request = loaded(rows()), Request(steps=("output",), threads=2)
    seconds = {
        name: estimate(problem, replace(request, engine=name)).seconds
        for name in ("tiles", "definition")
    }
    assert seconds == {"tiles": N * N * 0.25 / 2, "definition": N * N * 0.25 * SLOWER}
    assert SLOWER > 1
