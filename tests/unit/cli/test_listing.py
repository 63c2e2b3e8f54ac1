"""Lists of score functions and normalisers: the defaults are named where they are listed."""

from __future__ import annotations

import numpy as np

from attn_cli import compute
from attn_cli.maths.normalizers import NORMALIZERS
from attn_cli.maths.scores import SCORES
from attn_cli.reading.keys import KEYS
from tests.conftest import Attn


def test_the_default_score_and_normaliser_are_named_where_they_are_listed(attn: Attn) -> None:
    shown = " ".join(attn("compute", "--help").out.split())
    assert "Score function (default: scaled): " in shown
    assert "Normaliser (default: softmax): " in shown
    assert "Score function (default: dot): " in " ".join(attn("translate", "--help").out.split())
    assert "(default: scaled)" in KEYS["score"].meaning
    assert "(default: softmax)" in KEYS["normalize"].meaning
    for command, registry in (("scores", SCORES), ("normalizers", NORMALIZERS)):
        marked = [line for line in attn(command).out.split("\n") if line.endswith("(default)")]
        assert [line.split()[0] for line in marked] == [registry.default]
        assert "The default: " in attn(command, registry.default).out
        others = [name for name in registry.names if name != registry.default]
        assert all("The default: " not in attn(command, name).out for name in others)


Q = [[5, 1, 20]]


K = [[1, 0, 2], [0, 3, 1]]


V = [[2, 7], [11, 3]]


def test_the_default_score_is_the_one_that_is_named() -> None:
    problem = {"query": Q, "key": K, "value": V}
    unnamed = compute(problem)["scores"]
    assert np.allclose(unnamed, np.array([[45, 23]]) / np.sqrt(3), rtol=1e-15)
    assert np.array_equal(unnamed, compute({**problem, "score": SCORES.default})["scores"])
