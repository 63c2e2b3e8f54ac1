"""Matrices that are spread over the scores, or the context: masks, biases, dropout, gates."""

from __future__ import annotations

from typing import Any

import numpy as np

from attn_cli.core.arrays import AnyArray
from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError, Path, dotted
from attn_cli.read.matrices.shapes import form


@dataclass(frozen=True)
class ScoresShape:
    """The shape of the scores: the leading axes that the problem has, queries and keys."""

    batch: int | None
    heads: int | None
    n_q: int
    n_k: int
    columns: bool  # whether matrices are written with a query a column
    whose: str = "scores"  # what messages call that of this shape
    last: str = "n_k"  # and its axis beside that of the queries

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

    def fits(self, array: AnyArray) -> bool:
        """Whether an array can be spread."""
        try:
            self.spread(array, ())
        except AttnError:
            return False
        return True

    def spread(self, array: AnyArray, path: Path) -> AnyArray:
        """Return (batch, heads, n_q, n_k), without a copy; raise AttnError where it does not fit.

        The axes of the array are those of the scores from the last one on; its leading axes of
        size 1 may be more.
        """
        written = self.written
        fitted = array
        while fitted.ndim > len(written) and fitted.shape[0] == 1 and array.ndim <= 4:
            fitted = fitted[0]
        offset = len(written) - fitted.ndim
        fits = fitted.ndim > 0 and offset >= 0 and (fitted.ndim > 1 or not self.columns)
        if not fits or any(
            a not in (1, b) for a, b in zip(fitted.shape, written[offset:], strict=True)
        ):
            raise AttnError(
                f"{dotted(path)} has shape {form(array.shape)}, which does not broadcast to the "
                f"{self.whose} {form(self.symbols)} = {form(written)}",
                path=path,
                help=f"in layout columns {dotted(path)} has two axes or more: ({self.last}, n_q)"
                if self.columns and array.ndim == 1
                else "each of its axes, from the last, must have that size or 1",
            )
        return self._whole(np.broadcast_to(fitted, (*written[:offset], *fitted.shape)))

    def _whole(self, array: AnyArray) -> AnyArray:
        """Return an array of as many axes as the scores, with those that they lack put in."""
        if self.columns:
            array = array.swapaxes(-1, -2)
        if self.heads is None:
            array = np.expand_dims(array, -3)
        if self.batch is None:
            array = np.expand_dims(array, 0)
        return np.broadcast_to(array, (self.batch or 1, self.heads or 1, self.n_q, self.n_k))


def first(where: Any) -> tuple[int, ...]:
    """Return the position of the first True."""
    return tuple(int(n) for n in np.argwhere(where)[0])
