"""The worksheet as a page: a blank step is nowhere in it, and there is room to write."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.conftest import SAMPLES, Attn
from tests.helpers.hostile import HOSTILE
from tests.helpers.many import check_each
from tests.helpers.tree import Tree, policy_of

LOVE = SAMPLES / "love_coding.yaml"


def numbers_of(values: object) -> set[str]:
    """Every number with a fraction, as it is written with 2 to 4 decimals, and exactly."""
    found: set[str] = set()
    for number in re.findall(r"-?\d+\.\d{3,}", json.dumps(values)):
        x = abs(float(number))
        found |= {f"{x:.{digits}f}".removeprefix("0") for digits in (2, 3, 4)}
        found |= {number.removeprefix("-"), f"{100 * x:.1f}%"}
    return found


def tables_in(page: str) -> dict[str, list[str]]:
    """Step -> its sections; the name of a step begins its title."""
    found: dict[str, list[str]] = {}
    for section in re.findall(r"<section>.*?</section>", page, re.DOTALL):
        name = re.search(r"<code>(\w+)", section)
        assert name is not None
        found.setdefault(name[1], []).append(section)
    return found


def test_a_blank_step_is_nowhere_in_the_bytes(attn: Attn) -> None:
    blank = {
        "love_coding": ("weights", {"weights", "context", "output"}),
        "two_heads": ("scores", {"scores", "weights", "context", "concat", "output"}),
        "not_like": (
            "weights",
            {"weights", "context", "output", "pooled", "logits", "probabilities"},
        ),
    }

    def each(name: str) -> None:
        step, empty = blank[name]
        whole = json.loads(attn("compute", SAMPLES / f"{name}.yaml", "-f", "json").out)
        ran = attn("compute", SAMPLES / f"{name}.yaml", "-f", "html", "--blank", step)
        assert (ran.status, ran.err) == (0, "")
        page, tree = ran.out, Tree(ran.out)
        assert "script-src" not in policy_of(tree, page)
        assert not {tag for tag, _ in tree.tags} & {"script", "img", "svg", "button", "details"}
        assert "data:" not in page.partition("</head>")[2]
        sections = tables_in(page)
        for made in empty & set(sections):
            assert made in whole["steps"]
            for section in sections[made]:
                cells = re.findall(r"<td[^>]*>(.*?)</td>", section.partition("<tbody>")[2])
                assert set(cells) == {""}, made
                assert "class=blank" in section
                assert "<b>" not in section
        body = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
        written = {number.removeprefix("0") for number in re.findall(r"\d*\.\d+%?", body)}
        others = {n for made in set(sections) - empty for n in numbers_of(whole["steps"][made])}
        given = {f"{whole['settings']['scale']:.4g}".removeprefix("0")}
        for made in empty & whole["steps"].keys():
            hidden = numbers_of(whole["steps"][made]["values"]) - others - given
            assert not hidden & written, made
        if name == "love_coding":
            assert len(numbers_of(whole["steps"]["weights"]["values"]) - others) > 20
        for choice in whole.get("choices", ()):
            assert f"{choice['value']:.4f}" not in page
        for kept in sections.keys() - empty:
            there = numbers_of(whole["steps"][kept]["values"])
            assert there & written or not there or "the same as" in sections[kept][0], kept

    check_each(blank, each)


def test_a_later_step_that_was_named_keeps_its_numbers(attn: Attn) -> None:
    options = ("--blank", "weights", "--show", "weights,output", "--digits", "3")
    page = attn("compute", LOVE, "-f", "html", *options).out
    sections = tables_in(page)
    assert list(sections) == ["weights", "output"]
    assert "class=blank" in sections["weights"][0]
    assert ">1.988</td>" in sections["output"][0]


def test_hostile_tokens_are_text(attn: Attn, tmp_path: Path) -> None:
    words = ["</script><script>alert(1)</script>", *HOSTILE]
    problem = tmp_path / "p.json"
    rows = [[at % 3, 1, at] for at in range(len(words))]
    problem.write_text(json.dumps({"tokens": words, "embeddings": rows}), encoding="utf-8")
    ran = attn("compute", problem, "-f", "html", "--blank", "weights")
    assert ran.status == 0, ran.err
    Tree(ran.out)
    assert "<script" not in ran.out
    assert "\u202e" not in ran.out
    assert "&lt;/script&gt;" in ran.out


def test_the_size_is_limited_and_warnings_are_not_on_it(attn: Attn, tmp_path: Path) -> None:
    out = tmp_path / "sheet.html"
    ran = attn("compute", LOVE, "--blank", "weights", "-o", out, "--max-size", "3kB")
    assert ran.status == 2
    assert re.search(r"the page has \d+ bytes, and 3000 are allowed", ran.err)
    assert not out.exists()
    problem = {"query": [[1], [1]], "key": [[1], [0]], "value": [[1], [2]],
               "mask": [["-inf", "-inf"], [0, 0]]}  # fmt: skip
    (tmp_path / "p.json").write_text(json.dumps(problem))
    ran = attn("compute", tmp_path / "p.json", "--blank", "weights", "-o", out)
    assert (ran.status, "has no key to attend to" in ran.err) == (0, True)
    assert "has no key" not in out.read_text()
    assert out.read_text().count("class=x") == 2  # of masked, which stays
    assert "hidden by: mask" in out.read_text()


@pytest.mark.regression("--quiet of a page with warnings was a traceback")
def test_quiet_pages_say_nothing(attn: Attn, tmp_path: Path) -> None:
    problem = {"query": [[1], [1]], "key": [[1], [0]], "value": [[1], [2]],
               "mask": [["-inf", "-inf"], [0, 0]]}  # fmt: skip
    (tmp_path / "p.json").write_text(json.dumps(problem))
    for options in ((), ("--blank", "weights")):
        ran = attn("compute", tmp_path / "p.json", "-f", "html", "-q", *options)
        assert (ran.status, ran.err) == (0, "")
        assert "has no key" not in ran.out
