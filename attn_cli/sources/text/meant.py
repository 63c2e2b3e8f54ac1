"""Other names for keys: from papers, from libraries, and single letters.

Each name is written in lower case with underscores, as `nearest` compares names. Its value is the
key that a problem file has instead.
"""

from __future__ import annotations

from collections.abc import Mapping

from attn_cli.errors import Path

SYNONYMS = {"q": "query", "k": "key", "v": "value"}  # names that are accepted, as members of an NPZ

_SIDES = {"q": "query", "k": "key", "v": "value", "o": "output"}
# How papers and libraries name a weight matrix and its bias; {} is one of q, k, v and o.
_MATRICES = ("w_{}", "w{}", "w^{}", "{}_proj", "{}_proj_weight", "proj_{}", "{}_weight")
_VECTORS = ("b_{}", "b{}", "{}_bias", "{}_proj_bias")
_WEIGHTS = {name.format(s): side for s, side in _SIDES.items() for name in _MATRICES} | {
    f"w_{side}": side for side in _SIDES.values()
}
_BIASES = {name.format(s): side for s, side in _SIDES.items() for name in _VECTORS}

_TURNED = "rope: {positions: {query: ..., key: ...}}"
_SINK = "normalize: {function: sink_logits, logits: ...}"
_LENGTHS = (
    "seqlens_k",
    "seq_lens",
    "kv_lens",
    "cache_seqlens",
    "seqused_k",
    "nonpad_kv_seqlen",
    "key_value_seq_lengths",
    "valid_lens",
)
_LEFT_PADDING = ("leftpad_k", "left_pad", "left_padding", "key_starts")
_DOCUMENTS = (
    "segments",
    "segment_ids",
    "document_ids",
    "doc_ids",
    "sequence_ids",
    "q_segment_ids",
    "kv_segment_ids",
)
_CUMULATIVE = ("cu_seqlens", "cu_seqlens_q", "cu_seqlens_k", "cu_seqlens_kv")

_TOP = {
    **SYNONYMS,
    "o": "weights: {output: ...}",
    **{f"{letter}_matrix": side for letter, side in SYNONYMS.items()},
    **{name: f"weights: {{{side}: ...}}" for name, side in _WEIGHTS.items()},
    **{name: f"biases: {{{side}: ...}}" for name, side in _BIASES.items()},
    "queries": "query",
    "keys": "key",
    "values": "value",
    "x": "embeddings",
    "input": "embeddings",
    "inputs": "embeddings",
    "embedding": "embeddings",
    "vectors": "embeddings",
    "hidden_states": "embeddings",
    "word": "tokens",
    "words": "tokens",
    "text": "tokens",
    "sentence": "tokens",
    "labels": "tokens",
    "sentences": "sequences",
    "context": "memory",
    "encoder_hidden_states": "memory",
    "softmax": "normalize: softmax",
    "normalizer": "normalize",
    "normaliser": "normalize",
    "normalise": "normalize",
    "activation": "normalize",
    "function": "score",
    "score_function": "score",
    "scoring": "score",
    "attention": "score",
    "similarity": "score",
    "attn_mask": "mask",
    "attention_mask": "mask",
    "is_causal": "causal",
    "num_heads": "heads",
    "n_heads": "heads",
    "nhead": "heads",
    "num_attention_heads": "heads",
    "num_kv_heads": "kv_heads",
    "n_kv_heads": "kv_heads",
    "num_key_value_heads": "kv_heads",
    "sm_scale": "scale",
    "softmax_scale": "scale",
    "scaling": "scale",
    "tau": "temperature",
    "dropout_p": "dropout",
    "bias": "biases' or 'score_bias",
    "attn_bias": "score_bias",
    "position_bias": "relative_bias",
    "alibi_slopes": "alibi",
    "sliding_window": "window",
    "window_size": "window",
    "logits_soft_cap": "softcap",
    "attn_logit_softcapping": "softcap",
    **dict.fromkeys(_LENGTHS, "key_lengths"),
    **dict.fromkeys(_LEFT_PADDING, "key_start"),
    **dict.fromkeys(_DOCUMENTS, "documents"),
    **dict.fromkeys(_CUMULATIVE, "documents: {cu_seqlens_q: ..., cu_seqlens_k: ...}"),
    "sink_token_length": "sink_tokens",
    "sinks": _SINK,
    "learnable_sink": _SINK,
    "key_padding_mask": "mask",
    "local_window_size": "window",
    "position": "positions",
    "position_ids": _TURNED,
    "rope_positions": _TURNED,
    "query_positions": _TURNED,
    "key_positions": _TURNED,
    "rope_theta": "rope: {base: ...}",
    "rotary_dim": "rope: {dims: ...}",
    "rotary_interleaved": "rope: {interleaved: ...}",
    "mrope_section": "rope: {sections: ..., sections_layout: ...}",
    "positional_encoding": "positions",
    "pe": "positions",
    "rotary": "rope",
    "rotary_emb": "rope",
    "kv_cache": "past",
    "k_cache": "past: {key: ..., value: ...}",
    "v_cache": "past: {key: ..., value: ...}",
    "past_key_values": "past",
    "layernorm": "layer_norm",
    "ffn": "feed_forward",
    "mlp": "feed_forward",
    "framework": "like",
    "preset": "like",
    "w": "weights: {query: ..., key: ...}' or 'score: {function: multiplicative, W: ...}",
    "output": "weights: {output: ...}",
    "weight": "weights",
    "type": "dtype",
}
_PROJECTED = {**_SIDES, **_WEIGHTS, **_BIASES, "out": "output", "out_proj": "output"}
_ROPE = {
    "theta": "base",
    "rope_theta": "base",
    "position_ids": "positions",
    "rotary_dim": "dims",
    "mrope_section": "sections",
    "mrope_interleaved": "sections_layout: in-turn",
}
_CU = {"cu_seqlens": "cu_seqlens_q' and 'cu_seqlens_k", "cu_seqlens_kv": "cu_seqlens_k"}
_FEED_FORWARD = {"w_1": "W1", "w_2": "W2", "b_1": "b1", "b_2": "b2"}


def meant(path: Path) -> Mapping[str, str]:
    """Return other names -> the keys that they mean in the mapping at a path."""
    if not path:
        return _TOP
    inside: dict[Path, Mapping[str, str]] = {
        ("weights",): _PROJECTED,
        ("biases",): _PROJECTED,
        ("past",): {**SYNONYMS, "k_cache": "key", "v_cache": "value"},
        ("rope",): _ROPE,
        **{(key, "positions"): SYNONYMS for key in ("rope", "alibi", "relative_bias")},
        ("documents",): {**SYNONYMS, **_CU},
        ("feed_forward",): _FEED_FORWARD,
    }
    return inside.get(path, {})
