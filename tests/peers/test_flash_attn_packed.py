"""flash-attention's functions of packed sequences, by formula: its kernels need a GPU.

Every document is taken out and attended to by itself, as flash_attn_varlen_func documents it:
causal order and windows are aligned to the bottom right of each document, ALiBi is
-m |i + n - q - j|, a learnt sink is one more logit of each head, a row that sees no key is 0. This
is written out here in float64 without attn's own parts; of 16 bits the result is rounded once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import attn_cli
from tests.peers.agree import TYPES, narrowed, near, normal

HEADS, KV_HEADS, D_K, D_V = 6, 3, 5, 11
LENGTHS = [([2, 3, 5], [2, 3, 5]), ([2, 3, 1], [5, 3, 7]), ([3, 7, 1], [2, 3, 5])]
LENGTHS += [([3, 0, 2], [5, 2, 0])]

pytestmark = [
    pytest.mark.parametrize("dtype", TYPES),
    pytest.mark.parametrize(("queries", "keys"), LENGTHS),
]


def by_formula(
    inputs: list[np.ndarray],
    queries: list[int],
    keys: list[int],
    *,
    causal: bool = False,
    window: tuple[int, int] = (-1, -1),
    slopes: Any = None,
    softcap: float = 0,
    sinks: Any = None,
    first: int = 0,
) -> np.ndarray:
    query, key, value = (each.astype(np.float64) for each in inputs)
    output = np.zeros((*query.shape[:2], D_V))
    first_q = first_k = 0
    for q, n in zip(queries, keys, strict=True):
        for head in range(HEADS):
            for row in range(q):
                at, end = row + n - q, []
                for j in range(n):
                    s = query[first_q + row, head] @ key[first_k + j, head // 2] / np.sqrt(D_K)
                    s = softcap * np.tanh(s / softcap) if softcap else s
                    s -= 0 if slopes is None else slopes[head] * abs(at - j)
                    hidden = causal and j > at
                    hidden |= (0 <= window[0] < at - j and j >= first) or 0 <= window[1] < j - at
                    end.append(-np.inf if hidden else s)
                top = max(end, default=-np.inf)
                if top == -np.inf:
                    continue
                parts = np.exp(np.array(end) - top)
                rest = 0 if sinks is None else np.exp(sinks[head] - top)
                weights = parts / (parts.sum() + rest)
                output[first_q + row, head] = weights @ value[first_k : first_k + n, head // 2]
        first_q, first_k = first_q + q, first_k + n
    return output


def check(
    dtype: str, queries: list[int], keys: list[int], problem: dict[str, Any], **how: Any
) -> None:
    shapes = (HEADS, D_K), (KV_HEADS, D_K), (KV_HEADS, D_V)
    counts = sum(queries), sum(keys), sum(keys)
    inputs = narrowed(
        dtype, *normal(3, *((n, *shape) for n, shape in zip(counts, shapes, strict=True)))
    )
    sums = (np.cumsum([0, *each]).tolist() for each in (queries, keys))
    packed = dict(zip(("cu_seqlens_q", "cu_seqlens_k"), sums, strict=True))
    given = dict(zip(("query", "key", "value"), (each[None] for each in inputs), strict=True))
    record = attn_cli.compute(
        {**given, "dtype": dtype, "like": "flash-attn", "documents": packed, **problem}
    )
    output = record["output"][0]
    output = output if output.shape[0] == counts[0] else output.swapaxes(0, 1)
    (there,) = narrowed(dtype, by_formula(inputs, queries, keys, **how))
    near(output, there, dtype)


def test_documents(dtype: str, queries: list[int], keys: list[int]) -> None:
    check(dtype, queries, keys, {})


def test_causal(dtype: str, queries: list[int], keys: list[int]) -> None:
    check(dtype, queries, keys, {"causal": True}, causal=True)


@pytest.mark.parametrize("window", [(2, 0), (0, 0), (1, 3), (-1, 1)])
@pytest.mark.parametrize("causal", [False, True])
def test_window(
    dtype: str, queries: list[int], keys: list[int], window: tuple[int, int], causal: bool
) -> None:
    left, right = window
    problem = {"window": {"left": left, "right": right}, "causal": causal}
    check(dtype, queries, keys, problem, window=window, causal=causal)


@pytest.mark.parametrize("first", [1, 2])
def test_first_keys_pass_the_left_bound_alone(
    dtype: str, queries: list[int], keys: list[int], first: int
) -> None:
    """sink_token_length, of each document."""
    problem = {"window": {"left": 0, "right": 1}, "sink_tokens": first}
    check(dtype, queries, keys, problem, window=(0, 1), first=first)


@pytest.mark.parametrize("causal", [False, True])
def test_alibi(dtype: str, queries: list[int], keys: list[int], causal: bool) -> None:
    """Slopes of six heads: those of four, then the first and third of eight."""
    slopes = [2.0**-2, 2.0**-4, 2.0**-6, 2.0**-8, 2.0**-1, 2.0**-3]
    problem = {"alibi": True, "causal": causal}
    check(dtype, queries, keys, problem, slopes=slopes, causal=causal)


def test_softcap(dtype: str, queries: list[int], keys: list[int]) -> None:
    check(dtype, queries, keys, {"softcap": 1.25, "causal": True}, softcap=1.25, causal=True)


def test_learnt_sinks(dtype: str, queries: list[int], keys: list[int]) -> None:
    (sinks,) = narrowed(dtype, *normal(7, (HEADS,)))
    normalize = {"function": "sink_logits", "logits": sinks}
    check(dtype, queries, keys, {"normalize": normalize, "causal": True}, sinks=sinks, causal=True)
