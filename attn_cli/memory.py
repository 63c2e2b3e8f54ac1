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
