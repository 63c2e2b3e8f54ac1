"""Matrices that are broadcast to the scores or the context: masks, biases, dropout, gates."""

from __future__ import annotations

from typing import Any

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError, Path, dotted
from attn_cli.sources.matrices.shapes import shape_text

NAMES = ("batch", "head", "query", "key")
BOTH = "batch*head"  # one axis for both: the heads of batch entry 0, then those of entry 1, ...

Axes = tuple[str, ...]


@dataclass(frozen=True)
class ScoresShape:
    """The shape of the scores: the leading axes that the problem has, queries and keys."""

    batch: int | None
    heads: int | None
    n_q: int
    n_k: int
    columns: bool  # whether matrices are written with one column per query
    whose: str = "scores"  # the name of the target in messages
    last: str = "n_k"  # the name of its last axis in messages

    @property
    def written(self) -> tuple[int, ...]:
        """The sizes of the axes that the scores have, as matrices are written."""
        lead = tuple(n for n in (self.batch, self.heads) if n is not None)
        return (*lead, *((self.n_k, self.n_q) if self.columns else (self.n_q, self.n_k)))

    @property
    def symbols(self) -> tuple[str, ...]:
        """Their names."""
        names = (("batch", self.batch), ("heads", self.heads))
        lead = tuple(name for name, n in names if n is not None)
        return (*lead, *((self.last, "n_q") if self.columns else ("n_q", self.last)))

    def sizes(self, axes: Axes) -> tuple[int, ...]:
        """Return the sizes of axes by their names."""
        batch, heads = self.batch or 1, self.heads or 1
        every = (batch, heads, self.n_q, self.n_k)
        by_name = {BOTH: batch * heads, **dict(zip(NAMES, every, strict=True))}
        return tuple(by_name[name] for name in axes)

    def has_sizes(self, shape: tuple[int, ...], axes: Axes) -> bool:
        """Return whether each of these axes has its size, or 1."""
        return all(n in (1, size) for n, size in zip(shape, self.sizes(axes), strict=True))

    def as_written(self, axes: Axes) -> Axes:
        """Return axes that end with query and key in the order of this layout."""
        return (*axes[:-2], axes[-1], axes[-2]) if self.columns else axes

    def fits(self, array: AnyArray, axes: Axes | None = None) -> bool:
        """Whether an array can be broadcast."""
        try:
            self.spread(array, (), axes)
        except AttnError:
            return False
        return True

    def spread(self, array: AnyArray, path: Path, axes: Axes | None = None) -> AnyArray:
        """Return (batch, heads, n_q, n_k), without a copy; raise AttnError if it does not fit.

        Without names the axes of the array are those of the scores from the last one on; its
        leading axes of size 1 may be more. Three axes that could begin with either batch or heads
        are refused.
        """
        if axes is not None:
            return self._named(array, path, axes)
        written = self.written
        fitted = array
        while fitted.ndim > len(written) and fitted.shape[0] == 1 and array.ndim <= 4:
            fitted = fitted[0]
        offset = len(written) - fitted.ndim
        fits = fitted.ndim > 0 and offset >= 0 and (fitted.ndim > 1 or not self.columns)
        fits = fits and all(
            a in (1, b) for a, b in zip(fitted.shape, written[offset:], strict=True)
        )
        if fitted.ndim == 3 and len(written) == 4 and fitted.shape[0] > 1:
            self._refuse_other_readings(array, path, fits=fits)
        if not fits:
            raise AttnError(
                f"{dotted(path)} has shape {shape_text(array.shape)}, which does not broadcast to "
                f"the {self.whose} {shape_text(self.symbols)} = {shape_text(written)}",
                path=path,
                help=self._how_to_fit(array, path),
            )
        return self._whole(np.broadcast_to(fitted, (*written[:offset], *fitted.shape)))

    def _refuse_other_readings(self, array: AnyArray, path: Path, *, fits: bool) -> None:
        """Raise AttnError for three axes of which the first may be, or must be, batch entries."""
        first, *rest = array.shape
        batch, heads = self.batch or 1, self.heads or 1
        if not all(n in (1, size) for n, size in zip(rest, self.written[-2:], strict=True)):
            return
        by_batch, by_head = shape_text((first, 1, *rest)), shape_text((1, first, *rest))
        name = dotted(path)
        if fits and first == batch:
            raise AttnError(
                f"{name} has three axes, {shape_text(array.shape)}, of which the first can be "
                f"batch entries or heads: there are {batch} of each",
                path=path,
                help=f"write {by_batch} if it is batch entries (Keras), {by_head} if it is heads "
                "(PyTorch's scaled_dot_product_attention, ONNX)" + _by_name(path),
            )
        if not fits and first == batch:
            raise AttnError(
                f"{name} has three axes, {shape_text(array.shape)}, and the first must be heads = "
                f"{heads}, or 1",
                path=path,
                help=f"write {by_batch} if it is batch entries" + _by_name(path),
            )
        if not fits and first == batch * heads:
            raise AttnError(
                f"{name} has three axes, {shape_text(array.shape)}, and the first must be heads = "
                f"{heads}, or 1",
                path=path,
                help=f"write {shape_text((batch, heads, *rest))} if it is the heads of each batch "
                "entry (PyTorch's MultiheadAttention)" + _by_name(path, BOTH),
            )

    def _how_to_fit(self, array: AnyArray, path: Path) -> str:
        """Return the advice for an array that does not fit."""
        if self.columns and array.ndim == 1:
            return f"in layout columns {dotted(path)} has two axes or more: ({self.last}, n_q)"
        if self.batch is not None and array.shape == (self.batch, self.n_k) and not self.columns:
            lead = (self.batch,) if self.heads is None else (self.batch, 1)
            whole = shape_text((*lead, 1, self.n_k))
            return f"write {whole} if it is for the keys of each batch entry (a padding mask)"
        return "each of its axes, from the last, must have that size or 1"

    def _named(self, array: AnyArray, path: Path, axes: Axes) -> AnyArray:
        """Return an array whose axes are named, over the scores."""
        if array.ndim != len(axes):
            raise AttnError(
                f"{dotted(path)} has shape {shape_text(array.shape)}, and its axes are "
                f"{shape_text(axes)}",
                path=path,
                help=f"it needs {len(axes)} {'axis' if len(axes) == 1 else 'axes'}",
            )
        if not self.has_sizes(array.shape, axes):
            raise AttnError(
                f"{dotted(path)} has shape {shape_text(array.shape)}, expected {shape_text(axes)} "
                f"= {shape_text(self.sizes(axes))}",
                path=path,
                help="each of its axes must have that size or 1",
            )
        if BOTH in axes:
            at = axes.index(BOTH)
            apart = (1, 1) if array.shape[at] == 1 else self.sizes(NAMES[:2])
            array = array.reshape(*array.shape[:at], *apart, *array.shape[at + 1 :])
            axes = (*axes[:at], *NAMES[:2], *axes[at + 1 :])
        array = array.transpose([axes.index(name) for name in NAMES if name in axes])
        missing = [at for at, name in enumerate(NAMES) if name not in axes]
        return np.broadcast_to(np.expand_dims(array, missing), self.sizes(NAMES))

    def _whole(self, array: AnyArray) -> AnyArray:
        """Return the array with the axes inserted that it lacks, of size 1."""
        if self.columns:
            array = array.swapaxes(-1, -2)
        if self.heads is None:
            array = np.expand_dims(array, -3)
        if self.batch is None:
            array = np.expand_dims(array, 0)
        return np.broadcast_to(array, (self.batch or 1, self.heads or 1, self.n_q, self.n_k))


def _by_name(path: Path, first: str = "batch") -> str:
    """Return the advice to name the axes, for keys that can."""
    root = path[0] if path else ""
    return f", or axes: [{first}, query, key]" if root in ("mask", "score_bias", "dropout") else ""


def first(where: Any) -> tuple[int, ...]:
    """Return the position of the first True."""
    return tuple(int(n) for n in np.argwhere(where)[0])
