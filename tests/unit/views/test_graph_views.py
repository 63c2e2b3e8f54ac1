"""How each format shows a graph."""

from __future__ import annotations

import html
import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_cli.lab.weights_graph import Graph, Node
from attn_cli.views import VIEWS, Style
from attn_cli.views.graph.dot import quoted
from attn_cli.views.graph.mermaid import escaped
from tests.conftest import SAMPLES, Attn, in_process, on_terminal
from tests.helpers.processes import run_to_end
from tests.unit.lab.test_graph import as_written, graph_of

pytestmark = pytest.mark.slow

LOVE = str(SAMPLES / "love_coding.yaml")
SHOWN_AS_ESCAPES: tuple[Any, ...] = ("Cc", "Cf", "Cn", "Cs", "Zl", "Zp")


def shown(drawn: Graph, format: str, **style: Any) -> str:
    rendered = VIEWS.of("Graph")[format].render(drawn, Style(**style))
    assert isinstance(rendered, str)
    return rendered


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

    @given(st.text(st.characters(exclude_categories=SHOWN_AS_ESCAPES)) | st.sampled_from(ODD))
    def test_labels(self, label: str) -> None:
        assert read_by_graphviz(quoted(label)) == label

    @pytest.mark.parametrize(
        ("label", "seen"), [("\x00\x1b[0m", "\\x00\\x1b[0m"), ("\t", "\\t"), ("\ud800", "\\ud800"),
                            ("\uffff", "\\uffff"), ("a\r\nb", "a\nb"), ("\r", "\\r"),
                            ("\u202ea\u2066", "\\u202ea\\u2066"), ("a\u200bb", "a\\u200bb"),
                            ("a\u200db", "a\\u200db"), ("é\u200d\u200dé", "é\\u200d\\u200dé"),
                            ("نمی\u200cخواهم", "نمی\u200cخواهم"), ("é\u200d", "é\\u200d"),
                            ("\x7f\x9b", "\\x7f\\x9b"), ("\u2028", "\\u2028")],
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
        drawn = run_to_end(["dot", "-Tsvg"], stdin=source.encode())
        assert (drawn.returncode, drawn.stderr) == (0, b"")
        space = "{http://www.w3.org/2000/svg}"
        seen = {}
        for group in ElementTree.fromstring(drawn.stdout).iter(f"{space}g"):
            if group.get("class") == "node":
                lines = [text.text or "" for text in group.findall(f"{space}text")]
                title = group.findtext(f"{space}title") or ""
                seen[title] = "\n".join(lines).replace("\xa0", " ")
        assert seen == {f"n{at}": token for at, token in enumerate(ODD)}


class TestMermaid:
    """A flowchart in which no label is anything but text."""

    @given(st.text(st.characters(exclude_categories=SHOWN_AS_ESCAPES)) | st.sampled_from(ODD))
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


@pytest.mark.parametrize("name", VIEWS.of("Graph"))
def test_every_suffix_has_its_format(name: str, attn: Attn, tmp_path: Path) -> None:
    for suffix in VIEWS.of("Graph")[name].suffixes:
        out = tmp_path / f"out{suffix}"
        ran = attn("graph", LOVE, "-o", out)
        assert (ran.status, ran.out, ran.err) == (0, "", "")
        if VIEWS.of("Graph")[name].binary:
            explicit = in_process("graph", LOVE, "-f", name).stdout
        else:
            explicit = attn("graph", LOVE, "-f", name).out.encode()
        assert out.read_bytes() == explicit


def test_a_fault_is_a_document_in_json(attn: Attn) -> None:
    ran = attn("graph", LOVE, "--top", 0, "--format", "json")
    assert (ran.status, ran.err) == (2, "")
    assert json.loads(ran.out)["error"]["message"] == "--top must be 1 or more, not 0"


# Draws a graph in each format, in a fork that has imported what all of them need; says what else.
EACH_FORMAT = """
import os, sys
from attn_cli import compute
from attn_cli.cli import app, main
compute("samples/love_coding.yaml")
begun = {*sys.modules}
for name in sys.argv[1:]:
    process = os.fork()
    if not process:
        status = main(["graph", "samples/love_coding.yaml", "--format", name])
        print(name, *sys.modules.keys() - begun, file=sys.stderr)
        os._exit(status)
    assert os.waitpid(process, 0)[1] == 0, name
print("begun", *begun, file=sys.stderr)
"""


def test_only_what_is_needed_is_imported() -> None:
    """Each format imports the module of no other format; text alone needs Rich."""
    views = VIEWS.of("Graph")
    done = run_to_end([sys.executable, "-c", EACH_FORMAT, *views])
    assert done.returncode == 0, done.stderr.decode()
    lines = [line.split() for line in done.stderr.decode().splitlines()]
    imported = {name: {*names} for name, *names in lines}
    modules = {form.module for form in views.values()}
    assert not imported["begun"] & {*modules, "rich", "pydantic"}
    for name, form in views.items():
        own = {form.module} | ({views["svg"].module} if name == "png" else set())
        assert imported[name] & modules == own, name
        absent = {"rich.table", "rich.console", "pydantic", *([] if name == "text" else ["rich"])}
        assert not imported[name] & absent, name
