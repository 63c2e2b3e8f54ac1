"""Short forms of a problem: q, k and v, lists in place, one query as one list."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from attn_cli import AttnError, compute
from attn_cli.reading.keys import KEYS
from attn_cli.sources.text.meant import SYNONYMS, meant
from tests.conftest import Attn

Q = [[5, 1, 20]]


K = [[1, 0, 2], [0, 3, 1]]


V = [[2, 7], [11, 3]]


def test_q_k_and_v_are_names_of_query_key_and_value(tmp_path: Path, attn: Attn) -> None:
    (tmp_path / "short.yaml").write_text(f"q: {Q}\nk: {K}\nv: {V}\nscore: dot\n")
    (tmp_path / "long.yaml").write_text(f"query: {Q}\nkey: {K}\nvalue: {V}\nscore: dot\n")
    short = attn("compute", tmp_path / "short.yaml", "--format", "json")
    assert short.status == 0
    assert short.out == attn("compute", tmp_path / "long.yaml", "--format", "json").out
    record = compute({"q": Q, "k": K, "v": V, "score": "dot"})
    assert record["scores"].tolist() == [[45, 23]]
    replaced = attn("compute", tmp_path / "short.yaml", "--set", "q=[[1, 0, 0]]", "--only", "q")
    assert replaced.out.endswith(" 1    0    0\n")


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
