"""Messages between attn and the process that calls the function, through two pipes.

A message is a line of JSON, then the bytes of its arrays one after another, in row-major order; the
line has their names, types and shapes.
"""

from __future__ import annotations

import json
import os
import select
from collections.abc import Callable, Mapping
from math import prod
from time import monotonic
from typing import Any

import numpy as np

from attn_cli.arrays import AnyArray

PIECE = 1 << 16


class Closed(Exception):  # noqa: N818
    """The other end is gone."""


class Late(Exception):  # noqa: N818
    """Nothing came in time."""


class Line:
    """Two pipes: messages are read from one, and written to the other."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        self._incoming, self._outgoing = incoming, outgoing

    def send(self, head: Mapping[str, Any], arrays: Mapping[str, AnyArray] | None = None) -> None:
        """Write a message; raise Closed if nobody can read it."""
        rows = {name: np.ascontiguousarray(array) for name, array in (arrays or {}).items()}
        described = {name: [row.dtype.str, list(row.shape)] for name, row in rows.items()}
        data = json.dumps({"head": head, "arrays": described}).encode() + b"\n"
        try:
            for part in (data, *(row.tobytes() for row in rows.values())):
                rest = memoryview(part)
                while rest:
                    rest = rest[os.write(self._outgoing, rest) :]
        except BrokenPipeError:
            raise Closed from None

    def receive(self, seconds: float | None = None) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        """Return the next message; raise Closed at the end, Late after so many seconds."""
        read = _reader(self._incoming, None if seconds is None else monotonic() + seconds)
        line = bytearray()
        while not line.endswith(b"\n"):
            line += read(1)
        message = json.loads(line)
        arrays = {}
        for name, (dtype, shape) in message["arrays"].items():
            data = read(np.dtype(dtype).itemsize * prod(shape))
            arrays[name] = np.frombuffer(data, dtype).reshape(shape)
        return message["head"], arrays


def _reader(pipe: int, until: float | None) -> Callable[[int], bytes]:
    def read(count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            left = None if until is None else max(until - monotonic(), 0)
            if not select.select([pipe], [], [], left)[0]:
                raise Late
            part = os.read(pipe, min(count - len(data), PIECE))
            if not part:
                raise Closed
            data += part
        return bytes(data)

    return read
