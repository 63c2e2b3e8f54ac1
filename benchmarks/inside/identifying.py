"""What rows on `attn identify` prepare: a kernel's output, and the search for its convention."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

import attn_cli
from attn_cli.floats import FLOAT_TYPES
from attn_cli.lab.identify.asking import identify
from attn_cli.lab.identify.observed import Given
from attn_cli.lab.variants import Base
from attn_cli.sources.matrices.document import from_mapping

NAMES = ("query", "key", "value")


def write_output(
    files: dict[str, str], output: str, dtype: str, causal: bool, shift: int = 0
) -> None:
    """Round Q, K and V to a type, in their files, and write the output in it as well.

    The output is computed in float64, and its features are moved on by `shift`, which no
    convention does.
    """
    cast = FLOAT_TYPES[dtype].round
    arrays = {name: cast(np.load(files[name])) for name in NAMES}
    exact: dict[str, Any] = {name: array.astype(np.float64) for name, array in arrays.items()}
    result = attn_cli.attention(**exact, causal=causal, steps=["output"])["output"]
    for name, array in arrays.items():
        np.save(files[name], array)
    np.save(output, np.roll(cast(np.asarray(result)), shift, axis=-1))


def all_steps(files: dict[str, str], causal: bool) -> Callable[[], Any]:
    """Return attention with all steps, on one thread."""
    arrays = _loaded(files)
    return functools.partial(attn_cli.attention, **arrays, causal=causal, threads=1)


def search(files: dict[str, str], output: str, causal: bool) -> Callable[[], Any]:
    """Return the search through the whole list of single hypotheses, emulations included."""
    keys = {**_loaded(files), "causal": causal}
    given = [Given("output", "", np.load(output))]
    return lambda: identify(Base.read(from_mapping(keys)), given)


def _loaded(files: dict[str, str]) -> dict[str, Any]:
    return {name: np.load(files[name]).astype(np.float64) for name in NAMES}
