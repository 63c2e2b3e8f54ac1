"""`attn verify`: libraries are right in all conventions that they have, under their presets."""

from __future__ import annotations

from pathlib import Path

import pytest

from attn_cli.testing import verify
from tests.helpers.processes import ROOT

# Preset -> function, arrays, adapter, and the conventions that it must at least have.
LIBRARIES = {
    "torch": (
        "torch.nn.functional:scaled_dot_product_attention",
        "torch",
        "tests.peers.adapters:torch_sdpa",
        {"causal", "causal, more keys than queries", "mask: true means attend", "bias"},
    ),
    "jax": (
        "jax.nn:dot_product_attention",
        "jax",
        "tests.peers.adapters:jax_attention",
        {"window: left, right", "key_lengths and causal", "log-sum-exp", "queries that see no key"},
    ),
    "onnx": (
        "tests.peers.onnx_attention:by_reference",
        "numpy",
        "tests.peers.adapters:onnx_reference",
        {"order of cap, bias and mask", "key_lengths and causal", "window, more keys"},
    ),
}


@pytest.mark.parametrize("like", LIBRARIES)
def test_it_is_right(like: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(ROOT))
    function, arrays, adapter, least = LIBRARIES[like]
    found = verify(function, like=like, arrays=arrays, adapter=adapter, timeout=60)
    assert least <= {each.name for each in found.of("right")}
    assert found.dtypes == (
        ("float32",) if arrays == "numpy" else ("float32", "float16", "bfloat16")
    )


@pytest.mark.parametrize(("like", "other"), [("torch", "flash-attn"), ("onnx", "torch")])
def test_it_is_wrong_under_the_preset_of_another(
    like: str, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(ROOT))
    function, arrays, adapter, _ = LIBRARIES[like]
    with pytest.raises(AssertionError, match="wrong in"):
        verify(function, like=other, arrays=arrays, adapter=adapter, dtypes=["float32"])
