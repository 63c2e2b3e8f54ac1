"""What views show, held in files; `python -m tests.golden.write FOLDER` writes them again."""

from __future__ import annotations

import pytest

from tests.conftest import Attn
from tests.golden.write import HERE, cases, folders
from tests.helpers.processes import ROOT

HELD = [(folder, name) for folder in folders() for name in cases(folder)]


@pytest.mark.parametrize(("folder", "name"), HELD)
def test_a_view_shows_what_it_did(
    folder: str, name: str, attn: Attn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    case = cases(folder)[name]
    for variable, text in case.environment.items():
        monkeypatch.setenv(variable, text)
    ran = attn(*case.arguments)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == (HERE / folder / name).read_bytes().decode()


def test_every_file_has_a_case() -> None:
    assert {"heatmap", "stats", "svg"} <= set(folders())
    for folder in folders():
        files = {path.name for path in (HERE / folder).iterdir()}
        assert files == {"cases.txt", *cases(folder)}
