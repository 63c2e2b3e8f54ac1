"""`attn graph`: which edges there are, and how each format shows them."""

from __future__ import annotations

import html
import json
import math
import re
import shutil
import subprocess
from dataclasses import fields, replace
from itertools import product
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_cli import compute
from attn_cli.core.graph import Edge, Graph, LeftOut, Node, graph
from attn_cli.views import Style
from attn_cli.views.graph import GRAPH_FORMATS, GRAPH_RENDERERS
from attn_cli.views.graph.dot import quoted
from attn_cli.views.graph.mermaid import escaped
from tests.conftest import SAMPLES, Attn, in_process, on_terminal
from tests.test_startup import by_command

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
    return GRAPH_RENDERERS.get(format)(drawn, Style(**style))


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
        for name in GRAPH_FORMATS:
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


class TestText:
    """Lines for people."""

    def test_the_sample_of_the_readme(self, attn: Attn) -> None:
        # love attends to I and coding with e / (2 e + 1) = 0.4223, to itself with 1 / (2 e + 1).
        ran = attn("graph", LOVE)
        assert (ran.status, ran.err) == (0, "")
        lines = ran.out.splitlines()
        assert "love   -> I        0.4223  ████" in lines
        assert "love   -> love     0.1554  ██" in lines
        assert lines[-2:] == ["", "left out: 2 edges below 0.01"]

    def test_what_is_left_out_is_counted(self, attn: Attn) -> None:
        ran = attn("graph", LOVE, "--threshold", 0.4, "--top", 3, "--digits", 2)
        lines = ran.out.splitlines()
        assert lines[2:] == ["love   -> I        0.42  ████", "",
                             "left out: 5 edges below 0.4, 1 beyond the first 3"]  # fmt: skip
        assert attn("graph", LOVE, "--top", 8).out.endswith("left out: 2 edges below 0.01\n")
        ran = attn("graph", LOVE, "--top", 8, "--threshold", 0)
        assert ran.out.endswith("\nleft out: 1 edge beyond the first 8\n")
        assert "left" not in attn("graph", LOVE, "--threshold", 0).out
        assert attn("graph", LOVE, "--threshold", 2).out == "left out: 9 edges below 2\n"

    def test_no_edge_at_all(self) -> None:
        drawn = graph_of(as_written([[0, 0]]))
        assert shown(drawn, "text") == "no edges: every weight is 0\n"
        assert "  // no edges: every weight is 0\n" in shown(drawn, "dot")

    def test_words_cannot_move_the_cursor_and_wide_ones_are_aligned(self) -> None:
        drawn = graph_of(as_written([[1, 0], [0, 0.5]], ["猫猫", "\x1b[31m"]))
        assert shown(drawn, "text").splitlines() == [
            "猫猫     -> 猫猫       1       ██████████",
            "\\x1b[31m -> \\x1b[31m   0.5000  █████",
        ]

    def test_long_words_that_are_cut_to_the_same_stay_apart(self) -> None:
        drawn = graph_of(as_written([[0, 1], [0, 0]], ["x" * 40 + "a", "x" * 40 + "b"]))
        cut = "x" * 29 + "..."
        assert shown(drawn, "text") == f"{cut} (0) -> {cut} (1)   1  ██████████\n"

    def test_bars_fit_the_width(self) -> None:
        drawn = graph_of(as_written([[1]], ["word"]))
        head = "word -> word   1"
        for width, cells in ((None, 10), (99, 10), (28, 10), (27, 9), (19, 1), (18, 0), (5, 0)):
            line = f"{head}  {'█' * cells}".rstrip()
            assert shown(drawn, "text", width=width) == line + "\n"

    def test_on_a_terminal_in_a_pipe_and_where_there_are_no_blocks(self) -> None:
        terminal = on_terminal("graph", "samples/love_coding.yaml")
        piped = in_process("graph", "samples/love_coding.yaml", PYTHONIOENCODING="utf-8")
        assert (terminal.status, terminal.err, piped.stderr) == (0, "", b"")
        assert terminal.out == piped.stdout.decode()
        latin = in_process("graph", "samples/love_coding.yaml", PYTHONIOENCODING="latin-1")
        assert latin.stdout.decode() == terminal.out.replace("█", "#")


ODD = [
    "", " ", '"', '\\"', "\\", "\\\\", "\\N", "\\G", "\\n", "a\\", "l1\nl2", "<b>", "<<B>x</B>>",
    "&amp;", "&#45;", "&", "{a|b}", "]; n9", "// x", "/* x", "# x", "%%{init}%%", "end", "שלום",
    "👨‍👩‍👧", "é", "'", "`x`", "1. x", "- x", "**x**", "|", "#35;", "ﬂ°°35¶ß", "])", "style: a#b;",
]  # fmt: skip


def read_by_graphviz(text: str) -> str:
    """What Graphviz shows for a quoted string, by its documentation of ID and escString."""
    assert text[0] == text[-1] == '"'
    characters = re.findall(r'\\"|\\\\|[^"]', text[1:-1])
    assert "".join(characters) == text[1:-1], "a quote inside ends the string"
    lexed = "".join('"' if c == '\\"' else c for c in characters)

    def meant(found: re.Match[str]) -> str:
        assert found[1] in {"\\", "n"}, "an escape that Graphviz fills in"
        return {"\\": "\\", "n": "\n"}[found[1]]

    return html.unescape(re.sub(r"\\(.?)", meant, lexed))


class TestDot:
    """Graphviz shows every token as it is."""

    @given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn"))) | st.sampled_from(ODD))
    def test_labels(self, label: str) -> None:
        assert read_by_graphviz(quoted(label)) == label

    @pytest.mark.parametrize(
        ("label", "seen"), [("\x00\x1b[0m", "\\x00\\x1b[0m"), ("\t", "\\t"), ("\ud800", "\\ud800"),
                            ("\uffff", "\\uffff"), ("a\r\nb", "a\nb"), ("\r", "\\r")],
    )  # fmt: skip
    def test_what_no_picture_can_show_is_written_out(self, label: str, seen: str) -> None:
        assert read_by_graphviz(quoted(label)) == seen

    def test_the_whole_file(self, attn: Attn, tmp_path: Path) -> None:
        path = tmp_path / "p.json"
        problem = as_written([[1, -0.5]], ['"'], memory={"tokens": ["b", "b"]})
        path.write_text(json.dumps(problem))
        ran = attn("graph", path, "--threshold", 0.5, "--top", 9, "--format", "dot")
        assert ran.out == (
            "digraph attention {\n"
            '  graph [rankdir=LR, charset="UTF-8"];\n'
            '  q0 [label="\\"", shape=box];\n'
            '  k0 [label="b", shape=ellipse];\n'
            '  k1 [label="b", shape=ellipse];\n'
            "  { rank=same; q0; }\n"
            "  { rank=same; k0; k1; }\n"
            '  q0 -> k0 [label="1", penwidth=5.00];\n'
            '  q0 -> k1 [label="-0.5000", penwidth=2.75, style=dashed];\n'
            "}\n"
        )
        ran = attn("graph", path, "--threshold", 0.6, "--format", "dot", "--digits", 1)
        assert ran.out.splitlines()[1] == "  // left out: 1 edge below 0.6"

    @pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
    def test_graphviz_itself(self) -> None:
        n = len(ODD)
        ring = [[float(j == (i + 1) % n) for j in range(n)] for i in range(n)]
        nodes = tuple(Node(f"n{at}", token, at, "token") for at, token in enumerate(ODD))
        source = shown(replace(graph_of(as_written(ring)), nodes=nodes), "dot")
        ran = subprocess.run(
            ["dot", "-Tsvg"], input=source.encode(), capture_output=True, check=False
        )
        assert (ran.returncode, ran.stderr) == (0, b"")
        space = "{http://www.w3.org/2000/svg}"
        seen = {}
        for group in ElementTree.fromstring(ran.stdout).iter(f"{space}g"):
            if group.get("class") == "node":
                lines = [text.text or "" for text in group.findall(f"{space}text")]
                title = group.findtext(f"{space}title") or ""
                seen[title] = "\n".join(lines).replace("\xa0", " ")
        assert seen == {f"n{at}": token for at, token in enumerate(ODD)}


class TestMermaid:
    """A flowchart in which no label is anything but text."""

    @given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn"))) | st.sampled_from(ODD))
    def test_labels(self, label: str) -> None:
        text = escaped(label)
        assert text
        plain = re.sub(r"#\w+;|<br/>", "", text)
        assert all(c.isalnum() or c == " " or not c.isascii() for c in plain)

        def meant(found: re.Match[str]) -> str:
            return html.unescape(f"&{'#' if found[1].isdigit() else ''}{found[1]};")

        lines = [re.sub(r"#(\w+);", meant, line) for line in text.split("<br/>")]
        assert "\n".join(lines) == (label or " ")

    def test_the_whole_file(self) -> None:
        problem = as_written([[1, -0.5]], ['a "b"'], memory={"tokens": ["b", "c\nd"]})
        assert shown(graph_of(problem, threshold=0.5), "mermaid") == (
            "flowchart LR\n"
            '  q0["a #quot;b#quot;"]\n'
            '  k0(["b"])\n'
            '  k1(["c<br/>d"])\n'
            '  q0 -->|"1"| k0\n'
            '  q0 -.->|"-0.5000"| k1\n'
        )
        second = shown(graph_of(problem, threshold=0.6), "mermaid").splitlines()[1]
        assert second == "  %% left out: 1 edge below 0.6"


def test_the_json_document(attn: Attn, tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("tokens: [é, b]\nembeddings: [[1], [2]]\nmask: [[-inf, -inf], [0, 0]]\n")
    ran = attn("graph", path, "--threshold", 0.6, "--top", 7, "-f", "json", "--scale", 0)
    warning = "query 0 ('é') has no key to attend to: the weights there are 0"
    assert (ran.status, ran.err) == (0, f"warning: {warning}\n")
    document = json.loads(ran.out, parse_constant=pytest.fail)
    assert list(document) == [
        "format", "command", "settings", "nodes", "edges", "left_out", "warnings",
    ]  # fmt: skip
    assert (document["format"], document["command"]) == ("attn/1", "graph")
    assert document["settings"]["scale"] == 0
    assert (document["settings"]["threshold"], document["settings"]["top"]) == (0.6, 7)
    assert document["nodes"][0] == {"id": "n0", "label": "é", "position": 0, "kind": "token"}
    assert document["edges"] == []  # both weights are one half
    assert document["left_out"] == {"below": 2, "beyond": 0, "nan": 0}
    assert document["warnings"] == [warning]
    quiet = attn("graph", path, "-f", "json", "--scale", 0, "--quiet")
    assert quiet.err == ""
    edges = json.loads(quiet.out)["edges"]
    assert edges == [{"source": "n1", "target": f"n{j}", "weight": 0.5} for j in (0, 1)]
    assert json.loads(quiet.out)["warnings"] == []
    assert '\n    {"source": "n1", "target": "n0", "weight": 0.5},\n' in quiet.out


@pytest.mark.parametrize("name", GRAPH_FORMATS)
def test_every_suffix_has_its_format(name: str, attn: Attn, tmp_path: Path) -> None:
    for suffix in GRAPH_FORMATS[name].suffixes:
        out = tmp_path / f"out{suffix}"
        ran = attn("graph", LOVE, "-o", out)
        assert (ran.status, ran.out, ran.err) == (0, "", "")
        explicit = in_process("graph", LOVE, "-f", name, PYTHONIOENCODING="utf-8")
        assert out.read_bytes() == explicit.stdout


def test_a_fault_is_a_document_in_json(attn: Attn) -> None:
    ran = attn("graph", LOVE, "--top", 0, "--format", "json")
    assert (ran.status, ran.err) == (2, "")
    assert json.loads(ran.out)["error"]["message"] == "--top must be 1 or more, not 0"


def test_every_option_changes_something(
    attn: Attn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from attn_cli.cli.graph import EdgeOptions, GraphOutputOptions

    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    np.savez("heads.npz", **{n: rng.normal(size=(2, 3, 4, 5)) for n in "qkv"})  # type: ignore[arg-type]
    blind = ["--set", "mask=[[-inf, -inf, -inf]]"]
    effects = {
        "threshold": ["--threshold", "0.2"],
        "top": ["--top", "2"],
        "batch": ["--batch", "1"],
        "head": ["--head", "1"],
        "memory": ["--memory", "1B"],
        "format": ["--format", "dot"],
        "output": ["--output", "out.txt"],
        "digits": ["--digits", "7"],
        "quiet": ["--quiet", *blind],
    }
    options = {f.name for group in (EdgeOptions, GraphOutputOptions) for f in fields(group)}
    assert options == set(effects)
    for name, arguments in effects.items():
        file = "heads.npz" if name in {"batch", "head"} else LOVE
        without = attn("graph", file, *(blind if name == "quiet" else []))
        ran = attn("graph", file, *arguments)
        assert ran != without, name
        assert ran.status == (2 if name == "memory" else 0), name
    assert Path("out.txt").read_text() == attn("graph", LOVE).out


def test_a_large_matrix_is_quick() -> None:
    import time

    weights = np.random.default_rng(3).random((2000, 2000))
    record = compute(
        {"value": np.zeros((2000, 1)), "score": {"function": "given", "scores": weights}},
        steps=["weights"],
    )
    start = time.perf_counter()
    drawn = graph(record, threshold=0, top=20)
    assert time.perf_counter() - start < 5  # a loop over four million edges takes longer
    assert drawn.edges[0].weight == record["weights"].max()
    assert drawn.left_out == LeftOut(below=0, beyond=2000 * 2000 - 20, nan=0)


@pytest.mark.parametrize("name", GRAPH_FORMATS)
def test_only_what_is_needed_is_imported(name: str) -> None:
    loaded = by_command("graph", "samples/love_coding.yaml", "--format", name)
    assert not loaded & {"rich.table", "rich.console", "pydantic"}
    assert name == "text" or "rich" not in loaded
    others = {form.module for other, form in GRAPH_FORMATS.items() if other != name}
    assert not loaded & others


def test_the_help_imports_no_mathematics() -> None:
    assert not by_command("graph", "--help") & {"numpy", "rich", "yaml", "pydantic"}
