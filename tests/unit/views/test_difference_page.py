"""The page of a comparison without a browser: well-formed, exact, and the numbers of both sides."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from attn_cli.errors import AttnError, printable
from attn_cli.lab.altered import steps_of
from attn_cli.lab.differing import both
from attn_cli.lab.differing.compare import Asked, Pair
from attn_cli.lab.differing.difference import difference_of
from attn_cli.lab.differing.inputs import Loaded
from attn_cli.lab.differing.report import DifferenceReport, report
from attn_cli.lab.differing.report_size import Extent, Room, room, with_tables
from attn_cli.reading.dumps import Dump
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import from_mapping
from attn_cli.views import Style
from attn_cli.views.html.difference import render
from tests.conftest import SAMPLES, Attn
from tests.helpers.hostile import HOSTILE
from tests.helpers.many import check_each
from tests.helpers.tree import Tree, policy_of

Arrays = dict[str, Any]
QUIET = Asked(identify=False)
NAMES = "q k products scores masked weights lse output"
SIDES = ("here", "there", "apart")


def inputs(n: int, heads: int, d: int, m: int | None = None) -> Arrays:
    """Q, K and V of unit normal numbers, which float32 has."""
    random = np.random.default_rng(n)
    sizes = {"query": n, "key": m or n, "value": m or n}
    made = {name: random.normal(size=(1, heads, size, d)) for name, size in sizes.items()}
    return {name: x.astype(np.float32).astype(np.float64) for name, x in made.items()}


def loaded(**keys: Any) -> Loaded:
    document = from_mapping(keys)
    return Loaded(name="A.yaml", problem=read_problem(document), document=document)


def dumped(arrays: Arrays, name: str = "B.npz") -> Loaded:
    return Loaded(name=name, dump=Dump(name=name, arrays=arrays, axes={}))


def steps(names: str = NAMES, **keys: Any) -> Arrays:
    made = steps_of(read_problem(from_mapping(keys)))
    return {name: made[name] for name in names.split()}


def compared(here: Loaded, there: Loaded, limit: int = 5_000_000, **asked: Any) -> DifferenceReport:
    chosen = Asked(identify=False, **asked)
    return report(difference_of(here, there, chosen), here, there, chosen, limit=limit)


def page_of(here: Loaded, there: Loaded, **options: Any) -> str:
    return render(compared(here, there, **options), Style())


def document_in(page: str) -> dict[str, Any]:
    found = re.search(r"id=attn-record>(.*?)</script>", page, re.DOTALL)
    assert found is not None
    document: dict[str, Any] = json.loads(found[1])
    return document


def numbers_in(step: dict[str, Any], side: str) -> NDArray[Any]:
    """What the script reads of one side of a step."""
    far = {"inf": np.inf, "-inf": -np.inf, "nan": np.nan}
    if "values" in step:
        if side == "apart":
            here, there = (numbers_in(step, each) for each in SIDES[:2])
            with np.errstate(invalid="ignore"):
                return np.where(here == there, 0, there - here)
        return np.array([far.get(x, x) for x in step["values"][side]], np.float64)
    packed = step["float32"] if "float32" in step else step["kept"]
    return np.frombuffer(base64.b64decode(packed[side]), "<f4")


def size_of(words: list[str] | int) -> int:
    """How many labels there are: words, or numbers from 0."""
    return words if isinstance(words, int) else len(words)


GIVEN = inputs(7, 2, 3, 11)
WINDOW = steps(**GIVEN, causal="bottom-right", window={"left": 2, "right": 0}, dtype="float32")
CAUSAL: dict[str, Any] = {**GIVEN, "causal": "bottom-right"}


@cache
def windowed() -> DifferenceReport:
    """A causal problem against a dump of the same with a window."""
    return compared(loaded(**CAUSAL), dumped(WINDOW))


@cache
def windowed_page() -> str:
    return render(windowed(), Style())


@cache
def exact_causal() -> Arrays:
    return steps(**CAUSAL)


def test_the_page_is_well_formed_asks_for_nothing_and_is_the_same_each_time() -> None:
    page = windowed_page()
    tree = Tree(page)
    assert page.count("<script") == 2
    script = page[page.rindex("<script>") + 8 : page.rindex("</script>")]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy_of(tree, page)
    assert page == page_of(loaded(**CAUSAL), dumped(WINDOW))
    document = document_in(page)
    assert (document["format"], document["command"]) == ("attn/1", "diff")
    assert document["verdict"] == "bug"


def test_the_document_is_that_of_json(attn: Attn, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **CAUSAL)
    np.savez(tmp_path / "b.npz", **WINDOW)
    files = (tmp_path / "a.npz", tmp_path / "b.npz")
    written = attn("diff", *files, "-f", "json")
    out = tmp_path / "page.html"
    ran = attn("diff", *files, "-o", out)
    assert (ran.status, written.status, ran.out, ran.err) == (1, 1, "", "")
    document = document_in(out.read_text(encoding="utf-8"))
    page = document.pop("page")
    assert document == json.loads(written.out)
    assert list(page["steps"]) == NAMES.split()


def test_numbers_are_those_of_both_sides_and_of_the_worst_cells() -> None:
    exact, found = exact_causal(), windowed()
    page = document_in(windowed_page())["page"]
    assert page["main"] == "weights"  # the first step that follows what is visible

    def each(name: str) -> None:
        made = page["steps"][name]
        np.testing.assert_allclose(numbers_in(made, "here"), exact[name].ravel(), rtol=1e-12)
        np.testing.assert_array_equal(numbers_in(made, "there"), WINDOW[name].ravel())
        (row,) = [row for row in found.found.steps if row.step == name]
        assert made["floor"] == row.floor
        if row.worst is not None:
            place = dict(row.worst.place)
            at = tuple(place.get(axis, 0) for axis in (*made["lead"], *made["axes"]) if axis)
            shape = (*found.steps[name].leads[-1],)
            sizes = tuple(x + 1 for x in shape) + tuple(
                size_of(page["words"][number])
                for number, axis in zip(made["words"], made["axes"], strict=True) if axis
            )  # fmt: skip
            number = int(np.ravel_multi_index(at, sizes))
            assert numbers_in(made, "here")[number] == row.worst.here
            assert numbers_in(made, "there")[number] == row.worst.there

    check_each(NAMES.split(), each)


def test_cells_of_the_tables_are_the_numbers_and_say_which_side_sees_a_key() -> None:
    page = windowed_page()
    masked = re.findall(r"<div class=trio data-step=masked .*?</div></div>", page)
    assert [drawn.count("<td class=n>") for drawn in masked] == [0, 0]  # -inf less -inf is 0
    trios = re.findall(r"<div class=trio data-step=weights data-lead=(\d)>(.*?</div>)</div>", page)
    exact = exact_causal()["weights"][0]
    assert [int(lead) for lead, _ in trios] == [0, 1]
    query, key = np.indices((7, 11))
    by_a, by_b = key <= query + 4, (key <= query + 4) & (key >= query + 2)
    for lead, drawn in trios:
        tables = re.findall(r"<table.*?</table>", drawn)
        assert len(tables) == 3
        cells = [re.findall(r"<td([^>]*)>([^<]*)</td>", t.partition("<tbody>")[2]) for t in tables]
        values = exact[int(lead)], WINDOW["weights"][0, int(lead)]
        for made, seen, side in zip(cells[:2], (by_a, by_b), values, strict=True):
            for (looks, text), sees, x, one in zip(
                made, seen.ravel(), side.ravel(), (by_a != by_b).ravel(), strict=True
            ):
                assert (" o" in looks) == bool(one)
                if sees:
                    assert abs(float(text) - x) <= 0.5e-4
                else:
                    assert text == ("A" if one else "")
        for (looks, text), a, b, x in zip(
            cells[2], by_a.ravel(), by_b.ravel(), (values[1] - values[0]).ravel(), strict=True
        ):
            if a and b:
                shown = float(text.replace("\u2212", "-"))
                assert abs(shown - x) <= max(0.5e-4, 0.06 * abs(x))
                assert (shown == 0) == (x == 0)
            else:
                assert ("x" in looks, text) == (True, "A" if a else "")
    hidden = document_in(page)["page"]["steps"]["weights"]
    flat = [[code for code, many in runs for _ in range(many)] for (runs,) in hidden["hidden"]]
    assert [[code == 0 for code in side] for side in flat] == [
        by_a.ravel().tolist(),
        by_b.ravel().tolist(),
    ]
    assert {hidden["reasons"][code] for code in flat[0] if code} == {"causal"}
    assert "hidden" not in document_in(page)["page"]["steps"]["scores"]


def test_the_table_of_stages_leads_to_the_worst_cells() -> None:
    page = windowed_page()
    table = page[page.index('<table class="plain stages">') : page.index("</table>")]
    rows = dict(re.findall(r"<th scope=row>(?:<a[^>]*>)?(\w+).*?href=\"(#[^\"]*/[^\"]*)\"", table))
    assert rows["visible"] == "#weights/h0/q0/k0"  # the first key that is hidden there
    assert re.fullmatch(r"#weights/h\d/q\d/k\d+", rows["weights"])
    assert re.fullmatch(r"#lse/h\d/q\d", rows["lse"])


def test_small_differences_are_never_written_as_zero() -> None:
    one, other = np.full((1, 1, 3, 2), 0.5), np.full((1, 1, 3, 2), 0.5)
    other[0, 0, 0] += [3e-13, -2e-5]
    one[0, 0, 2, 1] = other[0, 0, 2, 1] = np.inf
    page = page_of(dumped({"context": one}, "A"), dumped({"context": other}))
    apart = re.findall(r"<table.*?</table>", page)[-1].partition("<tbody>")[2]
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", apart)
    assert cells == ["3e\u221213", "\u22122e\u22125", "0", "0", "0", "0"]
    one[0, 0, 1, 0] = -3
    page = page_of(dumped({"context": one}, "A"), dumped({"context": other}))
    apart = re.findall(r"<table.*?</table>", page)[-1].partition("<tbody>")[2]
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", apart)
    assert cells[:4] == ["3e\u221213", "\u22122e\u22125", "3.5000", "0"]


def test_the_first_two_maps_have_one_scale_and_the_third_is_diverging() -> None:
    made = windowed().steps["weights"]
    most = max(exact_causal()["weights"].max(), WINDOW["weights"].max())
    assert made.here.high == made.there.high == pytest.approx(most, rel=1e-6)
    assert (made.here.low, made.here.diverging, made.there.diverging) == (0, False, False)
    assert made.apart.diverging
    assert made.apart.low == -made.apart.high


def test_sides_can_be_turned_and_two_problems_or_two_dumps() -> None:
    one, other = loaded(**CAUSAL), dumped(WINDOW)
    straight = document_in(windowed_page())["page"]["steps"]["weights"]
    turned = document_in(page_of(other, one))["page"]["steps"]["weights"]
    assert straight["values"]["here"] == turned["values"]["there"]
    assert straight["hidden"] == turned["hidden"][::-1]
    window = loaded(**CAUSAL, window={"left": 2, "right": 0})
    two = document_in(page_of(one, window))["page"]["steps"]["weights"]
    reasons = {two["reasons"][code] for code, _ in two["hidden"][1][0] if code}
    assert reasons == {"causal", "window"}
    alone = compared(dumped(WINDOW, "A"), dumped({**WINDOW, "q": WINDOW["q"] + 1e-3}))
    assert "no problem: no stage was computed" in render(alone, Style())
    assert alone.main == "q"
    assert alone.steps["q"].numbers is not None
    np.testing.assert_allclose(alone.steps["q"].numbers[2], 1e-3, rtol=1e-4)
    assert alone.steps["masked"].here.reasons == ("a score of -inf, or a weight of 0",)


def test_infinities_and_nan_are_shown() -> None:
    wrong = {name: values.copy() for name, values in WINDOW.items()}
    wrong["output"][0, 1, 2, 1] = np.nan
    wrong["output"][0, 0, 3, 0] = -np.inf
    page = page_of(loaded(**CAUSAL, window={"left": 2, "right": 0}), dumped(wrong))
    Tree(page)
    made = document_in(page)["page"]
    assert made["main"] == "output"
    there = numbers_in(made["steps"]["output"], "there")
    assert (np.isnan(there).sum(), np.isneginf(there).sum()) == (1, 1)
    drawn = re.findall(r"<div class=trio data-step=output data-lead=0>.*?</div></div>", page)[0]
    assert drawn.count("\u2212\u221e</td>") == 2  # B, and B - A
    assert page.count('<i class="key n"></i>nan') == 2


def test_nan_in_pictures_is_marked() -> None:
    values = np.random.default_rng(2).random((1, 1, 70, 70))
    wrong = values.copy()
    wrong[0, 0, 3, 4] = np.nan
    page = page_of(dumped({"products": values}, "A"), dumped({"products": wrong}))
    figures = re.findall(r"<figure>.*?</figure>", page)
    assert [figure.count("class=marks") for figure in figures[-3:]] == [0, 1, 1]
    assert page.count('<i class="key o"></i>nan') == 2
    assert "the largest of its row" not in page


def test_hostile_tokens_and_names_are_text(attn: Attn, tmp_path: Path) -> None:
    words = ["</script><script>alert(1)</script>", *HOSTILE]
    given = inputs(len(words), 1, 2)
    name = "</script><b>&\u202e"
    one = loaded(**given, tokens=words)
    here = Loaded(name=f"{name}.yaml", problem=one.problem, document=one.document)
    there = dumped(steps("weights output", **given) | {f"{name}x": np.ones(3)}, f"{name}.npz")
    page = page_of(here, there)
    assert "<b>&" not in page.partition("<script")[0]
    assert page.count("&lt;b&gt;&amp;") > 5
    tree = Tree(page)
    assert page.count("<script") == page.count("</script") == 2
    assert "\u202e" not in page
    assert "\u2028" not in page
    tokens = [text for tag, text in tree.texts if tag == "bdi"]
    for word in words:
        assert tokens.count(printable(word)) >= 6
    assert document_in(page)["page"]["words"][0] == [printable(word) for word in words]


class TestWhatFits:
    def test_the_first_rung_that_fits_is_taken(self) -> None:
        assert windowed().rung == 1
        large = inputs(70, 1, 5)
        far = steps("q scores weights output", **large, scale=0.4, dtype="float32")
        here, there = loaded(**large), dumped(far)
        difference = difference_of(here, there, QUIET)

        def within(limit: int) -> DifferenceReport:
            return report(difference, here, there, QUIET, limit=limit)

        whole = within(5_000_000)
        assert (whole.rung, whole.main) == (2, "scores")
        assert sorted(whole.tables) == ["output", "q"]
        exact = steps("scores", **large)["scores"]
        made = document_in(render(whole, Style()))["page"]["steps"]["scores"]
        np.testing.assert_array_equal(
            numbers_in(made, "apart"), (far["scores"] - exact).ravel().astype(np.float32)
        )
        for limit, rung in ((340_000, 3), (250_000, 4)):
            found = within(limit)
            assert len(render(found, Style()).encode()) <= limit
            assert found.rung == rung
            assert (found.steps["scores"].numbers is not None) == (rung == 3)
            assert found.steps["weights"].largest is not None
            assert found.steps["output"].numbers is not None  # small
        less = within(200_000)
        assert less.left_out == ("weights",)  # the largest, except the one shown first
        assert "too large for this page: weights" in render(less, Style())
        assert [*less.steps] == ["q", "scores", "output"]
        with pytest.raises(AttnError, match=r"would need about 1\d\dkB, and \d+kB are allowed"):
            within(100_000)

    def test_the_largest_of_each_row_are_kept(self) -> None:
        large = inputs(70, 1, 4)
        exact = steps("weights", **large, causal="top-left")["weights"].reshape(70, 70)
        there = exact.astype(np.float32).copy()
        there[::3] *= np.linspace(0.9, 1.1, 70, dtype=np.float32)
        there[5, 3] = np.nan
        made = compared(
            loaded(**large, causal="top-left"), dumped({"weights": there[None, None]}), 150_000
        ).steps["weights"]
        kept = made.largest
        assert kept is not None
        count = kept.columns.shape[-1]
        assert 1 < count < 70
        apart = np.abs(there.astype(np.float64) - exact)
        apart[np.isnan(apart)] = np.inf
        for row in range(70):
            some = min(count, row + 1)
            order = np.argsort(-apart[row, : row + 1], kind="stable")[:some]
            assert kept.columns[0, row, :some].tolist() == order.tolist()
            assert (kept.columns[0, row, some:] == -1).all()
            np.testing.assert_allclose(kept.here[0, row, :some], exact[row, order], rtol=1e-6)
            np.testing.assert_array_equal(kept.there[0, row, :some], there[row, order])

    def test_tables_are_few(self) -> None:
        sizes = {name: Extent(leads=1, rows=40, columns=40) for name in "abcd"}
        assert [n for n, e in with_tables(sizes, "c").items() if e.tabled] == ["a", "c"]
        assert room([], 0, 0, 100_000) == Room(1)

    def test_of_sampled_rows_the_positions_are_known(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Pair, "rows", property(lambda _: np.array([0, 2, 6])))
        page = document_in(page_of(loaded(**CAUSAL), dumped(WINDOW)))["page"]
        made, exact = page["steps"]["weights"], exact_causal()["weights"]
        assert made["rows"] == [0, 2, 6]
        assert page["words"][made["words"][0]] == ["0", "2", "6"]
        np.testing.assert_allclose(
            numbers_in(made, "here"), exact[:, :, [0, 2, 6]].ravel(), rtol=1e-12
        )
        assert "rows" not in page["steps"]["k"]
        monkeypatch.setattr(both, "LARGEST", 60)
        random = np.random.default_rng(0).random((20, 7))
        page = document_in(page_of(dumped({"mine": random}, "A"), dumped({"mine": random + 1})))[
            "page"
        ]
        rows = [*range(0, 20, 3), 19]
        assert page["steps"]["mine"]["rows"] == rows
        found = numbers_in(page["steps"]["mine"], "there")
        np.testing.assert_array_equal(found, (random + 1)[rows].ravel())

    def test_what_is_too_large_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(both, "LARGEST", 50)
        found = compared(loaded(**CAUSAL), dumped(WINDOW))
        assert found.left_out == ("k",)  # 66 numbers, and no rows of queries
        assert "too large for this page: k" in render(found, Style())


def test_errors_are_those_of_pages(attn: Attn, tmp_path: Path) -> None:
    np.savez(tmp_path / "b.npz", **steps_of_sample())
    out = tmp_path / "x.html"
    files = (SAMPLES / "two_heads.yaml", tmp_path / "b.npz")
    ran = attn("diff", *files, "-o", out, "--max-size", "20kB")
    assert ran.status == 2
    assert "are allowed" in ran.err
    assert "--max-size" in ran.err
    assert not out.exists()
    ran = attn("diff", *files, "-o", out, "--max-size", "much")
    assert ran.status == 2
    ran = attn("diff", *files, "--max-size", "1MB")
    assert ran.err == "warning: --max-size has no effect on the format table, but on: html\n"
    ran = attn("diff", *files, "-o", out, "-q")
    assert (ran.status, ran.out, ran.err) == (0, "", "")
    assert document_in(out.read_text())["verdict"] in {"same", "noise"}


def steps_of_sample() -> Arrays:
    made = steps_of(read_problem(from_mapping_of(SAMPLES / "two_heads.yaml")))
    return {name: made[name] for name in ("scores", "weights", "output")}


def from_mapping_of(path: Path) -> Any:
    import yaml

    return from_mapping(yaml.safe_load(path.read_text()))
