"""Packed, padded, cached and multimodal problems against the formulas of the systems named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attn_cli import compute

RNG = np.random.default_rng(53)
H, D, D_V = 2, 10, 3
SLOPES = np.array([0.5, 0.125])


def softmax(scores: Any) -> Any:
    """Of each row; 0 in a row that sees nothing."""
    with np.errstate(invalid="ignore"):
        e = np.exp(scores - np.maximum(scores.max(-1, keepdims=True), -1e300))
        return e / np.maximum(e.sum(-1, keepdims=True), 1e-300)


def turn(x: Any, p: Any, base: float = 10_000.0) -> Any:
    """x of [.., n, d] at positions p of [n], or p of [n, d/2] for each pair; halves are pairs."""
    half = x.shape[-1] // 2
    f = base ** (-np.arange(half) / half)
    z = (x[..., :half] + 1j * x[..., half:]) * np.exp(1j * f * np.reshape(p, (x.shape[-2], -1)))
    return np.concatenate([z.real, z.imag], -1)


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("like", ["flash-attn", "xformers"])
@pytest.mark.parametrize(
    ("queries", "keys", "outputs"),
    [([0, 0, 1], [0, 0, 1, 1], [1, 5.5, 550]), ([0, 0, 1], [0, 1, 1], [0, 1, 55])],
)
def test_the_last_query_of_a_document_is_at_its_last_key(
    like: str, queries: list[int], keys: list[int], outputs: list[float]
) -> None:
    """All scores are 0: outputs are means of the values that a row sees."""
    n = len(keys)
    problem: dict[str, Any] = {
        "query": [[0.0]] * 3,
        "key": [[0.0]] * n,
        "value": [[10.0**j] for j in range(n)],
    }
    problem |= {"like": like, "causal": "bottom-right"}
    documents = {"query": queries, "key": keys}
    close(compute({**problem, "documents": documents})["output"][:, 0], outputs)
    lengths = [0, 2, 3], [0, keys.count(0), n]
    cumulative = dict(zip(("cu_seqlens_q", "cu_seqlens_k"), lengths, strict=True))
    close(compute({**problem, "documents": cumulative})["output"][:, 0], outputs)
    if like == "flash-attn":  # which decides
        close(compute({**problem, "causal": True, "documents": documents})["output"][:, 0], outputs)


@pytest.mark.parametrize("left", [-1, 0, 2])
@pytest.mark.parametrize("alibi", [False, True])
def test_flash_attn_varlen(left: int, alibi: bool) -> None:
    """flash_attn_varlen_func, causal: in each sequence row i sees i + n_k - n_q - left .. and
    ALiBi is -slope |i + n_k - n_q - j|. A row that sees no key gives 0."""
    ends_q, ends_k = [0, 4, 4, 9, 11], [0, 2, 5, 12, 13]
    q = RNG.normal(size=(ends_q[-1], H, D))
    k, v = RNG.normal(size=(ends_k[-1], H, D)), RNG.normal(size=(ends_k[-1], H, D_V))
    expected = np.zeros((ends_q[-1], H, D_V))
    for a, b, c, d in zip(ends_q, ends_q[1:], ends_k, ends_k[1:], strict=False):
        for h in range(H):
            s = q[a:b, h] @ k[c:d, h].T / np.sqrt(D)
            behind = np.arange(b - a)[:, None] + (d - c) - (b - a) - np.arange(d - c)
            s = s - alibi * SLOPES[h] * abs(behind)
            s[(behind < 0) | ((left >= 0) & (behind > left))] = -np.inf
            if s.size:
                expected[a:b, h] = softmax(s) @ v[c:d, h]
    problem: dict[str, Any] = {
        "like": "flash-attn",
        "query": q[None],
        "key": k[None],
        "value": v[None],
    }
    problem |= {"documents": {"cu_seqlens_q": ends_q, "cu_seqlens_k": ends_k}, "causal": True}
    problem |= {"window": {"left": left, "right": 0}} if left >= 0 else {}
    problem |= {"alibi": SLOPES.tolist()} if alibi else {}
    close(compute(problem)["output"][0], expected)


def test_xformers_block_diagonal() -> None:
    """BlockDiagonalCausalMask: query i of a block sees its keys up to i."""
    ends_q, ends_k = [0, 3, 7], [0, 5, 11]
    q, k = RNG.normal(size=(7, 1, D)), RNG.normal(size=(11, 1, D))
    v = RNG.normal(size=(11, 1, D_V))
    expected = np.zeros((7, D_V))
    for a, b, c, d in ((0, 3, 0, 5), (3, 7, 5, 11)):
        s = q[a:b, 0] @ k[c:d, 0].T / np.sqrt(D)
        s[np.arange(d - c)[None] > np.arange(b - a)[:, None]] = -np.inf
        expected[a:b] = softmax(s) @ v[c:d, 0]
    problem: dict[str, Any] = {
        "like": "xformers",
        "query": q[None],
        "key": k[None],
        "value": v[None],
    }
    problem |= {"documents": {"cu_seqlens_q": ends_q, "cu_seqlens_k": ends_k}, "causal": True}
    close(compute(problem)["output"][0, :, 0], expected)


PADS = [0, 3, 1]
N = 5


def padded() -> dict[str, Any]:
    """Three rows of 5 tokens, some of them padding on the left."""
    sizes = {"query": (3, H, N, D), "key": (3, H, N, D), "value": (3, H, N, D_V)}
    return {side: RNG.normal(size=size) for side, size in sizes.items()}


def attention_mask() -> Any:
    """1 for each token, as tokenizers give it."""
    return (np.arange(N)[None] >= np.array(PADS)[:, None]).astype(int)


@pytest.mark.parametrize("by", ["key_start", "positions and a mask"])
def test_left_padding_of_hugging_face(by: str) -> None:
    """position_ids = cumsum(attention_mask) - 1, and padding is masked."""
    problem, there = padded(), attention_mask()
    position_ids = there.cumsum(1) - 1
    expected = np.zeros((3, H, N, D_V))
    for b, pad in enumerate(PADS):
        q = turn(problem["query"][b], position_ids[b])
        k = turn(problem["key"][b], position_ids[b])
        s = q @ np.swapaxes(k, -1, -2) / np.sqrt(D)
        s[:, (np.arange(N) > np.arange(N)[:, None]) | (np.arange(N) < pad)] = -np.inf
        expected[b] = softmax(s) @ problem["value"][b]
    if by == "key_start":
        keys: dict[str, Any] = {"key_start": PADS, "rope": True}
    else:
        mask = {"values": there[:, None, None], "true_means": "attend"}
        keys = {"mask": mask, "rope": {"positions": np.maximum(position_ids, 0)}}
    record = compute({**problem, **keys, "causal": True})
    for b, pad in enumerate(PADS):
        close(record["output"][b, :, pad:], expected[b, :, pad:])
        close(record["q_rotated"][b, :, pad:], turn(problem["query"][b], position_ids[b])[:, pad:])


def test_left_padding_of_bloom() -> None:
    """build_alibi_tensor: slope * (cumsum(attention_mask) - 1) is added to each key."""
    problem, there = padded(), attention_mask()
    position = (there.cumsum(1) - 1) * there
    alibi = {"slopes": SLOPES, "form": "key"}
    record = compute({**problem, "alibi": alibi, "key_start": PADS, "causal": True})
    for b, pad in enumerate(PADS):
        added = SLOPES[:, None, None] * position[b]
        found = record["biased"][b] - record["scores"][b]
        close(found[:, :, pad:], np.broadcast_to(added, (H, N, N))[:, :, pad:])


@pytest.mark.parametrize("rotated", [True, False])
def test_a_cache_of_an_engine(rotated: bool) -> None:
    """Hugging Face, ONNX Runtime and vLLM store keys after rope: they turn the new ones alone."""
    past = 3
    k = RNG.normal(size=(H, past + 2, D))
    v, q = RNG.normal(size=(H, past + 2, D_V)), RNG.normal(size=(H, 2, D))
    turned = turn(k, np.arange(past + 2))
    s = turn(q, np.arange(past, past + 2)) @ np.swapaxes(turned, -1, -2) / np.sqrt(D)
    s[:, 0, -1] = -np.inf
    stored = turned if rotated else k
    record = compute(
        {
            "query": q[None], "key": k[None, :, past:], "value": v[None, :, past:],
            "past": {"key": stored[None, :, :past], "value": v[None, :, :past], "rotated": rotated},
            "rope": True, "causal": True,
        }
    )  # fmt: skip
    close(record["output"][0], softmax(s) @ v)
    close(record["present_key"][0], stored)


@pytest.mark.parametrize("layout", ["blocks", "in-turn"])
def test_multimodal_rope(layout: str) -> None:
    """Qwen2-VL splits cos and sin by mrope_section, Qwen3-VL overwrites every third of them."""
    sections = [2, 2, 1]
    row_of = np.repeat([0, 1, 2], sections)
    if layout == "in-turn":
        row_of = np.zeros(D // 2, dtype=int)
        for row in (1, 2):
            row_of[row : 3 * sections[row] : 3] = row
    places = {side: RNG.integers(0, 40, (3, 1, n)) for side, n in (("query", 4), ("key", 6))}
    q, k = RNG.normal(size=(1, H, 4, D)), RNG.normal(size=(1, H, 6, D))
    rope = {"positions": places, "sections": sections, "sections_layout": layout}
    record = compute({"query": q, "key": k, "value": k, "rope": rope})
    for side, x in (("query", q), ("key", k)):
        expected = turn(x, places[side][row_of, 0].T)
        close(record[f"{side[0]}_rotated"], expected)


def test_a_tree_of_drafts() -> None:
    """Medusa and EAGLE: a token is at its depth, and sees its ancestors alone."""
    parents = [-1, 0, 0, 1, 1, 2]
    depth = [0, 1, 1, 2, 2, 2]
    sees = np.zeros((6, 6), dtype=bool)
    for token in range(6):
        ancestor = token
        while ancestor >= 0:
            sees[token, ancestor] = True
            ancestor = parents[ancestor]
    q, k, v = (RNG.normal(size=(6, d)) for d in (D, D, D_V))
    s = turn(q, depth) @ turn(k, depth).T / np.sqrt(D)
    problem: dict[str, Any] = {"query": q, "key": k, "value": v, "rope": {"positions": depth}}
    problem["mask"] = {"values": sees, "true_means": "attend"}
    close(compute(problem)["output"], softmax(np.where(sees, s, -np.inf)) @ v)


def test_packed_resets() -> None:
    """documents resolve to position_ids that begin again with each document."""
    ids = [4, 4, 9, 9, 9]
    q, k, v = (RNG.normal(size=(5, d)) for d in (D, D, D_V))
    bare = {"query": q, "key": k, "value": v, "documents": ids, "causal": True}
    given = compute({**bare, "rope": {"positions": [0, 1, 0, 1, 2]}})
    close(compute({**bare, "rope": True})["output"], given["output"])
    close(given["q_rotated"], turn(q, [0, 1, 0, 1, 2]))


def test_onnx_counts_from_the_past_also_beside_lengths() -> None:
    """Attention-25: offset is the length of the past; nonpad_kv_seqlen - n_q only without one."""
    batch, heads, past, n_q, lengths = 2, 3, 2, 5, [6, 1]
    cache = {"key": np.zeros((batch, heads, past, 7)), "value": np.zeros((batch, heads, past, 1))}
    new = np.zeros((batch, heads, n_q, 7))
    problem: dict[str, Any] = {"query": new, "key": new, "value": new[..., :1], "past": cache}
    problem |= {"causal": True}
    i, j = np.arange(n_q)[:, None], np.arange(past + n_q)
    seen = [(j <= i + past) & (j < length) for length in lengths]
    record = compute(problem | {"key_lengths": lengths, "like": "onnx"})
    assert record.settings["offset"] == [past] * batch
    for entry in range(batch):
        expected = seen[entry] / seen[entry].sum(1, keepdims=True)
        np.testing.assert_allclose(record["weights"], record["weights"][:, :1].repeat(heads, 1))
        np.testing.assert_allclose(record["weights"][entry, 0], expected, rtol=1e-15)
    external = {**problem, "key": np.zeros((batch, heads, 7, 7)), "value": np.zeros((2, 3, 7, 1))}
    del external["past"]
    record = compute(external | {"key_lengths": lengths, "like": "onnx"})
    assert record.settings["offset"] == [length - n_q for length in lengths]
