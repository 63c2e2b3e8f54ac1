"""The metadata that an installer reads: the version and what the package runs on."""

from __future__ import annotations

import re

import pytest

from attn_cli import __version__
from tests.conftest import Attn
from tests.helpers.processes import ROOT
from tests.project.test_requirements import PROJECT, PYTHONS


def test_the_version_is_written_in_one_place(attn: Attn) -> None:
    assert "version" not in PROJECT["project"]
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert PROJECT["tool"]["hatch"]["version"] == {"path": "attn_cli/__init__.py"}
    writing = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "attn_cli").rglob("*.py")
        if __version__ in path.read_text(encoding="utf-8")
    ]
    assert writing == ["attn_cli/__init__.py"]
    assert attn("--version").out == f"attn {__version__}\n"


def test_the_build_has_that_version() -> None:
    pytest.importorskip("hatchling")
    from hatchling.metadata.core import ProjectMetadata
    from hatchling.plugin.manager import PluginManager

    assert ProjectMetadata(str(ROOT), PluginManager()).version == __version__


def test_classifiers_name_the_versions_of_python_that_are_locked() -> None:
    named = re.findall(r":: (3\.\d+)", "\n".join(PROJECT["project"]["classifiers"]))
    assert named == PYTHONS
    assert PROJECT["project"]["requires-python"] == f">={PYTHONS[0]}"


def test_classifiers_exist() -> None:
    known = pytest.importorskip("trove_classifiers").classifiers
    assert set(PROJECT["project"]["classifiers"]) <= set(known)
