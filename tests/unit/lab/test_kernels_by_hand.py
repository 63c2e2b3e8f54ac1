"""The variants of kernels that no key can say, against the same fault made in NumPy by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from attn_cli.lab.altered import steps_of
from attn_cli.lab.variants import Base
from attn_cli.lab.variants.kernels import KERNELS
from attn_cli.sources.matrices.document import from_mapping

Array = Any
RNG = np.random.default_rng(1806)
B, H, N, D = 2, 3, 5, 4
Q, K, V = (RNG.normal(size=(B, H, N, D)) for _ in range(3))
GIVEN = {"query": Q, "key": K, "value": V}
SCALE = 1 / np.sqrt(D)
S = Q @ K.swapaxes(-1, -2) * SCALE
QUERY, KEY = np.arange(N)[:, None], np.arange(N)
M = RNG.random((B, H, N, N)) < 0.6
M |= np.eye(N, dtype=bool)
MASK = {"values": M, "true_means": "attend", "axes": ["batch", "head", "query", "key"]}
GAINS = RNG.normal(size=(2, D))
SINKS = RNG.normal(size=H)
DOCUMENTS = {"query": [0, 0, 1, 1, 2], "key": [0, 0, 1, 1, 2]}
BIAS = RNG.normal(size=(B, H, N, N))


def softmax(s: Array) -> Array:
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def attended(seen: Array = True, s: Array = S, v: Array = V) -> Array:
    return softmax(np.where(seen, s, -np.inf)) @ v


def with_sink(s: Array) -> tuple[Array, Array]:
    e, sink = np.exp(s), np.exp(SINKS)[:, None, None]
    total = e.sum(axis=-1, keepdims=True) + sink
    return e / total, np.log(total)[..., 0]


def across(x: Array) -> Array:
    return x.reshape(B, N, H, D).swapaxes(1, 2)


def turned(x: Array, *, neighbours: bool = False, dims: int = D, first: int = 0) -> Array:
    """Return rows turned by their numbers, with base 1e4, as a table of two by two matrices."""
    found = x.copy()
    for m in range(dims // 2):
        a, b = (2 * m, 2 * m + 1) if neighbours else (m, m + dims // 2)
        angle = np.arange(N) * 1e4 ** (-2 * m / dims)
        one, two = x[..., first + a], x[..., first + b]
        found[..., first + a] = one * np.cos(angle) - two * np.sin(angle)
        found[..., first + b] = one * np.sin(angle) + two * np.cos(angle)
    return found


def rms(x: Array, axes: tuple[int, ...] = (-1,)) -> Array:
    return x / np.sqrt((x * x).mean(axis=axes, keepdims=True) + 1e-6)


def dotted(q: Array, k: Array) -> Array:
    return attended(s=q @ k.swapaxes(-1, -2) * SCALE)


NORM = {"function": "rms", "query_gain": GAINS[0], "key_gain": GAINS[1]}
# The variant, the keys of the problem beside Q, K and V, the step, and its numbers by hand.
BY_HAND: list[tuple[str, dict[str, Any], str, Callable[[], Array]]] = [
    ("layout-of-k-v", {}, "output", lambda: attended(
        s=Q @ across(K).swapaxes(-1, -2) * SCALE, v=across(V))),
    ("layout-of-q", {}, "output", lambda: dotted(across(Q), K)),
    ("norm-of-q-alone", {"qk_norm": "rms"}, "output", lambda: dotted(rms(Q), K)),
    ("norm-over-all-heads", {"qk_norm": "rms"}, "output",
        lambda: dotted(rms(Q, (1, 3)), rms(K, (1, 3)))),
    ("norm-after-rope", {"qk_norm": NORM, "rope": True}, "output",
        lambda: dotted(rms(turned(Q)) * GAINS[0], rms(turned(K)) * GAINS[1])),
    ("norm-gains-exchanged", {"qk_norm": NORM}, "q_normed", lambda: rms(Q) * GAINS[1]),
    ("rope-other-layout-of-keys", {"rope": True}, "output",
        lambda: dotted(turned(Q), turned(K, neighbours=True))),
    ("rope-other-layout-of-queries", {"rope": True}, "output",
        lambda: dotted(turned(Q, neighbours=True), turned(K))),
    ("rope-last-features", {"rope": {"dims": 2}}, "output",
        lambda: dotted(turned(Q, dims=2, first=2), turned(K, dims=2, first=2))),
    ("mask-meaning-inverted", {"mask": {**MASK, "values": M ^ (KEY == 0)}}, "weights",
        lambda: np.nan_to_num(softmax(np.where(~(M ^ (KEY == 0)), S, -np.inf)))),
    ("mask-added-as-numbers", {"mask": MASK}, "output", lambda: attended(s=S + M)),
    ("mask-added-as-numbers-inverted", {"mask": MASK}, "output", lambda: attended(s=S + ~M)),
    ("mask-numbers-as-booleans", {"mask": M.astype(float)}, "output", lambda: attended(M)),
    ("mask-times-scale", {"mask": BIAS}, "output", lambda: attended(s=S + BIAS * SCALE)),
    ("user-mask-transposed", {"mask": MASK}, "output", lambda: attended(M.swapaxes(-1, -2))),
    ("mask-of-first-entry", {"mask": MASK}, "output", lambda: attended(M[:1])),
    ("mask-of-first-head", {"mask": MASK}, "output", lambda: attended(M[:, :1])),
    ("mask-heads-for-entries", {"mask": MASK, "causal": True}, "weights",
        lambda: np.nan_to_num(softmax(np.where(
            (KEY <= QUERY) & M.reshape(H, B, N, N).swapaxes(0, 1), S, -np.inf)))),
    ("score-bias-transposed", {"score_bias": BIAS}, "output",
        lambda: attended(s=S + BIAS.swapaxes(-1, -2))),
    ("score-bias-times-scale", {"score_bias": BIAS}, "output",
        lambda: attended(s=S + BIAS * SCALE)),
    ("score-bias-of-first-head", {"score_bias": BIAS}, "output",
        lambda: attended(s=S + BIAS[:, :1])),
    ("alibi-offset-lost", {"alibi": [0.5, 0.25, 0.125], "offset": 2}, "output",
        lambda: attended(s=S - np.array([0.5, 0.25, 0.125])[:, None, None] * np.abs(QUERY - KEY))),
    ("window-as-chunks", {"window": {"left": 1, "right": 0}}, "output",
        lambda: attended(QUERY // 2 == KEY // 2)),
    ("no-sink-tokens", {"window": {"left": 1, "right": 0}, "sink_tokens": 1}, "output",
        lambda: attended((KEY <= QUERY) & (KEY >= QUERY - 1))),
    ("lengths-from-the-left", {"key_lengths": [5, 2]}, "output",
        lambda: attended(np.array([0, 3])[:, None, None, None] <= KEY)),
    ("no-start", {"key_start": [0, 2]}, "output", attended),
    ("documents-joined", {"documents": DOCUMENTS}, "output", attended),
    ("documents-one-later", {"documents": DOCUMENTS}, "output",
        lambda: attended(np.array([0, 0, 0, 1, 1]) == np.array([0, 0, 0, 1, 1])[:, None])),
    ("documents-as-window", {"documents": [0, 0, 1, 1, 2], "causal": True}, "output",
        lambda: attended((KEY <= QUERY) & (KEY >= QUERY - 1))),
    ("sink-to-first-value", {"normalize": {"function": "sink_logits", "logits": SINKS}}, "output",
        lambda: with_sink(S)[0] @ V + (1 - with_sink(S)[0].sum(-1, keepdims=True)) * V[:, :, :1]),
    ("lse-without-sink", {"normalize": {"function": "sink_logits", "logits": SINKS}}, "lse",
        lambda: np.log(np.exp(S).sum(axis=-1))),
    ("lse-of-base-2", {}, "lse", lambda: np.log2(np.exp(S).sum(axis=-1))),
    ("lse-of-no-key-is-inf", {"key_lengths": [5, 0]}, "lse", lambda: np.where(
        np.arange(B)[:, None, None] == 0, np.log(np.exp(S).sum(axis=-1)), np.inf)),
    ("no-past", {"past": {"key": K[:, :, :2], "value": V[:, :, :2]}, "scale": SCALE}, "output",
        attended),
]  # fmt: skip


@pytest.mark.parametrize(("name", "keys", "step", "by_hand"), BY_HAND, ids=[c[0] for c in BY_HAND])
def test_a_variant_has_the_numbers_of_its_fault(
    name: str, keys: dict[str, Any], step: str, by_hand: Callable[[], Array]
) -> None:
    base = Base.read(from_mapping({**GIVEN, **keys}))
    problem = next(each for each in KERNELS if each.name == name).of(base)
    assert problem is not None
    with np.errstate(all="ignore"):
        expected = by_hand()
        np.testing.assert_allclose(steps_of(problem, [step])[step], expected, rtol=1e-9, atol=1e-12)
    assert not np.allclose(base.step(step), expected)
