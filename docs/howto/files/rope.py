"""One head of attention with rotary embeddings of pairs, 2i and 2i + 1, for weights of halves."""

import numpy as np

rng = np.random.default_rng(0)
q, k, v = rng.standard_normal((3, 24, 16)).astype(np.float32)


def rotated(x: np.ndarray) -> np.ndarray:
    """Return x, its pairs of neighbours turned by position / 10000^(i / 8)."""
    angles = np.arange(len(x))[:, None] * 10000.0 ** (-np.arange(8) / 8)
    cos, sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
    even, odd = x[:, ::2], x[:, 1::2]
    pairs = [even * cos - odd * sin, even * sin + odd * cos]
    return np.stack(pairs, axis=-1).reshape(x.shape)


scores = rotated(q) @ rotated(k).T / np.float32(4)
masked = np.where(np.tri(24) == 1, scores, -np.inf)
weights = np.exp(masked - masked.max(axis=-1, keepdims=True))
weights /= weights.sum(axis=-1, keepdims=True)
np.savez("inputs.npz", query=q, key=k, value=v)
np.savez(
    "dump.npz",
    q=q,
    k=k,
    q_embed=rotated(q),
    k_embed=rotated(k),
    scores=scores,
    attn_weights=weights.astype(np.float32),
    attn_output=(weights @ v).astype(np.float32),
)
