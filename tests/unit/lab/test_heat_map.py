"""Heat maps of steps: from a problem, from a record, from what was written."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_cli import AttnError
from attn_cli.engine.run import run
from attn_cli.lab.drawing import Chosen, Outline, draw, turned
from attn_cli.lab.heat_map import HeatMap
from attn_cli.lab.problem_drawing import of_problem
from attn_cli.lab.result_drawing import EVERYTHING, of_record, of_result
from attn_cli.maths.problem import Problem, Request
from attn_cli.reading.results import read_result
from attn_cli.reading.schema import read_document, read_problem
from attn_cli.sources.matrices.document import from_mapping
from attn_cli.sources.matrices.files import Inputs
from tests.conftest import SAMPLES, Attn

N_Q, N_K, D, HEADS, BATCH = 7, 11, 3, 5, 2


def sample(name: str) -> Problem:
    return read_problem(read_document(str(SAMPLES / f"{name}.yaml"), Inputs()))


def problem(seed: int = 0, **keys: Any) -> Problem:
    rng = np.random.default_rng(seed)
    shapes = {"query": N_Q, "key": N_K, "value": N_K}
    given = {name: rng.normal(size=(BATCH, HEADS, n, D)) for name, n in shapes.items()}
    return read_problem(from_mapping({**given, **keys}))


def drawn(
    of: Problem,
    step: str = "weights",
    chosen: Chosen = EVERYTHING,
    **options: Any,
) -> HeatMap:
    fit = options.pop("fit", None)
    return draw(of_problem(of, Request(steps=(step,)), chosen), fit, **options)


def same(a: HeatMap, b: HeatMap) -> None:
    """Assert that two heat maps show the same numbers, hidden cells and scale."""
    assert [panel.title for panel in a.panels] == [panel.title for panel in b.panels]
    for one, other in zip(a.panels, b.panels, strict=True):
        np.testing.assert_array_equal(one.values, other.values)
        np.testing.assert_array_equal(one.hidden, other.hidden)
        np.testing.assert_array_equal(one.largest, other.largest)
    for field in ("step", "role", "scale", "low", "high", "diverging", "pool", "reasons"):
        assert getattr(a, field) == getattr(b, field), field
    assert (a.queries.starts, a.keys.starts) == (b.queries.starts, b.keys.starts)


@pytest.mark.parametrize("name", ["two_heads", "bank", "sparse", "columns", "cross_attention"])
def test_the_same_from_a_problem_a_record_and_files(name: str, attn: Attn, tmp_path: Path) -> None:
    """All steps of pairs; files have what is hidden in `visible`, and NPZ has no words."""
    of = sample(name)
    path = SAMPLES / f"{name}.yaml"
    for suffix in ("json", "npz"):
        assert attn("compute", path, "-o", tmp_path / f"r.{suffix}").status == 0
    record = run(of, Request(marks=True, asides=True))
    steps = [step for step in record.steps if step in {"scores", "masked", "weights", "visible"}]
    assert "weights" in steps
    for step in steps:
        heat = drawn(of, step)
        same(heat, draw(of_record(record, step)))
        for suffix in ("json", "npz"):
            result = read_result(str(tmp_path / f"r.{suffix}"), Inputs(), step)
            assert result is not None
            found = draw(of_result(result))
            same(heat, found)
            if suffix == "json":
                assert (found.queries, found.keys, found.cross, found.formula) == (
                    heat.queries, heat.keys, heat.cross, heat.formula,
                )  # fmt: skip


def test_numbers_are_those_of_the_record_and_hidden_ones_are_0() -> None:
    of = problem(causal="top-left", key_lengths=[N_K, 4])
    weights = run(of, Request(steps=("weights",), marks=True)).steps["weights"]
    heat = drawn(of)
    assert len(heat.panels) == BATCH * HEADS
    assert heat.panels[HEADS].title == "batch 1, head 0"
    assert weights.hidden is not None
    for at, panel in enumerate(heat.panels):
        place = divmod(at, HEADS)
        np.testing.assert_array_equal(panel.values, weights.values[place])
        np.testing.assert_array_equal(panel.hidden, weights.hidden[place])
    assert heat.reasons == ("causal", "key_lengths")
    assert heat.high == weights.values.max()
    masked = drawn(of, "masked").panels[0]
    assert (masked.values[masked.hidden != 0] == 0).all()
    assert masked.hidden.any()


def test_only_heads_that_are_drawn_are_computed() -> None:
    tiles = []

    @contextmanager
    def computing(_problem: Problem, _request: Request) -> Iterator[Any]:
        yield lambda _done, total: tiles.append(total)

    for heads in (None, (2,)):
        wanted = Request(steps=("weights",))
        draw(of_problem(problem(), wanted, Chosen(heads=heads), computing))
    assert tiles == [BATCH * HEADS] * BATCH * HEADS + [BATCH] * BATCH


def test_the_largest_of_each_row_ties_included() -> None:
    heat = draw(of_record(run(sample("bank"), Request(marks=True)), "weights"))
    assert heat.panels[0].largest.tolist() == [
        [True, False, False, False], [True, True, False, False],
        [False, False, True, False], [False, False, True, True],
    ]  # fmt: skip
    assert not drawn(sample("bank"), "scores").panels[0].largest.any()


@pytest.mark.parametrize("chosen", [Chosen(heads=(4, 1)), Chosen(batch=1), Chosen(1, (3,), (2, 5))])
def test_entries_heads_and_rows_are_chosen(chosen: Chosen) -> None:
    of = problem()
    weights = run(of, Request(steps=("weights",))).steps["weights"].values
    heat = drawn(of, chosen=chosen)
    batches = range(BATCH) if chosen.batch is None else (chosen.batch,)
    heads = chosen.heads or range(HEADS)
    rows = slice(*chosen.rows) if chosen.rows else slice(None)
    expected = [weights[b, h, rows] for b in batches for h in heads]
    assert len(heat.panels) == len(expected)
    for panel, values in zip(heat.panels, expected, strict=True):
        np.testing.assert_array_equal(panel.values, values)
    assert heat.queries.starts == tuple(range(N_Q)[rows])
    record = run(of, Request(steps=("weights",)))
    same(heat, draw(of_record(record, "weights", chosen)))


def test_pooling_while_rows_come_is_pooling_of_the_whole() -> None:
    of, fit = problem(window={"left": 3, "right": 1}, offset=2), (3, 4)
    record = run(of, Request(steps=("weights", "masked"), marks=True))
    for step, how in (("weights", None), ("weights", "max"), ("masked", "max")):
        heat = drawn(of, step, fit=fit, pool=how)
        assert (heat.queries.block, heat.keys.block) == (3, 3)
        assert heat.pool == (how or "mass")
        same(heat, draw(of_record(record, step), fit, pool=how))
    mass = drawn(of, fit=fit).panels[0].values
    weights = record["weights"][0, 0]
    np.testing.assert_allclose(mass[0, 0], weights[:3, :3].sum() / 3, rtol=1e-14)
    np.testing.assert_allclose(mass.sum(axis=1), 1, rtol=1e-15)


def test_very_large_steps_are_sampled_unless_they_are_to_be_exact() -> None:
    of = problem()
    weights = run(of, Request(steps=("weights",)))["weights"][1, 4]
    size = BATCH * HEADS * N_Q * N_K
    heat = drawn(of, fit=(1, 1), many=size - 1)
    assert (heat.queries.stride, heat.queries.block) == (2, 8)
    np.testing.assert_allclose(heat.panels[-1].values, [[weights[::2].sum() / 4]], rtol=1e-14)
    for many, wanted in ((size, False), (0, True)):
        exact = drawn(of, fit=(1, 1), many=many, exact=wanted)
        assert exact.queries.stride == 1
        np.testing.assert_allclose(exact.panels[-1].values, [[1.0]], rtol=1e-14)


def test_a_pooled_map_never_holds_the_matrix() -> None:
    n = 1009
    x = np.random.default_rng(0).normal(size=(n, 2))
    of = read_problem(from_mapping({"query": x, "key": x, "value": x, "causal": True}))
    drawing = of_problem(of, Request(steps=("weights",), block_bytes=1 << 19), Chosen())
    tracemalloc.start()
    try:
        heat = draw(drawing, (64, 64))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert heat.keys.block == 16
    assert peak < n * n * 8 / 4


class TestScale:
    def test_of_weights_from_0_to_the_largest_of_all_panels(self) -> None:
        heat = drawn(problem())
        top = max(panel.values.max() for panel in heat.panels)
        assert (heat.scale, heat.low, heat.high, heat.diverging) == ("linear", 0, top, False)
        np.testing.assert_allclose(heat.shades(heat.panels[3]), heat.panels[3].values / top)

    def test_of_scores_to_the_largest_magnitude_on_both_sides(self) -> None:
        heat = drawn(problem(), "scores")
        top = max(np.abs(panel.values).max() for panel in heat.panels)
        assert (heat.low, heat.high, heat.diverging) == (-top, top, True)
        np.testing.assert_allclose(heat.shades(heat.panels[3]), heat.panels[3].values / top)

    def test_logarithmic_from_1_over_n_above_64_keys(self) -> None:
        for n, scale in ((64, "linear"), (65, "log")):
            x = np.random.default_rng(n).normal(size=(n, 2)) * 3
            of = read_problem(from_mapping({"query": x, "key": x, "value": x}))
            assert drawn(of).scale == scale
            assert drawn(of, colours="linear").scale == "linear"
            assert drawn(of, "scores").scale == "linear"
        heat = drawn(of, colours="log")
        assert heat.low == 1 / 65
        values, shades = heat.panels[0].values, heat.shades(heat.panels[0])
        assert (shades[values <= 1 / 65] == 0).all()
        assert shades[values == heat.high] == [1]
        middle = values > 1 / 65
        np.testing.assert_allclose(
            shades[middle], np.log(values[middle] * 65) / np.log(heat.high * 65), rtol=1e-12
        )

    def test_of_equal_weights_is_linear_though_there_are_many(self) -> None:
        x = np.zeros((65, 2))
        heat = drawn(read_problem(from_mapping({"query": x, "key": x, "value": x})))
        assert heat.scale == "linear"
        assert (heat.shades(heat.panels[0]) == 1).all()

    def test_each_row_by_its_own_largest(self) -> None:
        heat = drawn(problem(), colours="row")
        np.testing.assert_array_equal(heat.shades(heat.panels[0]).max(axis=1), 1)
        scores = drawn(problem(), "scores", colours="row")
        np.testing.assert_array_equal(np.abs(scores.shades(scores.panels[0])).max(axis=1), 1)

    def test_hidden_infinite_and_nan_take_no_part(self) -> None:
        of = problem(mask=np.where(np.arange(N_K) < 4, -np.inf, 0.0)[None, :].repeat(N_Q, 0))
        heat = drawn(of, "masked")
        seen = np.concatenate([p.values[p.hidden == 0] for p in heat.panels])
        assert heat.high == np.abs(seen).max()
        shades = heat.shades(heat.panels[0])
        assert np.isnan(shades[:, :4]).all()
        assert np.isfinite(shades[:, 4:]).all()

    def test_all_0_has_the_range_from_0_to_1(self) -> None:
        x = np.zeros((3, 2))
        heat = drawn(read_problem(from_mapping({"query": x, "key": x, "value": x})), "q")
        assert (heat.low, heat.high) == (-1, 1)

    def test_negative_weights_have_two_sides(self) -> None:
        heat = drawn(problem(normalize="none"))
        assert (heat.low, heat.diverging) == (-heat.high, True)
        with pytest.raises(AttnError, match="weights has negative numbers"):
            drawn(problem(normalize="none"), colours="log")

    @pytest.mark.parametrize("step", ["exp_scores", "weights"])
    def test_what_cannot_be_negative_has_one_side(self, step: str) -> None:
        assert not drawn(problem(), step).diverging


class TestRowsWithoutAKey:
    def test_zero_is_hidden_and_nan_is_nan(self) -> None:
        keys: dict[str, Any] = {"key_lengths": [N_K, 0]}
        zero = drawn(problem(**keys, empty_rows="zero"), chosen=Chosen(1, (2,))).panels[0]
        assert (zero.hidden != 0).all()
        nan = drawn(problem(**keys, empty_rows="nan"), chosen=Chosen(1, (2,))).panels[0]
        assert (nan.hidden == 0).all()
        assert np.isnan(nan.values).all()
        pooled = drawn(
            problem(**keys, empty_rows="nan"), chosen=Chosen(1, (2,)), fit=(2, 2)
        ).panels[0]
        assert np.isnan(pooled.values).all()


class TestFiles:
    def result(self, array: Any, tmp_path: Path, step: str = "weights", **options: Any) -> HeatMap:
        np.save(tmp_path / "w.npy", array)
        found = read_result(str(tmp_path / "w.npy"), Inputs(), step, **options)
        assert found is not None
        return draw(of_result(found))

    def test_axes_of_an_array_are_batch_head_query_key(self, tmp_path: Path) -> None:
        whole = np.random.default_rng(0).random((2, 3, 5, 7)).astype(np.float32)
        titles = {4: "batch 1, head 2", 3: "head 2", 2: ""}
        for axes, array in ((4, whole), (3, whole[1]), (2, whole[1, 2])):
            heat = self.result(array, tmp_path)
            assert heat.panels[-1].title == titles[axes]
            np.testing.assert_array_equal(heat.panels[-1].values, whole[1, 2])
            assert (heat.queries.count, heat.keys.count, heat.cross) == (5, 7, True)
        heat = self.result(whole[1], tmp_path, of_batch=True)
        assert heat.panels[-1].title == "batch 2"

    def test_kinds_of_numbers(self, tmp_path: Path) -> None:
        for dtype in (np.bool_, np.int32, np.float16, np.dtype(">f8"), np.float32):
            heat = self.result(np.eye(5).astype(dtype), tmp_path)
            np.testing.assert_array_equal(heat.panels[0].values, np.eye(5))

    def test_what_is_not_finite_is_drawn_and_said(self, tmp_path: Path) -> None:
        array = np.full((3, 2, 5), 0.2)
        array[1, 0, 3], array[2, 1, 1] = np.nan, np.inf
        heat = self.result(array, tmp_path)
        assert len(heat.warnings) == 1
        assert heat.warnings[0].endswith("w.npy is not finite at [1, 0, 3] (2 values)")
        assert heat.high == 0.2

    def test_scores_of_minus_infinity_are_hidden(self, tmp_path: Path) -> None:
        heat = self.result([[1.0, -np.inf], [2.0, 3.0]], tmp_path, "masked")
        assert heat.panels[0].hidden.tolist() == [[0, 1], [0, 0]]
        assert (heat.reasons, heat.warnings) == (("-inf",), ())

    def test_a_large_file_is_read_by_rows(self, tmp_path: Path) -> None:
        n = 1201
        np.save(tmp_path / "w.npy", np.random.default_rng(0).random((n, n)))
        found = read_result(str(tmp_path / "w.npy"), Inputs(), "weights")
        assert found is not None
        assert not isinstance(found.values, np.ndarray)
        tracemalloc.start()
        heat = draw(of_result(found), (37, 37))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < n * n * 8 / 2
        whole = np.load(tmp_path / "w.npy")
        np.testing.assert_allclose(
            heat.panels[0].values[1, 2], whole[33:66, 66:99].sum() / 33, rtol=1e-12
        )

    def test_a_problem_is_left_unread(self, tmp_path: Path, monkeypatch: Any) -> None:
        for text in ((SAMPLES / "bank.yaml").read_bytes(), b'{"query": [[1, 2]], "key": 1}'):
            stdin = type("Stdin", (), {"buffer": io.BytesIO(text)})
            monkeypatch.setattr("sys.stdin", stdin)
            inputs = Inputs()
            assert read_result("-", inputs, "weights") is None
            assert inputs.open("-", "the problem").read() == text
        np.savez(tmp_path / "p.npz", query=np.ones((2, 3)), embeddings=np.ones((2, 3)))
        assert read_result(str(tmp_path / "p.npz"), Inputs(), "weights") is None
        np.savez(tmp_path / "s.npz", scores=np.ones((2, 3)), value=np.ones((3, 1)))
        assert read_result(str(tmp_path / "s.npz"), Inputs(), "weights") is None

    def test_json_in_another_order_and_with_infinities(self, tmp_path: Path, attn: Attn) -> None:
        ran = attn("compute", SAMPLES / "bank.yaml", "--only", "masked", "-f", "json")
        (tmp_path / "r.json").write_text(json.dumps(json.loads(ran.out), sort_keys=True))
        found = read_result(str(tmp_path / "r.json"), Inputs(), "masked")
        assert found is not None
        heat = draw(of_result(found))
        assert heat.reasons == ("-inf",)
        assert heat.panels[0].hidden.tolist()[0] == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("axes", "order"),
    [
        (("query", "key"), (0, 1)),
        (("key", "query"), (1, 0)),
        (("dimension", "key"), (1, 0)),
        (("key", "dimension"), (0, 1)),
        (("head", "unit", "query"), (0, 2, 1)),
        (("batch", "query", "head", "dimension"), (0, 2, 1, 3)),
    ],
)
def test_queries_are_down_and_keys_across(axes: tuple[str, ...], order: tuple[int, ...]) -> None:
    assert turned(axes) == order


def test_vectors_are_drawn_too() -> None:
    of = sample("two_heads")
    record = run(of)
    for step in ("embeddings", "q", "k", "context", "output"):
        heat = drawn(of, step)
        values = np.array([panel.values for panel in heat.panels])
        np.testing.assert_array_equal(values.reshape(record[step].shape), record[step])
        assert heat.keys.name == "dimension"
        assert heat.diverging


def test_an_outline_is_known_before_anything_is_computed() -> None:
    outline = of_problem(problem(), Request(steps=("weights",)), Chosen(heads=(1, 2))).outline
    assert isinstance(outline, Outline)
    assert outline.shape == (N_Q, N_K)
    assert outline.size == BATCH * 2 * N_Q * N_K
    assert outline.leads == ((0, 1), (0, 2), (1, 1), (1, 2))
