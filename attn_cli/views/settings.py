"""The resolved settings of a computation as lines for people: `--verbose`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from attn_cli.record import Record


def lines(record: Record) -> list[str]:
    """Return one line per setting, without those that are not set."""
    flat = list(_flat(record.settings, ""))
    width = max((len(name) for name, _ in flat), default=0) + 2
    return ["settings", *(f"  {name:{width}}{value}" for name, value in flat)]


def _flat(settings: Mapping[str, Any], above: str) -> Iterator[tuple[str, str]]:
    """Yield key path and value of every setting."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        elif value is not None:
            plain = isinstance(value, str)
            yield f"{above}{key}", value if plain else json.dumps(value, ensure_ascii=False)
