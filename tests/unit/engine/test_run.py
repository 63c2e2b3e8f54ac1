"""Parts of a record: blocks, shortened steps, one batch entry, the memory that steps take."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from attn_cli import AttnError, attention, compute
from attn_cli.engine.definition import Definition
from attn_cli.engine.run import run
from attn_cli.maths.problem import Edge, Request
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import from_mapping
from tests.conformance.oracle.single import single
from tests.helpers.tiled import Events, in_blocks, loaded

RNG = np.random.default_rng(99)


@pytest.mark.regression("axes and labels of a step disagreed in columns and shortened records")
def test_every_step_describes_its_own_array() -> None:
    q, k, v = (
        RNG.normal(size=(2, 3, 5, 7)),
        RNG.normal(size=(2, 3, 11, 7)),
        RNG.normal(size=(2, 3, 11, 13)),
    )
    turned = {n: x.swapaxes(-1, -2) for n, x in (("query", q), ("key", k), ("value", v))}
    records = [attention(q, k, v), compute({**turned, "layout": "columns"})]
    records.append(compute({"query": [[1.0, 2.0]], "embeddings": [[1.0, 2], [3, 4], [5, 6]]}))
    records.append(
        run(read_problem(from_mapping(turned | {"layout": "columns"})), Request(edge=Edge(3, 2)))
    )
    for record in records:
        for step in record.steps.values():
            assert len(step.axes) == len(step.shape) == len(step.labels) == step.values.ndim
            assert tuple(map(len, step.labels)) == step.shape
            assert step.values.shape == tuple(len(step.indices(a)) for a in range(step.values.ndim))
    assert records[1].steps["output"].shape == (2, 3, 13, 5)
    assert records[1].steps["output"].axes == ("batch", "head", "dimension", "query")


@pytest.mark.regression("all scores were held although only the output was asked for")
def test_blocks_keep_memory_small() -> None:
    n = 6_000
    x = RNG.normal(size=(n, 1))
    tracemalloc.start()
    attention(x, x, x, steps=["output"], memory_limit=1 << 24)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50e6  # all the scores would be 288 MB


SELECTIONS: list[dict[str, Any]] = [
    {"window": 1}, {"block": 4}, {"stride": 4}, {"global_tokens": 2}, {"top_k": 2},
    {"pairs": [[8, 0], [3, 7], [3, 1]]},
]  # fmt: skip


SELECTIONS += [{"window": 0, **s} for s in SELECTIONS[1:]]


@pytest.mark.regression("a selection reached one key too few")
@pytest.mark.parametrize("selection", SELECTIONS)
def test_keys_beyond_reach_are_beyond_selection(
    selection: dict[str, Any],
) -> None:
    """Blocks of one row, output alone: only there keys are skipped."""
    q, k, v = (RNG.normal(size=(9, d)).tolist() for d in (3, 3, 2))
    expected = single(q, k, v, {"function": "sparse", **selection})["context"]
    problem = {"query": q, "key": k, "value": v, "score": {"function": "sparse", **selection}}
    record = in_blocks(problem, 1, steps=["output"])
    np.testing.assert_allclose(record["output"], expected, rtol=1e-12, atol=1e-14)


@pytest.mark.regression("the keys of a block ended one key beside the diagonal")
@pytest.mark.parametrize(("n_q", "n_k", "offset"), [(5, 9, 4), (9, 5, -4)])
def test_keys_beyond_the_diagonal_are_skipped_and_no_others(
    n_q: int, n_k: int, offset: int
) -> None:
    q, k, v = (RNG.normal(size=s).tolist() for s in ((n_q, 3), (n_k, 3), (n_k, 2)))
    expected = single(q, k, v, "dot", sees=lambda i, j: j <= i + offset)["context"]
    problem = {"query": q, "key": k, "value": v, "score": "dot", "causal": "bottom-right"}
    events = Events()
    request = Request(steps=("output",), block_bytes=1)
    record = run(loaded(problem), request, engine=Definition(trace=events))
    np.testing.assert_allclose(record["output"], expected, rtol=1e-12, atol=1e-14)
    assert [s.stop for s in events.of("keys")] == [max(0, i + offset + 1) for i in range(n_q)]


@pytest.mark.regression("steps were counted one by one, and shortened ones as whole")
class TestMemory:
    """What is held counts, all of it, and nothing else."""

    X = np.ones((100, 1))

    def test_steps_that_fit_one_by_one_do_not_fit_together(self) -> None:
        limit = 100 * 100 * 8 + 1000
        for steps in (["scores"], ["weights"]):
            attention(self.X, self.X, self.X, steps=steps, memory_limit=limit)
        with pytest.raises(AttnError, match=r"would take 156\.2 KiB"):
            attention(self.X, self.X, self.X, steps=["scores", "weights"], memory_limit=limit)

    def test_a_shortened_step_takes_what_is_shown(self) -> None:
        problem = read_problem(from_mapping({"embeddings": self.X}))
        record = run(problem, Request(steps=("scores",), edge=Edge(), memory=6 * 6 * 8))
        assert record["scores"].shape == (6, 6)


@pytest.mark.regression("an axis as long as both ends was shortened")
def test_an_axis_of_just_both_ends_is_whole() -> None:
    problem = read_problem(
        from_mapping({"query": np.ones((6, 1)), "key": np.ones((7, 1)), "value": np.ones((7, 1))})
    )
    step = run(problem, Request(edge=Edge(threshold=10, items=3))).steps["scores"]
    assert step.kept == (None, (0, 1, 2, 4, 5, 6))


@pytest.mark.regression("negative numbers and words were taken for a batch entry")
@pytest.mark.parametrize("index", [-1, 2, "0", 0.5])
def test_batch_is_an_index(index: Any) -> None:
    x = np.ones((2, 3, 5))
    with pytest.raises(AttnError) as caught:
        attention(x, x, x, batch=index)
    assert caught.value.message.startswith(f"batch {index} is out of range: there are 2")
