"""Options over keys of a file: null takes a key away."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from attn_cli import compute
from tests.conftest import Attn

Q = [[5, 1, 20]]


K = [[1, 0, 2], [0, 3, 1]]


V = [[2, 7], [11, 3]]


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
