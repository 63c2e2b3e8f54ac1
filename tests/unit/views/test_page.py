"""The page without a browser: well-formed, small, the same bytes, and nothing but text in it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_cli.dataclass import replace
from attn_cli.errors import AttnError, printable
from attn_cli.lab.report.large import large
from attn_cli.lab.report.report import report
from attn_cli.lab.report.size import Extent, Room, room
from attn_cli.lab.report.written import Written, written
from attn_cli.maths.problem import Request
from attn_cli.reading.schema import read_document, read_problem
from attn_cli.sources.matrices.document import from_mapping
from attn_cli.sources.matrices.files import Inputs
from attn_cli.views import Style
from attn_cli.views.html import small
from attn_cli.views.html.page import render
from attn_cli.views.html.small import small_script
from tests.conftest import SAMPLES, Attn
from tests.helpers.hostile import HOSTILE
from tests.helpers.many import check_each
from tests.helpers.tree import Tree, policy_of

DICTIONARIES = {"french_english", "tennis"}
NAMES = sorted(path.stem for path in SAMPLES.glob("*.yaml") if path.stem not in DICTIONARIES)


def page_of(problem: dict[str, Any] | Path, **keys: Any) -> str:
    """The page of a problem."""
    document = (
        from_mapping(problem)
        if isinstance(problem, dict)
        else read_document(str(problem), Inputs())
    )
    if not isinstance(problem, dict):
        keys["written"] = written(document)
    return render(report(read_problem(document), Request(), **keys), Style())


def random(heads: int, n: int, d: int, **keys: Any) -> dict[str, Any]:
    """A problem of random vectors."""
    rng = np.random.default_rng(n)
    shape = (1, heads, n, d) if heads > 1 else (n, d)
    vectors = {name: rng.normal(size=shape) for name in ("query", "key", "value")}
    words = [f"word{at}" for at in range(n)]
    return {**vectors, "tokens": words, **keys}


def document_in(page: str) -> dict[str, Any]:
    """What the script reads."""
    found = re.search(r"id=attn-record>(.*?)</script>", page, re.DOTALL)
    assert found is not None
    document: dict[str, Any] = json.loads(found[1])
    return document


def test_pages_of_samples_are_well_formed_and_ask_for_nothing(attn: Attn) -> None:
    def each(name: str) -> None:
        ran = attn("compute", SAMPLES / f"{name}.yaml", "-f", "html")
        assert (ran.status, ran.err) == (0, "")
        page = ran.out
        tree = Tree(page)
        assert page.startswith("<!doctype html>\n<html lang=en>")
        assert page.count("<script") == 2
        script = page[page.rindex("<script>") + 8 : page.rindex("</script>")]
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"script-src 'sha256-{digest}'" in policy_of(tree, page)
        document = document_in(page)
        assert (document["format"], document["command"]) == ("attn/1", "compute")
        del document["page"]
        written = json.loads(attn("compute", SAMPLES / f"{name}.yaml", "-f", "json").out)
        assert document == written  # every number, exactly

    check_each(NAMES, each)


def test_cells_of_tables_are_the_numbers_of_the_record() -> None:
    page = page_of(SAMPLES / "two_heads.yaml")
    weights = np.array(document_in(page)["steps"]["weights"]["values"])
    found = re.findall(r"<figure data-step=weights .*?</figure>", page, re.DOTALL)
    assert len(found) == 2
    for drawn, head in zip(found, weights, strict=True):
        numbers = [float(text) for text in re.findall(r"<td[^>]*>([\d.]+)</td>", drawn)]
        np.testing.assert_allclose(np.reshape(numbers, head.shape), head, atol=0.5e-4, rtol=0)
        marked = re.findall(r'<td class="\w+ (m)">|<td', drawn)[1:]
        largest = head == head.max(axis=1, keepdims=True)
        assert [bool(mark) for mark in marked] == largest.ravel().tolist()


def test_pages_are_small() -> None:
    cases: dict[str, tuple[Any, int]] = {
        "2 x 1": (SAMPLES / "not_like.yaml", 50_000),
        "4 x 2": (SAMPLES / "two_heads.yaml", 60_000),
        "14 x 1": (SAMPLES / "dog_sentence.yaml", 110_000),
        "8 x 12": (random(12, 8, 4, causal=True), 200_000),
        "64 x 1": (random(1, 64, 16), 200_000),
        "64 x 1, causal": (random(1, 64, 16, causal=True), 200_000),
    }

    def each(name: str) -> None:
        problem, most = cases[name]
        assert len(page_of(problem).encode()) <= most

    check_each(cases, each)


def test_the_same_record_gives_the_same_bytes() -> None:
    problem = random(3, 41, 4, causal=True)
    assert page_of(problem) == page_of(problem)


def test_hostile_tokens_are_text() -> None:
    attacks = ["</script><script>alert(1)</script>", "<!--<script>", "\u2028", "&amp;", *HOSTILE]
    vectors = np.random.default_rng(5).normal(size=(len(attacks), 3))
    page = page_of({"embeddings": vectors, "tokens": attacks})
    tree = Tree(page)
    assert page.count("<script") == 2
    assert page.count("</script") == 2
    assert "\u2028" not in page
    assert "\u202e" not in page
    tokens = [text for tag, text in tree.texts if tag == "bdi"]
    for word in attacks:
        assert tokens.count(printable(word)) >= 2, word
    assert document_in(page)["tokens"]["query"] == attacks


def test_hidden_cells_have_their_reason_and_no_number() -> None:
    page = page_of(random(1, 4, 3, causal=True))
    drawn = re.findall(r"<figure data-step=weights .*?</figure>", page, re.DOTALL)[0]
    assert drawn.count('<td class=x title="hidden: causal"></td>') == 6
    assert document_in(page)["page"]["hidden"] == [
        [[0, 1], [1, 3], [0, 2], [1, 2], [0, 3], [1, 1], [0, 4]]
    ]
    assert "hidden by: causal" in page


def test_infinities_nan_and_rows_without_keys_are_shown() -> None:
    mask = [["-inf", "-inf"], [0, 0]]
    page = page_of(
        {"query": [[1.0], [2.0]], "key": [[1.0], [0.0]], "value": [[1.0], [2.0]], "mask": mask}
    )  # fmt: skip
    Tree(page)
    assert page.count('title="hidden: mask"') == 2
    page = page_of(
        {"query": [[1e308], [1.0]], "key": [[1e308], [0.5]], "value": [[1.0], [2.0]],
         "score": "dot", "nonfinite": "allow"}
    )  # fmt: skip
    Tree(page)
    values = document_in(page)["steps"]
    assert values["scores"]["values"][0][0] == "inf"
    assert "nan" in values["weights"]["values"][0]
    assert ">nan</td>" in page


@pytest.mark.parametrize("heads", [1, 3])
def test_nan_in_pictures_is_marked(heads: int) -> None:
    given = random(heads, 71, 3)
    page = page_of(given)
    assert "marks" not in page
    assert '"key o"' not in page
    given["query"][..., 5, 1] = np.nan  # a row of products, scores and weights in each head
    page = page_of({**given, "nonfinite": "allow"})
    # the pictures of scores and weights, and of several heads the small picture
    assert page.count("<img class=marks") == heads * (3 if heads > 1 else 2)
    assert page.count('<i class="key o"></i>nan') == 2
    assert '"key n"' not in page
    assert re.search(r"\.marks ?\{", page)


def test_the_heading_of_the_answer_says_what_it_was_read_from(attn: Attn) -> None:
    likeliest, decided = "<h2>The likeliest words</h2>", "<h2>What decided the answer</h2>"
    for name, heading in (
        ("not_like", likeliest), ("sentiment", likeliest),
        ("question_answering", decided), ("summary", decided),
    ):  # fmt: skip
        page = attn("compute", SAMPLES / f"{name}.yaml", "-f", "html").out
        assert [each for each in (likeliest, decided) if each in page] == [heading]


class TestWhatFits:
    EXTENT = Extent(leads=12, queries=64, keys=64, pairs=4, vectors=12 * 64 * 48, numbers=10**6)

    def test_the_first_rung_that_fits_is_taken(self) -> None:
        small = Extent(leads=2, queries=4, keys=4, pairs=3, vectors=64, numbers=300)
        assert room(small, 5_000_000) == Room(1)
        assert room(self.EXTENT, 5_000_000) == Room(2, tables=False)
        cells = 12 * 64 * 64
        without = self.EXTENT.fixed + cells * 4 / 3 * (2 + 8) + 12 * 64 * 4 * 4 / 3
        assert room(self.EXTENT, int(without) + 1) == Room(3, tables=False)
        fits = room(self.EXTENT, int(without) - 1)
        assert (fits.rung, fits.side) == (4, 2048)  # of 64 cells
        assert 4 <= fits.kept <= 64

    def test_small_maps_are_pictures_if_tables_do_not_fit(self) -> None:
        few = Extent(leads=1, queries=61, keys=59, pairs=4, vectors=0, numbers=20_000)
        cells, held = 61 * 59, 4 / 3 * 4 * (2 * 61 * 59 + 61)
        for bytes_of_cell, tables in ((34, True), (2 * 4 / 3, False)):
            needed = few.fixed + cells * bytes_of_cell + held
            assert room(few, int(needed) + 1) == Room(2, tables=tables)
            assert room(few, int(needed) - 1) != Room(2, tables=tables)
        assert (room(few, int(needed) - 1).rung, room(few, int(needed) - 1).tables) == (4, False)

    @pytest.mark.regression("a page of 60 tokens was refused as too large for 150 kB")
    @pytest.mark.parametrize("kilobytes", [300, 150, 120])
    def test_a_small_page_that_fits_is_written(self, kilobytes: int) -> None:
        page = page_of(random(1, 61, 3), limit=1000 * kilobytes)
        assert ("<table role=grid" in page) == (kilobytes == 300)
        assert ("<img class=s" in page) == (kilobytes < 300)
        assert ("kept" in document_in(page)["page"]) == (kilobytes < 150)

    def test_an_error_says_how_large_the_page_would_be(self) -> None:
        with pytest.raises(AttnError, match=r"would need about \d+kB, and 95kB are allowed"):
            room(self.EXTENT, 95_000)

    def test_the_option_limits_the_page(self, attn: Attn, tmp_path: Path) -> None:
        ran = attn("compute", SAMPLES / "two_heads.yaml", "-f", "html", "--max-size", "30kB")
        assert ran.status == 2
        assert "are allowed" in ran.err
        np.savez(tmp_path / "p.npz", **random(2, 200, 4) | {"tokens": np.arange(200)})
        out = tmp_path / "page.HTM"
        assert attn("compute", tmp_path / "p.npz", "-o", out, "--max-size", "300kB").status == 0
        assert out.stat().st_size < 300_000
        assert "the" in out.read_text()
        ran = attn("compute", SAMPLES / "two_heads.yaml", "--max-size", "3MB")
        assert ran.err == "warning: --max-size has no effect on the format table, but on: html\n"


class TestLarge:
    def test_the_largest_weights_of_each_row_are_kept(self) -> None:
        problem = read_problem(from_mapping(random(3, 37, 5, causal=True)))
        whole = report(problem, Request())
        weights = whole.record["weights"].reshape(3, 37, 37)
        scores = whole.record["masked"].reshape(3, 37, 37)
        request = Request(asides=True, marks=True, block_bytes=1 << 12)
        found = large(problem, request, Room(4, 16, 5), limit=10**7, near=1e-4)
        assert found.kept is not None
        for head, query in np.ndindex(3, 37):
            keys = found.kept.keys[head, query]
            there = min(5, query + 1)
            order = np.argsort(-weights[head, query], kind="stable")[:there]
            assert keys[:there].tolist() == order.tolist()
            assert keys[there:].tolist() == [-1] * (5 - there)
            for kept, values in ((found.kept.weights, weights), (found.kept.scores, scores)):
                np.testing.assert_allclose(
                    kept[head, query, :there], values[head, query, order], rtol=1e-6
                )
        assert found.hidden == whole.hidden
        heat = found.maps["weights"]
        assert (heat.queries.block, heat.pool, len(heat.panels)) == (3, "mass", 3)
        block = weights[1, 3:6, 0:3].sum(axis=1).mean()
        np.testing.assert_allclose(heat.panels[1].values[1, 0], block)
        assert found.statistics is not None
        assert whole.statistics is not None
        np.testing.assert_allclose(
            found.statistics.values["entropy"], whole.statistics.values["entropy"]
        )
        page = render(found, Style())
        Tree(page)
        assert document_in(page)["page"]["kept"]["count"] == 5
        assert "the 5 largest weights of each row" in page

    @pytest.mark.parametrize("heads", [1, 3])
    @pytest.mark.regression("a page of pictures ended with a traceback if a row saw no key")
    def test_rows_that_see_no_key_are_kept(self, heads: int) -> None:
        mask = np.ones((37, 37), bool)
        mask[[3, 11]] = False
        given = random(heads, 37, 5, mask={"values": mask, "true_means": "attend"})
        problem = read_problem(from_mapping(given))
        request = Request(asides=True, marks=True, block_bytes=1 << 12)
        found = large(problem, request, Room(4, 16, 5), limit=10**7, near=1e-4)
        assert found.kept is not None
        assert found.kept.keys.shape == (heads, 37, 5)
        assert np.unique(np.nonzero(found.kept.keys == -1)[1]).tolist() == [3, 11]
        page = document_in(render(found, Style()))["page"]
        empty = page["parts"][page["working"]["empty"]]["values"]
        assert np.flatnonzero(empty).tolist() == [3, 11]

    def test_without_weights_it_says_what_to_do(self) -> None:
        problem = read_problem(from_mapping(random(1, 9, 2)))
        request = Request(steps=("scores",), marks=True)
        with pytest.raises(AttnError, match="shows the weights"):
            large(problem, request, Room(4, 16, 5), limit=10**7, near=1e-4)


def test_parts_of_a_record_have_pages(attn: Attn) -> None:
    sample = SAMPLES / "two_heads.yaml"

    def each(options: tuple[str, str]) -> None:
        ran = attn("compute", sample, "-f", "html", *options)
        assert (ran.status, ran.err) == (0, "")
        Tree(ran.out)
        document = document_in(ran.out)
        if options[1] == "q":
            assert list(document["steps"]) == ["q"]
            assert "Who attends to whom" not in ran.out
        if options[0] == "--head":
            assert document["page"]["titles"] == ["head 1"]
        if options[0] == "--query-token":
            assert document["page"]["rows"] == [1]

    parts = ("--only q", "--only weights", "--head 1", "--query-token cat", "--show scores,output")
    check_each([(a, b) for a, _, b in (part.partition(" ") for part in parts)], each)


def test_a_check_is_said_beside_the_page(attn: Attn, tmp_path: Path) -> None:
    sample, out = SAMPLES / "love_coding.yaml", tmp_path / "x.html"
    ran = attn(
        "compute", sample, "-o", out, "--check", "products=[[1, 1, 1], [1, 1, 1], [1, 1, 1]]"
    )
    assert ran.status == 1
    assert ran.err.startswith("check products: no, ")
    assert out.exists()


class TestTheProblemAsItWasWritten:
    """The foot of the page has the text of the problem file."""

    @staticmethod
    def texts(page: str, tag: str) -> list[str]:
        """The texts of the elements of a name in the foot."""
        tree = Tree(page[page.index("<footer>") : page.index("</footer>") + 9])
        return [text for name, text in tree.texts if name == tag]

    def test_it_is_the_file(self, attn: Attn) -> None:
        for name in ("dog_sentence", "from_npy"):
            path = SAMPLES / f"{name}.yaml"
            ran = attn("compute", path, "-f", "html", "--scale", "0.5")
            assert "".join(self.texts(ran.out, "pre")) == path.read_text().rstrip()
            assert self.texts(ran.out, "bdi") == [f"{name}.yaml"]  # without its folder
            assert self.texts(ran.out, "code") == ["--scale 0.5"]

    def test_what_could_act_on_the_page_is_text(self, attn: Attn, tmp_path: Path) -> None:
        path = tmp_path / "<script>.yaml"
        source = (
            "# </script></pre><script>alert(1)</script> \u202eabc\r\n"
            'tokens: ["&lt; \' <!--", b]\n\n'
            "embeddings: [[1, 0],\t[0, 1]]\n"
        )
        path.write_bytes(source.encode())
        ran = attn("compute", path, "-f", "html")
        assert ran.status == 0, ran.err
        page = ran.out
        assert (page.count("<script"), page.count("</script"), page.count("<pre")) == (2, 2, 1)
        shown = "".join(self.texts(page, "pre"))
        assert shown == source.rstrip().replace("\r\n", "\n").replace("\u202e", "\\u202e")
        assert "\u202e" not in page

    def test_arrays_are_named(self, attn: Attn, tmp_path: Path) -> None:
        np.savez(tmp_path / "p.npz", **random(1, 3, 2))
        ran = attn("compute", tmp_path / "p.npz", "-f", "html")
        assert self.texts(ran.out, "pre") == []
        assert "".join(self.texts(ran.out, "p")).endswith("Computed from .")
        assert self.texts(ran.out, "bdi") == ["p.npz"]
        matrices = [part for side in ("query", "key", "value") for part in (f"--{side}", "[[1]]")]
        ran = attn("compute", *matrices, "-f", "html")
        assert self.texts(ran.out, "code") == ["--query [[1]]", "--key [[1]]", "--value [[1]]"]

    @pytest.mark.parametrize(
        ("size", "limit", "there"),
        [
            (4000, 200_000, True),
            (4000, 199_999, False),
            (16_000, 10**7, True),
            (16_001, 10**7, False),
        ],
    )
    def test_a_long_text_is_left_out_and_its_size_is_said(
        self, size: int, limit: int, there: bool
    ) -> None:
        problem = read_problem(from_mapping(random(1, 3, 2)))
        source = Written("x.yaml", "&" * size, size)
        page = render(report(problem, Request(), limit=limit, written=source), Style())
        assert ("&" * size in self.texts(page, "pre")) is there
        said = "".join(self.texts(page, "p"))
        assert (f" ({size:,} bytes of text, not in this file)." in said) is not there

    def test_its_bytes_are_counted(self) -> None:
        extent = Extent(leads=1, queries=3, keys=3, pairs=3, vectors=9, numbers=60)
        assert replace(extent, text=1000).fixed - extent.fixed >= 1000


def test_scripts_are_shortened_without_changing_their_texts() -> None:
    source = "const found = 1; // why\nconst it = {found: found, other: `a  ${found + 1}`};\n"
    assert small_script(source) == "const found=1;const b={found:found,other:`a  ${found+1}`};"
    assert small_script("f(/a \\/ [/ ]/g, 'x // y');") == "f(/a \\/ [/ ]/g,'x // y');"
    assert small_script("if (a) {\n  b();\n}\nc(1,\n  2);\n") == "if(a){b();}\nc(1,2);"
    assert small_script("const a = b - -c + +d;") == "const a=b- -c+ +d;"


def test_no_template_is_within_another_which_would_not_be_shortened_right() -> None:
    for path in sorted(Path(small.__file__).parent.glob("*.js")):
        for piece in small._pieces(path.read_text(encoding="utf-8")):
            if piece.startswith("`"):
                assert "${" not in re.sub(r"\$\{[^}]*\}", "", piece), (path.name, piece)
