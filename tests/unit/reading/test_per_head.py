"""Numbers of which each query head has its own: each head is the problem of that head alone."""

from __future__ import annotations

import json
from ast import literal_eval
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import attn_cli
from attn_cli.engine.estimate import estimate
from attn_cli.maths.problem import Problem, Projection, Request
from tests.conformance.test_from_files import as_npz, as_yaml
from tests.conftest import Attn
from tests.helpers.many import check_each
from tests.helpers.reading import alike, in_file, on_command_line
from tests.helpers.streaming import in_parts
from tests.helpers.tiled import by_tiles, defined, loaded

pytestmark = pytest.mark.slow

Mapping = dict[str, Any]
RNG = np.random.default_rng(59)
B, H, KV, N_Q, N_K, D, D_V = 2, 6, 3, 5, 7, 4, 11


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape).round(3).tolist()


GROUPED: Mapping = {
    "query": normal(B, H, N_Q, D), "key": normal(B, KV, N_K, D), "value": normal(B, KV, N_K, D_V),
    "offset": [1, 2],
}  # fmt: skip
SCALES = [0.5, -1.25, 2.0, 0.0, 0.75, 3.0]
TEMPERATURES = [0.5, 1.25, 2.0, 1.0, 0.75, 3.0]
MAP = [2, 0, 0, 1, 2, 0]
WINDOWS: list[Any] = [
    {"left": 1, "right": 0}, {"keys": 3}, "none", {"left": 2}, {"right": 1},
    {"left": 0, "right": 2},
]  # fmt: skip
# Name -> the keys, of which lists have one entry per query head.
CASES: dict[str, Mapping] = {
    "scale": {"scale": SCALES},
    "scale on queries": {"scale": SCALES, "scale_placement": "query"},
    "scale, split": {"scale": TEMPERATURES, "scale_placement": "split"},
    "temperature": {"temperature": TEMPERATURES},
    "grouping": {"grouping": MAP},
    "grouping that leaves a key head out": {"grouping": [1, 0, 0, 1, 1, 0]},
    "window": {"window": WINDOWS},
    "window, the widest first": {"window": ["none", *WINDOWS[:2], *WINDOWS[3:]]},
    "window, bounds": {"window": {"left": [0, 1, 2, 3, -1, 7], "right": 0}},
    "window, prefix and sink_tokens": {"window": WINDOWS, "prefix": 1, "sink_tokens": 2},
    "window of a preset": {"window": [1, 2, 3, 4, 5, 6], "like": "onnx"},
    "all": {
        "window": WINDOWS,
        "scale": SCALES,
        "temperature": TEMPERATURES,
        "alibi": True,
        "causal": True,
        "grouping": MAP,
    },
}


def key_head(keys: Mapping, head: int) -> int:
    return int(keys["grouping"][head]) if "grouping" in keys else head // (H // KV)


def own_of(given: Any, head: int) -> Any:
    """What a head has of lists, also of those in a mapping."""
    if isinstance(given, dict):
        return {key: own_of(value, head) for key, value in given.items()}
    return given[head] if isinstance(given, list) else given


def alone(keys: Mapping, head: int, **more: Any) -> Mapping:
    """The problem of one query head, without an axis of heads."""
    own = {k: own_of(v, head) for k, v in keys.items() if k != "grouping"}
    if own.get("window") == "none":
        del own["window"]
    if own.get("alibi") is True:
        own["alibi"] = [SLOPES[head]]
    group = key_head(keys, head)
    query, key, value = (np.array(GROUPED[name]) for name in ("query", "key", "value"))
    arrays = {"query": query[:, head], "key": key[:, group], "value": value[:, group]}
    return {**arrays, "offset": GROUPED["offset"], **own, **more}


# Of 6 heads: those of 4, 2^-2 to 2^-8, then every second of those of 8.
SLOPES = [2.0**-2, 2.0**-4, 2.0**-6, 2.0**-8, 2.0**-1, 2.0**-3]


def expected(keys: Mapping, step: str) -> Any:
    """The step of each head alone, (batch, heads, ...)."""
    return np.stack([record[step] for record in each_alone(repr(keys))], axis=1)


@cache
def each_alone(keys: str) -> list[attn_cli.Record]:
    """The records of the heads, computed once for all tests."""
    steps = ["scores", "weights", "lse", "context", "output"]
    given = literal_eval(keys)
    return [attn_cli.compute(alone(given, head), steps=steps) for head in range(H)]


@cache
def problem_of(case: str) -> Problem:
    return loaded({**GROUPED, **CASES[case]})


def packed(rows: Any) -> Any:
    """(batch, heads, n, d) as (batch, n, heads d)."""
    array = np.array(rows).swapaxes(1, 2)
    return array.reshape(*array.shape[:2], -1).tolist()


def close(found: Any, wanted: Any) -> None:
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


def test_each_head_is_as_it_is_alone() -> None:
    def check(case: str) -> None:
        steps = ("scores", "weights", "lse", "context")
        found = attn_cli.compute(problem_of(case), steps=steps)
        for step in steps:
            close(found[step], expected(CASES[case], step))

    check_each(CASES, check)


def test_packed_heads() -> None:
    arrays = {name: packed(GROUPED[name]) for name in ("query", "key", "value")}

    def check(case: str) -> None:
        keys = CASES[case]
        problem = {**GROUPED, **arrays, "heads": H, "kv_heads": KV, **keys}
        found = attn_cli.compute(problem, steps=["weights", "output"])
        close(found["weights"], expected(keys, "weights"))
        close(found["output"], packed(expected(keys, "context")))

    check_each(CASES, check)


def test_heads_of_embeddings() -> None:
    """Projections by units: each head gets its features of Q, K and V as they are."""
    query, key, value = (np.array(packed(GROUPED[n]))[0] for n in ("query", "key", "value"))

    def check(case: str) -> None:
        keys = CASES[case]
        problem = {
            "embeddings": np.eye(N_Q), "memory": {"embeddings": np.eye(N_K)},
            "weights": {"query": query, "key": key, "value": value},
            "heads": H, "kv_heads": KV, "offset": GROUPED["offset"][0], **keys,
        }  # fmt: skip
        found = attn_cli.compute(problem, steps=["weights", "concat"])
        close(found["weights"], expected(keys, "weights")[0])
        close(found["concat"], np.array(packed(expected(keys, "context")))[0])

    check_each(CASES, check)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_in_tiles(dtype: str) -> None:
    bound = 1e-12 if dtype == "float64" else 1e-5

    def check(case: str) -> None:
        problem = loaded({**GROUPED, **CASES[case], "dtype": dtype})
        found = by_tiles(problem)
        assert found.by_tiles > 0
        assert found.left == 0
        wanted = expected(CASES[case], "output")
        np.testing.assert_allclose(found.record["output"], wanted, rtol=bound, atol=bound)
        assert found.record.warnings == defined(problem).warnings

    check_each(CASES, check)


def test_one_query_of_one_head() -> None:
    def check(case: str) -> None:
        steps = ("scores", "weights", "output")
        wanted = {step: expected(CASES[case], step) for step in steps}
        for head in range(H):
            b, i = head % B, head % N_Q
            found = attn_cli.compute(
                problem_of(case), steps=steps, query_token=i, batch=b, head=head
            )
            for step, values in wanted.items():
                close(found[step][0], values[b, head, i])

    check_each(CASES, check)


def test_by_parts() -> None:
    """Two rows at a time."""

    def check(case: str) -> None:
        for step in ("weights", "output"):
            close(in_parts(problem_of(case), step, 2, N_K), expected(CASES[case], step))

    check_each(CASES, check)


def test_from_files_and_options(attn: Attn, tmp_path: Path) -> None:
    """The problem of the other tests, from wherever it is read."""
    (tmp_path / "bare").mkdir()
    bare = as_yaml(GROUPED, tmp_path / "bare")

    def check(case: str) -> None:
        keys = CASES[case]
        options, sets = [], []
        for key, value in keys.items():
            text = json.dumps(value)
            options += [f"--{key.replace('_', '-')}", *([] if key == "causal" else [text])]
            sets += ["--set", f"{key}={text}"]
        alike(in_file(as_yaml({**GROUPED, **keys}, tmp_path)), problem_of(case))
        alike(on_command_line(attn, bare, *options), problem_of(case))
        alike(on_command_line(attn, bare, *sets), problem_of(case))
        # In an archive windows are bounds, and not the text of each head.
        found = attn_cli.compute(in_file(as_npz({**GROUPED, **keys}, tmp_path)), steps=["output"])
        close(found["output"], expected(keys, "output"))

    check_each(CASES, check)


@pytest.mark.parametrize("suffix", ["npy", "csv"])
def test_the_file_of_a_list(suffix: str, attn: Attn, tmp_path: Path) -> None:
    for key, numbers in (("scale", SCALES), ("temperature", TEMPERATURES)):
        path = tmp_path / f"{key}.{suffix}"
        if suffix == "npy":
            np.save(path, np.array(numbers))
        else:
            path.write_text(",".join(map(str, numbers)) + "\n")
    problem = as_yaml({**GROUPED, "scale": f"scale.{suffix}"}, tmp_path)
    out = tmp_path / "out.npz"
    ran = attn("compute", problem, "--temperature", tmp_path / f"temperature.{suffix}", "-o", out)
    assert ran.status == 0, ran.err
    with np.load(out) as found:
        close(found["weights"], expected({"scale": SCALES, "temperature": TEMPERATURES}, "weights"))


def test_a_list_of_one_number_without_heads() -> None:
    keys = {"scale": -0.7, "temperature": 2.5}
    listed = {key: [value] for key, value in keys.items()}
    plain = alone({}, 0)
    found = attn_cli.compute({**plain, **listed})
    close(found["output"], attn_cli.compute({**plain, **keys})["output"])


def test_settings_and_formulas_name_the_heads() -> None:
    keys = {"scale": SCALES, "temperature": TEMPERATURES}
    found = attn_cli.compute({**GROUPED, **keys})
    assert found.settings["scale"] == SCALES
    assert found.settings["temperature"] == TEMPERATURES
    formulas = {name: step.formula for name, step in found.steps.items()}
    assert formulas["scores"] == "scores = scale[head] * Q K^T"
    assert formulas["weights"] == "weights = softmax(scores / temperature[head])"
    placed = attn_cli.compute({**GROUPED, "scale": TEMPERATURES, "scale_placement": "split"})
    split = "(sqrt(scale[head]) Q) (sqrt(scale[head]) K)^T"
    assert placed.steps["scores"].formula == f"scores = {split}"
    queries = attn_cli.compute({**GROUPED, "scale": SCALES, "scale_placement": "query"})
    assert queries.steps["scores"].formula == "scores = (scale[head] Q) K^T"


@pytest.mark.parametrize("given", [(H, KV), (4, 3), (2, 3)])
def test_key_heads_are_shown_whoever_reads_them(given: tuple[int, int]) -> None:
    """All of them, also those that no query head reads, and those that several read once."""
    heads, kv_heads = given
    query, key = normal(B, heads, N_Q, D), normal(B, kv_heads, N_K, D)
    value = normal(B, kv_heads, N_K, D_V)
    grouping = [2, 0, 0, 2, 2, 0][:heads]
    problem = {"query": query, "key": key, "value": value, "grouping": grouping}
    found = attn_cli.compute(problem)
    close(found["k"], key)
    close(found["v"], value)
    assert found.steps["k"].axes == ("batch", "key head", "key", "dimension")
    assert found.settings["key_heads"] == grouping
    assert found.settings["kv_heads"] == kv_heads
    close(attn_cli.compute(problem, steps=["k"], batch=1)["k"], key[1])
    close(attn_cli.compute(problem, steps=["v"], batch=1, head=0)["v"], value[1][2])
    weights = attn_cli.compute(problem, steps=["output", "k"])
    close(weights["k"], key)


def test_key_heads_in_another_order_are_no_heads_of_queries() -> None:
    key = normal(B, KV, N_K, D)
    problem = {"query": normal(B, KV, N_Q, D), "key": key, "value": key, "grouping": [1, 2, 0]}
    found = attn_cli.compute(problem)
    assert found.warnings == ()
    close(found["k"], key)
    assert found.steps["k"].axes[1] == "key head"
    close(attn_cli.compute(problem, steps=["k"], head=0)["k"], np.array(key)[:, 1])
    close(
        found["products"], np.array(problem["query"]) @ np.array(key)[:, [1, 2, 0]].swapaxes(2, 3)
    )


def test_keys_and_values_that_heads_share_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    rows = Projection.rows

    def watched(self: Projection, lead: Any, *rest: Any) -> Any:
        made.append((self.letter, self.depth, lead))
        return rows(self, lead, *rest)

    monkeypatch.setattr(Projection, "rows", watched)
    attn_cli.compute({**GROUPED, "grouping": [0, 1, 1, 0, 2, 0]}, steps=["output"])
    values = [lead for _, depth, lead in made if depth == D_V]
    assert sorted(values) == [(b, g) for b in range(B) for g in range(KV)]
    assert len(made) == B * (H + 2 * KV)


@pytest.mark.parametrize("grouping", ["[0, 1]", "interleave"])
def test_a_list_of_key_heads_has_no_gradient(grouping: str, attn: Attn, tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(
        "tokens: [a, b]\nembeddings: {a: [1, 0], b: [0, 1]}\nheads: 2\n"
        "next_word: {vocabulary: [x, y], weights: [[1, 0], [0, 2]]}\n"
        "train: {examples: [[a b, x]], parameters: [embeddings], steps: 1}\n"
        f"grouping: {grouping}\n"
    )
    ran = attn("train", path, "-o", tmp_path / "trained.yaml")
    refused = grouping != "interleave"
    assert ran.status == (2 if refused else 0)
    assert ("error: train has no gradient for grouping\n" in ran.err) is refused
    assert attn("next", path).status == 0


def test_the_windows_of_heads_in_settings_and_formulas() -> None:
    windows = [{"left": 1, "right": 0}, "none", {"keys": 2}, {"left": 1}, "none", {"keys": 1}]
    found = attn_cli.compute({**GROUPED, "offset": 1, "window": windows, "sink_tokens": 1})
    near, every, right = "j <= i + 1 and (j >= i or j < 1)", "any j", "j >= i or j < 1"
    own = "j <= i + 1 and (j >= i + 1 or j < 1)"
    assert found.settings["window"] == [near, every, near, right, every, own]
    assert found.steps["masked"].formula == (
        f"masked = scores where ({near}) in heads 0, 2 or {every} in heads 1, 4 or "
        f"({right}) in head 3 or ({own}) in head 5, else -inf"
    )
    same = attn_cli.compute({**GROUPED, "offset": 1, "window": [{"left": 1, "right": 0}] * 6})
    assert same.settings["window"] == ["i <= j <= i + 1"] * 6
    assert same.steps["masked"].formula == "masked = scores where i <= j <= i + 1, else -inf"


def test_tiles_skip_what_the_window_of_each_head_hides() -> None:
    """One score per query with its own key alone, and all of the head without a window."""
    n = 60
    query = normal(1, 3, n, D)
    windows = [{"left": 0, "right": 0}, "none", {"left": 4, "right": 0}]
    problem = {"query": query, "key": query, "value": query, "window": windows}
    found = [
        by_tiles(problem, tile=(5, 5), subtile=1, aligned=1, head=head).scores for head in range(3)
    ]
    assert found[0] == n
    assert found[1] == n * n
    assert found[2] == 5 * n - 10
    assert by_tiles(problem, tile=(5, 5), subtile=1, aligned=1).scores == sum(found)


def test_the_estimate_counts_the_keys_of_each_head() -> None:
    n = 64
    query = normal(1, 2, n, D)
    windows = [{"left": 0, "right": 0}, "none"]
    problem = loaded({"query": query, "key": query, "value": query, "window": windows})
    assert estimate(problem, Request(steps=("output",))).scores == n + n * n
    assert estimate(problem, Request(steps=("output",), head=0)).scores == n


def test_a_window_without_bounds_asks_for_no_alignment() -> None:
    """Bounds of any head do, where keys and queries differ in number."""
    problem = {key: GROUPED[key] for key in ("query", "key", "value")}
    for unbounded in (["none"] * 6, {"left": [-1] * 6}, {"left": np.full(6, -1), "right": -1}):
        found = attn_cli.compute({**problem, "window": unbounded})
        close(found["output"], attn_cli.compute(problem)["output"])
    for bounded in (["none"] * 5 + [{"left": 1}], {"left": [-1] * 5 + [1]}):
        with pytest.raises(attn_cli.AttnError, match="window"):
            attn_cli.compute({**problem, "window": bounded})


def test_the_graph_of_one_head(attn: Attn, tmp_path: Path) -> None:
    """The weights of edges are those of the head."""
    keys = {"scale": SCALES, "temperature": TEMPERATURES, "window": WINDOWS}
    path = as_yaml({**GROUPED, **keys}, tmp_path)
    ran = attn("graph", path, "--batch", 1, "--head", 4, "-f", "json")
    assert ran.status == 0, ran.err
    (tmp_path / "alone").mkdir()
    one = alone(keys, 4)
    lists = {k: np.array(v).tolist() for k, v in one.items()}
    lone = attn("graph", as_yaml(lists, tmp_path / "alone"), "--batch", 1, "-f", "json")
    assert json.loads(ran.out)["edges"] == json.loads(lone.out)["edges"]
