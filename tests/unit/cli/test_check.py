"""`attn check`: what it prints, what it writes, and how it ends."""

import json
from pathlib import Path

import numpy as np
import pytest

from attn_cli.views.answers.parts import matrix
from tests.conftest import Attn

# Q = K = V = I: of two tokens, and so every number is known without a computer.
EXERCISE = "query: [[1, 0], [0, 1]]\nkey: [[1, 0], [0, 1]]\nvalue: [[1, 0], [0, 3]]\nscore: dot\n"
# softmax of (1, 0) is e / (e + 1) = 0.7311 and 0.2689
RIGHT = "weights: [[0.73, 0.27], [0.27, 0.73]]\noutput: [[0.731, 0.807], [0.269, 2.193]]\n"
# the exponentials, not divided by their sum; and the output that follows
WRONG = "weights: [[2.72, 1], [1, 2.72]]\noutput: [[2.72, 3], [1, 8.16]]\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("exercise.yaml").write_text(EXERCISE)
    Path("ann.yaml").write_text(RIGHT)
    Path("bob.yaml").write_text(WRONG)


def test_a_right_sheet(attn: Attn) -> None:
    ran = attn("check", "exercise.yaml", "ann.yaml")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == "weights   agrees\noutput    agrees\n"


def test_a_wrong_sheet(attn: Attn) -> None:
    ran = attn("check", "exercise.yaml", "bob.yaml")
    assert (ran.status, ran.err) == (1, "")
    assert ran.out == (
        "weights   differs in 4 of 4 numbers\n"
        "          the exponentials were taken as weights, not divided by their sum\n"
        "          these are the numbers of exp_scores\n"
        "output    follows correctly from your weights\n"
        "\n"
        "weights = softmax(scores)   (query x key: 2 x 2)\n"
        "query               0               1\n"
        "─────────────────────────────────────\n"
        "0       2.72 (0.7311)      1 (0.2689)\n"
        "1          1 (0.2689)   2.72 (0.7311)\n"
        "(a number that differs has the expected one in brackets)\n"
        "\n"
        "output = context   (query x dimension: 2 x 2)\n"
        "query              o0              o1\n"
        "─────────────────────────────────────\n"
        "0       2.72 (0.7311)      3 (0.8068)\n"
        "1          1 (0.2689)   8.16 (2.1932)\n"
        "(a number that differs has the expected one in brackets)\n"
    )


def test_answers_on_the_command_line(attn: Attn) -> None:
    ran = attn("check", "exercise.yaml", "weights={0: [0.7311, 0.2689]}", "q=[[1, 0], [0, 1]]")
    assert ran.out == "q         agrees\nweights   agrees\n"


def test_a_line_per_student(attn: Attn) -> None:
    ran = attn("check", "exercise.yaml", "ann.yaml", "bob.yaml", "--format", "csv")
    assert ran.status == 1
    assert ran.out == (
        "sheet,agrees,weights,output,first_wrong,reasons\n"
        "ann,yes,agrees,agrees,,\n"
        "bob,no,differs,follows,weights,not-divided; another-step\n"
    )
    assert attn("check", "exercise.yaml", "ann.yaml", "ann.yaml", "-f", "tsv").status == 0


def test_json(attn: Attn) -> None:
    ran = attn("check", "exercise.yaml", "bob.yaml", "--format", "json")
    document = json.loads(ran.out)
    assert list(document)[:4] == ["format", "command", "sheet", "agrees"]
    assert (document["format"], document["command"], document["agrees"]) == (
        "attn/1",
        "check",
        False,
    )
    weights, output = document["steps"]
    assert weights["verdict"] == "differs"
    assert weights["explanations"][0] == {
        "name": "not-divided",
        "sentence": "the exponentials were taken as weights, not divided by their sum",
    }
    assert weights["given"] == [[2.72, 1.0], [1.0, 2.72]]
    assert weights["wrong"] == [[True, True], [True, True]]
    assert output["follows"] == ["weights"]


def test_markdown(attn: Attn) -> None:
    ran = attn("check", "exercise.yaml", "bob.yaml", "-f", "markdown")
    assert "- **weights**: differs in 4 of 4 numbers\n" in ran.out
    assert "| 0 | **2.72 (0.7311)** | **1 (0.2689)** |\n" in ran.out


def test_colours_are_for_a_terminal(attn: Attn) -> None:
    ran = attn("check", "exercise.yaml", "bob.yaml", "--color", "always")
    assert "\x1b[1;31m2.72 (0.7311)\x1b[0m" in ran.out
    assert "\x1b[1;32mfollows correctly" in ran.out


def test_a_sheet_and_a_step_together_are_refused(attn: Attn) -> None:
    ran = attn("check", "exercise.yaml", "ann.yaml", "q=[[1, 0], [0, 1]]")
    assert (ran.status, ran.out) == (2, "")
    assert "'ann.yaml' is a sheet, and 'q=[[1, 0], [0, 1]]' one of its steps" in ran.err


def test_arrays_of_a_program_are_for_diff(attn: Attn) -> None:
    import numpy as np

    np.savez("kernel.npz", weights=np.eye(2))
    ran = attn("check", "exercise.yaml", "kernel.npz")
    assert ran.status == 2
    assert "kernel.npz holds arrays that a program wrote, not a sheet of answers" in ran.err
    assert "attn diff" in ran.err


def test_a_file_without_steps_says_what_a_sheet_is(attn: Attn) -> None:
    Path("w.csv").write_text("0.7,0.3\n0.3,0.7\n")
    ran = attn("check", "exercise.yaml", "w.csv")
    assert ran.status == 2
    assert "name its step: 'weights=w.csv'" in ran.err
    for text in ("", "5\n"):
        Path("none.yaml").write_text(text)
        ran = attn("check", "exercise.yaml", "none.yaml")
        assert ran.status == 2
        assert "write steps and their numbers" in ran.err


def test_the_place_of_a_fault(attn: Attn) -> None:
    Path("eve.yaml").write_text("weights:\n- [0.7, x]\n- [0.3, 0.7]\n")
    ran = attn("check", "exercise.yaml", "eve.yaml")
    assert ran.status == 2
    assert "weights[0][1] must be a number, not 'x'\n  --> eve.yaml:2:9" in ran.err


def test_what_an_exercise_can_show(attn: Attn) -> None:
    ran = attn("check", "exercise.yaml", "--format", "json")
    assert ran.status == 0
    document = json.loads(ran.out)
    shown = {each["name"]: each for each in document["shown"]}
    hidden = {each["name"]: each for each in document["hidden"]}
    # Softmax over the queries gives the same numbers here, as the scores are symmetric.
    assert "softmax-over-queries" in hidden
    assert "k-not-transposed" in hidden
    assert shown["not-normalised"]["steps"]["weights"] == [[1.0, 0.0], [0.0, 1.0]]
    (part,) = hidden["softmax-over-queries"]["parts"]
    assert part == {"path": "query[0][0]", "before": 1.0, "after": 2.0}
    table = attn("check", "exercise.yaml").out
    assert "What this exercise cannot show" in table
    assert "it could with query[0][0]: 2 for 1" in table
    lines = attn("check", "exercise.yaml", "-f", "csv").out.splitlines()
    assert lines[0] == "name,kind,step,place,right,value"
    assert "not-normalised,mistake,weights,0 1,0.2689414213699951,0.0" in lines
    assert "k-not-transposed,mistake,,,," in lines


def test_the_changed_number_does_part_the_mistake(attn: Attn) -> None:
    Path("changed.yaml").write_text(EXERCISE.replace("query: [[1,", "query: [[2,"))
    document = json.loads(attn("check", "changed.yaml", "--format", "json").out)
    assert "softmax-over-queries" in {each["name"] for each in document["shown"]}


def test_a_tolerance_needs_answers(attn: Attn) -> None:
    ran = attn("check", "exercise.yaml", "--tolerance", "0.1")
    assert (ran.status, ran.out) == (2, "")
    assert "--tolerance belongs to answers, and there are none" in ran.err


def test_numbers_of_16_bits_and_huge_ones_are_written_as_they_are() -> None:
    assert matrix(np.array([1, 70], dtype=np.float16), 4) == "[1, 70]"
    assert matrix(np.array([[2.0000000000000004, np.inf]]), 4) == "[[2, inf]]"
    assert "inf" not in matrix(np.array([1e300]), 4)
