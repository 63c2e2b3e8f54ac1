"""LaTeX of records, and Markdown with formulas as LaTeX."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from attn_cli.formula import Symbol, Words
from attn_cli.views.markdown_math import between_dollars
from tests.conftest import SAMPLES, Attn
from tests.golden.formula_cases import GOLDEN
from tests.helpers.latex import FOREIGN, HOSTILE, assert_whole, needed, problem_of

LOVE = SAMPLES / "love_coding.yaml"
NO_WORDS = "query: [[1, -2], [0, 3], [5, 0]]\nkey: [[1, 2], [3, 4]]\nvalue: [[7], [0.5]]\n"


def rows(latex: str, environment: str) -> list[list[str]]:
    """The cells of the first array, matrix or table."""
    body = re.split(rf"\\(?:begin|end)\{{{environment}\}}(?:\{{.*\}})?", latex)[1]
    body = re.sub(r"\\(hline|toprule|midrule|bottomrule)", "", body)
    return [[cell.strip() for cell in row.split("&")] for row in body.split(r"\\") if row.strip()]


class TestMatrices:
    def test_words_above_and_beside(self, attn: Attn) -> None:
        ran = attn("compute", LOVE, "-f", "latex", "--only", "weights", "--digits", 2)
        assert (ran.status, ran.err) == (0, "")
        assert ran.out.startswith("% needs amsmath\n\n\\noindent weights (query $\\times$ key:")
        assert rows(ran.out, "array") == [
            ["", r"\text{I}", r"\text{love}", r"\text{coding}"],
            [r"\text{I}", "0.12", "0.01", r"\mathbf{0.88}"],
            [r"\text{love}", r"\mathbf{0.42}", "0.16", r"\mathbf{0.42}"],
            [r"\text{coding}", "0.12", "0.00", r"\mathbf{0.88}"],
        ]
        assert r"\mathrm{weights} = \operatorname{softmax}(\mathrm{scores}) \\" in ran.out

    def test_without_words_there_are_brackets(self, attn: Attn) -> None:
        out = attn("compute", "-", "-f", "latex", "--only", "q", stdin=NO_WORDS).out
        assert rows(out, "bmatrix") == [["1", "-2"], ["0", "3"], ["5", "0"]]
        assert "MaxMatrixCols" not in out
        labelled = attn("compute", "-", "-f", "latex", "--only", "q", "--labels", stdin=NO_WORDS)
        assert rows(labelled.out, "array")[:2] == [["", "q_{0}", "q_{1}"], ["0", "1", "-2"]]
        bare = attn("compute", LOVE, "-f", "latex", "--only", "q", "--no-labels").out
        assert rows(bare, "bmatrix") == [["2", "1", "2"], ["0", "1", "0"], ["2", "2", "2"]]

    def test_more_than_ten_columns_need_room(self, attn: Attn) -> None:
        problem = json.dumps({"embeddings": np.arange(22.0).reshape(2, 11).tolist()})
        out = attn("compute", "-", "-f", "latex", "--only", "q", stdin=problem).out
        assert r"\ifnum\value{MaxMatrixCols}<11 \setcounter{MaxMatrixCols}{11}\fi" in out
        assert rows(out, "bmatrix")[1] == [str(n) for n in range(11, 22)]

    def test_hidden_keys_and_what_is_no_number(self, attn: Attn) -> None:
        out = attn("compute", SAMPLES / "bank.yaml", "-f", "latex", "--only", "masked").out
        assert rows(out, "array")[1][1:] == ["2.8868", "1.1547", r"\cdot", r"\cdot"]
        assert re.search(r"\\noindent \$\\cdot\$ \S", out)  # what the dot means
        far = json.dumps({"embeddings": [[".nan", ".inf", "-.inf"]], "nonfinite": "allow"})
        far = re.sub('"(-?\\.[a-z]+)"', r"\1", far)
        out = attn("compute", "-", "-f", "latex", "--only", "embeddings", stdin=far).out
        assert rows(out, "bmatrix") == [[r"\mathrm{nan}", r"\infty", r"-\infty"]]
        small = '{"embeddings": [[0.000002, -3e-9]]}'
        out = attn("compute", "-", "-f", "latex", "--only", "q", "--digits", 1, stdin=small).out
        assert r"2.0\times 10^{-6} & -3.0\times 10^{-9}" in out

    def test_long_steps_are_shortened(self, attn: Attn) -> None:
        problem = json.dumps({"embeddings": np.arange(1001.0)[:, None].tolist()})
        asked = ("compute", "-", "-f", "latex", "--only", "q")
        out = attn(*asked, stdin=problem).out
        assert out.count(r"\vdots") == 1
        assert r"the middle is left out, -\/-full shows all" in out
        assert attn(*asked, "--full", stdin=problem).out.count(r" \\") == 1001


class TestTables:
    def test_rules_and_points_below_each_other(self, attn: Attn) -> None:
        options = ("-f", "latex", "--booktabs", "--only", "weights", "--digits", 2)
        out = attn("compute", SAMPLES / "bank.yaml", *options).out
        assert needed(out) == (["amsmath", "booktabs"], False)
        assert rows(out, "tabular")[:2] == [
            ["query", "river", "bank", "money", "bank"],
            ["river", r"$\mathbf{0.85}$", "0.15", r"$\cdot$\phantom{.00}", r"$\cdot$\phantom{.00}"],
        ]
        lines = [line for line in out.splitlines() if line.startswith("\\")]
        rules = [line for line in lines if "rule" in line]
        assert rules == [r"\toprule", r"\midrule", r"\bottomrule"]

    def test_without_labels(self, attn: Attn) -> None:
        options = ("-f", "latex", "--booktabs", "--only", "q")
        out = attn("compute", "-", *options, stdin=NO_WORDS).out
        assert rows(out, "tabular") == [["1", "$-2$"], ["0", "3"], ["5", "0"]]
        assert r"\begin{tabular}{rr}" in out
        assert "midrule" not in out


class TestTooWide:
    ASKED = ("compute", "-", "-f", "latex", "--only")

    def test_it_is_refused_before_it_is_computed(self, attn: Attn, tmp_path: Path) -> None:
        points = tmp_path / "points.npy"
        np.save(points, np.ones((200_000, 1)))
        given = [text for name in ("query", "key", "value") for text in (f"--{name}", points)]
        out = tmp_path / "w.tex"
        ran = attn("compute", *given, "--only", "weights", "-o", out)  # 320 GB of weights
        assert (ran.status, ran.out) == (2, "")
        assert ran.err == (
            "error: weights has 200000 columns, and LaTeX shows 16 at most\n"
            "help: --full writes all of them; there is room in a picture or a file of numbers: "
            "attn heatmap FILE --only weights -o weights.svg\n"
        )
        assert not out.exists()

    def test_columns_are_counted_as_they_are_written(self, attn: Attn) -> None:
        wide = {"layout": "columns", "embeddings": np.ones((2, 17)).tolist()}
        ran = attn(*self.ASKED, "q", stdin=json.dumps(wide))
        assert ran.err == (
            "error: q has 17 columns, and LaTeX shows 16 at most\n"
            "help: --full writes all of them; there is room in a picture or a file of numbers: "
            "--only q -f csv\n"
        )
        for options in (("q", "--full"), ("output", "--query-token", 3)):
            assert attn(*self.ASKED, *options, stdin=json.dumps(wide)).status == 0
        just = {"embeddings": np.ones((2, 16)).tolist()}
        assert attn(*self.ASKED, "q", stdin=json.dumps(just)).status == 0

    def test_nothing_is_computed_before(self, attn: Attn, tmp_path: Path) -> None:
        """The width of a step is refused even before its size is, in both layouts."""
        path = tmp_path / "p.json"
        for layout, shape in (("rows", (17, 2)), ("columns", (2, 17))):
            path.write_text(json.dumps({"layout": layout, "embeddings": np.ones(shape).tolist()}))
            small = ("compute", path, "--memory", "1B", "--only")
            assert attn(*small, "scores").err.startswith("error: the requested steps would take")
            ran = attn(*small, "scores", "-f", "latex")
            assert ran.err.startswith("error: scores has 17 columns")
        ran = attn(*small, "output", "-f", "latex")
        assert ran.err.startswith("error: output has 17 columns")

    def test_the_verdict_of_a_wide_step_is_shown(self, attn: Attn) -> None:
        wide = json.dumps({"embeddings": np.ones((1, 17)).tolist()})
        check = f"q={[[1] * 17]}"
        ran = attn("compute", "-", "-f", "latex", "--check", check, stdin=wide)
        assert (ran.status, ran.err) == (0, "")
        assert r"\noindent check q: yes, 17 of 17 values agree" in ran.out

    def test_gradients_are_always_whole(self, attn: Attn, tmp_path: Path) -> None:
        tree = yaml.safe_load((SAMPLES / "not_like.yaml").read_text())
        tree["weights"]["value"] = np.ones((4, 17)).tolist()
        tree["next_word"]["weights"] = np.ones((17, 4)).tolist()
        ran = attn("train", "-", "--show-gradients", "-f", "latex", stdin=json.dumps(tree))
        assert (ran.status, ran.err) == (0, "")
        assert "MaxMatrixCols}<17" in ran.out
        quiet = attn("train", "-", "--show-gradients", "-f", "json", stdin=json.dumps(tree))
        assert quiet.err == ""


class TestSeveral:
    def test_they_are_one_text_and_one_document(self, attn: Attn) -> None:
        asked = (
            "next",
            SAMPLES / "not_like.yaml",
            "--compare",
            "not like",
            "do hate",
            "-f",
            "latex",
        )
        out = attn(*asked).out
        assert out.count("% needs") == 1
        assert out.index(r"\textbf{\large not like}") < out.index(r"\textbf{\large do hate}")
        document = attn(*asked, "--standalone").out
        assert document.count(r"\begin{document}") == 1
        assert out.split("\n", 1)[1] in document

    def test_heads_have_headings(self, attn: Attn) -> None:
        out = attn("compute", SAMPLES / "two_heads.yaml", "-f", "latex", "--show", "weights").out
        assert re.findall(r"\\textbf\{(.*)\}\\par", out) == ["head 0", "head 1"]

    def test_words_that_pdflatex_does_not_take_are_named_for_all(self, attn: Attn) -> None:
        document = {"sequences": ["cat", "\u65e5"], "embeddings": {"cat": [1], "\u65e5": [2]}}
        out = attn("compute", "-", "-f", "latex", "--only", "q", stdin=json.dumps(document)).out
        assert out.startswith("% needs amsmath, and lualatex or xelatex for: \u65e5\n")

    def test_answers_and_settings_are_text(self, attn: Attn) -> None:
        asked = ("next", SAMPLES / "not_like.yaml", "not", "like", "-f", "latex", "--digits", 2)
        out = attn(*asked, "--only", "logits").out
        assert r"\noindent not like $\to$ hate\quad 1.00, 1.00 above" in out
        assert "settings" not in out
        verbose = attn(*asked, "--verbose").out
        assert r"\noindent settings\par" in verbose
        assert r"scale\_placement" in verbose
        assert_whole(verbose)


def test_a_suffix_is_enough(attn: Attn, tmp_path: Path) -> None:
    out = tmp_path / "weights.tex"
    assert attn("compute", LOVE, "--only", "weights", "-o", out).status == 0
    assert out.read_text() == attn("compute", LOVE, "--only", "weights", "-f", "latex").out


@pytest.mark.parametrize("options", [(), ("--booktabs",)])
def test_hostile_words_break_nothing(options: tuple[str, ...], attn: Attn) -> None:
    for tokens, beyond in ((HOSTILE[:16], False), (HOSTILE[-8:] + FOREIGN, True)):
        stdin = problem_of(tokens)
        ran = attn("compute", "-", "-f", "latex", "-v", *options, stdin=stdin)
        assert (ran.status, ran.err) == (0, "")
        assert_whole(ran.out)
        assert needed(ran.out)[1] is beyond
        assert not re.search("[\x00-\x09\x0b-\x1f\u202e\u2028]", ran.out)


def test_a_token_in_a_formula_is_text() -> None:
    latex = Words("row 1 ('</s>|') of ", Symbol("Q")).latex()
    assert latex == r"\text{row 1 ('}{<}\text{/s}{>}{|}\text{') of }Q"


class TestMarkdown:
    READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])

    def read(self, markdown: str) -> str:
        """The text of the first paragraph, as GitHub hands it to MathJax."""
        shown: str = self.READER.render(markdown)
        return html.unescape(shown.partition("</p>")[0].removeprefix("<p>"))

    def test_a_formula_is_a_paragraph(self, attn: Attn) -> None:
        out = attn("compute", LOVE, "--only", "weights", "-f", "markdown", "--math").out
        assert out.startswith(
            "**weights** (query x key: 3 x 3)\n\n"
            r"$\mathrm{weights} = \mathop{\mathrm{softmax}}(\mathrm{scores})$" + "\n\n| query |"
        )

    def test_markdown_leaves_every_formula_as_it_is(self) -> None:
        lines = (GOLDEN / "latex.txt").read_text(encoding="utf-8").splitlines()[1::2]
        for line in lines:
            written = between_dollars(line.strip())
            assert self.read(written) == written
            assert not re.search(r"\\[^A-Za-z ]|\\operatorname|\n", written), written

    @given(st.text(st.sampled_from("\\{}$&#_%~^*`[]<>|'a1 ()!+-.\u65e5")))
    def test_markdown_leaves_every_token_as_it_is(self, token: str) -> None:
        latex = Words(f"row 1 ('{token}') of ", Symbol("q_new")).latex()
        written = between_dollars(latex)
        assert self.read(written) == written
        assert written.count("$") == 2
        assert not re.search(r"\\[^A-Za-z ]", written)
        bare = re.sub(r"\\text\{([^{}]*)\}", r"\1", written)  # a token is text, and nothing else
        assert "(" in bare
        assert written.count("{") == written.count("}")
