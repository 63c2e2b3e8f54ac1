"""--check: an answer is compared, and the exit status says yes or no."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from attn_cli import compute
from tests.conftest import SAMPLES, Attn

LOVE = str(SAMPLES / "love_coding.yaml")
ONE = ["compute", LOVE, "--query-token", "love", "--only", "weights"]


def test_an_answer_by_hand_that_is_right(attn: Attn) -> None:
    ran = attn(*ONE, "--check", "weights=[[0.4223, 0.1554, 0.4223]]")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.endswith("\ncheck weights: yes, 3 of 3 values agree within 5e-05\n")


def test_an_answer_by_hand_that_is_wrong(attn: Attn) -> None:
    ran = attn(*ONE, "--check", "weights=[[0.4223, 0.1544, 0.4222]]")
    assert (ran.status, ran.err) == (1, "")
    e = np.e
    assert ran.out.endswith(
        "\ncheck weights: no, 2 of 3 values differ by more than 5e-05, most at (love, love): "
        f"{1 / (2 * e + 1):.10g} here, 0.1544 expected\n"
    )


def test_the_tolerance_is_relative_above_one_and_absolute_below(attn: Attn, tmp_path: Path) -> None:
    path = tmp_path / "p.npz"
    np.savez(path, embeddings=np.array([[1000.0, 0.001]]))
    check = ["compute", path, "--only", "embeddings", "--tolerance", "0.01", "--check"]
    assert attn(*check, "embeddings=[[1009.9, 0.0109]]").status == 0
    assert attn(*check, "embeddings=[[1010.2, 0.001]]").status == 1
    assert attn(*check, "embeddings=[[1000, 0.0111]]").status == 1


def test_steps_that_are_not_shown_and_files(attn: Attn, tmp_path: Path) -> None:
    record = compute(LOVE)
    np.save(tmp_path / "v.npy", record["v"])
    np.savetxt(tmp_path / "w.csv", record["weights"], delimiter=",")
    checks = ["--check", f"v={tmp_path}/v.npy", "--check", f"weights={tmp_path}/w.csv"]
    ran = attn("compute", LOVE, "--only", "q", "--tolerance", "1e-15", *checks)
    assert ran.status == 0
    assert ran.out.count("yes, 9 of 9 values agree within 1e-15") == 2
    assert "weights =" not in ran.out


def test_a_shortened_step_is_compared_whole(attn: Attn, tmp_path: Path) -> None:
    x = np.random.default_rng(1).normal(size=(53, 2))
    np.savez(tmp_path / "p.npz", q=x, k=x, v=x)
    weights = compute(tmp_path / "p.npz")["weights"]
    weights[26, 27] += 0.5
    np.save(tmp_path / "w.npy", weights)
    ran = attn("compute", tmp_path / "p.npz", "--check", f"weights={tmp_path}/w.npy")
    assert ran.status == 1
    assert "no, 1 of 2809 values differ by more than 5e-05, most at (26, 27)" in ran.out


def test_infinities_and_nan(attn: Attn) -> None:
    sample = [
        "compute",
        SAMPLES / "sparse.yaml",
        "--set",
        "tokens=[a, b, c, d, e]",
        "--only",
        "scores",
    ]
    scores = compute(SAMPLES / "sparse.yaml")["scores"]
    assert attn(*sample, "--check", f"scores={scores.tolist()}").status == 0
    scores[1, 3] = -1e300
    assert attn(*sample, "--check", f"scores={scores.tolist()}").status == 1
    scores[1, 3] = np.nan
    ran = attn(*sample, "--check", f"scores={scores.tolist()}")
    assert ran.status == 1
    assert (
        "1 of 25 values differ by more than 1e-06, most at (b, d): -inf here, nan expected"
        in ran.out
    )


def test_nan_that_is_expected_agrees(attn: Attn) -> None:
    given = ["--query", "[[1]]", "--key", "[[1]]", "--value", "[[nan, 2]]", "--nonfinite", "allow"]
    assert attn("compute", *given, "--only", "v", "--check", "v=[[nan, 2]]").status == 0
    assert attn("compute", *given, "--only", "v", "--check", "v=[[nan, nan]]").status == 1


def test_the_worst_value_is_the_farthest_for_its_size(attn: Attn) -> None:
    """1 of 1000 is ten times what is allowed, 0.5 of 0 five thousand times."""
    given = ["--query", "[[1]]", "--key", "[[1]]", "--value", "[[1000, 0]]", "--tolerance", "1e-4"]
    ran = attn("compute", *given, "--only", "v", "--check", "v=[[1001, 0.5]]")
    assert "most at (0, v1): 0 here, 0.5 expected" in ran.out


def test_an_answer_with_two_axes_of_one_size_exchanged(attn: Attn, tmp_path: Path) -> None:
    V = np.arange(1, 2 * 5 * 5 * 7 + 1.0).reshape(2, 5, 5, 7)
    np.save(tmp_path / "zero.npy", 0 * V)
    np.save(tmp_path / "v.npy", V)
    np.save(tmp_path / "bshd.npy", V.transpose(0, 2, 1, 3))
    np.save(tmp_path / "mixed.npy", V.transpose(0, 2, 1, 3) + np.eye(5)[:, :, None])
    zero = f"{tmp_path}/zero.npy"
    line = ["compute", "--query", zero, "--key", zero, "--value", f"{tmp_path}/v.npy"]
    ran = attn(*line, "--check", f"v={tmp_path}/bshd.npy")
    assert ran.status == 1
    assert ran.out.startswith("check v: no, 280 of 350 values differ")
    assert ran.err == (
        "warning: the expected v agrees with axes 1 and 2 exchanged; "
        "if Q, K and V are so too, write axes: bshd\n"
    )
    for name, status in (("v", 0), ("mixed", 1)):
        ran = attn(*line, "--check", f"v={tmp_path}/{name}.npy")
        assert (ran.status, ran.err) == (status, "")


def test_an_answer_that_is_transposed_and_square(attn: Attn) -> None:
    square = "[[2, 0, 2], [3, 1, 4], [1, 0, 1]]"
    ran = attn("compute", LOVE, "--check", f"v={square}", "-f", "json")
    assert ran.status == 1
    assert json.loads(ran.out)["warnings"] == ["the expected v is v transposed"]
    assert attn("compute", LOVE, "--check", f"v={square}", "-q").err == ""


def test_json_has_the_comparison(attn: Attn) -> None:
    ran = attn(*ONE, "--check", "weights=[[0.5, 0.2, 0.5]]", "--format", "json")
    assert ran.status == 1
    (check,) = json.loads(ran.out)["checks"]
    assert check == {
        "step": "weights", "agrees": False, "values": 3, "off": 2, "tolerance": 0.05,
        "place": ["love", "I"], "here": compute(LOVE)["weights"][1, 0], "expected": 0.5,
        "transposed": False,
    }  # fmt: skip
    assert "checks" not in json.loads(attn(*ONE, "--format", "json").out)


def test_other_formats_leave_the_verdict_to_standard_error(attn: Attn) -> None:
    ran = attn(*ONE, "--check", "weights=[[0.5, 0.2, 0.5]]", "--format", "csv")
    assert ran.status == 1
    assert ran.err.startswith("check weights: no, 2 of 3 values differ")
    assert ran.out == attn(*ONE, "--format", "csv").out


def test_numbers_that_were_written_out_agree_within_half_a_unit_of_their_last_decimal(
    attn: Attn, tmp_path: Path
) -> None:
    """softmax(1, 0, 1) is 0.42232, 0.15536, 0.42232."""
    for numbers, status in (
        ("0.42, 0.16, 0.42", 0),
        ("0.42, 0.15, 0.42", 1),
        ("0.422, 0.155, 0.4", 1),
        ("0.4, 0.2, 0.4", 0),
        ("1/e, 0, 0", 2),
        ("0, 0, 0", 1),
    ):
        assert attn(*ONE, "--check", f"weights=[[{numbers}]]").status == status, numbers
    path = tmp_path / "weights.csv"
    path.write_text("0.42,0.16,0.42\n")
    assert attn(*ONE, "--check", f"weights={path}").status == 1  # of files 0.00005
    assert attn(*ONE, "--check", f"weights={path}", "--tolerance", "0.01").status == 0


def test_an_answer_that_is_another_step_says_so(attn: Attn) -> None:
    ran = attn(*ONE, "--check", "weights=[[1, 0, 1]]")
    assert ran.status == 1
    assert "warning: the expected weights are the numbers of products" in ran.err
    assert "the numbers of" not in attn(*ONE, "--check", "weights=[[1, 2, 1]]").err


@pytest.mark.parametrize("name", ["table", "markdown"])
def test_comparisons_stand_in_tables(name: str, attn: Attn) -> None:
    assert (
        "check weights: yes"
        in attn(*ONE, "--check", "weights=[[0.42232, 0.15536, 0.42232]]", "-f", name).out
    )


Q = [[5, 1, 20]]


K = [[1, 0, 2], [0, 3, 1]]


V = [[2, 7], [11, 3]]


@pytest.mark.parametrize("form", ["table", "markdown", "json"])
def test_a_check_alone_gives_the_verdict_alone(form: str, tmp_path: Path, attn: Attn) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(f"query: {Q}\nkey: {K}\nvalue: {V}\nscore: dot\n")
    check = ["compute", path, "--check", "scores=[[45, 23]]", "--check", "v=[[2, 7], [11, 4]]"]
    ran = attn(*check, "-f", form)
    shown = attn(*check, "-f", form, "--show", "scores,v")
    assert ran.status == shown.status == 1
    if form == "json":
        document = json.loads(ran.out)
        assert document["steps"] == {}
        assert [check["agrees"] for check in document["checks"]] == [True, False]
        assert document["checks"] == json.loads(shown.out)["checks"]
        assert list(json.loads(shown.out)["steps"]) == ["v", "scores"]
    else:
        lines = [line.lstrip("- ") for line in ran.out.split("\n") if line]
        assert [line[:15] for line in lines] == ["check scores: y", "check v: no, 1 "]
        assert "query x key" in shown.out
        assert shown.out.endswith(ran.out)


def test_a_check_alone_computes_what_is_checked_alone(attn: Attn) -> None:
    problem = ["compute", "--query", str(Q), "--key", str(K), "--value", str(V)]
    ran = attn(*problem, "--check", "v=[[2, 7], [11, 3]]", "--memory", "1KB")
    assert (ran.status, ran.err) == (0, "")


def test_what_is_checked_is_beside_the_steps_in_a_format_without_verdicts(attn: Attn) -> None:
    problem = ["compute", "--query", str(Q), "--key", str(K), "--value", str(V)]
    ran = attn(*problem, "--check", "v=[[2, 7], [11, 3]]", "--only", "k", "-f", "csv")
    assert ran.out == "1.0,0.0,2.0\n0.0,3.0,1.0\n"
    assert ran.err.startswith("check v: yes, 4 of 4 values agree")


def test_an_answer_that_is_written_out_transposed_is_right(attn: Attn) -> None:
    """K of samples/scaled.yaml is 3 x 4, so that nobody can take K^T for K."""
    turned = [[1, 2, 0], [0, 1, 2], [1, 0, 2], [2, 1, 0]]
    problem = ["compute", str(SAMPLES / "scaled.yaml")]
    ran = attn(*problem, "--check", f"k={turned}")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == (
        "check k: yes, 12 of 12 values agree within 5e-05: this is k transposed, and right\n"
    )
    turned[3][0] = 5
    ran = attn(*problem, "--check", f"k={turned}")
    assert ran.status == 1
    assert ran.out.startswith("check k, given transposed: no, 1 of 12 values differ")
    assert "most at (0, k3): 2 here, 5 expected" in ran.out
    (check,) = json.loads(attn(*problem, "--check", f"k={turned}", "-f", "json").out)["checks"]
    assert check["transposed"] is True


def test_rows_of_an_answer_are_named_by_their_words(attn: Attn, tmp_path: Path) -> None:
    """softmax(1, 0, 1) is 0.42232, 0.15536, 0.42232."""
    problem = ["compute", LOVE]
    for row, status in (
        ("love: [0.42, 0.16, 0.42]", 0),
        ("1: [0.42, null, 0.42]", 0),
        ("love: [0.42, 0.17, 0.42]", 1),
        ("I: [0.42, 0.16, 0.42]", 1),
    ):
        ran = attn(*problem, "--check", f"weights={{{row}}}")
        assert ran.status == status, row
        assert f" of {2 if 'null' in row else 3} values" in ran.out
    assert (
        "most at (love, love): 0.1553624035 here, 0.17 expected"
        in attn(*problem, "--check", "weights={love: [0.42, 0.17, 0.42]}").out
    )
    ran = attn(*problem, "--check", "weights={love: [1, 0, 1]}")
    assert "the expected weights are the numbers of products" in ran.err
    one = attn(*problem, "--query-token", "love", "--check", "weights={love: [0.42, 0.16, 0.42]}")
    assert one.status == 0
