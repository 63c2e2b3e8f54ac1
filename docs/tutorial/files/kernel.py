"""A kernel that is to be tested: causal attention of 2 new queries against 5 cached keys."""

import numpy as np

random = np.random.default_rng(0)
Q = random.normal(size=(1, 3, 2, 8)).astype(np.float32)  # batch, heads, queries, features
K = random.normal(size=(1, 3, 5, 8)).astype(np.float32)
V = random.normal(size=(1, 3, 5, 4)).astype(np.float32)

scores = Q @ K.swapaxes(-1, -2) / np.sqrt(8)
visible = np.tril(np.ones((2, 5), dtype=bool))  # query i sees keys 0 to i
scores = np.where(visible, scores, -np.inf)
weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
weights /= weights.sum(axis=-1, keepdims=True)

for name, array in {"q": Q, "k": K, "v": V, "mine": weights @ V}.items():
    np.save(f"{name}.npy", array)
