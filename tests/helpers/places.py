"""Places for tests of positions."""

from __future__ import annotations

import numpy as np

from attn_cli.maths.place import Place
from attn_cli.maths.token_positions import TokenPositions


def place(i: range, j: range, offset: int = 0, *, batch: int = 0, head: int = 0) -> Place:
    """Return the queries i, at positions i + offset, against the keys j."""
    rows = np.array(i, dtype=np.intp)
    return Place(batch, head, rows, np.array(j, dtype=np.intp), TokenPositions((offset,)))
