"""Worksheets: the numbers of blank steps, and of all that follow, are nowhere in the file."""

import re
from pathlib import Path

import pytest

from tests.conftest import SAMPLES, Attn

LOVE = str(SAMPLES / "love_coding.yaml")
BANK = str(SAMPLES / "bank.yaml")


def tables(text: str) -> dict[str, list[str]]:
    """Step -> the numbers in its table, of Markdown."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        if title := re.match(r"\*\*(\w+)", line.replace("\\", "")):
            name = title[1]
            found[name] = []
        elif line.startswith("|") and not line.startswith(("| ---", "| query", "| key", "| token")):
            found[name] += [cell.strip() for cell in line.split("|")[2:-1] if cell.strip()]
    return found


def test_a_blank_step_and_what_follows_has_no_numbers(attn: Attn) -> None:
    whole = tables(attn("compute", LOVE, "-f", "markdown").out)
    ran = attn("compute", LOVE, "-f", "markdown", "--blank", "weights")
    sheet = tables(ran.out)
    assert ran.status == 0
    assert list(sheet) == list(whole)  # the same layout
    assert len(whole["weights"]) == 9
    for name in ("weights", "context", "output"):
        assert sheet[name] == []
    for name in ("embeddings", "q", "k", "v", "products"):
        assert sheet[name] == whole[name]
    for number in {*whole["weights"], *whole["context"]}:
        assert number not in ran.out
    assert "*" not in re.sub(r"\*\*", "", ran.out).replace("\\*", "")  # no mark of the largest


def test_a_later_step_that_was_named_keeps_its_numbers(attn: Attn) -> None:
    ran = attn("compute", LOVE, "-f", "markdown", "--blank", "weights", "--show", "weights,output")
    sheet = tables(ran.out)
    assert list(sheet) == ["weights", "output"]
    assert sheet["weights"] == []
    assert sheet["output"][0] == "1.9882"


def test_so_is_a_step_that_it_is_equal_to(attn: Attn) -> None:
    """Of a dot product the scores are the products; output is the context."""
    sheet = tables(attn("compute", LOVE, "-f", "markdown", "--blank", "scores").out)
    assert sheet["products"] == sheet["scores"] == sheet["weights"] == sheet["output"] == []
    assert sheet["q"]
    sheet = tables(attn("compute", LOVE, "-f", "markdown", "--blank", "output").out)
    assert sheet["context"] == sheet["output"] == []
    assert sheet["weights"]


def test_inputs_stay(attn: Attn) -> None:
    """Without projections q is the embeddings, which the exercise gives."""
    sheet = tables(attn("compute", BANK, "-f", "markdown", "--blank", "q").out)
    assert sheet["embeddings"]
    assert sheet["q"] == sheet["scores"] == []


def test_hidden_cells_and_answers_go_with_the_numbers(attn: Attn) -> None:
    ran = attn("compute", BANK, "--blank", "weights")
    assert "hidden by" in ran.out  # of masked, which stays
    assert "hidden by" not in ran.out[ran.out.index("weights =") :]
    ran = attn("compute", str(SAMPLES / "not_like.yaml"), "--blank", "logits")
    assert "->" not in ran.out


def test_latex_has_room_to_write(attn: Attn, tmp_path: Path) -> None:
    out = tmp_path / "sheet.tex"
    assert attn("compute", LOVE, "--blank", "weights,output", "-o", str(out)).status == 0
    text = out.read_text()
    assert text.count(r"\phantom{0.0000}") == 27  # weights, context and output
    assert "0.8756" not in text
    assert "1.9882" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--blank", "wieghts"), "there is no step 'wieghts' to leave empty"),
        (("--blank", ""), "--blank names no step"),
        (("--blank", "weights", "-f", "json"), "json has no tables"),
        (("--blank", "weights", "--only", "output", "-o", "x.npy"), "npy has no tables"),
        (("--blank", "weights", "--check", "q=[[1]]"), "--check says what the numbers are"),
    ],
)
def test_bad_requests(
    arguments: tuple[str, ...], message: str, attn: Attn, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    ran = attn("compute", LOVE, *arguments)
    assert ran.status == 2
    assert message in ran.out + ran.err
    assert not list(tmp_path.iterdir())
