"""The presets of models, and of systems and books that train them."""

from __future__ import annotations

from attn_cli.conventions.preset import (
    AXES_BY_BATCH,
    AXES_OF_PADDING,
    CAP_FIRST,
    MINUS_INF,
    Preset,
)

HF_EAGER = Preset(
    name="hf-eager",
    title="Hugging Face transformers, attn_implementation='eager'",
    version="5.23",
    settings={
        "mask.true_means": "attend",
        "mask.axes": AXES_OF_PADDING,
        "causal": "end",
        "window": "keys",
        "mask_fill": {"value": "lowest", "how": "add"},
        "scale_placement": "scores",
        "precision.scale": "accumulate",
        "precision.scores": "dtype",
        "precision.softmax": "float32",
        "precision.weighted_sum": "dtype",
        "grouping": "interleave",
        "axes": "bhsd",
        "rope.interleaved": False,
        "past.rotated": True,
        "alibi.slopes": "paper",
        "alibi.form": "last_key",
    },
    sources=(
        "transformers/models/llama/modeling_llama.py: eager_attention_forward, repeat_kv",
        "transformers/masking_utils.py: eager_mask, sliding_window_overlay",
        "transformers/models/mpt/modeling_mpt.py: build_mpt_alibi_tensor",
        "transformers #39408, PR #40163 (windows)",
    ),
    notes=(
        "a row that sees no key is uniform, because finfo.min takes up the score; in float64 it is "
        "NaN, because finfo.min is -inf in the float32 of the softmax",
        "the last query is at the last key: padding, as key_lengths say it, hides keys and moves "
        "no query; of a static cache with room to spare, give offset",
        "its windows of both directions see W on either side, |i - j| <= W; those of Gemma 3 W - 1",
        "BLOOM has alibi.form: key, GPT-J rope.interleaved: true",
        "boolean masks inside MPT and BLOOM mean ignore",
    ),
)

GPT_OSS = Preset(
    name="gpt-oss",
    title="gpt_oss/torch/model.py: sdpa",
    version="of August 2025",
    settings={
        "window": "keys",
        "mask_fill": MINUS_INF,
        "empty_rows": "zero",
        "scale_placement": "scores",
        "precision.scale": "accumulate",
        "precision.scores": "dtype",
        "precision.softmax": "accumulate",
        "precision.weighted_sum": "dtype",
        "grouping": "interleave",
        "rope.interleaved": False,
        "past.rotated": True,
    },
    sources=(
        "gpt_oss/torch/model.py: sdpa, _apply_rotary_emb",
        "transformers/models/gpt_oss/modeling_gpt_oss.py",
    ),
    notes=(
        "one learnt sink per query head: normalize: {function: sink_logits, logits: [...]}; it is "
        "neither scaled nor masked, and rows sum to less than 1",
        "with a sink a row that sees no key is well defined: weights 0",
        "always causal, with as many queries as keys; every other layer has a window",
        "torch's softmax of 16 bits runs in float32 inside, and its result is rounded",
        "transformers hides with finfo.min instead, and subtracts the largest score of each row in "
        "the type of the model, which in 16 bits rounds once more",
    ),
)

GEMMA_2 = Preset(
    name="gemma-2",
    title="Gemma 2 in Hugging Face transformers, eager",
    version="5.23",
    settings={
        "mask.true_means": "attend",
        "mask.axes": AXES_OF_PADDING,
        "causal": "end",
        "window": "keys",
        "order": CAP_FIRST,
        "mask_fill": {"value": "lowest", "how": "add"},
        "scale_placement": "scores",
        "precision.scale": "accumulate",
        "precision.scores": "dtype",
        "precision.softmax": "float32",
        "precision.weighted_sum": "dtype",
        "grouping": "interleave",
        "axes": "bhsd",
        "rope.interleaved": False,
        "past.rotated": True,
    },
    sources=(
        "transformers/models/gemma2/modeling_gemma2.py: eager_attention_forward",
        "transformers/masking_utils.py: eager_mask, sliding_window_overlay",
        "TransformerLens PR #694 (its scale)",
    ),
    notes=(
        "the scale is query_pre_attn_scalar^-0.5, which need not be 1/sqrt(d_k): give scale",
        "the cap on scores is softcap: 50; the one on logits after the last layer is another",
        "a row that sees no key is uniform, because finfo.min takes up the score; in float64 it is "
        "NaN, because finfo.min is -inf in the float32 of the softmax",
        "the last query is at the last key: padding, as key_lengths say it, hides keys and moves "
        "no query; of a static cache with room to spare, give offset",
    ),
)

D2L = Preset(
    name="d2l",
    title="Dive into Deep Learning: DotProductAttention, masked_softmax (PyTorch)",
    version="1.0",
    settings={
        "mask_fill": {"value": -1e6, "how": "select"},
        "scale_placement": "scores",
        "precision.scale": "accumulate",
        "precision.scores": "dtype",
        "precision.weighted_sum": "dtype",
        "positions.layout": "interleaved",
    },
    sources=(
        "d2l.ai, chapter Attention Mechanisms and Transformers: attention-scoring-functions",
        "the same, self-attention-and-positional-encoding",
    ),
    notes=(
        "masks are valid lengths, one per batch entry or one per query: key_lengths, or a mask",
        "a row that sees no key is uniform: all its scores are -1e6; in float16 the fill is -inf, "
        "and the row NaN",
        "additive attention has no bias",
    ),
)

OPENNMT = Preset(
    name="opennmt",
    title="OpenNMT-py: MultiHeadedAttention, self_attn_type 'scaled-dot'",
    version="3.5",
    settings={
        "mask.true_means": "ignore",
        "mask.axes": AXES_BY_BATCH,
        "window": "previous",
        "mask_fill": {"value": -1e18, "how": "select"},
        "empty_rows": "uniform",
        "scale_placement": "query",
        "precision.scale": "accumulate",
        "precision.scaled": "dtype",
        "precision.scores": "dtype",
        "precision.softmax": "float32",
        "precision.weighted_sum": "dtype",
        "grouping": "interleave",
        "axes": "bhsd",
        "positions.layout": "interleaved",
        "rope.interleaved": True,
        "past.rotated": True,
        "alibi.slopes": "paper",
        "alibi.form": "distance",
    },
    sources=(
        "onmt/modules/multi_headed_attn.py: scaled dot, rotary_interleave, layer_cache",
        "onmt/modules/alibi_position_bias.py, onmt/modules/position_ffn.py",
        "onmt/decoders/transformer.py: the window",
    ),
    notes=(
        "a row that sees no key is uniform; the decoder un-masks such rows on purpose",
        "scores are rounded to 16 bits, then float32 before the fill: in float16 too, where -1e18 "
        "would be -inf, such a row is uniform",
        "rotary_interleave can be turned off, and is for models in the halves layout",
        "its attention 'mlp' has a bias on the query's projection alone",
    ),
)

TENSOR2TENSOR = Preset(
    name="tensor2tensor",
    title="tensor2tensor: common_attention.multihead_attention",
    version="1.15",
    settings={
        "window": "previous",
        "mask_fill": {"value": -1e9, "how": "add"},
        "scale_placement": "query",
        "precision.scale": "dtype",
        "precision.scaled": "dtype",
        "precision.scores": "dtype",
        "precision.weighted_sum": "dtype",
        "axes": "bhsd",
        "positions.layout": "concatenated",
    },
    sources=(
        "tensor2tensor/layers/common_attention.py: attention_bias_local, multihead_attention",
        "the same, get_timing_signal_1d",
        "tensorflow/python/ops/math_ops.py: binary_op_wrapper (the type of q *= d**-0.5)",
    ),
    notes=(
        "masks are numbers that are added: a row that sees no key is uniform in float32 and "
        "bfloat16, as without a mask in float64, and NaN in float16, where the fill is -inf",
        "biases that hide add up: a key that two of them hide is at -2e9, below one that only one "
        "hides; here a hidden key gets the fill once",
        "its top-k subtracts the k-th weight after the softmax and divides by the sum: no top_k",
        "max_backward W is window: {left: W, right: max_forward}",
    ),
)

ANNOTATED = Preset(
    name="annotated-transformer",
    title="The Annotated Transformer: attention, PositionalEncoding",
    version="2022",
    settings={
        "mask.true_means": "attend",
        "mask.axes": AXES_BY_BATCH,
        "mask_fill": {"value": -1e9, "how": "select"},
        "scale_placement": "scores",
        "precision.scale": "accumulate",
        "precision.scores": "dtype",
        "precision.weighted_sum": "dtype",
        "axes": "bhsd",
        "positions.layout": "interleaved",
    },
    sources=(
        "nlp.seas.harvard.edu/annotated-transformer: attention, subsequent_mask",
        "annotated-transformer #138 (weights after dropout)",
    ),
    notes=(
        "masks hold 1 for attend: masked_fill(mask == 0, -1e9)",
        "the weights that it returns are after dropout",
        "a row that sees no key is uniform: all its scores are -1e9; in float16 the fill is -inf, "
        "and the row NaN",
    ),
)
