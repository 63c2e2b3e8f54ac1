"""`attn diff`: what it prints, what it writes, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import SAMPLES, Attn
from tests.unit.lab.test_identify import ask_about_few

# One head, Q = K = I, scale 1: the weights are e / (e + 1) and 1 / (e + 1), or 1 if one is hidden.
PROBLEM = (
    "query: [[1, 0], [0, 1]]\nkey: [[1, 0], [0, 1]]\nvalue: [[1, 0], [0, 3]]\nscale: 1\n"
    "causal: true\n"
)
HIGH = float(np.e / (np.e + 1))
RIGHT = np.array([[1.0, 0.0], [1 - HIGH, HIGH]])
OPEN = np.array([[HIGH, 1 - HIGH], [1 - HIGH, HIGH]])
V = np.array([[1.0, 0.0], [0.0, 3.0]])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ask_about_few(monkeypatch)
    monkeypatch.setattr("attn_cli.lab.differing.compare.EMULATIONS", 3)
    Path("p.yaml").write_text(PROBLEM)
    np.savez("right.npz", weights=RIGHT, output=RIGHT @ V)
    np.savez("open.npz", attn_probs=OPEN, o=OPEN @ V, gamma=np.ones(3))


def test_the_same_numbers(attn: Attn) -> None:
    ran = attn("diff", "p.yaml", "right.npz")
    assert (ran.status, ran.err) == (0, "")
    rows = [line.split() for line in ran.out.splitlines()[4:7]]
    assert [(row[0], row[-1]) for row in rows] == [
        ("visible", "same"),
        ("weights", "same"),
        ("output", "same"),
    ]
    assert "only in p.yaml: q, k, v, products" in ran.out


def test_a_key_that_one_side_sees(attn: Attn) -> None:
    ran = attn("diff", "p.yaml", "open.npz")
    assert (ran.status, ran.err) == (1, "")
    said = "first: visible - p.yaml hides (0, 1): causal; open.npz sees it (1 row sees one key more"
    assert said in " ".join(ran.out.split())
    assert "only in open.npz: gamma" in ran.out
    assert "weights is read from attn_probs" in ran.out
    rows = [line.split() for line in ran.out.splitlines()]
    assert ["visible", "-", "1", "cell", "-", "q", "0,", "k", "1", "hidden", "seen"] in [
        row[:11] for row in rows
    ]
    quiet = attn("diff", "p.yaml", "open.npz", "--quiet")
    assert quiet.status == 1
    assert quiet.out.startswith("p.yaml, open.npz: BUG - first: visible")
    assert quiet.out.count("\n") == 1


def test_json_and_markdown(attn: Attn) -> None:
    ran = attn("diff", "p.yaml", "open.npz", "-f", "json")
    document = json.loads(ran.out)
    assert list(document)[:2] == ["format", "command"]
    assert (document["format"], document["command"]) == ("attn/1", "diff")
    assert (document["verdict"], document["first"]) == ("bug", "visible")
    assert document["unmatched"]["there"] == ["gamma"]
    (weights,) = [step for step in document["steps"] if step["step"] == "weights"]
    # The key that is hidden here has 1 / (e + 1) there, and the other so much less.
    worst = weights["worst"]
    assert abs(worst["here"] - worst["there"]) == pytest.approx(1 - HIGH)
    assert weights["verdict"] == "inherited"
    lines = attn("diff", "p.yaml", "open.npz", "-f", "markdown").out.splitlines()
    assert lines[2].startswith("| step | type | added |")
    assert any("**BUG first**" in line for line in lines)


def test_colours_mark_the_bug_and_draw_the_panels(attn: Attn) -> None:
    ran = attn("diff", "p.yaml", "open.npz", "--color", "always", "--width", "130")
    assert "\x1b[1;31m" in ran.out
    assert "weights here: p.yaml" in ran.out
    assert "there - here" in ran.out
    assert attn("diff", "p.yaml", "right.npz").out.count("there - here") == 0


def test_a_folder_and_a_map(attn: Attn) -> None:
    Path("dump").mkdir()
    np.save("dump/probs_after_softmax.npy", RIGHT)
    np.save("dump/result.npy", RIGHT @ V)
    ran = attn("diff", "p.yaml", "dump", "--map", "weights=probs_after_softmax", "-f", "json")
    assert ran.status == 0
    read = {step["step"]: step["read"] for step in json.loads(ran.out)["steps"]}
    assert read["weights"] == "probs_after_softmax"
    assert read["output"] == "result"


def test_a_record_in_json_and_two_dumps(attn: Attn) -> None:
    assert attn("compute", "p.yaml", "-o", "here.json").status == 0
    assert attn("diff", "p.yaml", "here.json", "-q").out.split(": ")[1].startswith("same")
    assert attn("diff", "here.json", "right.npz", "-q").status == 0
    half = {"weights": RIGHT.astype(np.float16), "output": (RIGHT @ V).astype(np.float16)}
    np.savez("half.npz", **half)
    np.savez("near.npz", weights=half["weights"], output=half["output"] + np.float16(0.05))
    ran = attn("diff", "half.npz", "near.npz", "-q")
    assert (ran.status, "cannot tell" in ran.out) == (3, True)
    ran = attn("diff", "half.npz", "near.npz", "--tolerance", "0.1")
    assert ran.status == 0
    assert "power, of output: zeros" in ran.out


def test_the_saved_problem_shows_it_again(attn: Attn) -> None:
    ran = attn("diff", "p.yaml", "open.npz", "--save", "worst.npz")
    assert "saved query 0: worst.npz, and the numbers of B: worst.there.npz" in ran.out
    computed = attn("compute", "worst.npz", "--only", "weights", "-f", "json")
    assert json.loads(computed.out)["steps"]["weights"]["values"] == [[1.0, 0.0]]
    again = attn("diff", "worst.npz", "worst.there.npz", "-q")
    assert again.status == 1
    assert "first: visible - worst.npz hides (0, 1): mask" in again.out


@pytest.mark.regression("a problem of embeddings against itself ended in a traceback")
def test_a_problem_against_itself(attn: Attn) -> None:
    for sample in ("love_coding", "two_heads"):
        file = str(SAMPLES / f"{sample}.yaml")
        assert attn("diff", file, file, "-q").status == 0
