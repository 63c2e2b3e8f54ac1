"""Q, K and V as a model with 4 query heads and 2 key heads would leave them: NPY files."""

import numpy as np

random = np.random.default_rng(0)
for name, heads in {"query": 4, "key": 2, "value": 2}.items():
    np.save(f"{name}.npy", random.normal(size=(1, heads, 6, 16)).astype(np.float32))
