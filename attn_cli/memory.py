"""Sizes of memory: that of the machine, and numbers of bytes as text."""

from __future__ import annotations

import os


def half_of_the_machine() -> int:
    """Return half of the physical memory in bytes; 4 GiB if its size is unknown."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):
        return 4 << 30


def in_units(size: float) -> str:
    """Return a number of bytes in a readable unit.

    >>> in_units(34359738368)
    '32.0 GiB'
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def keep_freed_memory() -> None:
    """Have glibc keep the memory of freed arrays, for work that needs arrays of one size often.

    Otherwise it returns them to the system, which clears their pages each time: half of
    the time. It learns from freed blocks, up to 32 MiB, how large a block it should keep. This one
    is never touched, so that it takes no memory. Elsewhere nothing happens.
    """
    import numpy as np

    np.empty(31 << 20, dtype=np.uint8)
