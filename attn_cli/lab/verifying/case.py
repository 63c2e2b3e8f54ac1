"""A case: one small problem, with the options that the function is called with.

All numbers are multiples of 1/16 of at most 8 bits, so that no type rounds the inputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.conventions.preset import Preset
from attn_cli.dataclass import dataclass
from attn_cli.sources.matrices.document import Document, from_mapping

# The names by which a function takes what differs from its defaults, in the order of the help.
OPTIONS = (
    "causal", "scale", "mask", "bias", "window", "softcap", "key_lengths", "sinks", "return_lse",
)  # fmt: skip
TENSORS = ("mask", "bias", "key_lengths", "sinks")  # those that are arrays
ALL_TYPES = ("float32", "float16", "bfloat16")
# How q and k are made.
USUAL, LOW, LOWER, RISING, LARGE = "usual", "low", "lower", "rising", "large"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row of the grid.

    `mask` and `bias` name the axes that they have, of b (batch), h (heads), q and k; an axis that
    is left out has size 1, except that "two" and "three" are masks of two and three axes, as the
    preset reads them. `empty`: the query from which the mask hides every key. `sinks`: one logit
    per head. `made`: how q and k are made; `types`: those that can hold the inputs and scores.
    """

    name: str
    convention: str
    batch: int = 2
    heads: int = 2
    kv_heads: int = 2
    n_q: int = 5
    n_k: int = 5
    d: int = 16
    d_v: int = 16
    causal: bool = False
    scale: float | None = None
    mask: str = ""
    empty: int | None = None
    bias: str = ""
    window: tuple[int, int] | None = None
    softcap: float | None = None
    key_lengths: tuple[int, ...] = ()
    sinks: bool = False
    lse: bool = False
    made: str = USUAL
    types: tuple[str, ...] = ALL_TYPES

    @property
    def needs(self) -> tuple[str, ...]:
        """The names of the options that the function is called with."""
        given = {
            "causal": self.causal,
            "scale": self.scale is not None,
            "mask": self.mask,
            "bias": self.bias,
            "window": self.window,
            "softcap": self.softcap,
            "key_lengths": self.key_lengths,
            "sinks": self.sinks,
            "return_lse": self.lse,
        }
        return tuple(name for name in OPTIONS if given[name])

    @property
    def rows(self) -> tuple[int, int, int]:
        """The shape of the log-sum-exp."""
        return self.batch, self.heads, self.n_q

    def options(self) -> dict[str, Any]:
        """Return the options without arrays, by name."""
        values = {
            "causal": True,
            "scale": self.scale,
            "window": self.window,
            "softcap": self.softcap,
            "return_lse": True,
        }
        return {name: values[name] for name in self.needs if name not in TENSORS}

    def arrays(self, preset: Preset) -> dict[str, AnyArray]:
        """Return q, k, v, and the options that are arrays, by name."""
        q, k = _MADE[self.made](self)
        found: dict[str, AnyArray] = {
            "q": q,
            "k": k,
            "v": numbers((self.batch, self.kv_heads, self.n_k, self.d_v), 3),
        }
        if self.mask:
            found["mask"] = self._mask(preset)
        if self.bias:
            found["bias"] = numbers(self._shape(self.bias), 5)
        if self.key_lengths:
            found["key_lengths"] = np.array(self.key_lengths, dtype=np.int64)
        if self.sinks:
            found["sinks"] = numbers((self.heads,), 7) + 1.0
        return found

    def _shape(self, axes: str) -> tuple[int, ...]:
        sizes = {"b": self.batch, "h": self.heads, "q": self.n_q, "k": self.n_k}
        return tuple(size if axis in axes else 1 for axis, size in sizes.items())

    def _mask(self, preset: Preset) -> AnyArray:
        if self.mask == "two":
            return _visible((self.n_q, self.n_k))
        if self.mask == "three":
            of_both = any("batch*head" in axes for axes in preset.settings["mask.axes"])
            return _visible((self.batch * (self.heads if of_both else 1), self.n_q, self.n_k))
        visible = _visible(self._shape(self.mask))
        if self.empty is not None:
            visible[..., self.empty, :] = False
        return visible


def _visible(shape: tuple[int, ...]) -> AnyArray:
    """Return a mask in which each row sees some keys and not others."""
    visible = numbers(shape, 11) > -0.5
    rows, keys = prod(shape[:-1]), shape[-1]
    table = visible.reshape(rows, keys)
    table[np.arange(rows), (3 * np.arange(rows) + 1) % keys] = True
    table[np.arange(rows), (3 * np.arange(rows) + 2) % keys] = False
    return table.reshape(shape)


def numbers(shape: tuple[int, ...], seed: int) -> AnyArray:
    """Return multiples of 1/16 from -2 to 31/16, by a hash of their place (murmur's finaliser)."""
    x = np.arange(1, prod(shape) + 1, dtype=np.uint64) + np.uint64(seed << 32)
    for shift, factor in ((33, 0xFF51AFD7ED558CCD), (33, 0xC4CEB9FE1A85EC53), (33, 1)):
        x ^= x >> np.uint64(shift)
        x *= np.uint64(factor)
    return ((x >> np.uint64(58)).astype(np.float64) / 16 - 2).reshape(shape)


def _usual(case: Case) -> tuple[AnyArray, AnyArray]:
    q = numbers((case.batch, case.heads, case.n_q, case.d), 1)
    return q, numbers((case.batch, case.kv_heads, case.n_k, case.d), 2)


def _equal(score: float, case: Case) -> tuple[AnyArray, AnyArray]:
    """Return q and k all of whose scores are one number: only the first feature is not 0."""
    q = np.zeros((case.batch, case.heads, case.n_q, case.d))
    k = np.zeros((case.batch, case.kv_heads, case.n_k, case.d))
    q[..., 0] = 2.0**8
    k[..., 0] = score * case.d**0.5 / 2.0**8
    return q, k


def _rising(case: Case) -> tuple[AnyArray, AnyArray]:
    """Return q and k whose scores rise by 65536 from key to key, and end at -65536.

    A hidden key behind the query is above all visible ones, also with -50000 added.
    """
    q, k = _equal(-(2.0**16), case)
    k[..., 0] *= np.arange(case.n_k, 0, -1)
    return q, k


def _large(case: Case) -> tuple[AnyArray, AnyArray]:
    """Return q and k whose scores are multiples of 32 from -128 to 128, exactly, with 16 features.

    A row of q picks one feature of k, in one of which all scores are -128.
    """
    q = np.zeros((case.batch, case.heads, case.n_q, case.d))
    for row in range(case.n_q):
        q[..., row, row % case.d] = 16
    k = np.rint(numbers((case.batch, case.kv_heads, case.n_k, case.d), 2) * 2) * 8
    k[..., 1] = -32
    return q, k


_MADE: Mapping[str, Any] = {
    USUAL: _usual,
    LOW: lambda case: _equal(-(2.0**15), case),
    LOWER: lambda case: _equal(-(2.0**17), case),
    RISING: _rising,
    LARGE: _large,
}


def document(
    like: str, dtype: str, arrays: Mapping[str, AnyArray], options: Mapping[str, Any]
) -> Document:
    """Return the problem of a call, with the conventions of a preset."""
    problem: dict[str, Any] = {
        "query": arrays["q"],
        "key": arrays["k"],
        "value": arrays["v"],
        "like": like,
        "dtype": dtype,
        "axes": "bhsd",
    }
    for name in ("causal", "scale", "softcap"):
        if name in options:
            problem[name] = options[name]
    if "window" in options:
        left, right = options["window"]
        problem["window"] = {"left": left, "right": right}
    if "mask" in arrays:
        problem["mask"] = {"values": arrays["mask"], "true_means": "attend"}
    if "bias" in arrays:
        problem["score_bias"] = arrays["bias"]
    if "key_lengths" in arrays:
        problem["key_lengths"] = arrays["key_lengths"].tolist()
    if "sinks" in arrays:
        problem["normalize"] = {"function": "sink_logits", "logits": arrays["sinks"].tolist()}
    return from_mapping(problem)
