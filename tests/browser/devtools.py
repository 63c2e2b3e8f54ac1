"""Chromium through its DevTools protocol, over a pipe: pages are opened, pointed at, typed into.

Messages are JSON, each ended by a zero byte (chromium --remote-debugging-pipe). Nothing of the page
changes: its content security policy holds as for a reader.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import subprocess
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

from tests.browser.program import PROGRAM, options_of_root

TIMEOUT = 60.0  # seconds for an answer
KEYS = {
    "ArrowUp": 38, "ArrowDown": 40, "ArrowLeft": 37, "ArrowRight": 39, "Home": 36, "End": 35,
    "Escape": 27, "Enter": 13, "[": 219, "]": 221,
}  # fmt: skip
OPTIONS = (
    "--headless", "--disable-gpu", "--no-first-run", "--disable-extensions", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe",
)  # fmt: skip


class Browser:
    """A Chromium without a window and without a network."""

    def __init__(self, folder: Path) -> None:
        assert PROGRAM is not None
        here_read, there_write = os.pipe()
        there_read, here_write = os.pipe()
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (there_read, there_write)]

        def connect() -> None:  # Chromium reads from 3 and writes to 4
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self._process = subprocess.Popen(
            [PROGRAM, *OPTIONS, *options_of_root(), f"--user-data-dir={folder / 'profile'}"],
            preexec_fn=connect,  # noqa: PLW1509 - no other thread runs
            pass_fds=(3, 4),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in (there_read, there_write, *ends):
            os.close(end)
        self._read, self._write = here_read, here_write
        self._rest = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def close(self) -> None:
        """End the browser."""
        with contextlib.suppress(OSError, AssertionError):
            self.call("Browser.close")
        self._process.wait(timeout=TIMEOUT)
        os.close(self._read)
        os.close(self._write)

    def call(self, method: str, session: str | None = None, **parameters: Any) -> Any:
        """Call a method and return its result; events that come before it are kept."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        for answer in self._messages():
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self.events.append(answer)
        raise AssertionError(f"no answer to {method}")

    def _messages(self) -> Iterator[dict[str, Any]]:
        end = monotonic() + TIMEOUT
        while monotonic() < end:
            whole, zero, rest = self._rest.partition(b"\0")
            if zero:
                self._rest = rest
                yield json.loads(whole)
                continue
            if select.select([self._read], [], [], 1.0)[0]:
                data = os.read(self._read, 1 << 16)
                assert data, "Chromium ended"
                self._rest += data

    def open(self, path: Path, *, scripts: bool = True, width: int = 1200) -> Page:
        """Open a file in a new page, and wait until it is loaded."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session)
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            page.call(f"{domain}.enable")
        page.call("Network.emulateNetworkConditions", offline=True, latency=0,
                  downloadThroughput=-1, uploadThroughput=-1)  # fmt: skip
        page.resize(width)
        if not scripts:
            page.call("Emulation.setScriptExecutionDisabled", value=True)
        self.events.clear()
        page.call("Page.navigate", url=path.as_uri())
        page.wait("Page.loadEventFired")
        return page


class Page:
    """A page of the browser."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser, self._session = browser, session

    def call(self, method: str, **parameters: Any) -> Any:
        """Call a method of the page."""
        return self._browser.call(method, self._session, **parameters)

    def wait(self, event: str) -> None:
        """Wait for an event that comes once."""
        end = monotonic() + TIMEOUT
        while not any(each.get("method") == event for each in self._browser.events):
            assert monotonic() < end, f"no {event}"
            self.call("Runtime.evaluate", expression="0")

    def events(self, method: str) -> list[dict[str, Any]]:
        """Return what was said of a kind since the page was opened."""
        found = [each for each in self._browser.events if each.get("method") == method]
        return [each["params"] for each in found if each.get("sessionId") == self._session]

    def evaluate(self, script: str) -> Any:
        """Return the value of an expression, promises too."""
        done = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def frame(self) -> None:
        """Wait until the page has drawn what was asked for."""
        self.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")

    def resize(self, width: int, height: int = 1000) -> None:
        """Set the size of the window."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=False)  # fmt: skip

    def media(self, media: str = "", scheme: str = "light") -> None:
        """Emulate print, or a system in the light or the dark."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)

    def point(self, selector: str, *, click: bool = False) -> None:
        """Point at the middle of an element, or click it."""
        x, y = self.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'});"
            "const b = e.getBoundingClientRect();"
            "return [b.left + b.width / 2, b.top + b.height / 2]; })()"
        )
        self.move(x, y, click=click)

    def move(self, x: float, y: float, *, click: bool = False) -> None:
        """Move the pointer, or click."""
        kinds = ["mouseMoved", *(["mousePressed", "mouseReleased"] if click else [])]
        for kind in kinds:
            button = "none" if kind == "mouseMoved" else "left"
            self.call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=x,
                y=y,
                button=button,
                clickCount=int(click),
            )
        self.frame()

    def press(self, key: str) -> None:
        """Press a key and let it go."""
        text = {"text": key} if len(key) == 1 else {}
        for kind in ("keyDown", "keyUp"):
            more = text if kind == "keyDown" else {}
            code = KEYS[key]
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **more
            )
        self.frame()

    def picture(self, clip: dict[str, float] | None = None) -> bytes:
        """Return a picture of the page, or of a part of it, as PNG."""
        part = {} if clip is None else {"clip": {**clip, "scale": 1}}
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=clip is not None, **part)
        return base64.b64decode(shot["data"])

    def close(self) -> None:
        """Close the page."""
        self.call("Page.close")
