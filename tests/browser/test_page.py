"""The page in Chromium, with the network off: what it shows, and how it behaves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from attn_cli import compute
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import from_mapping
from attn_cli.views.cells import ordinal
from attn_cli.views.colour import contrast, ramp
from attn_cli.views.derivation.written import shown
from tests.browser.chromium import needs_chromium
from tests.browser.devtools import Browser
from tests.browser.opened import HEADING, Opened, causal, few_change, quiet, rgb, sample
from tests.browser.workings import EVERY_CELL, plain, wrong
from tests.conformance.cases import PROBLEMS
from tests.conftest import SAMPLES
from tests.helpers.hostile import HOSTILE
from tests.helpers.many import check_each
from tests.helpers.pictures import pixels

pytestmark = [needs_chromium, pytest.mark.slow]

FEW = 3  # cells of a conformance problem that are compared
PARTS = 16  # of the conformance problems, each a test
DICTIONARIES = {"french_english", "tennis"}


def test_every_line_of_every_cell_of_every_sample_is_that_of_explain(
    browser: Browser, tmp_path: Path
) -> None:
    for path in sorted(SAMPLES.glob("*.yaml")):
        if path.stem in DICTIONARIES:
            continue
        opened = Opened(browser, tmp_path, sample(path.stem))
        cells = opened.page.evaluate(EVERY_CELL)
        step = opened.report.record.steps["weights"]
        assert len(cells) == step.values.size, path.stem
        assert wrong(opened, cells) == [], path.stem
        assert quiet(opened.page), path.stem
        opened.page.close()


@pytest.mark.parametrize("first", range(PARTS))
def test_lines_of_every_convention_are_those_of_explain(
    browser: Browser, tmp_path: Path, first: int
) -> None:
    def check(name: str) -> None:
        opened = Opened(browser, tmp_path, read_problem(from_mapping(PROBLEMS[name])))
        cells = opened.page.evaluate(EVERY_CELL)
        assert wrong(opened, cells[:: max(1, len(cells) // FEW)]) == []
        assert quiet(opened.page)
        opened.page.close()

    check_each(sorted(PROBLEMS)[first::PARTS], check)


def test_pointer_keys_and_address_choose_a_cell(browser: Browser, tmp_path: Path) -> None:
    page = Opened(browser, tmp_path, sample("two_heads")).page
    cell = "#stage tbody tr:nth-child({}) td:nth-of-type({})"
    page.point(cell.format(3, 2))
    assert page.evaluate(HEADING) == "head 0: drinks (query 2) \u2192 cat (key 1)"
    page.point(cell.format(3, 2), click=True)
    page.point(cell.format(1, 1))
    assert "drinks (query 2)" in page.evaluate(HEADING)  # a click holds it
    page.press("ArrowRight")
    page.press("ArrowDown")
    assert page.evaluate(HEADING) == "head 0: milk (query 3) \u2192 drinks (key 2)"
    assert page.evaluate("document.activeElement.tagName") == "TD"
    assert page.evaluate("document.activeElement.tabIndex") == 0
    assert page.evaluate("document.querySelectorAll('#stage td[tabindex=\"0\"]').length") == 1
    weights = compute(str(SAMPLES / "two_heads.yaml"))["weights"]
    said = f"milk to drinks: {shown(float(weights[0, 3, 2]), 4)}"
    assert page.evaluate("document.querySelector('.live').textContent") == said
    page.press("]")
    assert page.evaluate(HEADING).startswith("head 1: milk")
    assert page.evaluate("document.querySelector('.heads [aria-pressed=true]').dataset.lead") == "1"
    page.press("Home")
    page.press("Escape")
    page.evaluate("new Promise(done => setTimeout(done, 300))")
    assert page.evaluate("location.hash") == "#weights/h1/q3/k0"
    page.evaluate("location.hash = '#scores/h0/q1/k3'")
    page.frame()
    assert page.evaluate(HEADING) == "head 0: cat (query 1) \u2192 milk (key 3)"
    assert (
        page.evaluate("document.querySelector('#stage figcaption').textContent") == "scores, head 0"
    )
    assert page.evaluate("document.querySelector('nav [aria-current]').textContent").startswith(
        "scores"
    )
    page.close()


def test_an_address_opens_its_cell(browser: Browser, tmp_path: Path) -> None:
    opened = Opened(browser, tmp_path, sample("bank"))
    page = opened.page
    page.evaluate("location.href = location.href.split('#')[0] + '#weights/q1/k2'")
    page.frame()
    assert "(query 1)" in page.evaluate(HEADING)
    assert "(key 2)" in page.evaluate(HEADING)
    page.evaluate("location.hash = '#weights/q99/k0'")  # not there: nothing is chosen
    page.frame()
    assert "(query 1)" in page.evaluate(HEADING)
    assert quiet(page)
    page.close()


@pytest.mark.parametrize("name", ["two_heads", "dog_sentence"])
def test_few_nodes_change_if_the_pointer_moves(browser: Browser, tmp_path: Path, name: str) -> None:
    few_change(Opened(browser, tmp_path, sample(name)).page)


def test_few_nodes_change_in_a_page_of_pictures(browser: Browser, tmp_path: Path) -> None:
    page = Opened(browser, tmp_path, causal(64, 12, 16)).page
    assert page.evaluate("document.querySelectorAll('*').length") < 3000
    few_change(page)


def test_hostile_tokens_are_text(browser: Browser, tmp_path: Path) -> None:
    attacks = [
        "</script><script>document.title='pwned'</script>",
        '"><img src=x onerror=alert(1)>',
        "&amp; ' \u2028",
        "\u05d0\u05d1\u05d2\u202eabc",
        "<!--<script>",
        "]]>",
        *HOSTILE,
    ]
    random = np.random.default_rng(1)
    vectors = random.normal(size=(len(attacks), 3))
    problem = read_problem(from_mapping({"embeddings": vectors, "tokens": attacks}))
    opened = Opened(browser, tmp_path, problem)
    page = opened.page
    page.evaluate(EVERY_CELL)
    assert quiet(page)
    assert "pwned" not in page.evaluate("document.title")[:7]
    assert page.evaluate("document.querySelectorAll('img[src=x], body script').length") == 2
    words = page.evaluate(
        "[...document.querySelectorAll('#stage tbody th bdi')].map(e => e.textContent)"
    )
    from attn_cli.errors import printable

    assert words == [printable(word) for word in attacks]
    assert page.evaluate("document.querySelector('#attn-record').textContent.length") > 0
    page.close()


@pytest.mark.parametrize("n", [4, 64, 512])
def test_a_hidden_cell_gives_its_reason_at_every_size(
    browser: Browser, tmp_path: Path, n: int
) -> None:
    opened = Opened(browser, tmp_path, causal(n, d=16))
    page = opened.page
    page.evaluate("location.hash = '#weights/b0/h0/q1/k3'")
    page.frame()
    lines = page.evaluate(
        "[...document.querySelectorAll('.work dt')].filter(e => !e.hidden)"
        ".map(e => [e.textContent, e.nextElementSibling.textContent])"
    )
    said = {name: plain(text) for name, text in lines}
    assert "hidden by: causal" in said["masked"], said
    assert said["weight"].startswith("0"), said
    assert "hidden by: causal" in said["weight"]
    q, k = (np.asarray(opened.problem.__dict__[side].inputs)[0, 0] for side in ("query", "key"))
    score = float(q[1] @ k[3]) / 4
    assert abs(float(said["score"].split()[-1]) - score) < 1e-3
    page.close()


def test_without_a_script_all_maps_and_steps_are_there(browser: Browser, tmp_path: Path) -> None:
    opened = Opened(browser, tmp_path, sample("two_heads"), scripts=False)
    page = opened.page
    page.call("Emulation.setScriptExecutionDisabled", value=False)  # to ask the page
    visible = "e => e.checkVisibility({contentVisibilityAuto: true})"
    of_weights = "[...document.querySelectorAll('figure[data-step=weights] table')]"
    tables = page.evaluate(f"{of_weights}.filter({visible}).length")
    assert tables == 2
    steps = page.evaluate("document.querySelectorAll('details[id^=step-]').length")
    assert steps == len(opened.report.record.steps)
    shown_parts = page.evaluate(
        f"[...document.querySelectorAll('.work, .controls, #theme')].filter({visible}).length"
    )
    assert shown_parts == 0
    page.close()


def test_print_is_light_without_controls(browser: Browser, tmp_path: Path) -> None:
    page = Opened(browser, tmp_path, sample("two_heads")).page
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.media("print", "dark")
    style = "getComputedStyle(document.{}).{}"
    assert page.evaluate(style.format("body", "backgroundColor")) == "rgb(255, 255, 255)"
    for part in ("nav", ".controls", "#theme"):
        assert page.evaluate(style.format(f"querySelector('{part}')", "display")) == "none", part
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.querySelectorAll('details:not([open])').length") == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.querySelectorAll('details:not([open])').length") > 3
    page.close()


@pytest.mark.parametrize("name", ["two_heads", "dog_sentence", "bank"])
def test_a_narrow_window_does_not_scroll_sideways(
    browser: Browser, tmp_path: Path, name: str
) -> None:
    page = Opened(browser, tmp_path, sample(name), width=390).page
    wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1]
    page.close()


def test_a_narrow_window_of_pictures_does_not_scroll_sideways(
    browser: Browser, tmp_path: Path
) -> None:
    page = Opened(browser, tmp_path, causal(80, 3), width=390).page
    wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1]
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_cell_can_be_read(browser: Browser, tmp_path: Path, scheme: str) -> None:
    page = Opened(browser, tmp_path, sample("dog_sentence")).page
    page.media(scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    pairs = page.evaluate(
        "[...document.querySelectorAll('.map tbody td')].filter(e => e.textContent).map(e => {"
        "const s = getComputedStyle(e); return [s.color, s.backgroundColor]; })"
    )
    assert len(pairs) == 3 * 14 * 14
    for ink, ground in {tuple(pair) for pair in pairs}:
        assert contrast(rgb(ink), rgb(ground)) >= 4.5, (ink, ground)
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_have_the_colours_of_their_numbers(
    browser: Browser, tmp_path: Path, scheme: str
) -> None:
    opened = Opened(browser, tmp_path, causal(64, 2, 8))
    page, heat = opened.page, opened.report.maps["weights"]
    page.media(scheme=scheme)
    page.evaluate("document.querySelectorAll('.band').forEach(e => e.remove())")
    box = page.evaluate(
        "(() => { const b = document.querySelector('#stage img').getBoundingClientRect();"
        "return [b.left + scrollX, b.top + scrollY, b.width, b.height]; })()"
    )
    clip = dict(zip(("x", "y", "width", "height"), box, strict=True))
    drawn = pixels(page.picture(clip))
    colours = np.array(ramp(diverging=False, light=scheme == "light").colours, float)
    shades, side = heat.shades(heat.panels[0]), box[2] / 64
    worst = 0.0
    for query in range(64):
        for key in range(query + 1):
            at = shades[query, key] * 32
            low = min(int(at), 31)
            expected = colours[low] + (at - low) * (colours[low + 1] - colours[low])
            x, y = int((key + 0.5) * side), int((query + 0.5) * side)
            worst = max(worst, float(np.abs(drawn[y, x][:3] - expected).max()))
    assert worst <= 2.0
    page.close()


def test_the_tree_of_accessibility_names_maps_and_cells(browser: Browser, tmp_path: Path) -> None:
    page = Opened(browser, tmp_path, sample("two_heads")).page
    page.call("Accessibility.enable")
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    named = {
        (node["role"]["value"], node.get("name", {}).get("value"))
        for node in nodes
        if not node["ignored"]
    }
    assert {
        ("grid", "weights, head 0"),
        ("columnheader", "milk"),
        ("rowheader", "cat"),
        ("navigation", "Steps of the computation"),
        ("radio", "weights"),
        ("complementary", "How the cell comes about"),
    } <= named
    assert ("status", "") in named or any(role == "status" for role, _ in named)
    page.close()


def test_a_cell_that_is_not_kept_says_so(browser: Browser, tmp_path: Path) -> None:
    opened = Opened(browser, tmp_path, causal(300, 3, 8), limit=700_000)
    page, kept = opened.page, opened.report.kept
    assert kept is not None
    count = kept.keys.shape[-1]
    weights = compute(opened.problem, steps=["weights"])["weights"][0]
    order = np.argsort(-weights[0, 299], kind="stable")
    lines = (
        "[...document.querySelectorAll('.work dd')].filter(e => !e.hidden).map(e => e.textContent)"
    )
    page.evaluate(f"location.hash = '#weights/b0/h0/q299/k{order[count - 1]}'")
    page.frame()
    last = shown(float(np.float32(weights[0, 299, order[count - 1]])), 4)
    assert any(plain(line).split("= ")[-1].startswith(last) for line in page.evaluate(lines))
    page.evaluate(f"location.hash = '#weights/b0/h0/q299/k{order[count]}'")
    page.frame()
    (said,) = [line for line in page.evaluate(lines) if "not" in line or "below" in line]
    below = f"below {last}, the {ordinal(count)} largest of the row; only the {count}"
    assert said.startswith(below)
    page.evaluate("location.hash = '#weights/b0/h0/q0/k5'")
    page.frame()
    assert any("hidden by: causal" in line for line in page.evaluate(lines))
    assert quiet(page)
    page.close()


def test_the_check_would_find_a_wrong_number(browser: Browser, tmp_path: Path) -> None:
    opened = Opened(browser, tmp_path, sample("not_like"))
    path = tmp_path / "page.html"
    text = path.read_text(encoding="utf-8")
    start = text.index("id=attn-record>") + len("id=attn-record>")
    end = text.index("</script>", start)
    document = json.loads(text[start:end])
    document["steps"]["scores"]["values"][0][0] += 0.01
    path.write_text(text[:start] + json.dumps(document) + text[end:], encoding="utf-8")
    opened.page.close()
    opened.page = browser.open(path)
    assert wrong(opened, opened.page.evaluate(EVERY_CELL)) != []
    opened.page.close()
