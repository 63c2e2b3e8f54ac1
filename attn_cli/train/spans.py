"""Start and end of the nodes of a YAML or JSON text, which `rewrite` replaces."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from attn_cli.errors import Path
from attn_cli.sources.text.events import Events, is_event


class Span(NamedTuple):
    """The characters of a node: from `start` up to, but not including `end`."""

    start: int
    end: int
    column: int  # of the start, from 0
    listed: bool  # whether it is a sequence written item by item, in a block
    scalars: tuple[tuple[int, int], ...]  # start and end of each scalar in it, in order


def spans(text: str, paths: Collection[Path]) -> dict[Path, Span]:
    """Return the spans of the nodes at these paths, of those that the text has."""
    events = Events(text, "")
    found: dict[Path, Span] = {}
    _measure(events, events.next_content(), (), paths, found)
    return found


def _measure(
    events: Events, event: Any, path: Path, paths: Collection[Path], found: dict[Path, Span]
) -> Span:
    """Return the span of the node that begins with an event, and add the wanted spans to `found`.

    A sequence or mapping in a block ends with the last scalar in it: its own end event comes after
    the comments and blank lines that follow.
    """
    start, end = events.offset(event.start_mark), events.offset(event.end_mark)
    inner: list[Span] = []
    listed = False
    if not is_event(event, "Scalar"):
        sequence = is_event(event, "SequenceStart")
        listed = sequence and not event.flow_style
        key: str | int = 0
        while not (is_event(item := events.next(), "SequenceEnd") or is_event(item, "MappingEnd")):
            if not sequence:
                key, item = item.value, events.next()
            inner.append(_measure(events, item, (*path, key), paths, found))
            key = key + 1 if isinstance(key, int) else key
        end = events.offset(item.end_mark) if event.flow_style else max(s.end for s in inner)
    scalars = tuple(s for part in inner for s in part.scalars) or ((start, end),)
    span = Span(start, end, event.start_mark.column, listed, scalars)
    if path in paths:
        found[path] = span
    return span
