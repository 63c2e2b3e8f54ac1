"""The locked versions: exact, without addresses, and all that `pyproject.toml` asks for."""

from __future__ import annotations

import re
import runpy
import tomllib
from collections.abc import Callable
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.helpers.processes import ROOT

FOLDER = ROOT / "requirements"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PYTHONS = re.findall(r"3\.\d+", re.findall(r"^LOCKED := (.*)$", MAKEFILE, re.MULTILINE)[0])
LINE = re.compile(r'[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*( ; python_version == "3\.\d+"( or .+)?)?')


def lines(file: str) -> list[str]:
    text = (FOLDER / f"{file}.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def locked(file: str, python: str) -> dict[str, str]:
    """The versions that a file and those it names hold for one Python."""
    found: dict[str, str] = {}
    for line in lines(file):
        if line.startswith("-r "):
            found |= locked(line[3:].removesuffix(".txt"), python)
            continue
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"python_version": python}):
            assert requirement.name not in found
            found[canonicalize_name(requirement.name)] = str(requirement.specifier)[2:]
    return found


@pytest.mark.parametrize("file", ["test", "dev"])
def test_lines_are_names_and_exact_versions_alone(file: str) -> None:
    for line in lines(file):
        assert line == "-r test.txt" or LINE.fullmatch(line), line


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("file", ["test", "dev"])
def test_all_that_the_project_asks_for_is_locked(file: str, python: str) -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    asked = (
        PROJECT["project"]["dependencies"] + extras["test"] + PROJECT["build-system"]["requires"]
    )
    if file == "dev":
        asked += [text for text in extras["dev"] if not text.startswith("attn-cli")]
    versions = locked(file, python)
    for requirement in map(Requirement, asked):
        version = versions[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), (requirement, version)


def test_the_lowest_versions_are_the_floors() -> None:
    lowest: Callable[[list[str]], Any]
    lowest = runpy.run_path(str(FOLDER / "lowest.py"))["lowest"]
    assert lowest(["a>=13.8", "b-c>=0.28,<0.29", "d==0.17.6"]) == [
        "a==13.8",
        "b-c==0.28",
        "d==0.17.6",
    ]
    for without in ("a", "a<2", "a>2", "a~=2"):
        with pytest.raises(ValueError, match="has no lowest version"):
            lowest([without])


def test_a_version_that_not_all_pythons_share_has_a_marker() -> None:
    of = runpy.run_path(str(FOLDER / "lock.py"))["lines"]
    held = {
        "3.11": {"numpy": "2", "Rich": "15", "tomli": "1"},
        "3.12": {"numpy": "3", "Rich": "15"},
        "3.13": {"numpy": "3", "Rich": "15"},
    }
    assert of(held) == [
        'numpy==2 ; python_version == "3.11"',
        'numpy==3 ; python_version == "3.12" or python_version == "3.13"',
        "Rich==15",
        'tomli==1 ; python_version == "3.11"',
    ]
