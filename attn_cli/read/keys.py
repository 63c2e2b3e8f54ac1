"""The keys of a problem file, as data: what help, errors and docs list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attn_cli.errors import AttnError, Path, did_you_mean, dotted, printable
from attn_cli.read.scalars import kind_of

KEYS = {
    "tokens": "list of words, or one string: letters, digits, marks, _, and ' or - inside a word",
    "sequences": "several tokens, computed one after the other, instead of tokens",
    "lower": "true: tokens in lower case",
    "embeddings": "X, one row a token (n x d); or a mapping word -> vector",
    "positions": "added to embeddings: sinusoidal, {function:, layout:, base:}, {learned: matrix}",
    "memory": "tokens and embeddings that keys and values come from (cross-attention)",
    "weights": "query, key, value, output: matrices d_in x d_out, applied as X W; or one a head",
    "biases": "query, key, value, output: vectors",
    "query": "Q itself, 2 to 4 axes",
    "key": "K itself, 2 to 4 axes",
    "value": "V itself, 2 to 4 axes",
    "like": "a system whose conventions hold where no key says otherwise: attn conventions",
    "axes": "order of four axes: bhsd (batch, heads, tokens, features) or bshd",
    "heads": "splits the features of Q, K and V among this many heads",
    "kv_heads": "how many heads K and V have, each for several query heads",
    "grouping": "interleave: heads 0 0 1 1 of K, or tile: 0 1 0 1",
    "past": "{key:, value:} of a cache, (batch, key heads, tokens, features), before K and V",
    "qk_norm": "rms or l2, {function:, eps:, query_gain:, key_gain:}: of each head's q and k",
    "rope": "true, or {base:, interleaved:, dims:, scaling: {kind:, ...}}: turns q and k",
    "score": "a score function, or {function: NAME, <parameters>}",
    "scale": "replaces 1/sqrt(d_k) in scaled, multiplies every other score; none = 1",
    "scale_placement": "scores, query or split: what the scale multiplies",
    "softcap": "c of c tanh(s / c)",
    "score_bias": "a matrix that is added to the scores, and hides nothing",
    "alibi": "true, slopes, or {slopes:, form:}: a penalty for distance, one slope a head",
    "relative_bias": "{table: buckets x heads, bidirectional:, max_distance:}: T5's",
    "order": "of softcap, bias and mask, as a list",
    "causal": "true, top-left or bottom-right",
    "offset": "query i stands at key i + offset; one number, or one a batch entry",
    "window": "{left:, right:}, both inclusive, -1 unbounded; or {keys: W}",
    "key_lengths": "how many keys are there, one number a batch entry",
    "documents": "ids of keys, or {query:, key:}: attention stays inside a document",
    "prefix": "the first keys that all queries see, in spite of causal and window",
    "sink_tokens": "the first keys that all queries see, in spite of the window",
    "mask": "a matrix that is added; {values: or file:, true_means: attend | ignore}",
    "mask_fill": "{value: -inf, number or lowest, how: select | add}: what hidden scores get",
    "top_k": "the largest scores of a row that stay, ties kept",
    "temperature": "what scores are divided by before they are normalised",
    "normalize": "a normaliser, or {function: NAME, <parameters>}",
    "empty_rows": "zero, nan or uniform: weights of a query that sees no key",
    "dropout": "{mask: 1 where a weight is kept, p:}: the mask is given",
    "output_gate": "{weights:, bias:} applied to X, or {logits:}: a sigmoid on the context",
    "residual": "true: X is added to the output",
    "layer_norm": "{gamma:, beta:, eps:} after that, or true",
    "feed_forward": "W1, b1, W2, b2, activation, residual, layer_norm: after that",
    "next_word": "vocabulary, weights, bias, pool: mean, last or {token: WORD}",
    "train": "examples, parameters, steps, learning_rate, seed, start, digits: read by attn train",
    "layout": "rows, or columns: every token is a column",
    "dtype": "float64, float32, float16 or bfloat16: the arithmetic",
    "precision": "{accumulate:, scores:, softmax:, output:}: types of parts of it",
    "nonfinite": "refuse, or allow NaN and infinity in inputs",
}

TRAIN_KEYS = ("examples", "parameters", "steps", "learning_rate", "seed", "start", "digits")
PROJECTED = ("query", "key", "value", "output")


def mapping(node: Any, path: Path, allowed: Iterable[str]) -> Mapping[str, Any]:
    """Return a mapping whose keys are all allowed; raise AttnError for the first that is not."""
    if not isinstance(node, Mapping):
        raise AttnError(
            f"{dotted(path)} must be a mapping, not {kind_of(node)}",
            path=path,
            help=f"its keys can be: {', '.join(allowed)}",
        )
    names = list(allowed)
    for key in node:
        if key not in names:
            inside = f" in {dotted(path)}" if path else ""
            raise AttnError(
                f"unknown key '{printable(str(key))}'{inside}",
                path=(*path, str(key)),
                at_key=True,
                help=did_you_mean(str(key), names, what="the keys are"),
            )
    return node
