"""The pages of the documentation: links, commands, and that nothing is missing.

That generated parts are as the package has them is checked by `make docs-check`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest
import typer

from attn_cli.cli.app import COMMANDS, build
from attn_cli.cli.keys import written_out
from attn_cli.errors import ExitStatus
from attn_cli.maths.catalogue import catalogue
from attn_cli.maths.normalizers import NORMALIZERS
from attn_cli.maths.scores import SCORES
from docs._make import shell
from docs._make.pages import PAGES, PICTURES
from docs._make.tables import samples
from tests.helpers.processes import ROOT

pytestmark = pytest.mark.slow

FENCE = re.compile(r"^ *```")
COG = re.compile(r"<!-- \[\[\[cog.*?\]\]\] -->", re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
IMAGE = re.compile(r"!\[[^\]]+\]\(([^)\s]+)\)")
NOT_RUN = re.compile(r"<!-- not run: \S.{9,} -->")

TEXTS = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
}
DOCS = [name for name in TEXTS if name.startswith("docs/") or name == "README.md"]


def prose(text: str) -> list[str]:
    """The lines of a page that are not in a block of code."""
    lines, inside = [], False
    for line in COG.sub("", text).splitlines():
        if FENCE.match(line):
            inside = not inside
        elif not inside:
            lines.append(line)
    return lines


@cache
def anchors(name: str) -> frozenset[str]:
    """What `#...` can name in a page, by GitHub's rule."""
    found: list[str] = []
    for line in prose(TEXTS[name]):
        if heading := re.match(r"#+ (.*)", line):
            kept = re.sub(r"[^\w\- ]", "", heading[1].lower()).replace(" ", "-")
            seen = found.count(kept)
            found.append(kept if not seen else f"{kept}-{seen}")
    return frozenset(found)


@pytest.mark.parametrize("name", TEXTS)
def test_links_lead_somewhere(name: str) -> None:
    for line in prose(TEXTS[name]):
        for target in LINK.findall(re.sub(r"`[^`]*`(?!\]\()", "", line)):
            if target.startswith(("https://", "http://")):
                continue
            path, _, anchor = target.partition("#")
            file = (ROOT / name).parent / path if path else ROOT / name
            assert file.exists(), f"{name}: {target}"
            if anchor:
                page = str(file.resolve().relative_to(ROOT))
                assert anchor in anchors(page), f"{name}: {target}"


def test_every_picture_is_there_and_shown() -> None:
    shown = set()
    for name, text in TEXTS.items():
        for target in IMAGE.findall("\n".join(prose(text))):
            shown.add(((ROOT / name).parent / target).resolve())
    assert {ROOT / name for name in PICTURES} == shown
    assert len(shown) > len(samples())
    for path in shown:
        assert ElementTree.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg", path
    assert IMAGE.findall(TEXTS["README.md"].partition("## Install")[0])  # it opens with one


def test_every_page_is_reached_from_the_readme() -> None:
    reached, ahead = set(), ["README.md"]
    while ahead:
        name = ahead.pop()
        reached.add(name)
        for target in LINK.findall("\n".join(prose(TEXTS[name]))):
            if target.startswith("http") or target.startswith("#"):
                continue
            file = str(((ROOT / name).parent / target.partition("#")[0]).resolve())
            page = file.removeprefix(f"{ROOT}/")
            if page in TEXTS and page not in reached:
                ahead.append(page)
    assert set(TEXTS) - reached == set()


def shown_commands(name: str) -> Iterator[tuple[str, str]]:
    """(command, why it is not run, "run" if it is) of each line in blocks of code."""
    generated = name in PAGES
    state, inside = "run" if generated else "", False
    before = ""
    for line in TEXTS[name].splitlines():
        if FENCE.match(line):
            inside = not inside
            reason = before if NOT_RUN.search(before) else ""
        elif inside or re.match(r" {4}\S", line):
            command = line.strip().removeprefix("$ ")
            if command.startswith("attn ") and (line.lstrip()[0] == "$" or state != "run"):
                yield command, state or reason
        elif "[[[end]]]" in line:
            state = ""
        elif line.endswith("]]] -->"):
            state = "run"
        before = line if line.strip() and not inside else before


@pytest.mark.parametrize("name", DOCS)
def test_every_command_is_run_or_marked_with_a_reason(name: str) -> None:
    for command, how in shown_commands(name):
        assert how, f"{name}: {command}: use show(), or <!-- not run: REASON -->"


@cache
def options() -> dict[str, frozenset[str]]:
    """Command -> its options."""
    program = typer.main.get_command(build())
    found = {}
    for name, command in program.commands.items():  # type: ignore[attr-defined]
        own = {n for p in command.params for n in (*p.opts, *p.secondary_opts)}
        found[name] = frozenset({*own, "--help", "-h"})
    return found


def of_keys(word: str) -> bool:
    """Whether an option is a key of the problem, which `compute` writes out as --set."""
    return written_out(["compute", word, "1"]) != ["compute", word, "1"]


@pytest.mark.parametrize("name", [*TEXTS])
def test_commands_and_options_that_are_named_exist(name: str) -> None:
    if name == "CHANGELOG.md":  # of versions that are over, too
        return
    every = frozenset().union(*options().values())
    for code in re.findall(r"`([^`]+)`", "\n".join(prose(TEXTS[name]))):
        words = code.split()
        if words[0] == "attn" and len(words) > 1 and not words[1].startswith("-"):
            assert words[1] in COMMANDS, f"{name}: {code}"
            known = options()[words[1]]
        elif words[0].startswith("--"):
            known = every | {"--version"}
        else:
            continue
        for word in words:
            option = word.partition("=")[0]
            if re.fullmatch(r"--[a-z][a-z-]*", option):
                assert option in known or of_keys(option), f"{name}: {code}"


def test_every_formula_is_on_one_page() -> None:
    text = TEXTS["docs/reference/formulas.md"]
    formulas = [
        *(score.formula for score in SCORES),
        *(normalizer.formula for normalizer in NORMALIZERS),
        *(step.expression for step in catalogue()),
    ]
    for formula in formulas:
        assert f"{formula.latex()}\n$$" in text, str(formula)
        assert f"{formula}`" in text


def test_every_sample_has_its_page_and_every_page_its_sample() -> None:
    pages = {path.stem for path in (ROOT / "docs" / "gallery").glob("*.md")}
    assert pages == {*samples(), "index"}


def test_the_readme_is_short() -> None:
    assert len(TEXTS["README.md"].splitlines()) <= 160


def test_exit_statuses_are_all_explained() -> None:
    text = TEXTS["docs/reference/errors.md"]
    _, _, table = text.partition("| status | meaning |")
    named = re.findall(r"^\| (\d+) \|", table, re.MULTILINE)
    assert [int(each) for each in named] == sorted(status.value for status in ExitStatus)


@pytest.mark.parametrize(
    "command",
    [
        "attn compute samples/love_coding.yaml --only nothing",
        "attn samples gated | attn compute - --show 'gate'",
        "attn compute --help",
    ],
)
def test_a_command_in_a_fork_prints_what_its_process_does(command: str) -> None:
    parts = shell._pipeline(command)
    assert parts is not None
    assert shell._forked(parts, ROOT) == shell._in_shell(command, ROOT)


@pytest.mark.parametrize(
    "command",
    ["attn x > y", "attn x; attn y", "attn $HOME", "attn *.yaml", "sed s/a/b/", "attn x | head",
     "attn x \\\n y", "A=1 attn x", 'attn "$HOME"', "python -c 'print(1)'"],
)  # fmt: skip
def test_what_needs_a_shell_gets_one(command: str) -> None:
    assert shell._pipeline(command) is None


def test_a_status_is_shown_and_a_fault_is_not_documented(tmp_path: Path) -> None:
    from docs._make.shown import show

    said = shell.run("attn compute samples/love_coding.yaml --only nothing; echo exit status $?")
    assert said.output.endswith("output\nexit status 2\n")
    (tmp_path / "fault.py").write_text("raise ValueError('a fault')\n")
    for command in ("python fault.py", "nonsense_command --help"):
        with pytest.raises(RuntimeError, match=command):
            show(command, folder=tmp_path)


@pytest.mark.parametrize("name", DOCS)
def test_every_generated_block_shows_something(name: str) -> None:
    """A block of cog that spans several lines is not run: its output would be empty."""
    block = re.compile(r"\[\[\[cog(.*?)\]\]\] -->\n(.*?)<!-- \[\[\[end\]\]\]", re.DOTALL)
    for code, shown in block.findall(TEXTS[name]):
        assert shown.strip(), f"{name}: {code.strip()[:60]}"
