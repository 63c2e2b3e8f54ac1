"""What fits: how much of a computation the page can hold, before anything is computed.

    1  every number, exactly           up to 40 tokens and 16384 numbers
    2  as float32: the scores that are normalised, the weights, and the vectors that meet
    3  the same without the vectors
    4  pictures, and the K largest weights of each row, K from 4 to 256

On rungs 2 and 3 small maps are tables, or pictures if tables do not fit. The sizes are upper
bounds: a picture is at most as large as its pixels.
"""

from __future__ import annotations

import math

from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError, argument

USUAL = 5_000_000  # bytes, unless --max-size says otherwise
FIXED = 80_000  # bytes of style, script, head and what there is of small steps
WORDS = 64  # bytes of a token, in all its places, with the runs of what is hidden
SMALL = 6_000  # bytes of a head's small picture and statistics
EXACT, TOKENS = 1 << 14, 40  # numbers and tokens of a page that has every number
NUMBER, CELL = 21, 34  # bytes of a number as text, and of a cell of a table
BASE64 = 4 / 3
TEXT, PART = 16_000, 50  # bytes of the problem's text, at most, and that part of the page
ESCAPED = 1.25  # bytes of a byte of that text
TABLES = 4096  # cells of weights that are a table; more are pictures
SIDES = (2048, 1024, 512, 384, 256, 128)
LEAST, MOST = 4, 256  # weights that are kept of each row
OF_ONE = 4 + 4 + 4  # bytes of one of them: key, weight, score


@dataclass(frozen=True, kw_only=True)
class Extent:
    """The numbers that a page would show, of all batch entries and heads together."""

    leads: int
    queries: int
    keys: int
    pairs: int  # steps of a query and a key
    vectors: int  # numbers of the vectors that meet
    numbers: int  # of all steps
    text: int = 0  # bytes of the problem as it was written

    @property
    def cells(self) -> int:
        """The cells of a step of pairs."""
        return self.leads * self.queries * self.keys

    @property
    def fixed(self) -> float:
        """The bytes that are there whatever is kept."""
        words = WORDS * (self.queries + self.keys) + ESCAPED * self.text
        return FIXED + words + SMALL * self.leads


@dataclass(frozen=True)
class Room:
    """What fits: the rung, and of rung 4 the side of the pictures and what is kept of a row.

    `tables`: whether small maps are tables.
    """

    rung: int
    side: int | None = None
    kept: int = 0
    tables: bool = True


def holds_text(size: int, limit: int) -> bool:
    """Return whether a page holds the text of a problem: it takes a small part of it."""
    return size <= min(TEXT, limit // PART)


def room(extent: Extent, limit: int) -> Room:
    """Return the first rung that fits; AttnError, with the size that would be needed, if none."""
    free = limit - extent.fixed
    tables = extent.cells <= TABLES
    exact = extent.numbers * NUMBER + (extent.cells * extent.pairs * CELL if tables else 0)
    small = max(extent.queries, extent.keys) <= TOKENS and extent.numbers <= EXACT
    if small and exact <= max(free, 0) + FIXED // 2:
        return Room(1, tables=tables)
    pairs = BASE64 * 4 * (2 * extent.cells + extent.leads * extent.queries)
    for rung, vectors in ((2, extent.vectors), (3, 0)):
        for tabled in (True, False) if tables else (False,):
            drawn = extent.cells * (CELL if tabled else 2 * BASE64)
            if drawn + pairs + BASE64 * 4 * vectors <= free:
                return Room(rung, tables=tabled)
    return _largest(extent, free, limit)


def _largest(extent: Extent, free: float, limit: int) -> Room:
    """Return how much of rung 4 fits: the largest pictures of half of the room, then the rows."""
    rows = extent.leads * extent.queries
    least = _pixels(extent, SIDES[-1]) + BASE64 * rows * (OF_ONE * LEAST + 4)
    if least > free:
        needed = rounded_up(least + extent.fixed)
        raise AttnError(
            f"the page would need about {needed}, and {as_written(limit)} are allowed",
            help=f"choose a head or a batch entry ({argument('head')}, {argument('batch')}), or "
            f"allow more: {argument('max-size', needed)}",
        )
    side = next((each for each in SIDES if _pixels(extent, each) <= free / 2), SIDES[-1])
    left = (free - _pixels(extent, side)) / BASE64 / rows - 4
    kept = max(LEAST, min(MOST, extent.keys, int(left / OF_ONE)))
    return Room(4, side, kept, tables=False)


def _pixels(extent: Extent, side: int) -> float:
    """Return the bytes of the pictures of a side, at most."""
    rows, columns = (drawn(size, side) for size in (extent.queries, extent.keys))
    return BASE64 * extent.leads * ((rows + 1) * columns + 1200)


def drawn(size: int, side: int | None) -> int:
    """Return how many cells are drawn of an axis, of `side` at most; None: all."""
    if side is None:
        return size
    return -(-size // max(1, -(-size // side)))


def rounded_up(size: float) -> str:
    """Return a number of bytes as `--max-size` is written, rounded up.

    >>> rounded_up(163_112), rounded_up(2_630_000)
    ('164kB', '2.7MB')
    """
    unit = 1000 if size <= 999_000 else 100_000
    return as_written(math.ceil(size / unit) * unit)


def as_written(size: int) -> str:
    """Return a number of bytes as `--max-size` is written.

    >>> as_written(1000), as_written(95_000), as_written(3_000_000)
    ('1kB', '95kB', '3MB')
    """
    return f"{size / 1000:g}kB" if size < 1_000_000 else f"{size / 1_000_000:g}MB"
