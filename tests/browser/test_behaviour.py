"""How the page behaves in Chromium: touch, forced colours, print, sizes, and unusual values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_cli.maths.problem import Problem
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import from_mapping
from attn_cli.views.colour import contrast, ramp
from tests.browser.chromium import needs_chromium
from tests.browser.devtools import Browser, Page
from tests.browser.opened import HEADING, Opened, causal, few_change, quiet, rgb, sample
from tests.browser.workings import EVERY_CELL, wrong
from tests.helpers.pictures import pixels

pytestmark = [needs_chromium, pytest.mark.slow]

CELL = "#stage tbody tr:nth-child({}) td:nth-of-type({})"
VISIBLE = "e => e.checkVisibility({contentVisibilityAuto: true})"
# The bytes of a page of 3 heads of 64 tokens, by how much of its numbers is kept.
RUNGS = {2: 5_000_000, 3: 320_000, 4: 200_000}


def rung(number: int) -> tuple[Problem, int]:
    """Return a problem, and the size at which so much of it is kept."""
    if number == 1:
        return sample("dog_sentence"), 5_000_000
    return causal(64, 3, 32), RUNGS[number]


def given(scores: Any, **keys: Any) -> Problem:
    """Return a problem of given scores."""
    values = np.arange(np.shape(scores)[-1], dtype=float)[:, None]
    score = {"function": "given", "scores": scores}
    return read_problem(from_mapping({"value": values, "score": score, **keys}))


def middle(page: Page, selector: str) -> tuple[float, float]:
    """Return the middle of an element in the window."""
    x, y = page.evaluate(
        f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
        "e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect();"
        "return [b.left + b.width / 2, b.top + b.height / 2]; })()"
    )
    return x, y


def colours_of(page: Page, clip: dict[str, float], shape: tuple[int, int]) -> np.ndarray[Any, Any]:
    """Return the colours of the middles of the cells of a picture."""
    drawn = pixels(page.picture(clip))
    rows, columns = shape
    down = ((np.arange(rows) + 0.5) * clip["height"] / rows).astype(int)
    across = ((np.arange(columns) + 0.5) * clip["width"] / columns).astype(int)
    found: np.ndarray[Any, Any] = drawn[np.ix_(down, across)][..., :3].astype(float)
    return found


def box_of(page: Page, selector: str) -> dict[str, float]:
    """Return where an element is on the page."""
    box = page.evaluate(
        f"(() => {{ const b = document.querySelector({json.dumps(selector)})"
        ".getBoundingClientRect();"
        "return [b.left + scrollX, b.top + scrollY, b.width, b.height]; })()"
    )
    return dict(zip(("x", "y", "width", "height"), box, strict=True))


def tap(page: Page, selector: str) -> None:
    """Tap an element with a finger."""
    x, y = middle(page, selector)
    page.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
    page.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    page.frame()


def test_a_tap_chooses_and_a_second_one_chooses_another(browser: Browser, tmp_path: Path) -> None:
    page = Opened(browser, tmp_path, sample("two_heads"), width=390).page
    page.call("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=1)
    page.evaluate("new Promise(done => setTimeout(done, 50))")
    tap(page, CELL.format(2, 4))
    assert page.evaluate(HEADING) == "head 0: cat (query 1) \u2192 milk (key 3)"
    tap(page, CELL.format(3, 1))
    assert page.evaluate(HEADING) == "head 0: drinks (query 2) \u2192 the (key 0)"
    tap(page, ".heads button:nth-child(2)")
    assert page.evaluate(HEADING) == "head 1: drinks (query 2) \u2192 the (key 0)"
    assert quiet(page)
    page.close()


def test_a_tap_chooses_a_cell_of_a_picture(browser: Browser, tmp_path: Path) -> None:
    page = Opened(browser, tmp_path, causal(65), width=800).page
    page.call("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=1)
    tap(page, "#stage img")
    assert page.evaluate(HEADING) == "32 (query 32) \u2192 32 (key 32)"
    page.close()


def test_a_click_on_the_cell_that_is_held_lets_it_go(browser: Browser, tmp_path: Path) -> None:
    page = Opened(browser, tmp_path, sample("two_heads")).page
    page.point(CELL.format(3, 2), click=True)
    page.point(CELL.format(1, 1))
    assert "drinks (query 2)" in page.evaluate(HEADING)
    page.point(CELL.format(3, 2), click=True)
    page.point(CELL.format(1, 1))
    assert "the (query 0)" in page.evaluate(HEADING)
    page.close()


def force_colours(page: Page) -> None:
    """Emulate a system that forces its colours upon pages."""
    features = [{"name": "forced-colors", "value": "active"}]
    page.call("Emulation.setEmulatedMedia", media="", features=features)
    assert page.evaluate("matchMedia('(forced-colors: active)').matches")


def test_cells_keep_their_colours_if_colours_are_forced(browser: Browser, tmp_path: Path) -> None:
    page = Opened(browser, tmp_path, sample("two_heads")).page
    look = (
        "(() => { const of = (s, name) => getComputedStyle(document.querySelector(s))[name];"
        "const cells = [...document.querySelectorAll('#stage tbody td')].map(e => {"
        "const s = getComputedStyle(e); return [s.backgroundColor, s.color]; });"
        "return [cells, of('.ramp i', 'backgroundImage'), of('.arcs path', 'stroke'),"
        "of('.chips li', 'borderTopColor')]; })()"
    )
    before = page.evaluate(look)
    force_colours(page)
    after = page.evaluate(look)
    assert after[:3] == before[:3]
    assert len({ground for ground, _ in after[0]}) > 4
    assert after[3] != before[3]  # what is around them has the colours of the system
    page.close()


def test_pictures_keep_their_colours_if_colours_are_forced(
    browser: Browser, tmp_path: Path
) -> None:
    page = Opened(browser, tmp_path, causal(64, 2, 8)).page
    page.evaluate("document.querySelectorAll('.band').forEach(e => e.remove())")
    clip = box_of(page, "#stage img")
    before = colours_of(page, clip, (64, 64))
    force_colours(page)
    after = colours_of(page, clip, (64, 64))
    seen = np.tril_indices(64)
    np.testing.assert_array_equal(before[seen], after[seen])
    page.close()


def test_nothing_moves_by_itself(browser: Browser, tmp_path: Path) -> None:
    page = Opened(browser, tmp_path, sample("two_heads")).page
    features = [{"name": "prefers-reduced-motion", "value": "reduce"}]
    page.call("Emulation.setEmulatedMedia", media="", features=features)
    page.point(CELL.format(3, 2), click=True)
    page.press("]")
    moving = page.evaluate(
        "[document.getAnimations().length, ...[...document.querySelectorAll('*')].map(e => {"
        "const s = getComputedStyle(e); return [s.animationName, s.transitionDuration,"
        "s.scrollBehavior].join() === 'none,0s,auto' ? 0 : 1; })].reduce((a, b) => a + b)"
    )
    assert moving == 0
    page.close()


def test_without_a_script_pictures_heads_and_lines_are_there(
    browser: Browser, tmp_path: Path
) -> None:
    for problem, images, lines in ((causal(64, 3, 4), 3, 0), (sample("two_heads"), 0, 1)):
        page = Opened(browser, tmp_path, problem, scripts=False).page
        page.call("Emulation.setScriptExecutionDisabled", value=False)  # to ask the page
        found = page.evaluate(
            "['figure[data-step=weights] img', '.heads button', '.arcs path', '#stage *'].map("
            f"s => [...document.querySelectorAll(s)].filter({VISIBLE}).filter("
            "e => e.getBoundingClientRect().width > 20).length)"
        )
        assert found[0] == images
        assert found[1] == problem.heads
        assert (found[2] > 3) == bool(lines)
        assert found[3] == 0
        page.close()


def test_pictures_are_printed_light(browser: Browser, tmp_path: Path) -> None:
    page = Opened(browser, tmp_path, causal(64, 2, 8)).page
    page.evaluate("document.querySelectorAll('.band').forEach(e => e.remove())")
    page.media("print", "light")
    clip = box_of(page, "#stage img")
    light = colours_of(page, clip, (64, 64))
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.media("print", "dark")
    assert box_of(page, "#stage img") == clip
    np.testing.assert_array_equal(colours_of(page, clip, (64, 64)), light)
    page.media("", "dark")
    assert np.abs(colours_of(page, box_of(page, "#stage img"), (64, 64)) - light).max() > 100
    page.close()


def test_labels_beside_the_chosen_ones_give_way(browser: Browser, tmp_path: Path) -> None:
    opened = Opened(browser, tmp_path, causal(200, 2, 4), width=800)
    page = opened.page
    over = (
        "[...document.querySelectorAll('.across, .down')].map(strip => { const from ="
        "[...strip.children].filter(e => getComputedStyle(e).visibility === 'visible')"
        ".map(e => e.getBoundingClientRect()[strip.className === 'down' ? 'top' : 'left'])"
        ".sort((a, b) => a - b);"
        "return [from.length > 9, from.slice(1).filter((x, i) => x - from[i] < 10.5).length]; })"
    )
    for row, column in ((1, 1), (3, 7), (199, 199), (120, 31)):
        page.evaluate(f"location.hash = '#weights/b0/h0/q{row}/k{column}'")
        page.frame()
        assert page.evaluate(over) == [[True, 0], [True, 0]]
        tags = page.evaluate("[...document.querySelectorAll('.tag')].map(e => e.textContent)")
        assert sorted(tags) == sorted([str(row), str(column)])
    page.close()


@pytest.mark.parametrize(("n", "width"), [(65, 390), (65, 1200), (70, 800)])
def test_a_picture_fits_the_window(browser: Browser, tmp_path: Path, n: int, width: int) -> None:
    page = Opened(browser, tmp_path, causal(n, 2, 4), width=width).page
    wide = page.evaluate(
        "(() => { const e = document.querySelector('#stage .view');"
        "return [e.scrollWidth, e.clientWidth]; })()"
    )
    assert wide[0] <= wide[1]
    page.close()


def test_what_is_not_kept_is_said_beside_its_bar(browser: Browser, tmp_path: Path) -> None:
    problem, limit = rung(4)
    opened = Opened(browser, tmp_path, problem, limit=limit)
    kept = opened.report.kept
    assert kept is not None
    key = next(key for key in range(64) if key not in kept.keys[1, 63])
    page = opened.page
    page.evaluate(f"location.hash = '#weights/b0/h1/q63/k{key}'")
    page.frame()
    values = page.evaluate("document.querySelector('.each .bars p:nth-of-type(2)').textContent")
    assert values.split("\n")[1] == "not kept"
    page.close()


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_few_nodes_change_however_much_is_kept(
    browser: Browser, tmp_path: Path, number: int
) -> None:
    problem, limit = rung(number)
    opened = Opened(browser, tmp_path, problem, limit=limit)
    assert opened.report.rung == number
    few_change(opened.page)


def test_an_address_that_means_nothing_is_ignored(browser: Browser, tmp_path: Path) -> None:
    page = Opened(browser, tmp_path, sample("two_heads")).page
    page.evaluate("location.hash = '#scores/h1/q1/k3'")
    page.frame()
    chosen = page.evaluate(HEADING)
    for address in ("#%", "#constructor/q0/k0", "#weights/h9/q0/k0", "#weights/hx/qx/kx", "#q"):
        page.evaluate(f"location.hash = {json.dumps(address)}")
        page.frame()
        assert page.evaluate(HEADING) == chosen
    assert quiet(page)
    page.call("Page.reload")
    page.evaluate("new Promise(done => setTimeout(done, 300))")
    assert page.evaluate("document.documentElement.dataset.ready") == ""  # with such an address
    page.close()


def test_an_address_is_there_once_the_page_is_opened_with_it(
    browser: Browser, tmp_path: Path
) -> None:
    page = Opened(browser, tmp_path, sample("two_heads")).page
    page.point(CELL.format(2, 4), click=True)
    page.evaluate("new Promise(done => setTimeout(done, 300))")
    page.call("Page.reload")
    page.evaluate("new Promise(done => setTimeout(done, 300))")
    assert page.evaluate(HEADING) == "head 0: cat (query 1) \u2192 milk (key 3)"
    page.close()


INFINITE = {
    "query": [[1e308], [1.0], [-1e308]],
    "key": [[1e308], [0.5], [2.0]],
    "value": [[1.0], [2.0], [3.0]],
    "score": "dot",
    "nonfinite": "allow",
}


def test_infinities_and_nan_are_said(browser: Browser, tmp_path: Path) -> None:
    opened = Opened(browser, tmp_path, read_problem(from_mapping(INFINITE)))
    page = opened.page
    cells = page.evaluate(EVERY_CELL)
    assert len(cells) == 9
    assert wrong(opened, cells) == []
    page.evaluate("location.hash = '#scores/q0/k0'")
    page.frame()
    assert page.evaluate("document.querySelector('#stage tbody td').textContent") == "\u221e"
    page.evaluate("location.hash = '#weights/q0/k0'")
    page.frame()
    assert page.evaluate("document.querySelector('#stage td.n').textContent") == "nan"
    page.point(CELL.format(1, 1), click=True)
    page.press("ArrowRight")
    page.press("ArrowLeft")
    assert page.evaluate("document.querySelector('.live').textContent") == "0 to 0: nan"
    assert quiet(page)
    page.close()


def test_nan_is_not_a_colour_of_a_picture(browser: Browser, tmp_path: Path) -> None:
    scores = np.random.default_rng(2).normal(size=(70, 70))
    scores[5, 7] = np.nan
    opened = Opened(browser, tmp_path, given(scores, nonfinite="allow"))
    page = opened.page
    page.evaluate("location.hash = '#weights/q5/k7'")
    page.frame()
    said = "[...document.querySelectorAll('.work dd')].filter(e => !e.hidden).map(e => e.innerText)"
    assert any("nan" in line for line in page.evaluate(said))
    clear = page.evaluate(
        "(() => { const i = document.querySelector('#stage img'), c = document.createElement("
        "'canvas'); c.width = c.height = 70; const x = c.getContext('2d');"
        "x.filter = 'none'; x.drawImage(i, 0, 0, 70, 70); return [...x.getImageData(0, 0, 70, 70)"
        ".data].filter((_, i) => i % 4 === 3).map((a, i) => a ? -1 : i).filter(i => i >= 0); })()"
    )
    assert clear == [5 * 70 + key for key in range(70)]  # the whole row is NaN
    assert quiet(page)
    page.close()


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_row_without_keys_says_so(browser: Browser, tmp_path: Path, number: int) -> None:
    n = 5 if number == 1 else 64
    mask = np.ones((n, n), bool)
    mask[3] = False
    random = np.random.default_rng(4)
    shape = (1, 3, n, 32) if number > 1 else (1, 1, n, 4)
    vectors = {name: random.normal(size=shape) for name in ("query", "key", "value")}
    keys = {**vectors, "mask": {"values": mask, "true_means": "attend"}}
    problem = read_problem(from_mapping(keys))
    opened = Opened(browser, tmp_path, problem, limit=RUNGS.get(number, 5_000_000))
    assert opened.report.rung == number
    page = opened.page
    page.evaluate("location.hash = '#weights/b0/h0/q3/k2'")
    page.frame()
    assert page.evaluate("document.querySelector('.row h4').textContent") == "row of 3: sees no key"
    said = page.evaluate(
        "[...document.querySelectorAll('.work dt')].filter(e => !e.hidden)"
        ".map(e => [e.textContent, e.nextElementSibling.textContent])"
    )
    texts = dict(said)
    assert texts["weight"].startswith("0")
    assert "sees no key: weights are 0" in texts["weight"]
    assert number == 4 or "hidden by: mask" in texts["masked"]
    page.evaluate("location.hash = '#weights/b0/h0/q2/k2'")
    page.frame()
    assert "effective keys" in page.evaluate("document.querySelector('.row h4').textContent") or (
        number == 4
    )
    assert quiet(page)
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_on_every_colour(browser: Browser, tmp_path: Path, scheme: str) -> None:
    shares = np.linspace(0, 1, 33)
    with np.errstate(divide="ignore"):
        weights = np.log(shares)[None, :]
    for scores, step in ((shares[None, :] * 2 - 1, "scores"), (weights, "weights")):
        page = Opened(browser, tmp_path, given(scores, nonfinite="allow")).page
        page.evaluate(f"location.hash = '#{step}/q0/k1'")
        page.frame()
        page.media(scheme=scheme)
        pairs = page.evaluate(
            "[...document.querySelectorAll('#stage tbody td')].map(e => {"
            "const s = getComputedStyle(e); return [s.color, s.backgroundColor]; })"
        )
        found = [(rgb(ink), rgb(ground)) for ink, ground in pairs]
        colours = ramp(diverging=step == "scores", light=scheme == "light").colours
        assert [ground for _, ground in found] == [tuple(colour) for colour in colours]
        assert min(contrast(*pair) for pair in found) >= 4.5
        page.close()
