"""Arrays as tensors of torch, and back."""

from __future__ import annotations

import numpy as np
import torch


def tensor(dtype: str, each: np.ndarray) -> torch.Tensor:
    """Return a tensor of a type that an array holds the numbers of."""
    return torch.from_numpy(np.asarray(each)).to(getattr(torch, dtype))


def array(each: torch.Tensor) -> np.ndarray:
    """Return the numbers in float64, which has every number of all other types."""
    values: np.ndarray = each.detach().double().numpy()
    return values
