"""`attn steps`: the catalogue of steps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from attn_cli.maths.pipeline import STAGES, names
from tests.conftest import Attn, on_terminal

pytestmark = pytest.mark.slow


def test_all_steps_are_listed_with_shape_formula_and_meaning(attn: Attn) -> None:
    ran = attn("steps")
    assert (ran.status, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0].split() == ["step", "shape", "formula,", "usually", "meaning"]
    assert [line.split()[0] for line in lines[2:]] == list(names())
    for line, stage in zip(lines[2:], STAGES, strict=True):
        assert line.split("   ")[0] == stage.name
        assert str(stage.usual()) in line
        assert line.endswith(stage.meaning)


def test_one_step_is_explained(attn: Attn) -> None:
    ran = attn("steps", "weights")
    assert ran.out == (
        "weights: the share of each key in the result of each query\n"
        "\n"
        "  formula, usually   weights = softmax(scores)\n"
        "  in LaTeX           \\mathrm{weights} = \\operatorname{softmax}(\\mathrm{scores})\n"
        "  axes               query x key\n"
        "  shape              n_q x n_k, for each batch entry and head if there are some\n"
        "  role               weight\n"
        "  there if           always\n"
        "  reads              scores, capped, biased, masked\n"
        "  read by            row_sums, dropped, context\n"
        "  shown              in every table of all steps\n"
        "  also called        softmax, attention, attention_weights, alpha, probs\n"
        "\n"
        "To see it: attn compute PROBLEM --only weights\n"
    )


@pytest.mark.parametrize("name", names())
def test_every_step_is_explained(name: str, attn: Attn) -> None:
    ran = attn("steps", name)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith(f"{name}: ")


def test_as_json(attn: Attn, tmp_path: Path) -> None:
    document = json.loads(attn("steps", "-f", "json").out)
    assert list(document)[:2] == ["format", "command"]
    assert (document["format"], document["command"]) == ("attn/1", "steps")
    assert list(document["steps"]) == list(names())
    assert document["steps"]["lse"]["only_by_name"] is True
    assert document["steps"]["products"]["latex"] == r"\mathrm{products} = Q K^{\top}"
    assert document["steps"]["k"]["shape"] == ["n_k", "d_k"]
    target = tmp_path / "steps.json"
    assert attn("steps", "weights", "-o", target).status == 0
    assert list(json.loads(target.read_text())["steps"]) == ["weights"]


@pytest.mark.parametrize(
    ("name", "meant"), [("wieghts", "weights"), ("softmax", "weights"), ("energy", "scores")]
)
def test_an_unknown_step_names_the_nearest_and_lists_all(name: str, meant: str, attn: Attn) -> None:
    ran = attn("steps", name)
    assert (ran.status, ran.out) == (2, "")
    listed = ", ".join(names())
    assert ran.err == (
        f"error: unknown step '{name}'\nhelp: did you mean '{meant}'? there are: {listed}\n"
    )


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    for arguments in (("steps",), ("steps", "masked"), ("steps", "scores")):
        ran = on_terminal(*arguments, columns=width)
        assert max(map(len, ran.out.splitlines())) <= width
