"""`attn graph`: which edges there are."""

from __future__ import annotations

import json
import math
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_cli import compute
from attn_cli.lab.weights_graph import Edge, Graph, LeftOut, Node, graph
from attn_cli.views import VIEWS, Style
from tests.conftest import SAMPLES, Attn

LOVE = str(SAMPLES / "love_coding.yaml")


def as_written(
    weights: list[list[float]], tokens: list[str] | None = None, **more: Any
) -> dict[str, Any]:
    """A problem whose weights are these numbers: scores that nothing normalises."""
    return {
        **({"tokens": tokens} if tokens else {}),
        "value": [[0.0]] * len(weights[0]),
        "score": {"function": "given", "scores": weights},
        "normalize": "none",
        **more,
    }


def graph_of(problem: Any, threshold: float = 0.0, top: int = 1_000_000) -> Graph:
    return graph(compute(problem, steps=["weights"]), threshold=threshold, top=top)


def shown(drawn: Graph, format: str, **style: Any) -> str:
    rendered = VIEWS.of("Graph")[format].render(drawn, Style(**style))
    assert isinstance(rendered, str)
    return rendered


class TestEdges:
    """What is an edge, and in which order."""

    def test_strongest_first_and_by_place_where_equally_strong(self) -> None:
        drawn = graph_of(as_written([[1, 3, 2], [3, 1, 0], [0, 2, 3]]))
        places = [(e.source, e.target, e.weight) for e in drawn.edges]
        assert places == [
            ("n0", "n1", 3), ("n1", "n0", 3), ("n2", "n2", 3),
            ("n0", "n2", 2), ("n2", "n1", 2),
            ("n0", "n0", 1), ("n1", "n1", 1),
        ]  # fmt: skip
        assert drawn.left_out == LeftOut(below=0, beyond=0, nan=0)

    def test_zero_is_no_edge_and_the_threshold_itself_is_strong_enough(self) -> None:
        drawn = graph_of(as_written([[0, 0.25], [0.5, 0.2499]]), threshold=0.25)
        assert [e.weight for e in drawn.edges] == [0.5, 0.25]
        assert drawn.left_out == LeftOut(below=1, beyond=0, nan=0)

    @pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
    def test_the_threshold_is_a_number_of_the_arithmetic(self, dtype: str) -> None:
        # As a float32, 0.01 is less than as a float64; written the same they are the same.
        drawn = graph_of(as_written([[0.01]], dtype=dtype), threshold=0.01)
        assert len(drawn.edges) == 1
        assert not graph_of(as_written([[1.0]], dtype=dtype), threshold=1e9).edges

    def test_negative_weights_are_as_strong_as_they_are_far_from_zero(self) -> None:
        drawn = graph_of(as_written([[-3, 2], [-0.5, 1]]), threshold=1, top=2)
        assert [e.weight for e in drawn.edges] == [-3, 2]
        assert drawn.left_out == LeftOut(below=1, beyond=1, nan=0)

    def test_nan_is_counted_apart_and_infinity_is_strongest(self) -> None:
        inf, nan = math.inf, math.nan
        problem = as_written([[1, nan], [-inf, nan]], nonfinite="allow")
        drawn = graph_of(problem, threshold=2)
        assert [e.weight for e in drawn.edges] == [-inf]
        assert drawn.left_out == LeftOut(below=1, beyond=0, nan=2)
        for name in VIEWS.of("Graph"):
            if not VIEWS.of("Graph")[name].binary:
                assert "nan" not in shown(drawn, name).replace('"nan": 2', "")
        document = json.loads(shown(drawn, "json"), parse_constant=pytest.fail)
        assert document["edges"] == [{"source": "n1", "target": "n0", "weight": "-inf"}]
        assert shown(drawn, "text") == (
            "1 -> 0   -inf  ██████████\n\nleft out: 1 edge below 2, 2 with weight NaN\n"
        )

    def test_against_a_loop(self) -> None:
        rng = np.random.default_rng(5)
        for trial in range(60):
            shape = (2, 3, 4, 5)
            # Few different values, so that there are ties at every place of the cut.
            scores = {n: rng.integers(-2, 3, size=(*shape[:-2], m, 2)).astype(float)
                      for n, m in (("query", 4), ("key", 5), ("value", 5))}  # fmt: skip
            problem = {**scores, "score": "dot", "normalize": "none"}
            if trial % 2:
                turned = {n: x.swapaxes(-1, -2) for n, x in scores.items()}
                problem = {**problem, **turned, "layout": "columns"}
            threshold, top = float(rng.integers(0, 4)), int(rng.integers(1, 130))
            drawn = graph_of(problem, threshold, top)
            every = []
            for b, h, i, j in product(*map(range, shape)):
                weight = float(scores["query"][b, h, i] @ scores["key"][b, h, j])
                if weight:
                    every.append((-abs(weight), b, h, i, j, weight))
            every.sort()
            strong = [edge for edge in every if -edge[0] >= threshold]
            assert list(drawn.edges) == [
                Edge(f"q{i}", f"k{j}", weight, {"batch": b, "head": h})
                for _, b, h, i, j, weight in strong[:top]
            ]
            assert drawn.left_out == LeftOut(
                below=len(every) - len(strong), beyond=max(0, len(strong) - top), nan=0
            )


class TestNodes:
    """A node is a position, labelled by its word."""

    def test_a_word_that_stands_twice_is_two_nodes(self) -> None:
        drawn = graph_of(as_written([[0, 1, 0], [0] * 3, [2, 0, 0]], ["a", "b", "a"]))
        assert drawn.nodes == (
            Node("n0", "a", 0, "token"), Node("n1", "b", 1, "token"), Node("n2", "a", 2, "token"),
        )  # fmt: skip
        assert shown(drawn, "text") == (
            "a (2) -> a (0)   2  ██████████\na (0) -> b       1  █████\n"
        )

    def test_cross_attention_has_two_kinds(self) -> None:
        drawn = graph_of(as_written([[1, 0.5]], ["a"], memory={"tokens": ["a", "b"]}))
        assert drawn.nodes == (
            Node("q0", "a", 0, "query"), Node("k0", "a", 0, "key"), Node("k1", "b", 1, "key"),
        )  # fmt: skip
        assert [(e.source, e.target) for e in drawn.edges] == [("q0", "k0"), ("q0", "k1")]
        assert shown(drawn, "text") == "a -> a   1       ██████████\na -> b   0.5000  █████\n"

    def test_a_word_has_its_position_only_where_its_own_kind_has_it_twice(self) -> None:
        drawn = graph_of(as_written([[1, 0, 3]], ["a"], memory={"tokens": ["a", "b", "a"]}))
        assert shown(drawn, "text") == "a -> a (2)   3  ██████████\na -> a (0)   1  ███\n"

    def test_as_many_queries_as_keys_of_other_words_are_two_kinds(self) -> None:
        drawn = graph_of(as_written([[1, 2], [3, 4]], ["a", "b"], memory={"tokens": ["a", "c"]}))
        assert [node.id for node in drawn.nodes] == ["q0", "q1", "k0", "k1"]

    def test_layout_columns_is_the_same_graph(self) -> None:
        rows, columns = (graph_of(SAMPLES / f"{n}.yaml") for n in ("love_coding", "columns"))
        assert rows.edges == columns.edges
        assert rows.nodes == columns.nodes

    def test_columns_of_cross_attention(self) -> None:
        # In columns the step is keys x queries; scores that are given stay queries x keys.
        problem = as_written([[1, 2, 3], [4, 5, 6]], value=[[0.0, 0.0, 0.0]], layout="columns")
        assert compute(problem).steps["weights"].axes == ("key", "query")
        drawn = graph_of(problem, top=3)
        assert [(e.source, e.target, e.weight) for e in drawn.edges] == [
            ("q1", "k2", 6), ("q1", "k1", 5), ("q1", "k0", 4),
        ]  # fmt: skip


class TestEntries:
    """Batch entries and heads."""

    @pytest.fixture
    def heads(self, tmp_path: Path) -> Path:
        path = tmp_path / "heads.npz"
        rng = np.random.default_rng(9)
        np.savez(path, **{n: rng.normal(size=(2, 3, 4, 5)) for n in "qkv"})  # type: ignore[arg-type]
        return path

    def test_every_edge_says_its_entry(self, heads: Path, attn: Attn) -> None:
        arguments = ("graph", heads, "--threshold", 0, "--top", 1000)
        edges = json.loads(attn(*arguments, "-f", "json").out)["edges"]
        assert len(edges) == 2 * 3 * 4 * 4
        weights = compute(heads)["weights"]
        for edge in edges:
            i, j = int(edge["source"][1:]), int(edge["target"][1:])
            assert edge["weight"] == weights[edge["batch"], edge["head"], i, j]
        strongest = edges[0]
        entry = f"batch {strongest['batch']}, head {strongest['head']}"
        names = f"{strongest['source'][1:]} -> {strongest['target'][1:]}"
        assert attn(*arguments).out.startswith(f"{entry}   {names}   0.")
        number = f"{strongest['weight']:.4f}"
        assert f'[label="{entry}: {number}", ' in attn(*arguments, "-f", "dot").out
        assert f'|"{entry}: {number}"|' in attn(*arguments, "-f", "mermaid").out

    def test_one_entry(self, heads: Path, attn: Attn) -> None:
        every = json.loads(attn("graph", heads, "--top", 1000, "-f", "json").out)["edges"]
        ran = attn("graph", heads, "--top", 1000, "-f", "json", "--head", 2)
        assert json.loads(ran.out)["edges"] == [
            {k: v for k, v in edge.items() if k != "head"} for edge in every if edge["head"] == 2
        ]
        ran = attn("graph", heads, "--top", 1000, "-f", "json", "--head", 2, "--batch", 1)
        document = json.loads(ran.out)
        assert (document["settings"]["batch"], document["settings"]["head"]) == (1, 2)
        assert document["edges"] == [
            {k: edge[k] for k in ("source", "target", "weight")}
            for edge in every
            if (edge["batch"], edge["head"]) == (1, 2)
        ]


def test_the_strongest_of_a_large_matrix() -> None:
    n = 500
    weights = np.random.default_rng(3).random((n, n))
    record = compute(
        {"value": np.zeros((n, 1)), "score": {"function": "given", "scores": weights}},
        steps=["weights"],
    )
    drawn = graph(record, threshold=0, top=20)
    assert drawn.edges[0].weight == record["weights"].max()
    assert drawn.left_out == LeftOut(below=0, beyond=n * n - 20, nan=0)
