"""What people type in their first hour, where it is read, and what they are told.

The errors are cases of `tests/errors/newcomer_*.txt`.
"""

from __future__ import annotations

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
