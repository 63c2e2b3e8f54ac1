"""The worksheet as a page in Chromium: white on screen and on paper, and as wide as the window."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.chromium import needs_chromium
from tests.browser.devtools import Browser
from tests.browser.opened import quiet
from tests.conftest import SAMPLES, Attn

pytestmark = [needs_chromium, pytest.mark.slow]


@pytest.mark.parametrize("name", ["love_coding", "two_heads", "dog_sentence"])
def test_a_worksheet_is_white_and_fits(
    browser: Browser, tmp_path: Path, attn: Attn, name: str
) -> None:
    out = tmp_path / "sheet.html"
    ran = attn("compute", SAMPLES / f"{name}.yaml", "--blank", "weights", "-o", out)
    assert ran.status == 0, ran.err
    page = browser.open(out, width=390)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    ground = "getComputedStyle(document.body).backgroundColor"
    for media, scheme in (("", "light"), ("", "dark"), ("print", "dark")):
        page.media(media, scheme)
        assert page.evaluate(ground) == "rgb(255, 255, 255)"
    page.resize(718)  # A4 without margins of 15 mm, at 96 pixels per inch: 180 mm are 680
    page.media("print")
    wide = page.evaluate(
        "Math.max(...[...document.querySelectorAll('table')].map(e => e.offsetWidth))"
    )
    assert wide <= 680
    room = page.evaluate(
        "[...document.querySelectorAll('.blank tbody td')]"
        ".map(e => [e.offsetWidth, e.offsetHeight])"
    )
    assert room
    assert all(width >= 56 and height >= 33 for width, height in room)  # 15 x 9 mm
    assert quiet(page)
    page.close()
