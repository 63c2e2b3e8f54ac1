"""Statistics of weights: the definitions by plain loops, laws, and blocks against all rows."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_cli import compute
from attn_cli.dataclass import replace
from attn_cli.lab.row_statistics import row_statistics
from attn_cli.lab.sampling import AIM, LEAST, LIMIT, evenly, sampled
from attn_cli.lab.statistics import Statistics, statistics
from attn_cli.maths.problem import Problem, Request
from attn_cli.maths.visible.base import CODES
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import Document
from tests.conftest import SAMPLES, Attn

HUGE = 1e300


def problem_of(tree: dict[str, Any]) -> Problem:
    return read_problem(Document(json.loads(json.dumps(tree))))


def measured(tree: dict[str, Any], *, per_query: bool = False, **request: Any) -> Statistics:
    return statistics(problem_of(tree), Request(steps=("weights",), **request), per_query=per_query)


def given_weights(weights: Any, **keys: Any) -> dict[str, Any]:
    """A problem whose weights are these: its scores are given, and nothing normalises them."""
    n_k = np.shape(weights)[-1]
    return {
        "score": {"function": "given", "scores": np.asarray(weights).tolist()},
        "value": np.zeros((n_k, 1)).tolist(),
        "normalize": "none",
        **keys,
    }


def column(found: Statistics, name: str) -> list[Any]:
    return list(found.values[name])


# The definitions, by loops over one row of Python numbers.


def by_loops(
    row: list[float], codes: list[int], keys: list[int], at: int | None
) -> dict[str, float | None]:
    seen = [j for j, code in enumerate(codes) if not code]
    names = ("entropy", "effective", "relative", "max", "distance", "first", "diagonal")
    found: dict[str, float | None] = dict.fromkeys((*names, "previous", "top_90"))
    if not seen:
        return found
    total = math.fsum(row[j] for j in seen)
    found["max"] = max(row[j] for j in seen)
    for name, place in (
        ("first", 0),
        ("diagonal", at),
        ("previous", None if at is None else at - 1),
    ):
        of_sequence = [
            j
            for j, position in enumerate(keys)
            if position == place and codes[j] not in (CODES["key_lengths"], CODES["key_start"])
        ]
        if of_sequence:
            found[name] = sum(row[j] for j in of_sequence if not codes[j])
    if total > 0 and all(row[j] >= 0 for j in seen):
        shares = {j: row[j] / total for j in seen}
        entropy = -math.fsum(p * math.log2(p) for p in shares.values() if p)
        found["entropy"], found["effective"] = entropy, 2**entropy
        if len(seen) > 1:
            found["relative"] = entropy / math.log2(len(seen))
        if at is not None:
            found["distance"] = math.fsum(p * abs(keys[j] - at) for j, p in shares.items())
        held, count = 0.0, 0
        for p in sorted(shares.values(), reverse=True):
            if held >= 0.9 - 1e-9:
                break
            held, count = held + p, count + 1
        found["top_90"] = count
    return found


@st.composite
def rows_of_weights(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, Any]:
    rows, n_k = draw(st.integers(1, 5)), draw(st.integers(1, 7))
    number = st.sampled_from([0.0, 0.125, 0.25, 0.5, 1.0, 3.0])
    if draw(st.booleans()):
        number |= st.just(-0.25)
    cells = st.lists(number, min_size=n_k, max_size=n_k)
    weights = np.array(draw(st.lists(cells, min_size=rows, max_size=rows)))
    code = st.sampled_from(
        [0, 0, 0, *(CODES[name] for name in ("causal", "key_lengths", "key_start"))]
    )
    codes = np.array(draw(st.lists(code, min_size=rows * n_k, max_size=rows * n_k)), np.uint8)
    codes = codes.reshape(rows, n_k)
    weights[codes != 0] = draw(st.sampled_from([0.0, HUGE, np.nan, -np.inf]))
    keys = np.arange(n_k) - draw(st.integers(0, 2))
    if draw(st.booleans()):
        keys = np.array(draw(st.lists(st.integers(-1, 3), min_size=n_k, max_size=n_k)))
    queries = np.arange(rows) + draw(st.integers(-1, 2)) if draw(st.booleans()) else None
    return weights, codes, keys, queries


@given(rows_of_weights())
def test_rows_are_as_loops_compute_them(drawn: Any) -> None:
    weights, codes, keys, queries = drawn
    found = row_statistics(weights, codes, keys, queries)
    for i, (row, of_row) in enumerate(zip(weights.tolist(), codes.tolist(), strict=True)):
        at = None if queries is None else int(queries[i])
        for name, value in by_loops(row, of_row, keys.tolist(), at).items():
            here = float(getattr(found, name)[i])
            wanted = math.nan if value is None else value
            assert here == pytest.approx(wanted, rel=1e-12, abs=1e-12, nan_ok=True), (name, i)
        seen = [j for j, code in enumerate(of_row) if not code]
        assert found.keys[i] == len(seen)
        largest = max(seen, key=lambda j: (row[j], -j)) if seen else -1
        assert found.key[i] == largest


def test_one_key_of_weight_1_is_0_bits_and_1_key() -> None:
    found = measured(given_weights(np.eye(5)))
    expected: dict[str, float] = {"entropy": 0, "effective": 1, "relative": 0, "max": 1}
    expected |= {"distance": 0, "top_90": 1, "diagonal": 1, "previous": 0, "first": 0.2}
    expected |= {"not_one": 0, "no_key": 0}
    assert {name: column(found, name)[0] for name in expected} == expected


@pytest.mark.parametrize("n", [2, 10, 73, 640])
def test_equal_weights_over_n_keys_are_log2_n_bits_and_n_keys(n: int) -> None:
    found = measured(given_weights(np.full((3, n), 1 / n)))
    expected = {
        "entropy": math.log2(n),
        "effective": n,
        "relative": 1,
        "max": 1 / n,
        "first": 1 / n,
    }
    for name, value in expected.items():
        assert column(found, name) == [pytest.approx(value, rel=1e-12)]
    assert column(found, "top_90") == [math.ceil(0.9 * n - 1e-6)]


def test_many_keys_that_hold_90_percent_are_counted() -> None:
    weights = [[0.1, *[0.9 / 199] * 199]]  # 0.1 + m 0.9 / 199 >= 0.9: m = 177
    assert column(measured(given_weights(weights)), "top_90") == [178]


def test_the_distance_of_equal_causal_weights_is_half_of_the_way_to_the_first_key() -> None:
    n = 11
    tree = {"embeddings": np.zeros((n, 2)).tolist(), "causal": True}
    rows = measured(tree, per_query=True)
    assert column(rows, "distance") == pytest.approx([i / 2 for i in range(n)], rel=1e-12)
    assert column(rows, "keys") == list(range(1, n + 1))
    heads = measured(tree)
    assert column(heads, "distance") == [pytest.approx((n - 1) / 4, rel=1e-12)]
    assert column(heads, "relative") == [pytest.approx(1, rel=1e-12)]
    assert column(rows, "relative")[0] is None  # of one key


def test_permuted_heads_are_permuted_lines() -> None:
    rng = np.random.default_rng(7)
    q, k, v = (rng.normal(size=(2, 3, 5, 4)) for _ in range(3))
    order = [2, 0, 1]

    def lines(at: Any) -> list[tuple[Any, ...]]:
        found = measured(
            {"query": q[:, at].tolist(), "key": k[:, at].tolist(), "value": v[:, at].tolist()}
        )
        names = [name for name in found.values if name != "head"]
        return list(zip(*(found.values[name] for name in names), strict=True))

    before, after = lines([0, 1, 2]), lines(order)
    assert after == [before[batch * 3 + head] for batch in range(2) for head in order]


def test_values_of_a_head_are_means_of_those_of_its_queries() -> None:
    tree = {"embeddings": np.random.default_rng(3).normal(size=(7, 4)).tolist(), "causal": True}
    heads, rows = measured(tree), measured(tree, per_query=True)
    for name in ("entropy", "effective", "relative", "max", "distance", "first", "previous"):
        there = [value for value in column(rows, name) if value is not None]
        assert column(heads, name) == [pytest.approx(math.fsum(there) / len(there), rel=1e-12)]
    most = max(range(7), key=lambda i: column(rows, "max")[i])
    assert column(heads, "largest") == [column(rows, "max")[most]]
    assert column(heads, "largest_query") == [most]
    assert column(heads, "largest_key") == [column(rows, "key")[most]]


@pytest.mark.parametrize(
    ("weights", "entropy", "not_one", "sums"),
    [
        # (H(2/3) + H(3/4)) / 2 = (log2 3 - 2/3 + 2 - 3/4 log2 3) / 2
        ([[0.5, 0.25], [0.75, 0.25]], 2 / 3 + math.log2(3) / 8, 1, (0.75, 1)),
        ([[0.5, -0.25], [0.75, 0.25]], None, 1, (0.25, 1)),
        ([[0.0, 0.0], [0.5, 0.5]], 1, 1, (0, 1)),
    ],
    ids=["below 1", "negative", "all 0"],
)  # fmt: skip
def test_weights_that_are_no_shares(
    weights: Any, entropy: float | None, not_one: int, sums: Any
) -> None:
    found = measured(given_weights(weights))
    assert found.uneven == (True,)
    assert column(found, "entropy") == [entropy if entropy is None else pytest.approx(entropy)]
    assert column(found, "not_one") == [not_one]
    assert (column(found, "row_sum_min")[0], column(found, "row_sum_max")[0]) == sums
    assert found.empty == (weights[0] == [0, 0])


@pytest.mark.parametrize("keys", [{"normalize": name} for name in ("sigmoid", "relu", "softmax1")])
def test_normalisers_whose_weights_do_not_add_up_to_1_are_flagged(keys: Any, attn: Attn) -> None:
    found = measured({"embeddings": [[1, 0], [2, 1], [0, 3]], **keys})
    assert found.uneven == (True,)
    assert column(found, "entropy")[0] > 0
    text = attn("stats", SAMPLES / "two_heads.yaml", "--normalize", keys["normalize"]).out
    assert "(* of w / sum w: the weights do not add up to 1)" in text


def test_float16_weights_add_up_to_1_as_well_as_they_can() -> None:
    tree = {"embeddings": np.random.default_rng(5).normal(size=(97, 4)).tolist()}
    for dtype in ("float32", "float16", "bfloat16"):
        found = measured({**tree, "dtype": dtype})
        assert found.uneven == (False,), dtype
        assert column(found, "entropy") == pytest.approx(
            column(measured(tree), "entropy"), rel=3e-2
        )


def test_hidden_keys_take_no_part_whatever_their_numbers_are() -> None:
    tree: dict[str, Any] = {
        "query": [[1, 0], [0, 1], [1, 1]],
        "key": [[1, 0], [0, 1], [1, 1], [HUGE, HUGE], [HUGE, -HUGE]],
        "value": [[1], [2], [3], [HUGE], [HUGE]],
        "score": "dot",
    }
    seen = np.array([[1, 1, 1, 0, 0], [1, 0, 1, 0, 0], [0, 0, 0, 0, 0]], dtype=bool)
    shown = {name: rows[:3] if name in ("key", "value") else rows for name, rows in tree.items()}
    for each, width in ((tree, 5), (shown, 3)):
        each["mask"] = {"values": seen[:, :width].tolist(), "true_means": "attend"}
    for name in ("entropy", "relative", "max", "first", "top_90", "row_sum_min"):
        assert column(measured(tree), name) == column(measured(shown), name), name
    assert column(measured(tree), "no_key") == [1]
    blind = measured(tree, per_query=True)
    none = ("entropy", "effective", "relative", "max", "key", "key_token", "top_90", "row_sum")
    assert [column(blind, name)[2] for name in (*none, "first")] == [None] * 9


@pytest.mark.parametrize("given", ["zero", "nan", "uniform"])
def test_a_query_without_a_key_is_in_no_mean(given: str) -> None:
    seen = [[True, True, False], [False, False, False], [False, True, True]]
    mask = {"values": seen, "true_means": "attend"}
    tree = {"embeddings": [[1, 0], [2, 1], [0, 3]], "mask": mask}
    found = measured({**tree, "empty_rows": given})
    others = measured(tree, rows=(0, 2))
    for name in ("entropy", "max", "distance", "first", "diagonal", "row_sum_max"):
        assert column(found, name) == column(others, name), name
    assert column(found, "no_key") == [1]


# Where queries are among the keys.


def test_an_offset_moves_the_diagonal() -> None:
    weights = [[0.0, 0.25, 0.75, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0, 0.0]]
    found = measured(given_weights(weights, offset=2), per_query=True)
    assert column(found, "diagonal") == [0.75, 1]
    assert column(found, "previous") == [0.25, 0]
    assert column(found, "distance") == [0.25, 0]
    assert found.placed


@pytest.mark.regression("a warning that offset has no effect, by which distances are measured")
def test_an_offset_that_no_step_uses_is_no_warning_of_statistics(
    attn: Attn, tmp_path: Path
) -> None:
    problem, stored = tmp_path / "p.json", tmp_path / "r.json"
    problem.write_text(json.dumps(given_weights([[0.25, 0.75]], offset=1)))
    computed = attn("compute", problem, "-o", stored)
    assert computed.err.startswith("warning: offset has no effect on steps: ")
    found = [attn("stats", file, "-f", "json") for file in (problem, stored)]
    for each in found:
        assert (each.status, each.err) == (0, "")
        assert json.loads(each.out)["statistics"][0]["distance"] == 0.25
        assert json.loads(each.out)["warnings"] == []


def test_without_an_order_queries_of_other_tokens_have_no_place() -> None:
    weights = [[0.0, 0.25, 0.75], [1.0, 0.0, 0.0]]
    for keys, placed in (
        ({}, False),
        ({"like": "torch"}, False),
        ({"causal": "top-left"}, True),
        ({"window": {"left": 5, "right": 5}, "offset": 0}, True),
    ):
        found = measured(given_weights(weights, **keys), per_query=True)
        assert found.placed == placed
        for name in ("distance", "diagonal", "previous"):
            assert (column(found, name)[1] is None) == (not placed), (name, keys)
        assert column(found, "first") == [0, 1]


def test_padding_before_the_first_key_moves_it() -> None:
    tree = {
        "query": np.zeros((2, 3, 4)).tolist(),
        "key": np.zeros((2, 3, 4)).tolist(),
        "value": np.zeros((2, 3, 1)).tolist(),
        "causal": True,
        "key_start": [0, 1],
    }
    found = measured(tree, per_query=True)
    assert column(found, "first") == pytest.approx([1, 1 / 2, 1 / 3, None, 1, 1 / 2])
    assert column(found, "previous") == [None, 0.5, pytest.approx(1 / 3), None, None, 0.5]
    assert column(measured(tree), "no_key") == [0, 1]


def test_documents_have_a_first_key_each() -> None:
    n = 5
    tree = {"embeddings": np.zeros((n, 2)).tolist(), "causal": True, "documents": [0, 0, 0, 1, 1]}
    found = measured(tree, per_query=True)
    assert column(found, "first") == pytest.approx([1, 1 / 2, 1 / 3, 1, 1 / 2])
    assert column(found, "previous") == pytest.approx([None, 1 / 2, 1 / 3, None, 1 / 2])
    assert column(found, "distance") == pytest.approx([0, 1 / 2, 1, 0, 1 / 2])


# In blocks.


def test_blocks_of_rows_give_what_all_rows_give() -> None:
    rng = np.random.default_rng(11)
    tree = {
        "query": rng.normal(size=(2, 3, 13, 4)).tolist(),
        "key": rng.normal(size=(2, 3, 13, 4)).tolist(),
        "value": rng.normal(size=(2, 3, 13, 2)).tolist(),
        "causal": True,
        "window": {"left": 6, "right": 0},
    }
    problem = problem_of(tree)
    whole = Request(steps=("weights",))
    small = replace(whole, block_bytes=13 * 8 * 6 * 2)  # two rows at a time
    one, other = (statistics(problem, request, per_query=True) for request in (whole, small))
    for name in set(one.values) - {"token", "key_token"}:
        missing = [value is None for value in one.values[name]]
        assert missing == [value is None for value in other.values[name]], name
        pairs = zip(one.values[name], other.values[name], strict=True)
        assert all(a == pytest.approx(b, rel=1e-12) for a, b in pairs if a is not None), name
    record = compute(tree)
    for place, (batch, head) in enumerate(np.ndindex(2, 3)):
        weights, codes = (record[name][batch, head] for name in ("weights", "visible"))
        at = np.arange(13)
        rows = row_statistics(weights, codes.astype(np.uint8), at, at)
        here = column(one, "entropy")[place * 13 : (place + 1) * 13]
        assert here == rows.entropy.tolist()
        three = row_statistics(weights[4:7], codes[4:7].astype(np.uint8), at, at[4:7])
        for name in ("entropy", "distance", "top_90", "total"):
            assert getattr(three, name).tolist() == getattr(rows, name)[4:7].tolist(), name


def test_no_matrix_of_all_queries_is_held() -> None:
    import tracemalloc

    n = 1200  # blocks of 1/20 of the matrix
    problem = problem_of({"embeddings": np.random.default_rng(2).normal(size=(n, 2)).tolist()})
    request = Request(steps=("weights",), block_bytes=1 << 19)
    tracemalloc.start()
    try:
        found = statistics(problem, request)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert column(found, "queries") == [n]
    assert peak < n * n * 8 / 6


def test_sampled_queries_are_spread_evenly() -> None:
    assert sampled(100, 100, 4) == range(100)
    assert sampled(1 << 16, 1 << 15, 1) == range(1 << 16)  # the limit itself
    for queries, keys, entries in (
        (100_000, 100_000, 1),
        (70_001, 40_009, 3),
        (1 << 20, 1 << 20, 32),
    ):
        assert queries * keys * entries > LIMIT
        taken = sampled(queries, keys, entries)
        assert LEAST / 2 < len(taken) <= max(AIM // (keys * entries), LEAST)
        assert taken[0] + queries - 1 - taken[-1] < taken.step
        assert abs(np.mean(taken) - (queries - 1) / 2) <= taken.step / 2
    assert AIM / 2 < len(sampled(100_000, 100_000, 1)) * 100_000 <= AIM
    assert evenly(100, 25) == range(1, 100, 4)
    assert list(evenly(7, 100)) == list(range(7))
    assert len(evenly(0, 5)) == 0


# What was computed before.

HEADS = {
    "query": np.random.default_rng(1).normal(size=(2, 3, 4, 5)).tolist(),
    "key": np.random.default_rng(2).normal(size=(2, 3, 4, 5)).tolist(),
    "value": np.random.default_rng(3).normal(size=(2, 3, 4, 2)).tolist(),
    "causal": True,
    "key_start": [0, 1],
}


@pytest.fixture
def folder(tmp_path: Path, attn: Attn, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("heads.json").write_text(json.dumps(HEADS))
    for name in ("all.json", "all.npz"):
        assert attn("compute", "heads.json", "-o", name).status == 0
    assert attn("compute", "heads.json", "--only", "weights", "-o", "weights.npy").status == 0
    return tmp_path


def table(attn: Attn, *arguments: object) -> str:
    ran = attn("stats", *arguments, "-f", "csv")
    assert ran.status == 0, ran.err
    return ran.out


@pytest.mark.usefixtures("folder")
def test_json_of_a_problem_has_the_statistics_of_the_problem(attn: Attn) -> None:
    parts: tuple[tuple[str, ...], ...] = (
        (),
        ("--per-query",),
        ("--head", "0,2", "--per-query"),
        ("--batch", "1"),
        ("--batch", "1", "--head", "1", "--rows", "1:3"),
    )
    for part in parts:
        assert table(attn, "all.json", *part) == table(attn, "heads.json", *part), part


@pytest.mark.usefixtures("folder")
def test_json_of_some_queries_knows_which_they_are(attn: Attn) -> None:
    chosen = ("--batch", "1", "--query-token", "2", "-o", "one.json")
    assert attn("compute", "heads.json", *chosen).status == 0
    one = table(attn, "one.json", "--per-query").splitlines()
    every = table(attn, "heads.json", "--batch", "1", "--per-query").splitlines()
    assert one[1:] == [line.removeprefix("1,") for line in every[1:] if line.split(",")[2] == "2"]


def test_json_of_a_query_in_words_is_self_attention(attn: Attn, tmp_path: Path) -> None:
    two, out = SAMPLES / "two_heads.yaml", tmp_path / "cat.json"
    attn("compute", two, "--query-token", "cat", "--only", "weights", "-o", out)
    assert table(attn, out, "--per-query") == table(attn, two, "--per-query", "--rows", "1:2")


@pytest.mark.usefixtures("folder")
def test_an_archive_has_codes_and_an_array_alone_has_none(attn: Attn) -> None:
    problem = csv.DictReader(io.StringIO(table(attn, "heads.json", "--batch", "0")))
    archive = csv.DictReader(io.StringIO(table(attn, "all.npz", "--batch", "0")))
    array = csv.DictReader(io.StringIO(table(attn, "weights.npy", "--batch", "0")))
    for one, other, third in zip(problem, archive, array, strict=True):
        assert one == other
        assert third["relative"] == ""  # a weight of 0 may be that of a hidden key
        names = ("entropy", "max", "distance", "first", "diagonal", "previous", "top_90")
        assert [third[name] for name in names] == [one[name] for name in names]
    assert "a weight of 0 may be that of a hidden key" in attn("stats", "weights.npy").out
    rows = list(csv.DictReader(io.StringIO(table(attn, "weights.npy", "--per-query"))))
    assert [row["keys"] for row in rows[:4]] == ["", "", "", "4"]  # the last query sees all keys


def test_weights_alone_have_words_and_need_not_be_finite(
    attn: Attn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("w.npy", np.array([[0.5, 0.5], [np.nan, 1], [0.25, 0.75]], np.float32))
    Path("q.txt").write_text("a\nb\nc\n")
    Path("k.txt").write_text("x\ny\n")
    ran = attn(
        "stats", "w.npy", "--tokens-file", "q.txt", "--key-tokens-file", "k.txt", "-f", "csv"
    )
    (line,) = csv.DictReader(io.StringIO(ran.out))
    assert (line["largest"], line["query_token"], line["key_token"]) == ("0.75", "c", "y")
    assert (line["entropy"], line["distance"], line["first"]) == ("", "", "0.375")
    assert "w.npy is not finite at [1, 0] (1 value)" in ran.err
    assert attn("stats", "w.npy", "--causal", "true").status == 2  # that is for a problem
    assert attn("stats", "w.npy", "--only", "scores").status == 2


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.bool_, np.float16])
def test_arrays_of_all_numbers_are_weights(dtype: Any, attn: Attn, tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", np.eye(3, dtype=dtype)[[1, 0, 2]])
    (line,) = csv.DictReader(io.StringIO(table(attn, tmp_path / "w.npy")))
    expected = {"entropy": 0, "distance": 2 / 3, "diagonal": 1 / 3, "previous": 0.5, "not_one": 0}
    assert {name: float(line[name]) for name in expected} == pytest.approx(expected)


def test_the_title_names_the_step(attn: Attn) -> None:
    ran = attn("translate", "-d", SAMPLES / "french_english.yaml", "chat", "-f", "json")
    titles = attn("stats", "-", stdin=ran.out).out, attn("stats", SAMPLES / "bank.yaml").out
    assert [text.split("   ")[0] for text in titles] == [
        "weights: alpha = softmax(z)",
        "weights = softmax(masked)",
    ]


def test_an_array_by_columns_is_turned(attn: Attn, tmp_path: Path) -> None:
    out = tmp_path / "columns.json"
    attn("compute", SAMPLES / "not_like_columns.yaml", "-o", out)
    assert table(attn, out) == table(attn, SAMPLES / "not_like_columns.yaml")


# The command.


def test_csv_is_json(attn: Attn) -> None:
    for more in ((), ("--per-query",), ("--digits", "2"), ("--head", "1", "--rows", "1:3")):
        text = attn("stats", SAMPLES / "two_heads.yaml", "--causal", "-f", "csv", *more).out
        lines = list(csv.DictReader(io.StringIO(text)))
        document = json.loads(
            attn("stats", SAMPLES / "two_heads.yaml", "--causal", "-f", "json", *more).out
        )
        assert list(document)[:2] == ["format", "command"]
        assert document["command"] == "stats"
        assert len(lines) == len(document["statistics"]) > 0
        for line, entry in zip(lines, document["statistics"], strict=True):
            assert list(line) == list(entry) == list(document["columns"])
            assert line == {k: "" if v is None else str(v) for k, v in entry.items()}


def test_rows_and_heads_are_chosen(attn: Attn) -> None:
    two = SAMPLES / "two_heads.yaml"
    every = attn("stats", two, "--per-query", "-f", "csv").out.splitlines()
    some = attn("stats", two, "--per-query", "--head", "1", "--rows", "2:4", "-f", "csv").out
    assert some.splitlines() == [every[0], *every[7:9]]
    assert attn("stats", two, "--rows", "2:", "--per-query", "-f", "csv").out.count("\n") == 5


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--only", "scores"), "statistics are of weights, and scores is a score"),
        (("--only", "wieghts"), "did you mean 'weights'"),
        (("--rows", "4:9"), "--rows 4:9 is out of range"),
        (("--rows", "2"), "--rows cannot be '2'"),
        (("--rows=-1:2",), "--rows cannot be '-1:2'"),
        (("--head", "1,2"), "--head 2 is out of range"),
        (("--format", "svg"), "unknown format"),
    ],
)
def test_what_cannot_be_is_an_error(options: tuple[str, ...], said: str, attn: Attn) -> None:
    ran = attn("stats", SAMPLES / "two_heads.yaml", *options)
    assert ran.status == 2
    assert said in ran.err
    assert not ran.out


def test_very_large_inputs_are_sampled_and_say_so(
    attn: Attn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attn_cli.lab.sampling.LIMIT", 15)
    monkeypatch.setattr("attn_cli.lab.sampling.LEAST", 2)
    monkeypatch.setattr("attn_cli.lab.sampling.AIM", 1)
    two = SAMPLES / "two_heads.yaml"
    ran = attn("stats", two, "--per-query", "-f", "csv")
    assert [line.split(",")[1] for line in ran.out.splitlines()[1:]] == ["0", "2", "0", "2"]
    assert "2 of 4 queries, every 2nd: --exact takes all" in attn("stats", two).out
    assert attn("stats", two, "--exact", "--per-query", "-f", "csv").out.count("\n") == 9
