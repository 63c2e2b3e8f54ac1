"""What people type in their first hour, where it is read, and what they are told.

The errors are cases of `tests/errors/newcomer_*.txt`.
"""

from __future__ import annotations

import decimal
import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from attn_cli import AttnError, compute
from attn_cli.cli.talk import wrapped
from attn_cli.maths.normalizers import NORMALIZERS
from attn_cli.maths.scores import SCORES
from attn_cli.reading.keys import KEYS
from attn_cli.sources.text.events import parse_kindly
from attn_cli.sources.text.meant import SYNONYMS, meant
from attn_cli.sources.text.ratios import is_ratio, ratio
from tests.conftest import Attn

Q = [[5, 1, 20]]
K = [[1, 0, 2], [0, 3, 1]]
V = [[2, 7], [11, 3]]


def test_the_default_score_and_normaliser_are_named_where_they_are_listed(attn: Attn) -> None:
    shown = " ".join(attn("compute", "--help").out.split())
    assert "Score function (default: scaled): " in shown
    assert "Normaliser (default: softmax): " in shown
    assert "Score function (default: dot): " in " ".join(attn("translate", "--help").out.split())
    assert "(default: scaled)" in KEYS["score"]
    assert "(default: softmax)" in KEYS["normalize"]
    for command, registry in (("scores", SCORES), ("normalizers", NORMALIZERS)):
        marked = [line for line in attn(command).out.split("\n") if line.endswith("(default)")]
        assert [line.split()[0] for line in marked] == [registry.default]
        assert "The default: " in attn(command, registry.default).out
        others = [name for name in registry.names if name != registry.default]
        assert all("The default: " not in attn(command, name).out for name in others)


def test_the_default_score_is_the_one_that_is_named() -> None:
    problem = {"query": Q, "key": K, "value": V}
    unnamed = compute(problem)["scores"]
    assert np.allclose(unnamed, np.array([[45, 23]]) / np.sqrt(3), rtol=1e-15)
    assert np.array_equal(unnamed, compute({**problem, "score": SCORES.default})["scores"])


def test_q_k_and_v_are_names_of_query_key_and_value(tmp_path: Path, attn: Attn) -> None:
    (tmp_path / "short.yaml").write_text(f"q: {Q}\nk: {K}\nv: {V}\nscore: dot\n")
    (tmp_path / "long.yaml").write_text(f"query: {Q}\nkey: {K}\nvalue: {V}\nscore: dot\n")
    short = attn("compute", tmp_path / "short.yaml", "--format", "json")
    assert short.status == 0
    assert short.out == attn("compute", tmp_path / "long.yaml", "--format", "json").out
    record = compute({"q": Q, "k": K, "v": V, "score": "dot"})
    assert record["scores"].tolist() == [[45, 23]]
    replaced = attn("compute", tmp_path / "short.yaml", "--set", "q=[[1, 0, 0]]", "--only", "q")
    assert replaced.out.endswith("1   0   0\n")


def test_both_forms_of_a_name_are_refused_in_python_too() -> None:
    with pytest.raises(AttnError, match="there are both 'k' and 'key'"):
        compute({"query": Q, "k": K, "key": K, "value": V})


def test_what_other_names_mean_is_a_key_of_the_problem() -> None:
    known = {*KEYS, "weights", "biases"}
    for path, inside in (((), known), (("weights",), {"query", "key", "value", "output"})):
        for name, key in meant(path).items():
            assert name == name.casefold().replace("-", "_"), name
            assert key.split(":")[0].split("'")[0] in inside, name
    assert set(SYNONYMS.values()) <= set(KEYS)
    assert not set(meant(())) & set(KEYS)


def test_query_key_and_value_are_lists_in_place(attn: Attn) -> None:
    ran = attn(
        "compute", "--query", "[[5, 1, 20]]", "--key", str(K), "--value", str(V),
        "--score", "dot", "--only", "scores", "--format", "csv",
    )  # fmt: skip
    assert (ran.status, ran.out, ran.err) == (0, "45.0,23.0\n", "")


@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_one_query_may_be_one_list(layout: str) -> None:
    key, value = (K, V) if layout == "rows" else (np.transpose(K), np.transpose(V))
    matrix = Q if layout == "rows" else np.transpose(Q)
    same = {"key": key, "value": value, "layout": layout, "score": "dot"}
    one = compute({"query": Q[0], **same})
    assert one["q"].tolist() == np.asarray(matrix).tolist()
    assert one["scores"].ravel().tolist() == [45, 23]
    assert np.array_equal(one["output"], compute({"query": matrix, **same})["output"])
    assert np.array_equal(compute({"query": np.array(Q[0]), **same})["output"], one["output"])


def test_one_query_may_be_one_list_with_heads_too() -> None:
    record = compute({"query": [1, 2, 3, 4], "key": [[1, 0, 0, 1]], "value": [[1, 2]], "heads": 2})
    assert record["q"].tolist() == [[[1, 2]], [[3, 4]]]


@pytest.mark.parametrize("null", ["null", "~", " null "])
def test_set_null_takes_a_key_away(null: str, tmp_path: Path, attn: Attn) -> None:
    path = tmp_path / "masked.yaml"
    path.write_text(
        f"query: {Q}\nkey: {K}\nvalue: {V}\nmask: [[0, -inf]]\n"
        "score: {function: sparse, window: 1, global_tokens: 1}\n"
    )
    assert "masked" in attn("compute", path, "--only", "weights", "--format", "json").out
    ran = attn(
        "compute", path, "--set", f"mask={null}", "--set", f"score.global_tokens={null}",
        "--set", f"window={null}", "--set", f"mask_fill.how={null}", "--format", "json",
    )  # fmt: skip
    document = json.loads(ran.out)
    assert (ran.status, ran.err) == (0, "")
    assert "masked" not in document["steps"]
    without = {"query": Q, "key": K, "value": V, "score": {"function": "sparse", "window": 1}}
    assert document["steps"]["output"]["values"] == compute(without)["output"].tolist()


def test_set_null_behind_another_set_takes_that_away(attn: Attn) -> None:
    problem = ["compute", "--query", str(Q), "--key", str(K), "--value", str(V)]
    ran = attn(*problem, "--scale", "fast", "--set", "scale=null", "--only", "output", "-f", "csv")
    assert ran.status == 0
    assert ran.out == attn(*problem, "--only", "output", "-f", "csv").out


def nearest_to(sign: str, above: str, below: str) -> float:
    """Return the float64 nearest to a fraction of decimals and roots, with 200 digits."""
    with decimal.localcontext() as context:
        context.prec = 200
        parts = [
            Decimal(term[5:-1]).sqrt() if term.startswith("sqrt") else Decimal(term)
            for term in (above, below)
        ]
        exact = Fraction(parts[0] / parts[1])
    return float(-exact if sign == "-" else exact)


decimals = st.builds(
    lambda digits, exponent: f"{digits}e{exponent}",
    st.integers(min_value=1, max_value=10**17),
    st.integers(min_value=-120, max_value=120),
)
terms = decimals | st.builds("sqrt({})".format, decimals)


@given(st.sampled_from(["", "+", "-"]), terms, terms)
@example("", "0.1", "0.3")
@example("-", "sqrt(2)", "1")
@example("", "sqrt(8)", "sqrt(2)")
@example("", "9007199254740993", "2")
@example("", "sqrt(81129638414606699710187514626049)", "1")  # (2**53 + 1)**2: a tie
def test_fractions_and_roots_are_rounded_once(sign: str, above: str, below: str) -> None:
    text = f"{sign}{above}/{below}"
    assert is_ratio(text)
    assert ratio(text, ()) == nearest_to(sign, above, below)


def test_fractions_and_roots_are_numbers_in_yaml_json_options_and_python(
    tmp_path: Path, attn: Attn
) -> None:
    rows = [[1 / 3, 2**0.5], [-0.25, 3 / 8**0.5]]
    (tmp_path / "p.yaml").write_text(
        "embeddings: [[1/3, sqrt(2)], [-1 / 4, 3/sqrt(8)]]\nscale: 1/sqrt(2)\n"
    )
    (tmp_path / "p.json").write_text(
        '{"embeddings": [["1/3", "sqrt(2)"], ["-1/4", "3/sqrt(8)"]], "scale": "sqrt(1/2)"}'.replace(
            "sqrt(1/2)", "1/sqrt(2)"
        )
    )
    records = [
        attn("compute", tmp_path / name, "--format", "json").out for name in ("p.yaml", "p.json")
    ]
    assert records[0] == records[1]
    document = json.loads(records[0])
    np.testing.assert_allclose(document["steps"]["q"]["values"], rows, rtol=3e-16)
    assert document["settings"]["scale"] == 0.5**0.5
    options = ["--query", "[1/3, sqrt(2)]", "--key", "[[1, 0]]", "--value", "[[sqrt(4)/4]]"]
    ran = attn("compute", *options, "--scale", "1/4", "--only", "scores", "-f", "csv")
    assert (ran.out, ran.err) == (f"{1 / 3 / 4!r}\n", "")
    assert attn("compute", *options, "--check", "v=[[0.4]]", "--tolerance", "1/9").status == 0
    assert attn("compute", *options, "--check", "v=[[0.4]]", "--tolerance", "1/11").status == 1
    assert compute({"embeddings": [["1/2"]]})["q"].tolist() == [[0.5]]


def test_alibi_may_stand_before_a_fraction(attn: Attn) -> None:
    problem = ["--query", "[[1], [1]]", "--key", "[[1], [1]]", "--value", "[[1], [3]]"]
    ran = attn("compute", *problem, "--alibi", "[1/2]", "--causal", "--only", "biased", "-f", "csv")
    assert ran.err == ""
    assert ran.out.split("\n")[1] == "0.5,1.0"


@given(
    st.lists(st.integers(min_value=1, max_value=4), min_size=1, max_size=3).flatmap(
        lambda shape: st.tuples(
            st.just(shape),
            st.lists(
                st.floats(allow_nan=False, width=32) | st.integers(-(10**6), 10**6),
                min_size=int(np.prod(shape)),
                max_size=int(np.prod(shape)),
            ),
        )
    ),
    st.sampled_from([20, 75]),
)
@example(([2, 2], [1.0, 0.0, 0.0, 1.0]), 75)
@example(([2, 3, 2], [5, -7, 11, 13, 2, 3, -1, 17, 19, 23, 29, 31]), 75)
@example(([1, 2], [1.0, float("inf")]), 75)
def test_what_numpy_prints_is_read(drawn: tuple[list[int], list[float]], width: int) -> None:
    shape, numbers = drawn
    array = np.array(numbers).reshape(shape)
    with np.printoptions(linewidth=width, precision=17, floatmode="unique"):
        text = f"x: 1\nm: {array}\ny: 2\n"
    parsed = parse_kindly(text, "p.yaml")
    read = np.array(parsed.tree["m"], dtype=np.float64)
    assert np.array_equal(read, array)
    assert (parsed.tree["x"], parsed.tree["y"]) == ("1", "2")
    assert bool(parsed.notes) == (array.size > 1)
    if parsed.notes:
        assert parsed.notes[0].startswith("p.yaml, line 2: ")
        assert parsed.text.count("\n") == text.count("\n")
        mended = zip(parsed.text.split("\n"), text.split("\n"), strict=True)
        for mine, its in mended:  # a comma stands for a blank, or at the end of the line
            assert mine.rstrip(",").replace(",", " ").rstrip() == its.replace("\t", " ").rstrip()


def test_what_numpy_prints_is_read_with_a_note(tmp_path: Path, attn: Attn) -> None:
    printed = np.array2string(np.array(K, dtype=float))
    assert printed == "[[1. 0. 2.]\n [0. 3. 1.]]"
    path = tmp_path / "p.yaml"
    path.write_text(f"score: dot\nquery: {Q}\nkey: {printed}\nvalue: {np.array(V)}\n")
    ran = attn("compute", path, "--only", "scores", "-f", "csv")
    note = "blanks between numbers are read as commas, as NumPy prints; put commas between them, or"
    assert (ran.status, ran.out) == (0, "45.0,23.0\n")
    assert ran.err == f"warning: {path}, lines 3, 5: {note} keep all digits with numpy.save\n"
    for options in (["--value", "[[2 7]\n [11 3]]"], ["--set", "v=[[2 7] [11 3]]"]):
        ran = attn("compute", "--query", str(Q), "--key", str(K), "--value", "x.npy", *options)
        assert ran.status == 0
        assert ran.err.startswith("warning: --")
        assert note in ran.err
    ran = attn("compute", path, "--check", "v=[[2 7] [11 4]]")
    assert (ran.status, ran.err.count(note)) == (1, 2)


def test_a_fault_in_what_numpy_printed_is_placed_in_the_text_as_written(
    tmp_path: Path, attn: Attn
) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("query: [[5. 1.]\n [1. 010]]\nkey: [[1, 0]]\nvalue: [[1]]\n")
    assert attn("compute", path).err == (
        "error: query[1][1] must be a number, not '010'\n"
        f"  --> {path}:2:6\n   |\n 2 |  [1. 010]]\n   |      ^\n"
        "help: write it without the leading 0\n"
    )


@pytest.mark.parametrize(
    "text", ["tokens: [1 2]\nx: 1", "tokens: ['1 2', 3]", "m: [[1 2], [3 4]]", "m: [[1, 2] [3, 4]]"]
)
def test_what_may_be_meant_otherwise_is_left_as_it_is(text: str) -> None:
    try:
        parsed = parse_kindly(text, "p.yaml")
    except AttnError as error:
        assert "needs ',' or ']' here" in error.message  # noqa: PT017
    else:
        assert (parsed.text, parsed.notes) == (text, ())


def test_training_refuses_what_numpy_printed(tmp_path: Path, attn: Attn) -> None:
    path = tmp_path / "p.yaml"
    sample = attn("samples", "not_like").out
    assert "vocabulary: [" in sample
    path.write_text(f"{sample}\nbiases: {{query: [1. 2. 3. 4.]}}\n")
    ran = attn("train", path, "-o", tmp_path / "out.yaml")
    assert (ran.status, ran.out) == (2, "")
    assert "has a matrix as NumPy prints it" in ran.err
    assert not (tmp_path / "out.yaml").exists()


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


SQUARE = {"query": [[1, 0], [0, 1], [1, 1]], "key": [[1, 2], [3, 1], [0, 1]], "value": [[1]] * 3}
STANDING = "nothing goes by where queries stand, as causal, window, alibi, relative_bias or rope do"
NOT_HIDDEN = "no key is hidden, as by causal, window or a mask"
IDLE: dict[str, tuple[dict[str, Any], str]] = {
    "offset": ({"offset": 2}, STANDING),
    "order": (
        {"order": ["mask", "bias", "softcap"]},
        "it is that of softcap, bias and mask, and none of them is there",
    ),
    "order of one": (
        {"order": ["mask", "bias", "softcap"], "softcap": 2},
        "it is that of softcap, bias and mask, and only the step capped is there",
    ),
    "empty_rows": ({"empty_rows": "nan"}, NOT_HIDDEN),
    "mask_fill": ({"mask_fill": -5}, NOT_HIDDEN),
    "temperature": (
        {"normalize": "argmax", "temperature": 2},
        "the largest score stays so, with normalize: argmax",
    ),
    "prefix": (
        {"prefix": 1, "key_lengths": 3},
        "it lets first keys be seen in spite of causal or window",
    ),
    "sink_tokens": (
        {"sink_tokens": 1, "causal": True},
        "it lets first keys be seen in spite of a window",
    ),
    "sink_tokens without a left bound": (
        {"sink_tokens": 1, "window": {"left": -1, "right": 0}},
        "it passes the left bound of a window, which has none here",
    ),
    "offset beside an unbounded window": (
        {"offset": 1, "window": {"left": -1, "right": -1}},
        STANDING,
    ),
    "offset beside a bias by key": ({"offset": 1, "alibi": {"form": "key"}}, STANDING),
    "axes": ({"axes": "bshd"}, "neither query, key nor value has four axes"),
    "grouping": (
        {"heads": 1, "grouping": "tile"},
        "each key head has one query head; kv_heads says how many key heads there are",
    ),
    "grouping without heads": (
        {"grouping": "tile"},
        "there are no heads; kv_heads says how many key heads there are",
    ),
    "precision.scale": ({"score": "dot", "precision": {"scale": "float32"}}, "the scale is 1"),
    "precision.scaled": (
        {"precision": {"scaled": "float32"}},
        "it is the type of scaled q and k, and scale_placement: scores scales the scores",
    ),
    "precision.rope": ({"precision": {"rope": "float32"}}, "there is no rope"),
    "precision.norm": (
        {"precision": {"norm": "float32"}},
        "there is neither qk_norm nor layer_norm",
    ),
}


@pytest.mark.parametrize("name", IDLE)
def test_a_key_that_changes_nothing_is_a_warning_that_names_it(name: str) -> None:
    keys, why = IDLE[name]
    key = name.partition(" ")[0]
    record = compute({**SQUARE, **keys})
    assert record.warnings == (f"{key} has no effect: {why}",)
    first, _, inner = key.partition(".")
    others = {k: v for k, v in keys.items() if k != first}
    without = compute({**SQUARE, **others})
    assert (without.warnings, inner == "") == ((), "." not in key)
    assert list(without.steps) == list(record.steps)
    for step in without.steps:
        assert np.array_equal(record[step], without[step], equal_nan=True)


@pytest.mark.parametrize(
    "keys",
    [
        {"offset": 2, "causal": True},
        {"order": ["mask", "bias", "softcap"], "softcap": 2, "score_bias": [[0, 1, 2]]},
        {"empty_rows": "nan", "mask": [[0, 0, -np.inf]]},
        {"mask_fill": -5, "causal": True},
        {"temperature": 2},
        {"prefix": 1, "causal": True},
        {"sink_tokens": 1, "window": {"keys": 1}},
        {"precision": {"rope": "float32"}, "rope": True},
        {"precision": {"norm": "float32"}, "qk_norm": "rms"},
        {"precision": {"scaled": "float32"}, "scale_placement": "query"},
    ],
    ids=lambda keys: next(iter(keys)),
)
def test_a_key_that_something_goes_by_is_no_warning(keys: dict[str, object]) -> None:
    assert not [w for w in compute({**SQUARE, **keys}).warnings if "no effect" in w]


def test_a_misspelt_value_of_a_key_that_changes_nothing_stays_an_error() -> None:
    for keys in ({"axes": "bsdh"}, {"order": ["maks"]}, {"empty_rows": "zeros"}, {"prefix": -1}):
        with pytest.raises(AttnError):
            compute({**SQUARE, **keys})


@pytest.mark.parametrize(
    ("command", "options", "warning"),
    [
        ("compute", ["--full", "-f", "json"], "--full has no effect on the format json, but on: "),
        ("compute", ["--digits", "3", "-f", "npz"], "--digits has no effect on the format npz"),
        ("compute", ["--labels"], "--labels has no effect on the format table, but on: csv, tsv\n"),
        ("compute", ["-v", "--only", "q", "-f", "csv"], "--verbose has no effect on the format "),
        ("graph", ["--digits", "3", "-f", "json"], "--digits has no effect on the format json"),
    ],
)
def test_an_option_that_means_nothing_to_a_format_is_a_warning(
    command: str, options: list[str], warning: str, attn: Attn, tmp_path: Path
) -> None:
    problem = ["--query", str(Q), "--key", str(K), "--value", str(V), "-o", str(tmp_path / "out")]
    options = options if "-f" in options else [*options, "-f", "table"]
    ran = attn(command, *problem, *options)
    assert ran.status == 0
    assert ran.err.startswith(f"warning: {warning}")
    assert ran.err.count("\n") == 1
    assert (tmp_path / "out").exists()
    assert attn(command, *problem, *options, "--quiet").err == ""


def test_a_device_as_output_gets_a_table_without_a_format(attn: Attn) -> None:
    problem = ["compute", "--query", str(Q), "--key", str(K), "--value", str(V)]
    ran = attn(*problem, "--only", "output", "-o", "/dev/null")
    assert (ran.status, ran.out, ran.err) == (0, "", "")


def talk_on_terminal(columns: int, *arguments: str, cwd: Path) -> str:
    """Return what a command line says on a standard error that is a terminal of a width."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "attn_cli", *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=follower, cwd=cwd,
        env={name: value for name, value in os.environ.items() if name != "COLUMNS"},
    )  # fmt: skip
    os.close(follower)
    said = b""
    try:
        while chunk := os.read(leader, 65536):
            said += chunk
    except OSError:  # the other end is closed: Linux says so with EIO
        pass
    os.close(leader)
    process.wait()
    return said.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_messages_wrap_at_words_on_a_terminal(columns: int, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(
        "query: [[1, 0]]\nkey: [[1, 0]]\nvalue: [[1]]\n"
        f"# {'x' * 100}\nweights: {{query: [[1, 0], [0, 1]]}}  # {'x' * 100}\n"
    )
    in_pipe = subprocess.run(
        [sys.executable, "-m", "attn_cli", "compute", "p.yaml", "--set", "zzz=1"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    ).stderr  # fmt: skip
    assert max(map(len, in_pipe.split("\n"))) > 400
    said = talk_on_terminal(columns, "compute", "p.yaml", "--set", "zzz=1", cwd=tmp_path)
    lines = said.rstrip("\n").split("\n")
    assert max(map(len, lines)) <= columns
    assert said.split() == in_pipe.split()
    at = next(at for at, line in enumerate(lines) if line.startswith("help: "))
    assert all(line.startswith("      ") for line in lines[at + 1 :])
    assert all(
        len(line) + 1 + len(after.split()[0]) > columns for line, after in pairwise(lines[at:])
    )
    said = talk_on_terminal(columns, "compute", "p.yaml", cwd=tmp_path)
    quoted, caret = (line for line in said.split("\n") if " | " in line)
    assert "error: weights.query has nothing to apply to" in said
    assert len(quoted) <= columns
    assert len(quoted) == min(columns, 76 + 5)
    assert quoted[caret.index("^") :].startswith("query: [[")


def test_words_that_are_longer_than_a_terminal_stay_whole() -> None:
    assert wrapped("error: " + "x" * 30 + " b", 20) == "error:\n       " + "x" * 30 + "\n       b"
    assert wrapped("a --query-token b", 12) == "a\n--query-token\nb"
    assert wrapped("   a picture that is drawn", 10) == "   a picture that is drawn"
    assert wrapped("   --> --tokens a b c d", 19) == "   --> --tokens a b\n       c d"
    assert wrapped(" 1 | a --> b and more", 10) == " 1 | a --> b and more"


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_narrow_inputs_are_noted_once_on_a_terminal(dtype: str, tmp_path: Path) -> None:
    for name, matrix in (("q", Q), ("k", K), ("v", V)):
        np.save(tmp_path / f"{name}.npy", np.array(matrix, dtype=dtype))
    problem = ["compute", "--query", "q.npy", "--key", "k.npy", "--value", "v.npy"]
    note = f"note: inputs are {dtype}, computed in float64: --dtype float32 halves time and size\n"
    assert talk_on_terminal(120, *problem, cwd=tmp_path) == note
    for options in (["--dtype", "float64"], ["--dtype", "float32"], ["--quiet"]):
        assert talk_on_terminal(120, *problem, *options, cwd=tmp_path) == ""
    np.save(tmp_path / "q.npy", np.array(Q, dtype=np.float64))
    in_pipe = subprocess.run(
        [sys.executable, "-m", "attn_cli", *problem], capture_output=True, check=False, cwd=tmp_path
    )
    assert in_pipe.stderr == b""


TOKENS = ["[CLS]", "the cat", ".", "\u2581sat", " ", "[SEP]"]


@pytest.mark.parametrize("form", ["lines", "crlf", "json", "suffixless json"])
def test_tokens_of_a_file_are_never_split(form: str, tmp_path: Path, attn: Attn) -> None:
    path = tmp_path / ("t.json" if form == "json" else "t.txt")
    end = "\r\n" if form == "crlf" else "\n"
    lines = "".join(f"{token}{end}" for token in TOKENS)
    text = json.dumps(TOKENS) if "json" in form else lines
    path.write_bytes(text.encode())
    rows = [[at, 1] for at in range(len(TOKENS))]
    (tmp_path / "p.yaml").write_text(f"embeddings: {rows}\ntokens: {{file: {path.name}}}\n")
    for arguments in (
        ["compute", tmp_path / "p.yaml"],
        ["compute", "--query", str(rows), "--key", str(rows), "--value", str(rows),
         "--tokens-file", path],
    ):  # fmt: skip
        ran = attn(*arguments, "-f", "json")
        assert (ran.status, ran.err) == (0, "")
        assert json.loads(ran.out)["tokens"] == {"query": TOKENS, "key": TOKENS}


@pytest.mark.parametrize("text", ["[CLS]\n", "[1]\n", "[]\n", '["a", 1]\n', "[" * 100_000])
def test_a_line_that_begins_with_a_bracket_may_be_a_token(
    text: str, tmp_path: Path, attn: Attn
) -> None:
    (tmp_path / "t.txt").write_text(text)
    one = ["--query", "[[1]]", "--key", "[[1]]", "--value", "[[1]]"]
    ran = attn("compute", *one, "--tokens-file", tmp_path / "t.txt", "-f", "json")
    assert json.loads(ran.out)["tokens"]["query"] == [text.rstrip("\n")]


def test_keys_have_tokens_of_their_own(tmp_path: Path, attn: Attn) -> None:
    (tmp_path / "k.txt").write_text("[PAD]\nchat\n")
    problem = ["compute", "--query", str(Q), "--key", str(K), "--value", str(V), "-f", "json"]
    for options in (
        ["--key-tokens-file", tmp_path / "k.txt"],
        ["--key-tokens", "['[PAD]', chat]"],
        ["--set", "key_tokens=['[PAD]', chat]"],
    ):
        words = json.loads(attn(*problem, "--tokens", "cat", *options).out)["tokens"]
        assert words == {"query": ["cat"], "key": ["[PAD]", "chat"]}
    split = attn(*problem, "--key-tokens", "le chat: noir", "--set", f"key={[[1, 0, 0]] * 3}",
                 "--set", "value=[[1], [2], [3]]")  # fmt: skip
    assert json.loads(split.out)["tokens"]["key"] == ["le", "chat", "noir"]
    past = {"key": [[[[1, 0, 0]]]], "value": [[[[1, 0]]]]}
    four = {"query": [[Q]], "key": [[K]], "value": [[V]], "past": past, "key_tokens": ["a", "b"]}
    assert list(compute(four).key_tokens) == ["past 0", "a", "b"]


def test_tokens_of_each_batch_entry(tmp_path: Path, attn: Attn) -> None:
    (tmp_path / "q.json").write_text('[["a"], ["."]]')
    (tmp_path / "k.json").write_text('[["x y", "z"], ["[PAD]", "[PAD]"]]')
    problem = [
        "compute", "--query", str([Q, Q]), "--key", str([K, K]), "--value", str([V, V]),
        "--tokens-file", tmp_path / "q.json", "--key-tokens-file", tmp_path / "k.json",
        "-f", "json",
    ]  # fmt: skip
    both = json.loads(attn(*problem).out)
    assert both["tokens"] == {"query": ["0"], "key": ["0", "1"]}
    first, second = (json.loads(attn(*problem, "--batch", at).out)["tokens"] for at in "01")
    assert first == {"query": ["a"], "key": ["x y", "z"]}
    assert second == {"query": ["."], "key": ["[PAD]", "[PAD]"]}
    assert attn(*problem, "--batch", "1", "--query-token", ".").status == 0
    assert attn(*problem, "--batch", "0", "--query-token", ".").status == 2
    same = {"query": [Q, Q], "key": [K, K], "value": [V, V], "tokens": [["a"], ["a"]]}
    assert list(compute(same).query_tokens) == ["a"]
    assert list(compute({**same, "tokens": [["a"], ["b"]]}, batch=1).query_tokens) == ["b"]
    assert list(compute({**same, "tokens": [["a"], ["b"]]}).query_tokens) == ["0"]


@pytest.mark.parametrize("axes", ["bhsd", "bshd"])
@pytest.mark.parametrize("kv_heads", [2, 4])
def test_heads_of_four_axes_are_joined_for_a_projection_of_all(axes: str, kv_heads: int) -> None:
    rng = np.random.default_rng(3)
    batch, heads, n_q, n_k, d, d_v, d_out = 2, 4, 3, 7, 5, 11, 13
    q = rng.normal(size=(batch, heads, n_q, d))
    k, v = (rng.normal(size=(batch, kv_heads, n_k, width)) for width in (d, d_v))
    W, b = rng.normal(size=(heads * d_v, d_out)), rng.normal(size=d_out)
    scores = q @ np.repeat(k, heads // kv_heads, 1).swapaxes(-1, -2) / np.sqrt(d)
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    context = weights @ np.repeat(v, heads // kv_heads, 1)
    joined = context.swapaxes(1, 2).reshape(batch, n_q, heads * d_v)

    def laid(array: Any) -> Any:
        return array if axes == "bhsd" else array.swapaxes(1, 2)

    given_ = {"query": laid(q), "key": laid(k), "value": laid(v), "axes": axes}
    problem = {**given_, "weights": {"output": W}, "biases": {"output": b}}
    record = compute(problem)
    np.testing.assert_allclose(record["concat"], joined, rtol=1e-12)
    np.testing.assert_allclose(record["output"], joined @ W + b, rtol=1e-11)
    by_tiles = compute(problem, steps=["output"], tile=(2, 3), threads=2)
    np.testing.assert_allclose(by_tiles["output"], joined @ W + b, rtol=1e-11)
    apart = compute({**given_, "weights": {"output": W[:d_v]}})
    np.testing.assert_allclose(apart["output"], laid(context @ W[:d_v]), rtol=1e-11)


@pytest.mark.parametrize("written", ["s.npy", "s.csv", "all.npz#s", "{slopes: s.npy}"])
def test_slopes_of_alibi_come_from_a_file(written: str, tmp_path: Path, attn: Attn) -> None:
    slopes = np.array([0.5, 0.25])
    np.save(tmp_path / "s.npy", slopes)
    np.savez(tmp_path / "all.npz", s=slopes)
    (tmp_path / "s.csv").write_text("0.5,0.25\n")
    path = tmp_path / "p.yaml"
    problem = f"query: {[[1, 2, 3, 4]] * 3}\nkey: {[[1, 0, 0, 1]] * 3}\nvalue: {[[1, 2]] * 3}\n"
    path.write_text(f"{problem}heads: 2\ncausal: true\nalibi: {written}\n")
    ran = attn("compute", path, "-f", "json")
    assert (ran.status, ran.err) == (0, "")
    steps = json.loads(ran.out)["steps"]
    bias = np.array(steps["biased"]["values"]) - np.array(steps["scores"]["values"])
    distance = np.arange(3) - np.arange(3)[:, None]
    np.testing.assert_allclose(bias, -slopes[:, None, None] * abs(distance), atol=1e-12)
