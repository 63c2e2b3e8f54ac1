"""What fits into the page of a comparison, before its numbers are computed.

1  every number, exactly           up to 40 tokens and 16384 numbers of a side
2  A, B and B - A of all steps as float32
3  of the first step that is shown; of the others as in 4
4  pictures, and the K largest B - A of each row, K from 1 to 256
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attn_cli.dataclass import dataclass, replace
from attn_cli.errors import AttnError, argument
from attn_cli.lab.report.size import (
    BASE64,
    CELL,
    EXACT,
    FIXED,
    MOST,
    NUMBER,
    SIDES,
    TABLES,
    TOKENS,
    as_written,
    drawn,
    rounded_up,
)

WORD, PLACE = 64, 24  # bytes of a token, and of a row that has a number, with what hides keys
LEAST = 1  # that are kept of each row
PANELS = 3  # A, B and B - A
FLOAT = 4  # bytes of a number
OF_ONE = 4 + PANELS * FLOAT  # bytes of one that is kept of a row: its key, and A, B and B - A
FIGURE = 1500  # bytes of a picture without its pixels


@dataclass(frozen=True, kw_only=True)
class Extent:
    """The size of one step, of each side."""

    leads: int
    rows: int
    columns: int
    tabled: bool = False  # whether its maps are tables

    @property
    def cells(self) -> int:
        """The numbers of the step."""
        return self.leads * self.rows * self.columns

    @property
    def small(self) -> bool:
        """Whether all of its numbers are kept, whatever there is room for."""
        return self.cells <= TABLES

    @property
    def whole(self) -> float:
        """The bytes of its numbers as float32."""
        return PANELS * FLOAT * BASE64 * self.cells

    def shown(self, side: int | None) -> float:
        """Return the bytes of its three maps, at most."""
        if self.tabled:
            return PANELS * CELL * self.cells
        pixels = (drawn(self.rows, side) + 1) * drawn(self.columns, side)
        return PANELS * self.leads * (BASE64 * pixels + FIGURE)

    def kept(self, count: int) -> float:
        """Return the bytes of the largest of each row, or of all numbers if they are few."""
        if self.small:
            return self.whole
        return BASE64 * OF_ONE * self.leads * self.rows * min(count, self.columns)


@dataclass(frozen=True)
class Room:
    """What fits: the rung, the side of pictures, and how many are kept of a row."""

    rung: int
    side: int | None = None
    kept: int = 0


def with_tables(steps: Mapping[str, Extent], main: str) -> dict[str, Extent]:
    """Return the steps with those whose maps are tables: the first that is shown, then others.

    All of them together have at most as many cells as a table of weights may have.
    """
    left, found = TABLES, dict(steps)
    for name in sorted(steps, key=lambda name: name != main):
        if steps[name].cells <= left:
            found[name] = replace(steps[name], tabled=True)
            left -= steps[name].cells
    return found


def fitting(
    steps: Mapping[str, Extent], main: str, fixed: float, limit: int
) -> tuple[Room, tuple[str, ...]]:
    """Return what fits, and the steps that are left out so that it does: the largest first.

    `fixed` are the bytes of all labels. Raises AttnError, with the size that would be needed, if
    not even the first step that is shown fits.
    """
    left, out = dict(steps), []
    while True:
        found = room(list(left.values()), list(left).index(main) if main else 0, fixed, limit)
        if found is not None:
            return found, tuple(name for name in steps if name in out)
        others = [name for name in left if name != main]
        if not others:
            break
        out.append(max(others, key=lambda name: left[name].cells))
        del left[out[-1]]
    least = left[main].shown(SIDES[-1]) + left[main].kept(LEAST) if main else 0
    needed = rounded_up(least + fixed + FIXED)
    raise AttnError(
        f"the page would need about {needed}, and {as_written(limit)} are allowed",
        help=f"allow more: {argument('max-size', needed)}",
    )


def room(steps: Sequence[Extent], main: int, fixed: float, limit: int) -> Room | None:
    """Return the first rung that fits; None if none does."""
    free = limit - FIXED - fixed
    numbers = sum(each.cells for each in steps)
    sides = max((max(each.rows, each.columns) for each in steps), default=0)
    exact = sum(2 * NUMBER * each.cells + each.shown(None) for each in steps)
    if sides <= TOKENS and numbers <= EXACT and exact <= max(free, 0) + FIXED // 2:
        return Room(1)
    if sum(each.whole + each.shown(None) for each in steps) <= free:
        return Room(2)
    others = [each for at, each in enumerate(steps) if at != main]
    whole = steps[main].whole + steps[main].shown(None) if steps else 0.0
    for rung, left, some in ((3, free - whole, others), (4, free, steps)):
        found = _largest(some, left)
        if found is not None:
            return Room(rung, *found)
    return None


def _largest(steps: Sequence[Extent], free: float) -> tuple[int, int] | None:
    """Return the side of the largest pictures of half of the room, and what is kept of a row."""
    for side in SIDES:
        pictures = sum(each.shown(side) for each in steps)
        if pictures > free / 2 and side != SIDES[-1]:
            continue
        kept = MOST
        while kept > LEAST and pictures + sum(each.kept(kept) for each in steps) > free:
            kept -= 1
        if pictures + sum(each.kept(kept) for each in steps) <= free:
            return side, kept
    return None
