"""Lines of standard input in batches: those that have arrived, so that answers never wait."""

from __future__ import annotations

from collections.abc import Iterator

from attn_cli.errors import AttnError
from attn_cli.sources.matrices.files import Inputs
from attn_cli.sources.matrices.tables import decode

MOST = 256  # lines of a batch
Line = tuple[str, str]  # its text, its place


def batches_of_lines(inputs: Inputs, wanted_for: str, what: str) -> Iterator[list[Line]]:
    """Yield the lines of standard input that are not blank, as many as have arrived each time.

    The numbers of places count all lines. Raises AttnError if there is no line at all, and for
    bytes that are not UTF-8.
    """
    count = offset = 0
    found = False
    for data in _complete(inputs.arriving(wanted_for)):
        lines = decode(data, "standard input", offset=offset, lines=count).splitlines()
        places = (f"standard input:{at}" for at in range(count + 1, count + 1 + len(lines)))
        kept = [(text.strip(), at) for text, at in zip(lines, places, strict=True) if text.strip()]
        for start in range(0, len(kept), MOST):
            found = True
            yield kept[start : start + MOST]
        count += len(lines)
        offset += len(data)
    if not found:
        raise AttnError("standard input holds no word", help=f"write one {what} a line")


def _complete(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield bytes up to the last line feed that has arrived; at last the rest."""
    rest: list[bytes] = []
    for chunk in chunks:
        end = chunk.rfind(b"\n") + 1
        if end:
            yield b"".join((*rest, chunk[:end]))
            rest = []
        rest.append(chunk[end:])
    if any(rest):
        yield b"".join(rest)
