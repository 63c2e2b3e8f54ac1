"""Programs of Typer, each made once: that takes as long as a small computation."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import chain
from typing import Any

from attn_cli.cli.app import COMMANDS, program
from attn_cli.engine.engines import ENGINES
from attn_cli.maths.normalizers import NORMALIZERS
from attn_cli.maths.scores import SCORES
from attn_cli.reading.keys import KEYS
from attn_cli.views import VIEWS


class Registered(tuple[object, ...]):
    """Rows, equal if they are the same objects: to hash their fields takes longer."""

    def __hash__(self) -> int:
        return hash(tuple(map(id, self)))


@cache
def _program(wanted: str, registered: Registered) -> Any:
    return program(wanted)


def program_once(wanted: str) -> Any:
    """The program with a command, made once: again only if another thing is registered."""
    registries: tuple[Iterable[object], ...] = (SCORES, NORMALIZERS, ENGINES.names, COMMANDS, KEYS)
    views = VIEWS.of(*VIEWS.results).values()
    return _program(wanted, Registered(chain(*registries, views)))
