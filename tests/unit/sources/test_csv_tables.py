"""CSV and TSV as arrays: places of faults, labels, vectors, kinds of numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from attn_cli import AttnError, compute


@pytest.mark.regression("booleans and whole numbers of a table became floats")
def test_a_table_keeps_what_kind_of_numbers_it_holds(tmp_path: Path) -> None:
    (tmp_path / "m01.csv").write_text("1,0\n0,1\n")
    (tmp_path / "words.csv").write_text("true,false\nfalse,true\n")
    X = np.eye(2)
    with pytest.raises(AttnError, match="whole numbers 0 and 1, and does not say"):
        compute({"embeddings": X, "mask": str(tmp_path / "m01.csv")})
    mask = {"file": str(tmp_path / "words.csv"), "true_means": "attend"}
    np.testing.assert_array_equal(compute({"embeddings": X, "mask": mask})["weights"], X)


@pytest.mark.regression("a row with one field more than labels was read with a shift")
def test_a_label_too_few_is_ragged(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(",a,b\nx,1,2,3\n")
    with pytest.raises(AttnError, match="line 2 has 4 fields, line 1 has 3 fields"):
        compute({"embeddings": str(tmp_path / "t.csv")})


@pytest.mark.regression("columns and lines behind quotes, U+2028 and CRLF were wrong")
@pytest.mark.parametrize(
    ("text", "column", "line"),
    [
        (',0,1\n"a,b",1,oops\n', 9, '"a,b",1,oops'),
        (",0,1\na\u2028b,1,2\nc,3,oops\n", 5, "c,3,oops"),
        ("1,2\r\n3,  x\r\n", 5, "3,  x"),
    ],
)
def test_places_in_tables(text: str, column: int, line: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8", newline="")
    with pytest.raises(AttnError) as caught:
        compute({"embeddings": str(tmp_path / "t.csv")})
    assert caught.value.where is not None
    assert (caught.value.where.column, caught.value.where.text) == (column, line)


@pytest.mark.regression("a table of one line was refused for a bias")
def test_one_line_of_a_table_is_a_vector(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("3,5\n")
    record = compute({"embeddings": np.eye(2), "biases": {"query": str(tmp_path / "b.csv")}})
    np.testing.assert_array_equal(record["q"], [[4, 5], [3, 6]])
