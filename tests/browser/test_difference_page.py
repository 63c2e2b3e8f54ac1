"""The page of a comparison in Chromium: one choice for A, B and B - A, and what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_cli.errors import printable
from attn_cli.lab.altered import steps_of
from attn_cli.lab.differing.compare import Asked, Pair
from attn_cli.lab.differing.difference import difference_of
from attn_cli.lab.differing.inputs import Loaded
from attn_cli.lab.differing.report import DifferenceReport, report
from attn_cli.reading.dumps import Dump
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import from_mapping
from attn_cli.views import Style
from attn_cli.views.colour import contrast
from attn_cli.views.html.difference import render
from tests.browser.chromium import needs_chromium
from tests.browser.devtools import Browser, Page
from tests.browser.opened import HEADING, few_change, quiet, rgb
from tests.helpers.hostile import HOSTILE
from tests.helpers.many import check_each

pytestmark = [needs_chromium, pytest.mark.slow]

QUIET = Asked(identify=False)
NAMES = "q k products scores masked weights lse output"
TEXTS = (  # of the chosen cell: step -> A, B, B - A, floors
    "Object.fromEntries([...document.querySelectorAll('.work tbody tr')].filter(e => !e.hidden)"
    ".map(e => [e.cells[0].textContent, [...e.cells].slice(1).map(c => c.textContent)]))"
)
CHOSEN = (  # row and column of the chosen cell of each table
    "[...document.querySelectorAll('#stage td.on')]"
    ".map(e => [e.parentNode.rowIndex - 1, e.cellIndex - 1])"
)
WIDE = "[document.documentElement.scrollWidth, innerWidth]"


def vectors(n: int, heads: int, d: int = 4) -> dict[str, Any]:
    """Random Q, K and V, which float32 has."""
    random = np.random.default_rng(n)
    made = {name: random.normal(size=(1, heads, n, d)) for name in ("query", "key", "value")}
    return {name: x.astype(np.float32).astype(np.float64) for name, x in made.items()}


def made(names: str = NAMES, **keys: Any) -> dict[str, Any]:
    """Steps of a problem."""
    found = steps_of(read_problem(from_mapping(keys)))
    return {name: found[name] for name in names.split()}


class Compared:
    """The page of a causal problem, and of one with a window, in the browser."""

    def __init__(
        self, browser: Browser, folder: Path, n: int, heads: int = 2, *, limit: int = 5_000_000,
        tokens: list[str] | None = None, wrong: dict[str, Any] | None = None, **opened: Any,
    ) -> None:  # fmt: skip
        given: dict[str, Any] = {**vectors(n, heads), "causal": "top-left"}
        if tokens is not None:
            given["tokens"] = tokens
        self.here = made(**given)
        window: dict[str, Any] = {"window": {"left": 3, "right": 0}, "dtype": "float32"}
        self.there = {**made(**given, **window), **(wrong or {})}
        document = from_mapping(given)
        one = Loaded(name="A.yaml", problem=read_problem(document), document=document)
        other = Loaded(name="B.npz", dump=Dump(name="B.npz", arrays=self.there, axes={}))
        found = difference_of(one, other, QUIET)
        self.report: DifferenceReport = report(found, one, other, QUIET, limit=limit)
        path = folder / "page.html"
        path.write_text(render(self.report, Style()), encoding="utf-8")
        self.page: Page = browser.open(path, **opened)


def plain(text: str) -> float:
    """Read a number of the page."""
    text = text.replace("\u2212", "-").replace("\u221e", "inf").replace(" e", "e")
    return float(text)


def near(text: str, value: float) -> bool:
    """Return whether a text is a value, to half of its last digit or the fourth."""
    return bool(abs(plain(text) - value) <= max(0.51e-4, 0.006 * abs(value)))


def test_pointer_keys_and_address_choose_one_cell_in_all_three(
    browser: Browser, tmp_path: Path
) -> None:
    opened = Compared(browser, tmp_path, 6)
    page = opened.page
    cell = "#stage figure:nth-child({}) tbody tr:nth-child({}) td:nth-of-type({})"
    for figure in (1, 2, 3):
        page.point(cell.format(figure, 6 - figure, figure))
        assert page.evaluate(CHOSEN) == [[5 - figure, figure - 1]] * 3
    page.evaluate("document.querySelectorAll('[name=lead]')[0].click()")
    page.point(cell.format(2, 3, 2), click=True)
    page.point(cell.format(1, 1, 1))
    assert page.evaluate(HEADING) == "head 0: 2 (query 2) \u2192 1 (key 1)"  # a click holds it
    page.press("ArrowRight")
    page.press("ArrowDown")
    assert page.evaluate(CHOSEN) == [[3, 2]] * 3
    assert page.evaluate("document.activeElement.closest('figure').textContent").startswith("B: ")
    one, other = (side["weights"][0, 0, 3, 2] for side in (opened.here, opened.there))
    live = page.evaluate("document.querySelector('.live').textContent")
    said = re.fullmatch(r"3 to 2: A (\S+), B (\S+), B \u2212 A (.+)", live)
    assert said is not None
    assert near(said[1], one)
    assert near(said[2], other)
    assert near(said[3], float(other) - one)
    page.press("]")
    assert page.evaluate(HEADING).startswith("head 1: 3")
    assert page.evaluate("document.querySelector('#stage .of').textContent") == "weights, head 1"
    page.press("End")
    page.evaluate("new Promise(done => setTimeout(done, 300))")
    assert page.evaluate("location.hash") == "#weights/b0/h1/q3/k5"
    page.evaluate("location.hash = '#lse/h0/q4'")
    page.frame()
    assert page.evaluate(HEADING) == "head 0: 4 (query 4) \u2192 lse"
    page.evaluate("location.hash = '#scores/h1/q99/k0'")  # not there: nothing is chosen
    page.frame()
    assert page.evaluate(HEADING) == "head 0: 4 (query 4) \u2192 lse"
    page.evaluate("document.querySelector('.stages tbody tr:nth-child(5) a').click()")
    page.frame()
    assert page.evaluate("location.hash").startswith("#weights/")  # the worst cell of visible
    assert quiet(page)
    page.close()


def test_the_chosen_cell_is_said_in_all_steps_that_have_it(
    browser: Browser, tmp_path: Path
) -> None:
    opened = Compared(browser, tmp_path, 7)
    page, floors = opened.page, {row.step: row.floor for row in opened.report.found.steps}

    def each(place: tuple[int, int, int]) -> None:
        head, query, key = place
        page.evaluate(f"location.hash = '#weights/b0/h{head}/q{query}/k{key}'")
        page.frame()
        said = page.evaluate(TEXTS)
        assert list(said) == ["products", "scores", "masked", "weights"]
        for name, (a, b, apart, in_floors) in said.items():
            one, other = (float(s[name][0, head, query, key]) for s in (opened.here, opened.there))
            seen = [name in {"products", "scores"} or key <= query,
                    name in {"products", "scores"} or query - 3 <= key <= query]  # fmt: skip
            assert near(a, one) if seen[0] else a == "hidden: causal", (name, a)
            assert near(b, other) if seen[1] else b.startswith("hidden"), (name, b)
            if not any(seen) or (name == "masked" and not all(seen)):
                assert (apart, in_floors) == ("", "")
                continue
            assert near(apart, other - one), (name, apart)
            floor = floors[name]
            assert floor is not None
            if "e" not in in_floors:
                assert abs(float(in_floors) - abs(other - one) / floor) < 0.051

    check_each([(0, 5, 1), (1, 5, 4), (1, 2, 5), (0, 6, 6), (1, 6, 0)], each)
    page.close()


@pytest.mark.parametrize("n", [8, 72])
def test_few_nodes_change_if_the_pointer_moves(browser: Browser, tmp_path: Path, n: int) -> None:
    few_change(Compared(browser, tmp_path, n).page)


def test_pictures_zoom_and_scroll_as_one(browser: Browser, tmp_path: Path) -> None:
    opened = Compared(browser, tmp_path, 72, 1)
    page = opened.page
    assert page.evaluate("document.querySelectorAll('#stage img.marks').length") == 1
    page.evaluate(
        "(() => { const s = document.querySelector('#stage input[type=range]'); s.value = 2;"
        "s.dispatchEvent(new Event('input')); })()"
    )
    page.frame()
    page.evaluate("document.querySelectorAll('#stage .view')[1].scrollTo(120, 80)")
    page.frame()
    page.frame()
    boxes = "[...document.querySelectorAll('#stage .view')].map(e => [e.scrollLeft, e.scrollTop])"
    assert page.evaluate(boxes) == [[120, 80]] * 3
    assert page.evaluate("[...document.querySelectorAll('#stage [type=range]')].map(e => e.value)")\
        == ["2"] * 3  # fmt: skip
    page.evaluate("location.hash = '#weights/q60/k59'")
    page.frame()
    said = page.evaluate(TEXTS)["weights"]
    assert near(said[0], opened.here["weights"][0, 0, 60, 59])
    assert near(said[1], opened.there["weights"][0, 0, 60, 59])
    assert quiet(page)
    page.close()


def test_a_cell_that_is_not_kept_says_so(browser: Browser, tmp_path: Path) -> None:
    opened = Compared(browser, tmp_path, 80, 2, limit=900_000)
    page, kept = opened.page, opened.report.steps["products"].largest
    assert kept is not None
    page.evaluate(f"location.hash = '#products/h1/q40/k{kept.columns[1, 40, 0]}'")
    page.frame()
    number = opened.here["products"][0, 1, 40, kept.columns[1, 40, 0]]
    assert near(page.evaluate(TEXTS)["products"][0], float(number))
    other = next(key for key in range(80) if key not in kept.columns[1, 40])
    page.evaluate(f"location.hash = '#products/h1/q40/k{other}'")
    page.frame()
    a, b, apart, _ = page.evaluate(TEXTS)["products"]
    assert (a, b) == ("not kept", "not kept")
    said = re.fullmatch(r"at most (.+) apart", apart)
    assert said is not None
    assert near(said[1], abs(float(kept.apart[1, 40, -1])))
    page.evaluate("location.hash = '#weights/h1/q2/k70'")  # all keys that query 2 sees are kept
    page.frame()
    assert page.evaluate(TEXTS)["weights"] == ["hidden: causal", "hidden: causal", "", ""]
    masked = opened.report.steps["masked"].largest
    assert masked is not None
    few = int((masked.columns[1] < 0).any(axis=-1).nonzero()[0][-1])  # the last such query
    page.evaluate(f"location.hash = '#masked/h1/q{few}/k0'")
    page.frame()
    assert page.evaluate(TEXTS)["masked"][2:] == ["", ""]
    page.close()


def test_without_a_step_to_show_the_stages_are_there(browser: Browser, tmp_path: Path) -> None:
    sink = {"function": "sink_logits", "logits": [0.1, 0.2]}
    document = from_mapping({**vectors(4, 2), "normalize": sink})
    one = Loaded(name="A.yaml", problem=read_problem(document), document=document)
    sinks = {"sinks": np.array([0.1, 0.3])}
    other = Loaded(name="B.npz", dump=Dump(name="B.npz", arrays=sinks, axes={}))
    found = report(difference_of(one, other, QUIET), one, other, QUIET, limit=1_000_000)
    assert found.steps == {}
    path = tmp_path / "page.html"
    path.write_text(render(found, Style()), encoding="utf-8")
    page = browser.open(path)
    assert page.evaluate("document.querySelector('.stages').textContent").endswith("BUG first")
    page.evaluate("document.querySelector('#theme').click()")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert quiet(page)
    page.close()


def test_of_sampled_rows_the_positions_are_said(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pair, "rows", property(lambda _: np.array([0, 2, 6])))
    opened = Compared(browser, tmp_path, 7)
    page = opened.page
    page.evaluate("location.hash = '#weights/b0/h1/q6/k4'")
    page.frame()
    assert page.evaluate(HEADING) == "head 1: 6 (query 6) \u2192 4 (key 4)"
    assert page.evaluate(CHOSEN) == [[2, 4]] * 3
    assert near(page.evaluate(TEXTS)["weights"][0], opened.here["weights"][0, 1, 6, 4])
    page.evaluate("location.hash = '#weights/b0/h0/q3/k4'")  # a row that was not compared
    page.frame()
    assert page.evaluate(CHOSEN) == [[2, 4]] * 3
    page.close()


def test_hostile_tokens_and_numbers_are_text(browser: Browser, tmp_path: Path) -> None:
    attacks = ["</script><script>document.title='pwned'</script>", "\u05d0\u202eabc", *HOSTILE]
    wrong = made("output", **vectors(len(attacks), 1))
    wrong["output"][0, 0, 0, 0], wrong["output"][0, 0, 1, 1] = np.nan, -np.inf
    opened = Compared(browser, tmp_path, len(attacks), 1, tokens=attacks, wrong=wrong)
    page = opened.page
    page.evaluate("location.hash = '#output/q1/d1'")
    page.frame()
    assert page.evaluate(TEXTS)["output"][1:3] == ["\u2212\u221e"] * 2
    page.evaluate("location.hash = '#output/q0/d0'")
    page.frame()
    assert page.evaluate(TEXTS)["output"][1:3] == ["nan", "nan"]
    assert page.evaluate("document.title") == "A.yaml, B.npz: bug"
    assert page.evaluate("document.querySelectorAll('img[src=x], body script').length") == 2
    heads = "#stage figure:first-child tbody th bdi"
    words = page.evaluate(f"[...document.querySelectorAll('{heads}')].map(e => e.textContent)")
    assert words == [printable(word) for word in attacks]
    assert quiet(page)
    page.close()


def test_without_a_script_the_maps_and_the_stages_are_there(
    browser: Browser, tmp_path: Path
) -> None:
    page = Compared(browser, tmp_path, 5, scripts=False).page
    page.call("Emulation.setScriptExecutionDisabled", value=False)  # to ask the page
    visible = "e => e.checkVisibility({contentVisibilityAuto: true})"
    maps = "[...document.querySelectorAll('.trio[data-step=weights] table')]"
    assert page.evaluate(f"{maps}.filter({visible}).length") == 6
    assert page.evaluate(f"[...document.querySelectorAll('.stages')].filter({visible}).length") == 1
    parts = "[...document.querySelectorAll('.work, .controls, #theme')]"
    assert page.evaluate(f"{parts}.filter({visible}).length") == 0
    page.close()


def test_print_is_light_and_a_narrow_window_does_not_scroll_sideways(
    browser: Browser, tmp_path: Path
) -> None:
    page = Compared(browser, tmp_path, 8).page
    page.evaluate("document.querySelector('#theme').click()")
    page.media("print", "dark")
    style = "getComputedStyle(document.{}).{}"
    assert page.evaluate(style.format("body", "backgroundColor")) == "rgb(255, 255, 255)"
    for part in (".work", ".controls", "#theme"):
        assert page.evaluate(style.format(f"querySelector('{part}')", "display")) == "none", part
    page.close()
    for n in (8, 72):
        page = Compared(browser, tmp_path, n, width=390).page
        wide = page.evaluate(WIDE)
        assert wide[0] <= wide[1]
        page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_cell_can_be_read(browser: Browser, tmp_path: Path, scheme: str) -> None:
    page = Compared(browser, tmp_path, 7).page
    page.media(scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    pairs = page.evaluate(
        "[...document.querySelectorAll('.map tbody td')].filter(e => e.textContent).map(e => {"
        "const s = getComputedStyle(e), g = s.backgroundColor;"
        "return [s.color, g === 'rgba(0, 0, 0, 0)' ? getComputedStyle(document.body)"
        ".backgroundColor : g]; })"
    )
    assert len(pairs) > 300
    for ink, ground in {tuple(pair) for pair in pairs}:
        assert contrast(rgb(ink), rgb(ground)) >= 4.5, (ink, ground)
    page.close()


def test_the_tree_of_accessibility_names_the_three_maps(browser: Browser, tmp_path: Path) -> None:
    page = Compared(browser, tmp_path, 6, 1).page
    page.call("Accessibility.enable")
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    named = {
        (n["role"]["value"], n.get("name", {}).get("value")) for n in nodes if not n["ignored"]
    }
    for side in ("A", "B", "B \u2212 A"):
        assert ("grid", f"weights, {side}") in named
    assert ("complementary", "The chosen cell") in named
    assert any(role == "status" for role, _ in named)
    page.close()
