"""The worker that has a Chromium without a window: how long a page takes to open, and to follow."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

from benchmarks.inside.loop import serve
from tests.browser.devtools import TIMEOUT, Browser, Page
from tests.browser.program import MISSING, PROGRAM

# Runs before anything of the page: notes when the frame is drawn after the page calls itself ready.
NOTED = """
new MutationObserver((_, watch) => {
  if (!("ready" in document.documentElement.dataset)) return;
  watch.disconnect();
  requestAnimationFrame(() => setTimeout(() => { window.opened = performance.now(); }));
}).observe(document, {subtree: true, attributes: true, attributeFilter: ["data-ready"]});
"""
BOX = """
(() => {
  const map = document.querySelector("#stage img") || document.querySelector("#stage tbody");
  map.scrollIntoView({block: "center", behavior: "instant"});
  const box = map.getBoundingClientRect();
  const [left, top] = [Math.max(box.left, 0), Math.max(box.top, 0)];
  const [right, bottom] = [Math.min(box.right, innerWidth), Math.min(box.bottom, innerHeight)];
  return [left, top, right - left, bottom - top];
})()
"""
WORK = ("ScriptDuration", "RecalcStyleDuration", "LayoutDuration")
CHOSEN = "document.querySelector('.work h3').textContent"


def missing() -> str:
    """Return why there is no Chromium; empty if there is one."""
    return "" if PROGRAM else MISSING


def open_page(file: str) -> float:
    """Return the seconds from the navigation to the frame in which the page is ready."""
    with _page() as page:
        return _opened(page, file)


def hovers(file: str, count: int) -> list[dict[str, float]]:
    """Return how long the page's thread works for each of some moves of the pointer.

    Only moves to another cell count. `work` is script, style and layout, `all` is everything from
    the event to the end of the next frame, with painting and with what this worker asks the page:
    seconds of CPU time, as the browser counts them by the clock of the thread.
    """
    with _page() as page:
        _opened(page, file)
        page.call("Performance.enable", timeDomain="threadTicks")
        left, top, width, height = page.evaluate(BOX)
        draw = random.Random(count)
        found: list[dict[str, float]] = []
        chosen = page.evaluate(CHOSEN)
        for _ in range(10 * count):  # some moves stay in their cell
            before = _worked(page)
            page.move(left + width * draw.random(), top + height * draw.random())
            after, now = _worked(page), page.evaluate(CHOSEN)
            if now != chosen:
                found.append({name: after[name] - before[name] for name in after})
            if len(found) == count:
                return found
            chosen = now
        raise ValueError(f"{10 * count} moves chose another cell of {file} {len(found)} times")


@contextmanager
def _page() -> Iterator[Page]:
    """Start a browser of its own, so that nothing is kept from the page before."""
    with tempfile.TemporaryDirectory(prefix="bench-browser-") as folder:
        empty = Path(folder) / "empty.html"
        empty.write_text("<!doctype html><title>empty</title>", encoding="utf-8")
        browser = Browser(Path(folder))
        try:
            yield browser.open(empty)
        finally:
            browser.close()


def _opened(page: Page, file: str) -> float:
    page.call("Page.addScriptToEvaluateOnNewDocument", source=NOTED)
    page.call("Page.navigate", url=Path(file).as_uri())
    end = monotonic() + TIMEOUT
    while (opened := page.evaluate("window.opened")) is None:
        if monotonic() > end:
            raise ValueError(f"{file} is not ready after {TIMEOUT:g} s")
        page.frame()
    return float(opened) / 1000


def _worked(page: Page) -> dict[str, float]:
    """Return how long the page's thread has worked so far."""
    metrics = page.call("Performance.getMetrics")["metrics"]
    seconds = {each["name"]: float(each["value"]) for each in metrics}
    return {"work": sum(seconds[name] for name in WORK), "all": seconds["TaskDuration"]}


if __name__ == "__main__":
    serve({"missing": missing, "open_page": open_page, "hovers": hovers})
