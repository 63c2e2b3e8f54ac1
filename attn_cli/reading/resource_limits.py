"""Limits on a computation, read from text: threads, the size of a tile, memory."""

from __future__ import annotations

import re
from typing import Any

from attn_cli.errors import AttnError, printable

MOST_THREADS = 1024
LONGEST = 1 << 16  # queries or keys of a tile

_UNITS = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3, "T": 1000**4}


def read_threads(value: Any, name: str = "threads") -> int:
    """Return a number of threads; raise AttnError with `name`, the option or variable."""
    return _whole(value, name, MOST_THREADS, "2")


def read_tile(value: Any, name: str = "tile") -> tuple[int, int]:
    """Return queries and keys of a tile: from 256x512, one number for both, or a pair.

    >>> read_tile("256x512"), read_tile("128"), read_tile((5, 7))
    ((256, 512), (128, 128), (5, 7))
    """
    parts = value.lower().split("x") if isinstance(value, str) else value
    if isinstance(parts, list | tuple) and len(parts) in {1, 2}:
        queries, keys = (_tile_side(part, name, value) for part in (parts[0], parts[-1]))
        return queries, keys
    raise _no_tile(name, value)


def _tile_side(part: Any, name: str, value: Any) -> int:
    try:
        return _whole(part, name, LONGEST, "512")
    except AttnError:
        raise _no_tile(name, value) from None


def _no_tile(name: str, value: Any) -> AttnError:
    return AttnError(
        f"{name} cannot be {_shown(value)}",
        help=f"write queries x keys, each from 1 to {LONGEST}: 512x512",
    )


def _whole(value: Any, name: str, most: int, example: str) -> int:
    """Return a whole number from 1."""
    text = str(value).strip()
    number = int(text) if re.fullmatch(r"[0-9]{1,9}", text) and value is not True else 0
    if not 1 <= number <= most:
        raise AttnError(
            f"{name} cannot be {_shown(value)}",
            help=f"write a whole number from 1 to {most}, such as {example}",
        )
    return number


def _shown(value: Any) -> str:
    return f"'{printable(str(value))}'"


def read_memory(text: str, name: str = "memory") -> int:
    """Return a number of bytes from a text: 500MB, 2GiB, 1.5 G.

    >>> read_memory("2GB"), read_memory("1KiB")
    (2000000000, 1024)
    """
    match = re.fullmatch(
        r"([0-9]{1,18}(?:\.[0-9]{1,18})?)\s*([KMGT]?)(i?)B?", text.strip(), re.IGNORECASE
    )
    if match is None or (match[3] and not match[2]) or float(match[1]) == 0:
        raise AttnError(
            f"{name} cannot be {_shown(text)}", help="write a size such as 500MB or 2GB"
        )
    unit = _UNITS[match[2].upper()]
    if match[3]:
        unit = 1024 ** list(_UNITS).index(match[2].upper())
    return int(float(match[1]) * unit)
