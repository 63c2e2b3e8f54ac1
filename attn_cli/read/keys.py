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
    "heads": "splits the features of Q, K and V among this many heads",
    "score": "a score function, or {function: NAME, <parameters>}",
    "scale": "replaces 1/sqrt(d_k) in scaled, multiplies every other score; none = 1",
    "causal": "true, top-left or bottom-right",
    "mask": "a matrix that is added; {values: or file:, true_means: attend | ignore}",
    "normalize": "softmax, none or argmax",
    "residual": "true: X is added to the output",
    "layer_norm": "{gamma:, beta:, eps:} after that, or true",
    "feed_forward": "W1, b1, W2, b2, activation, residual, layer_norm: after that",
    "next_word": "vocabulary, weights, bias, pool: mean, last or {token: WORD}",
    "train": "examples, parameters, steps, learning_rate, seed, start, digits: read by attn train",
    "layout": "rows, or columns: every token is a column",
    "dtype": "float64, float32 or float16: the arithmetic",
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
