"""torch's flex_attention, which takes scores and masks as functions of batch, head and positions.

It says what log-sum-exp is, and any order of cap, bias and mask can be written down in it. Here it
runs as it is written, not compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.attention.flex_attention import AuxRequest, create_block_mask, flex_attention

import attn_cli
from tests.peers.agree import DTYPES, TOLERANCE, agrees, normal

BATCH, HEADS, KV_HEADS, N_Q, N_K, D_K, D_V = 2, 6, 3, 7, 13, 5, 11
CAP = 1.25

pytestmark = [
    pytest.mark.parametrize("dtype", DTYPES),
    pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile"),
]


def qkv(dtype: str) -> list[np.ndarray]:
    keys = (BATCH, KV_HEADS, N_K)
    return normal(67, (BATCH, HEADS, N_Q, D_K), (*keys, D_K), (*keys, D_V), dtype=dtype)


def check(
    dtype: str,
    problem: dict[str, Any],
    score: Callable[..., Any] | None = None,
    mask: Callable[..., Any] | None = None,
) -> attn_cli.Record:
    """Compare output and log-sum-exp; what is hidden by `mask` never reaches `score` there."""
    query, key, value = qkv(dtype)
    block = mask and create_block_mask(mask, BATCH, HEADS, N_Q, N_K, device="cpu")
    output, more = flex_attention(
        *(torch.from_numpy(each) for each in (query, key, value)),
        score_mod=score,
        block_mask=block,
        enable_gqa=True,
        return_aux=AuxRequest(lse=True),
    )
    given = {"query": query, "key": key, "value": value, "dtype": dtype}
    record = attn_cli.compute({**given, **problem})
    agrees(record["output"], output.numpy(), TOLERANCE[dtype])
    agrees(record["lse"], more.lse.numpy(), TOLERANCE[dtype])
    return record


def test_log_sum_exp(dtype: str) -> None:
    check(dtype, {})


@pytest.mark.parametrize("offset", [0, 6, -2])
def test_causal_and_rows_that_see_nothing(dtype: str, offset: int) -> None:
    """The log-sum-exp of such a row is -inf, its output 0."""
    record = check(
        dtype, {"causal": True, "offset": offset}, mask=lambda b, h, i, j: j <= i + offset
    )
    assert np.isneginf(record["lse"]).any() == (offset < 0)


def test_each_entry_at_its_own_offset_with_its_own_length(dtype: str) -> None:
    lengths = np.array([9, 13])
    there = torch.from_numpy(lengths)

    def seen(b: Any, h: Any, i: Any, j: Any) -> Any:
        return (j <= i + there[b] - N_Q) & (j < there[b])

    check(dtype, {"causal": "bottom-right", "key_lengths": lengths}, mask=seen)


@pytest.mark.parametrize(("left", "right"), [(2, 0), (0, 3), (2, 1), (-1, 1)])
@pytest.mark.parametrize("sinks", [0, 2])
def test_window_with_sink_tokens(dtype: str, left: int, right: int, sinks: int) -> None:
    def seen(b: Any, h: Any, i: Any, j: Any) -> Any:
        inside = j <= i + 3 + right
        if left >= 0:
            inside = inside & (j >= i + 3 - left)
        return inside | (j < sinks)

    window: dict[str, Any] = {"left": left, "right": right}
    extra = {"sink_tokens": sinks} if sinks else {}
    check(dtype, {"window": window, "offset": 3, **extra}, mask=seen)


def test_a_window_of_keys_counts_the_key_itself(dtype: str) -> None:
    def seen(b: Any, h: Any, i: Any, j: Any) -> Any:
        return (j <= i + 6) & (i + 6 - j < 3)

    check(dtype, {"window": {"keys": 3}, "offset": 6}, mask=seen)


def test_prefix(dtype: str) -> None:
    def seen(b: Any, h: Any, i: Any, j: Any) -> Any:
        return (j <= i) | (j < 4)

    check(dtype, {"causal": "top-left", "prefix": 4}, mask=seen)


def test_documents(dtype: str) -> None:
    of_queries, of_keys = np.repeat([0, 1, 2], [3, 2, 2]), np.repeat([0, 1, 3], [5, 4, 4])
    there = torch.from_numpy(of_queries), torch.from_numpy(of_keys)

    def seen(b: Any, h: Any, i: Any, j: Any) -> Any:
        return there[0][i] == there[1][j]

    record = check(dtype, {"documents": {"query": of_queries, "key": of_keys}}, mask=seen)
    assert np.isneginf(record["lse"][..., 5:]).all()


FORMS: dict[str, Callable[..., Any]] = {
    "distance": lambda p, j: -abs(p - j),
    "signed": lambda p, j: j - p,
    "key": lambda p, j: j + 0 * p,
    "last_key": lambda p, j: j - N_K + 1 + 0 * p,
    "clamped": lambda p, j: -torch.clamp(p - j, min=0),
}


@pytest.mark.parametrize("form", FORMS)
def test_alibi(dtype: str, form: str) -> None:
    rising = torch.from_numpy((2.0 ** (-8 * (np.arange(HEADS) + 1) / HEADS)).astype(dtype))

    def score(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
        return s + rising[h] * FORMS[form](i + 2, j)

    check(dtype, {"offset": 2, "alibi": {"slopes": "plain", "form": form}}, score)
    given = {"slopes": rising.numpy(), "form": form}
    check(dtype, {"offset": 2, "alibi": given}, score)


def test_softcap_before_bias_and_after_it(dtype: str) -> None:
    (bias,) = normal(71, (HEADS, N_Q, N_K), dtype=dtype)
    there = torch.from_numpy(bias)

    def capped_first(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
        return CAP * torch.tanh(s / CAP) + there[h, i, j]

    def biased_first(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
        return CAP * torch.tanh((s + there[h, i, j]) / CAP)

    problem = {"softcap": CAP, "score_bias": bias}
    check(dtype, problem, capped_first)
    check(dtype, problem | {"order": ["softcap", "bias", "mask"]}, capped_first)
    check(dtype, problem | {"order": ["bias", "softcap", "mask"]}, biased_first)


def test_softcap_after_the_mask_leaks(dtype: str) -> None:
    """-inf becomes -cap, which is no longer hidden: as ONNX was before 1.22."""
    seen = np.random.default_rng(73).random((N_Q, N_K)) < 0.5
    there = torch.from_numpy(np.where(seen, 0, -np.inf).astype(dtype))

    def score(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
        return CAP * torch.tanh((s + there[i, j]) / CAP)

    mask = {"values": seen, "true_means": "attend"}
    problem = {"softcap": CAP, "mask": mask, "order": ["bias", "mask", "softcap"]}
    record = check(dtype, problem, score)
    assert (record["weights"][:, :, ~seen] > 0).all()
    check(dtype, {"softcap": CAP, "mask": seen, "like": "onnx@1.21"}, score)


@pytest.mark.parametrize("how", ["select", "add"])
def test_a_finite_fill_hides_nothing_for_good(dtype: str, how: str) -> None:
    """In the place of the score it makes equals of what is hidden; added, it leaves the order."""
    seen = np.random.default_rng(83).random((N_Q, N_K)) < 0.5
    seen[3] = False
    there = torch.from_numpy(seen)

    def score(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
        return torch.where(there[i, j], s, s - 2.5 if how == "add" else torch.full_like(s, -2.5))

    fill = {"value": -2.5, "how": how}
    problem = {"mask": {"values": seen, "true_means": "attend"}, "mask_fill": fill}
    weights = check(dtype, problem, score)["weights"][:, :, 3]
    assert (weights.max() - weights.min() > 0.1) == (how == "add")


def test_temperature_divides_what_goes_into_the_softmax(dtype: str) -> None:
    def score(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
        return CAP * torch.tanh(s / CAP) / 0.375

    check(dtype, {"softcap": CAP, "temperature": 0.375}, score)


def test_top_k(dtype: str) -> None:
    """With the k-th largest score of every row looked up beforehand."""
    query, key, _ = (torch.from_numpy(each) for each in qkv(dtype))
    keys = key.repeat_interleave(HEADS // KV_HEADS, 1).swapaxes(2, 3)
    least = torch.topk(query @ keys / D_K**0.5, 4).values[..., -1]

    def score(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
        return torch.where(s >= least[b, h, i] - 1e-6, s, -torch.inf)

    record = check(dtype, {"top_k": 4}, score)
    assert ((record["weights"] > 0).sum(-1) == 4).all()


def test_sinks_follow_from_the_log_sum_exp(dtype: str) -> None:
    """A sink is one more term of the sum: output times exp(lse) / (exp(lse) + exp(sink))."""
    query, key, value = qkv(dtype)
    plain = {"query": query, "key": key, "value": value, "dtype": dtype}
    output, more = flex_attention(
        *(torch.from_numpy(each) for each in (query, key, value)),
        enable_gqa=True,
        return_aux=AuxRequest(lse=True),
    )
    lse = more.lse.numpy()
    (logits,) = normal(79, (HEADS,), dtype=dtype)
    for normalize, sink in (
        ("softmax1", np.zeros(HEADS, dtype)),
        ({"function": "sink_logits", "logits": logits}, logits),
    ):
        record = attn_cli.compute({**plain, "normalize": normalize})
        whole = np.logaddexp(lse, sink[:, None])
        agrees(record["lse"], whole, TOLERANCE[dtype])
        agrees(record["output"], output.numpy() * np.exp(lse - whole)[..., None], TOLERANCE[dtype])
        agrees(record["row_sums"], np.exp(lse - whole), TOLERANCE[dtype])
