"""Numbers as people write them: fractions, roots, and what NumPy prints."""

from __future__ import annotations

import decimal
import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from attn_cli import AttnError, compute
from attn_cli.sources.text.events import parse_kindly
from attn_cli.sources.text.ratios import is_ratio, ratio
from tests.conftest import Attn


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


Q = [[5, 1, 20]]


K = [[1, 0, 2], [0, 3, 1]]


V = [[2, 7], [11, 3]]


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
