"""Arrays of NumPy, PyTorch and JAX: made from NumPy's, and turned back into them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.errors import AttnError

# Types that are tried without --dtype: those of 16 bits only if the first case works in them.
TRIED = {
    "numpy": ("float32",),
    "torch": ("float32", "float16", "bfloat16"),
    "jax": ("float32", "float16", "bfloat16"),
}


class Library(NamedTuple):
    """How a library makes an array of a type, and gives it back; integers and booleans stay."""

    make: Callable[[AnyArray, str], Any]
    read: Callable[[Any], AnyArray]


def library(name: str) -> Library:
    """Return a library by its name; raise AttnError if it is not installed."""
    try:
        return _LIBRARIES[name]()
    except ImportError as error:
        raise AttnError(
            f"arrays of {name} need {name}, which cannot be imported: {error}",
            help=f"install {name} in the environment of attn, or choose numpy",
        ) from None


def _is_float(array: AnyArray) -> bool:
    return array.dtype.kind == "f"


def _numpy() -> Library:
    def make(array: AnyArray, dtype: str) -> AnyArray:
        if not _is_float(array):
            return array.copy()
        if dtype == "bfloat16":
            try:
                return array.astype(import_module("ml_dtypes").bfloat16)
            except ImportError:
                raise AttnError(
                    "NumPy has no bfloat16 without the package ml_dtypes",
                    help="install ml_dtypes, or choose arrays of torch or jax",
                ) from None
        return array.astype(dtype)

    return Library(make, _read)


def _torch() -> Library:
    torch = import_module("torch")

    def make(array: AnyArray, dtype: str) -> Any:
        tensor = torch.from_numpy(array.copy())
        return tensor.to(getattr(torch, dtype)) if _is_float(array) else tensor

    def read(value: Any) -> AnyArray:
        if not isinstance(value, torch.Tensor):
            return _read(value)
        tensor = value.detach().cpu()
        return _read((tensor.double() if tensor.is_floating_point() else tensor).numpy())

    return Library(make, read)


def _jax() -> Library:
    jnp = import_module("jax.numpy")

    def make(array: AnyArray, dtype: str) -> Any:
        return jnp.asarray(array, dtype=dtype if _is_float(array) else None)

    return Library(make, _read)


def _read(value: Any) -> AnyArray:
    """Return numbers as float64, truth values and integers as they are; TypeError for others."""
    array = np.asarray(value)
    if array.dtype.kind in "bui":
        return array
    if array.dtype.kind == "O" or array.dtype.kind in "USMmc":
        raise TypeError(f"it has the type {array.dtype}")
    return array.astype(np.float64)


_LIBRARIES = {"numpy": _numpy, "torch": _torch, "jax": _jax}
