"""Messages on stderr: their place, their length, and no control characters."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from attn_cli import AttnError, compute
from tests.conftest import SAMPLES, Attn


@pytest.mark.regression("a message quoted 100,000 characters")
def test_what_is_quoted_is_cut(attn: Attn) -> None:
    text = "9" * 100_000
    said = f"error: --memory cannot be '{text}"[: 2000 + len("error: ")]
    ran = attn("compute", SAMPLES / "love_coding.yaml", "--memory", text)
    assert (ran.status, ran.err.splitlines()[0]) == (2, f"{said}...")
    ran = attn("compute", SAMPLES / "love_coding.yaml", "--set", f"heads={text}x")
    assert ran.status == 2
    assert len(ran.err) < 2500
    assert ran.err.splitlines()[1] == f"  --> --set heads={text}"[: 2000 + len("  --> ")] + "..."


@pytest.mark.regression("the help of a message quoted a key of any length")
def test_advice_that_quotes_a_long_text_is_cut(attn: Attn, tmp_path: Path) -> None:
    """A key of 7000 digits whose value follows its colon is in the advice too."""
    (tmp_path / "p.yaml").write_text(f"embed{'7' * 7000}dings:[[1, 0], [0, 1]]\n")
    ran = attn("compute", tmp_path / "p.yaml")
    assert ran.status == 2
    assert "\nhelp: write 'embed777" in ran.err
    assert max(map(len, ran.err.splitlines())) < 2100


@pytest.mark.regression("a fault of --set was placed in the file")
@pytest.mark.parametrize(
    ("option", "where"),
    [
        ("mask.true_means=attend", "--set mask.true_means=attend"),
        ("memory.tokens=[a, b]", "--set memory.tokens=[a, b]"),
        ("score.function=gaussian", "--set score.function=gaussian"),
    ],
)
def test_what_an_option_broke_is_placed_at_the_option(option: str, where: str, attn: Attn) -> None:
    ran = attn("compute", SAMPLES / "love_coding.yaml", "--set", option)
    assert ran.err.splitlines()[1] == f"  --> {where}"


@pytest.mark.regression("a missing key was placed at the first key of the file")
def test_a_key_that_is_not_there_is_not_placed_at_another(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("tokens: [a, b]\nquery: [[[1, 0]]]\nembeddings: [[1, 0]]\n")
    with pytest.raises(AttnError) as caught:
        compute(path)
    assert caught.value.where is not None
    assert caught.value.where.line != 1


@pytest.mark.regression("the error of a key that is written twice had no path")
def test_a_key_twice_has_its_path(attn: Attn) -> None:
    ran = attn("compute", "-", "-f", "json", stdin="weights: {query: a, query: b}\n")
    assert json.loads(ran.out)["error"]["path"] == "weights.query"


@pytest.mark.regression("control characters of arguments reached the terminal")
@pytest.mark.parametrize(
    "arguments",
    [
        ["compute", "-", "--only", "\x1b[31mx"], ["compute", "-", "-f", "\x1b[31mx"],
        ["compute", "-", "-o", "\x1b[31mx"], ["compute", "-", "--normalize", "\x1b[31mx"],
        ["compute", "-", "--memory", "\x1b[31mx"], ["samples", "\x1b[31mx"], ["\x1b[31mx"],
        ["compute", "\x1b[31m.yaml"], ["compute", "-", "--score", '"\\e[31mx"'],
        ["compute", "-", "--set", 'score={function: dot, "\\e[31mx": 1}'],
    ],
)  # fmt: skip
def test_nothing_that_is_shown_can_colour_the_terminal(arguments: list[str], attn: Attn) -> None:
    ran = attn(*arguments, stdin="embeddings: [[1]]\n")
    assert ran.status == 2
    assert "\x1b" not in ran.err
    assert "\\x1b[31m" in ran.err
