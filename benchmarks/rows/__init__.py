"""The rows of the table: each module measures its own, line by line."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks.bench import Bench
from benchmarks.line import Line
from benchmarks.rows import (
    additive,
    check,
    dense,
    heat_map,
    identify,
    memory,
    one_query,
    page,
    reading,
    script,
    sparse,
    startup,
    statistics,
    train,
    translate,
    verify,
)

ROWS: dict[int, Callable[[Bench], Iterator[Line]]] = {
    1: startup.lines,
    2: dense.lines,
    3: script.lines,
    4: memory.lines,
    5: sparse.lines,
    6: one_query.lines,
    7: additive.lines,
    8: reading.lines,
    9: heat_map.lines,
    10: statistics.lines,
    11: check.lines,
    12: verify.lines,
    13: identify.lines,
    14: translate.lines,
    15: train.lines,
    16: page.lines,
}
