"""Names that kernels have for positions, lengths and documents: the error names the key."""

from __future__ import annotations

from typing import Any

import pytest

from attn_cli import AttnError, compute

Q = [[5, 1, 20]]
K = [[1, 0, 2], [0, 3, 1]]
V = [[2, 7], [11, 3]]


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({"position_ids": [0, 1]}, "rope: {positions: {query: ..., key: ...}}"),
        ({"cu_seqlens_q": [0, 2]}, "documents: {cu_seqlens_q: ..., cu_seqlens_k: ...}"),
        ({"segment_ids": [0, 1]}, "documents"),
        ({"leftpad_k": [0]}, "key_start"),
        ({"cache_seqlens": [2]}, "key_lengths"),
        ({"learnable_sink": [0]}, "normalize: {function: sink_logits, logits: ...}"),
        ({"documents": {"q": [0], "k": [0, 0]}}, "query"),
        ({"rope": {"dims": 2, "positions": {"q": [0], "k": [0, 1]}}}, "query"),
        ({"rope": {"dims": 2, "positions": {"query": [0], "keys": [0, 1]}}}, "key"),
        ({"alibi": {"positions": {"q": [0], "k": [0, 1]}}}, "query"),
        ({"offset": 0, "rope": {"dims": 2, "mrope_section": [1, 0, 0]}}, "sections"),
    ],
)
def test_what_kernels_call_positions_names_the_key(keys: dict[str, Any], key: str) -> None:
    with pytest.raises(AttnError, match="unknown key '") as raised:
        compute({"query": Q, "key": K, "value": V, **keys})
    assert raised.value.help == f"did you mean '{key}'?"
