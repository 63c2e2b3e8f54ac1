"""A record in a notebook and in files: small markup, the numbers of the record, nothing else."""

from __future__ import annotations

import base64
import copy
import gc
import pickle
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import attn_cli
from attn_cli import AttnError, Record, attention, compute
from attn_cli.dataclass import replace
from attn_cli.errors import printable
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices import stored
from attn_cli.sources.matrices.document import from_mapping
from attn_cli.sources.matrices.files import Inputs, ReadSizes
from attn_cli.views.colour import contrast
from tests.conftest import SAMPLES, Attn
from tests.helpers.hostile import HOSTILE
from tests.helpers.many import check_each
from tests.helpers.pictures import pixels

TWO_HEADS = SAMPLES / "two_heads.yaml"
MOST, MOST_OF_ONE = 100_000, 64_000  # bytes of an element, and of a picture in it
KEPT = {"div", "span", "b", "table", "tr", "td"}  # what a page that is made safe keeps
GREY, MAGENTA = "#b8b8b8", "#e06cd8"


class Element(HTMLParser):
    """What a notebook shows: fails if a tag is not closed, or is one that acts on the page."""

    def __init__(self, record: Record) -> None:
        super().__init__()
        self.source = record._repr_html_()
        self.open: list[str] = []
        self.tables: list[list[list[tuple[str, dict[str, str]]]]] = []
        self.pictures: list[dict[str, str]] = []
        self.text = ""
        assert self.source.startswith('<div class="attn" style="background:#fff;color:#000;')
        assert len(self.source.encode()) <= MOST
        self.feed(self.source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        assert not {"id", "onerror", "onclick", "href"} & given.keys()
        if tag == "img":
            self.pictures.append(given)
            return
        assert tag in KEPT
        self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag == "td":
            self.tables[-1][-1].append(("", given))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if "td" in self.open:
            text, given = self.tables[-1][-1].pop()
            self.tables[-1][-1].append((text + data, given))

    @property
    def words(self) -> list[list[str]]:
        """The words of the columns and of the rows, of the first table."""
        head, *rows = self.tables[0]
        return [[text for text, _ in head[1:]], [row[0][0] for row in rows]]

    def cells(self, table: int = 0) -> list[list[tuple[str, dict[str, str]]]]:
        """The cells of a table, without words."""
        return [row[1:] for row in self.tables[table][1:]]


def random(n: int, heads: int = 1, batch: int = 1, **keys: Any) -> Record:
    """The record of random vectors."""
    rng = np.random.default_rng(n)
    q, k, v = (2 * rng.normal(size=(batch, heads, n, 5)) for _ in range(3))
    return attention(q, k, v, **keys)


def half_a_digit(text: str) -> float:
    """How far a number may be from its text."""
    return 0.5000001 * 10.0 ** -len(text.partition(".")[2])


@pytest.mark.parametrize(
    ("make", "tables"),
    [
        (lambda: compute(TWO_HEADS), 2),
        (lambda: random(11, heads=6, causal="top-left"), 4),
        (lambda: random(19, causal="top-left", window={"keys": 7}), 1),
    ],
)
def test_cells_are_the_weights_to_the_digits_shown(make: Callable[[], Record], tables: int) -> None:
    record = make()
    weights = record["weights"].reshape(-1, *record["weights"].shape[-2:])
    codes = None
    if "visible" in record.steps:
        codes = record["visible"].reshape(weights.shape)
    element, keys = Element(record), weights.shape[-1]
    assert len(element.tables) == tables
    largest = weights[:tables] == weights[:tables].max(axis=-1, keepdims=True)
    assert element.source.count("<b>") == (largest.sum() if keys <= 16 else 0)
    first = element.cells()[1][0][0]
    assert len(first.partition(".")[2]) == (4 if keys <= 8 else 2)
    for head in range(tables):
        rows = element.cells(head)
        assert (len(rows), len(rows[0])) == weights.shape[1:]
        for query, row in enumerate(rows):
            for key, (text, given) in enumerate(row):
                if codes is not None and codes[head, query, key]:
                    why = record.steps["visible"].legend[int(codes[head, query, key])]
                    assert (text, given["title"]) == ("\u00b7", f"hidden: {why}")
                    assert given["style"] == f"background:{GREY}"
                else:
                    assert abs(float(text) - weights[head, query, key]) <= half_a_digit(text)
                    assert GREY not in given["style"]


def test_colours_are_with_their_ground_and_can_be_read() -> None:
    element = Element(random(9))
    for row in element.tables[0]:
        for text, given in row:
            found = dict(part.split(":") for part in given.get("style", "").split(";") if part)
            if text:
                ground, ink = (
                    tuple(
                        int(f"{found[name][1:]:0<6}".replace("fff000", "ffffff")[at : at + 2], 16)
                        for at in (0, 2, 4)
                    )
                    for name in ("background", "color")
                )
                assert contrast(ground, ink) >= 4.5  # type: ignore[arg-type]
    styles = re.findall(r'<tr style="([^"]*)"', element.source)
    assert set(styles) == {"background:#fff;color:#000"}


def test_words_formula_shape_and_what_is_not_shown() -> None:
    element = Element(compute(TWO_HEADS))
    words = ["the", "cat", "drinks", "milk"]
    assert element.words == [words, words]
    for said in (
        "weights = softmax(scores) (head x query x key: 2 x 4 x 4)",
        "head 0",
        "head 1",
        "rows: query, columns: key",
        "one scale for all heads",
        "bold: the largest of its row",
        "12 steps: embeddings (4, 4), q (2, 4, 2)",
    ):
        assert said in element.text
    assert "shown" not in element.text
    several = Element(random(3, heads=7, batch=5)).text
    assert "1 batch entry of 5 shown; 4 heads of 7 shown" in several
    assert "batch entry" not in Element(random(3, heads=7)).text


def test_one_head_of_one_entry_and_key_heads() -> None:
    rng = np.random.default_rng(5)
    q, k, v = (rng.normal(size=(2, heads, 3, 4)) for heads in (4, 2, 2))
    record = attention(q, k, v, batch=1, head=3)
    assert "batch 1; head 3" in Element(record).text
    grouped = Element(attention(q, k, v))
    assert len(grouped.tables) == 4
    assert float(grouped.cells(3)[2][1][0]) == pytest.approx(
        attention(q, k, v)["weights"][0, 3, 2, 1], abs=5e-5
    )
    assert "2 key heads" not in Element(attention(q, k, v, steps="k")).text


def test_numbers_that_are_not_finite_rows_without_keys_and_steps_without_weights() -> None:
    nan, hidden = float("nan"), float("-inf")
    keys, values = [[1.0], [3.0]], [[5.0], [7.0]]
    record = attention([[nan], [2.0]], keys, values, "dot", nonfinite="allow")
    element = Element(record)
    assert [text for text, _ in element.cells()[0]] == ["nan", "nan"]
    assert all(MAGENTA in given["style"] for _, given in element.cells()[0])
    assert "magenta: nan" in element.text
    infinite = attention([[1e300]], [[1e300]], [[1.0]], "dot", steps="scores", nonfinite="allow")
    assert Element(infinite).cells()[0][0][0] == "inf"
    alone = Element(random(3, causal="top-left", key_lengths=[1], steps="weights"))
    assert [given["title"] for _, given in alone.cells()[2][1:]] == ["hidden: key_lengths"] * 2
    empty = attention(keys, keys, values, mask=[[hidden, hidden], [0.0, 0.0]])
    assert [text for text, _ in Element(empty).cells()[0]] == ["\u00b7"] * 2
    uniform = attention(
        keys, keys, values, mask=[[hidden, hidden], [hidden, 0.0]], empty_rows="uniform"
    )
    assert [text for text, _ in Element(uniform).cells()[0]] == ["0.5000"] * 2
    each = np.where(np.random.default_rng(2).random((1, 2, 3, 3)) < 0.5, hidden, 0.0)
    masked: dict[str, Any] = {"heads": 2, "causal": "top-left", "mask": each}
    assert (
        Element(random(3, **masked, steps="weights")).tables == Element(random(3, **masked)).tables
    )
    output = Element(random(3, steps="output"))
    assert "output = context (batch x head x query x dimension: 1 x 1 x 3 x 5)" in output.text
    assert len(output.cells()[0]) == 5
    vector = Element(random(3, steps="lse"))
    assert vector.tables == []
    assert "1 step: lse (1, 1, 3)" in vector.text


def test_answers_and_warnings() -> None:
    translated = Element(attn_cli.translate("le chat est sous la table"))
    assert translated.source.index("the cat is under the table") < translated.source.index("<table")
    assert translated.words[0] == ["le", "chat", "est", "sous", "la", "table"]
    nothing = Element(attn_cli.translate("xyzzy", unknown="keep"))
    assert "xyzzy" in nothing.text
    record = replace(compute(TWO_HEADS), warnings=tuple(f"w{at} <" for at in range(11)))
    assert "warning: w7 <warning: ... 3 more" in Element(record).text


def test_large_records_are_pictures_with_their_colours() -> None:
    record = random(90, heads=5, causal="top-left")
    element = Element(record)
    assert (element.tables, len(element.pictures)) == ([], 4)
    assert "4 heads of 5 shown" in element.text
    for head, picture in enumerate(element.pictures):
        assert len(picture["src"]) <= MOST_OF_ONE
        assert picture["alt"] == f"weights, head {head}: 90 x 90"
        shown = pixels(base64.b64decode(picture["src"].removeprefix("data:image/png;base64,")))
        grey = (shown == [0xB8] * 3).all(axis=-1)
        np.testing.assert_array_equal(grey, ~np.tri(90, dtype=bool))
        weights = record["weights"][0, head]
        pale, dark = weights < 1 / 90, weights > 0.99 * record["weights"][0, :4].max()
        assert {*map(tuple, shown[~grey & pale])} == {tuple(shown[~grey & pale][0])}
        assert shown[dark].sum(axis=-1).max(initial=0) < shown[~grey & pale].sum(axis=-1).min()


def test_a_row_of_many_keys_can_be_seen() -> None:
    (picture,) = Element(random(90, query_token=89)).pictures
    assert (picture["width"], picture["height"]) == ("270", "12")


@pytest.mark.parametrize("size", [(40, 1), (28, 4), (300, 12), (300, 1)])
def test_no_record_is_too_large(size: tuple[int, int]) -> None:
    """The worst case of a picture is noise, and of a table cells that say why they are hidden."""
    n, heads = size
    noise = np.random.default_rng(7).random((1, heads, n, n))
    ones = np.ones((1, heads, n, 1))
    record = attention(ones, ones, ones, steps="weights")
    if n <= 40:
        noise = np.tril(noise)
    step = replace(record.steps["weights"], values=noise)
    reasons = ("visible", "x" * 40)
    hidden = (noise == 0).astype(np.uint8)
    element = Element(
        replace(record, steps={"weights": replace(step, hidden=hidden, legend=reasons)})
    )
    assert all(len(each["src"]) <= MOST_OF_ONE for each in element.pictures)
    assert bool(element.pictures) is (n > 40 or heads > 1)
    assert len(element.pictures) + len(element.tables) == min(heads, 4)


def test_hostile_and_long_tokens_are_text() -> None:
    tokens = [*HOSTILE, "e" + "\u0301" * 3000, "\U000e0001" * 300, "'" * 300][:16]
    for words in (tokens, [*HOSTILE, "e" + "\u0301" * 3000, "\U000e0001" * 300, "&" * 5000]):
        element = Element(random(len(words), heads=4, tokens=words))
        for shown, word in zip(element.words[1], words, strict=True):
            whole = printable(word)
            if shown != whole:
                assert whole.startswith(shown.removesuffix("...").removesuffix("..."))
                assert len(shown) <= 40
        assert "\u202e" not in element.source
    answer = replace(compute(TWO_HEADS), text="<script>\u202e" + "\n&" * 90_000, title="\x1b")
    assert "<script>" in Element(answer).text


def test_same_record_same_bytes_in_one_line() -> None:
    one, other = compute(TWO_HEADS), compute(TWO_HEADS)
    assert one._repr_html_() == other._repr_html_()
    assert not hasattr(one, "_repr_latex_")
    assert repr(one) == "<Record of 12 steps: weights (2, 4, 4), output (4, 4); scaled>"
    causal = random(3, causal="top-left", window={"keys": 2}, steps="output")
    assert repr(causal) == "<Record of 1 step: output (1, 1, 3, 5); scaled, causal, window>"
    translated = repr(attn_cli.translate("le chat"))
    assert translated == "<Record of 8 steps: weights (2, 6); dot; 'the cat'>"
    long = repr(replace(one, text="a\n\x1b" * 99, steps={}))
    assert long.startswith("<Record of 0 steps; scaled; 'a\\n\\x1ba\\n")
    assert len(long) < 120


DATA = (".txt", ".json", ".md", ".tex", ".npz", ".TXT")


def test_files_are_those_of_the_command_line(attn: Attn, tmp_path: Path) -> None:
    """Bank hides nothing, positions has heads, sparse and captioning hide keys for reasons."""

    def check(name: str) -> None:
        path, record = SAMPLES / f"{name}.yaml", compute(SAMPLES / f"{name}.yaml")
        ours, theirs = (tmp_path / each for each in ("ours", "theirs"))
        for suffix in DATA:
            record.save(ours.with_suffix(suffix))
            assert attn("compute", path, "-q", "-o", theirs.with_suffix(suffix)).status == 0
        record.save(ours.with_suffix(".svg"), digits=3)
        assert attn("heatmap", path, "-o", theirs.with_suffix(".svg"), "--digits", 3).status == 0
        for suffix in (".csv", ".tsv", ".npy"):
            record.save(str(ours.with_suffix(suffix)), step="v")
            ran = attn("compute", path, "--only", "v", "-o", theirs.with_suffix(suffix))
            assert ran.status == 0
        for suffix in (*DATA, ".svg", ".csv", ".tsv", ".npy"):
            assert ours.with_suffix(suffix).read_bytes() == theirs.with_suffix(suffix).read_bytes()

    check_each(["sparse", "columns"], check)


def test_pages_are_those_of_the_command_line(attn: Attn, tmp_path: Path) -> None:
    cases: dict[str, dict[str, Any]] = {
        "bank": {},
        "two_heads": {"digits": 2, "max_size": "300kB"},
    }
    for name, options in cases.items():
        record, path = compute(SAMPLES / f"{name}.yaml"), tmp_path / "page.html"
        given = [f"--{key.replace('_', '-')}={value}" for key, value in options.items()]
        theirs = attn("compute", SAMPLES / f"{name}.yaml", "-f", "html", *given).out
        command = re.compile(r"attn compute FILE --only (\w+) -o \w+\.npy")
        expected = command.sub(r"record.save(&quot;\1.npy&quot;, step=&quot;\1&quot;)", theirs)
        assert expected != theirs
        assert record.html(**options) == expected
        record.save(path, **options)
        assert path.read_text() == expected
    chosen = compute(TWO_HEADS).chosen(["weights"]).html()
    theirs = attn("compute", TWO_HEADS, "--only", "weights", "-f", "html").out
    assert chosen == theirs
    with pytest.raises(
        AttnError, match=r"and 9000 are allowed\nhelp: allow more: max_size='\d+kB'$"
    ):
        record.html(max_size=9000)


def test_options_of_formats(tmp_path: Path) -> None:
    record, path = compute(TWO_HEADS), tmp_path / "x"
    record.save(path.with_suffix(".csv"), step="output", digits=1, labels=True)
    assert path.with_suffix(".csv").read_text().startswith(",0,1,2,3\nthe,")
    record.save(path.with_suffix(".npy"), step="weights", head=1)
    np.testing.assert_array_equal(np.load(path.with_suffix(".npy")), record["weights"][1])
    record.save(path.with_suffix(".tsv"), step="q", head=0)
    numbers = np.loadtxt(path.with_suffix(".tsv"), delimiter="\t")
    np.testing.assert_array_equal(numbers, record["q"][0])
    record.save(path.with_suffix(".tex"), standalone=True, booktabs=True)
    assert "\\documentclass" in path.with_suffix(".tex").read_text()
    record.save(path.with_suffix(".txt"), first=1, color=True, light=True)
    assert "\x1b[" in path.with_suffix(".txt").read_text()
    wide = attention(np.ones((2, 1)), rows := np.random.default_rng(1).random((1100, 1)), rows)
    for pool, rule in ((None, "keys summed, mean of queries"), ("max", "the largest of them")):
        wide.save(path.with_suffix(".svg"), **({"pool": pool} if pool else {}))
        assert rule in path.with_suffix(".svg").read_text()
    for options, panels in (({}, 2), ({"heads": 1}, 1), ({"heads": [1, 0]}, 2)):
        record.save(path.with_suffix(".svg"), colours="row", **options)
        drawn = path.with_suffix(".svg").read_text()
        assert drawn.count(">head ") == panels
        assert "each row by its own largest" in drawn
    record.save(path.with_suffix(".svg"), step="q", numbers=False)
    large = random(40)
    large.save(path.with_suffix(".md"))
    assert "the middle is left out, full=True shows all" in path.with_suffix(".md").read_text()
    large.save(path.with_suffix(".md"), full=True)
    assert "left out" not in path.with_suffix(".md").read_text()
    pickle.loads(pickle.dumps(large)).save(path.with_suffix(".md"))
    assert "the middle is left out, full=True shows all" in path.with_suffix(".md").read_text()
    with pytest.raises(AttnError, match="LaTeX shows 16 at most\nhelp: full=True writes all"):
        large.save(path.with_suffix(".tex"))
    large.save(path.with_suffix(".tex"), full=True)
    translated = attn_cli.translate("le chat")
    translated.save(path.with_suffix(".json"))
    translated.save(path.with_suffix(".txt"), full=True)
    assert "the cat" in path.with_suffix(".txt").read_text()


SUFFIXES = ".txt, .json, .jsonl, .csv, .tsv, .md, .tex, .html, .htm, .npy, .npz, .svg, .png"
OF_SVG = "step, heads, batch, colours, pool, digits, numbers"


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("x.pdf", {}, f"its suffix\nhelp: a record can be written as {SUFFIXES}"),
        ("x", {}, "cannot be determined"),
        ("x.npz", {"digits": 2}, "npz does not take 'digits'\nhelp: it takes none"),
        (
            "x.csv",
            {"digit": 2},
            "did you mean 'digits'? it takes: step, batch, head, digits, labels",
        ),
        ("x.svg", {"full": True}, f"svg does not take 'full'\nhelp: it takes: {OF_SVG}"),
        ("x.csv", {}, "csv holds one step, and the record has 12"),
        ("x.csv", {"step": "weight"}, "unknown step 'weight'"),
        ("x.npy", {"step": 3}, "step cannot be 3"),
        ("x.npy", {"step": "weights", "head": 2}, "head 2 is out of range: there are 2"),
        ("x.npy", {"step": "output", "head": 0}, "output has no head axis"),
        ("x.svg", {"step": "z"}, "the record has no step 'z'"),
        ("x.svg", {"heads": [2]}, "2"),
        ("x.svg", {"heads": [0, 0]}, "name each head once"),
        ("x.svg", {"heads": "0"}, "heads cannot be '0'"),
        ("x.svg", {"batch": 0}, "weights has no batch axis"),
        ("x.svg", {"colours": "rainbow"}, "there are: auto, linear, log, row"),
        ("x.svg", {"pool": None}, "there are: mass, max"),
        ("x.txt", {"digits": 18}, "digits cannot be 18\nhelp: it is a whole number from 0 to 17"),
        ("x.txt", {"digits": True}, "digits cannot be True"),
        ("x.txt", {"full": 1}, "full cannot be 1\nhelp: it is True or False"),
        ("x.txt", {"first": 2}, "first cannot be 2"),
        ("x.html", {"max_size": "small"}, "max_size cannot be 'small'"),
        ("missing/x.txt", {}, "cannot be written"),
    ],
)
def test_what_cannot_be_written(
    name: str, options: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(AttnError) as caught:
        compute(TWO_HEADS).save(tmp_path / name, **options)
    assert said in str(caught.value)
    assert "--" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x.html"
    path.write_text("before")
    q = np.ones((2, 1))
    record = attention(q, [[1.0], [2.0]], [[1.0], [2.0]])
    before = record.html()
    assert "max_size" not in before
    q[1] = 3.0
    for again in (record.html, lambda: record.save(path), lambda: record.save(tmp_path / "x.md")):
        with pytest.raises(AttnError, match="the arrays of the problem have changed since"):
            again()
    assert path.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir()] == ["x.html"]
    q[1] = 1.0
    record.save(path)
    assert path.read_text() == before


def test_changed_arrays_are_found_in_the_largest_weights_too() -> None:
    q = np.random.default_rng(3).normal(size=(120, 2))
    record = attention(q, q.copy(), q.copy())
    assert "largest weights of each row" in record.html(max_size="250kB")
    q[119] += 1
    for each in (record, record.chosen(["weights"])):
        with pytest.raises(AttnError, match="have changed"):
            each.html(max_size="250kB")


def test_records_without_their_problem() -> None:
    record = compute(TWO_HEADS)
    for other in (pickle.loads(pickle.dumps(record)), copy.deepcopy(record)):
        assert other.origin is None
        assert other._repr_html_() == record._repr_html_()
        with pytest.raises(AttnError, match="this record does not have its problem"):
            other.html()


def test_arrays_that_stay_in_their_files(tmp_path: Path) -> None:
    """A record keeps no file open; it opens them again, and refuses those that have changed."""
    rng = np.random.default_rng(13)
    given: dict[str, Any] = {"causal": "top-left"}
    for name in ("query", "key", "value"):
        np.save(tmp_path / f"{name}.npy", rng.normal(size=(1, 2, 5, 3)))
        given[name] = {"file": str(tmp_path / f"{name}.npy")}
    before = set(stored._open)
    inputs = Inputs(sizes=ReadSizes(by_rows_from=0))
    record = compute(read_problem(replace(from_mapping(given), inputs=inputs)), steps="weights")
    gc.collect()
    assert set(stored._open) == before
    q, k, v = (np.load(tmp_path / f"{name}.npy") for name in ("query", "key", "value"))
    alone = attention(q, k, v, causal="top-left", steps="weights")
    assert record._repr_html_() == alone._repr_html_()
    assert record.html() == alone.html()
    np.save(tmp_path / "query.npy", rng.normal(size=(1, 2, 7, 3)))
    with pytest.raises(AttnError, match="has changed since the problem was read"):
        record.html()
    assert "hidden" not in Element(record).text
    assert len(Element(record).cells()) == 5
