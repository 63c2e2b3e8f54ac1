"""The steps there can be: their names in the usual order, their axes without batch and head."""

from __future__ import annotations

from collections.abc import Iterable

OF_TOKENS = ("token", "dimension")
OF_PAIRS = ("query", "key")
ROWS = ("query", "dimension")
OF_KEYS = ("key", "dimension")

AXES: dict[str, tuple[str, ...]] = {
    "embeddings": OF_TOKENS,
    "positions": OF_TOKENS,
    "positioned": OF_TOKENS,
    "q": ROWS,
    "k": OF_KEYS,
    "v": OF_KEYS,
    "q_normed": ROWS,
    "k_normed": OF_KEYS,
    "present_key": OF_KEYS,
    "present_value": OF_KEYS,
    "q_rotated": ROWS,
    "k_rotated": OF_KEYS,
    "products": OF_PAIRS,
    "gate": OF_PAIRS,
    "scores": OF_PAIRS,
    "capped": OF_PAIRS,
    "biased": OF_PAIRS,
    "masked": OF_PAIRS,
    "visible": OF_PAIRS,
    "weights": OF_PAIRS,
    "lse": ("query",),
    "row_sums": ("query",),
    "dropped": OF_PAIRS,
    "context": ROWS,
    "gated": ROWS,
    "concat": ROWS,
    "output": ROWS,
    "residual": ROWS,
    "layer_norm": ROWS,
    "hidden": ("query", "unit"),
    "feed_forward": ROWS,
    "residual_2": ROWS,
    "layer_norm_2": ROWS,
    "pooled": ("dimension",),
    "logits": ("word",),
    "probabilities": ("word",),
}
# What people call a step, in small letters.
MEANT = {
    "softmax": "weights",
    "attention": "weights",
    "attention_weights": "weights",
    "alpha": "weights",
    "probs": "weights",
    "energy": "scores",
    "logits": "scores",
    "qk": "products",
    "qk_t": "products",
    "query": "q",
    "queries": "q",
    "key": "k",
    "keys": "k",
    "value": "v",
    "values": "v",
    "x": "embeddings",
    "tokens": "embeddings",
    "result": "output",
    "out": "output",
    "mask": "masked",
}


def meant_among(names: Iterable[str]) -> dict[str, str]:
    """Return what people call those steps."""
    known = set(names)
    return {word: step for word, step in MEANT.items() if step in known}


INPUTS = ("embeddings", "positions", "positioned")  # without batch or head
KEY_SIDE = frozenset(name for name, axes in AXES.items() if axes == OF_KEYS)  # of key heads
NEW_KEYS = frozenset({"k", "v", "k_normed"})  # without the past
ASIDES = ("visible", "lse", "row_sums")  # for who asks, or reads all: not among tables
OF_SCORES = frozenset({"products", "gate", "scores", "capped", "biased", "masked"})
WHOLE_ROWS = frozenset(name for name, axes in AXES.items() if axes == OF_PAIRS)
OF_ROWS = frozenset({"lse", "row_sums"})  # one number a query, from its keys
POOLED = ("pooled", "logits", "probabilities")
AFTER = tuple(AXES)[tuple(AXES).index("concat") : tuple(AXES).index("pooled")]
WEIGHED = frozenset({"context", "gated", *AFTER, *POOLED})  # steps that need V
