"""The browser of all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.devtools import Browser


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser for all tests."""
    started = Browser(tmp_path_factory.mktemp("browser"))
    yield started
    started.close()
