"""What people type in their first hour, where it is read, and what they are told.

The errors are cases of `tests/errors/newcomer_*.txt`.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from attn_cli import AttnError, compute
from attn_cli.core.normalizers import NORMALIZERS
from attn_cli.core.scores import SCORES
from attn_cli.read.text.keys import KEYS
from attn_cli.read.text.meant import SYNONYMS, meant
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
