"""The answer for one step, read: nested lists, rows by their words, or a file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.errors import AttnError, Path, dotted, printable
from attn_cli.lab.answers.sheet import Answer
from attn_cli.record import Step
from attn_cli.sources.matrices.document import Document
from attn_cli.sources.matrices.matrix import is_table_file, names_file, read_array
from attn_cli.sources.text.decimals import most_decimals
from attn_cli.sources.text.scalars import kind_of, number
from attn_cli.sources.text.tokens import find_token

FORMS = "write nested lists, rows by their words ({love: [0.2, 0.8]}), or the path of a file"
_CELL = "write a number, a fraction or a root: 0.25, 1/4, sqrt(2)/2; null if it was left out"


class AnswerReader:
    """Reads the answer for one step; `step` has the right numbers, of which the labels are used."""

    def __init__(self, document: Document, step: Step, tolerance: float | None) -> None:
        self._document, self._step, self._tolerance = document, step, tolerance
        self._shape, self._axes, self._labels = step.values.shape, step.axes, step.labels
        self._decimals: int | None = None
        self._values = np.full(self._shape, np.nan)
        self._given = np.zeros(self._shape, dtype=np.bool_)

    def answer(self, node: Any, path: Path) -> Answer:
        """Return the answer that a node holds; raise AttnError for the first fault in it."""
        turned = False
        if names_file(node) or isinstance(node, np.ndarray):
            turned = self._take(read_array(self._document, node, path), path, node)
        elif isinstance(node, str) and not _is_blank(node):
            raise AttnError(
                f"{dotted(path)} must be numbers, not '{printable(node)}'", path=path, help=FORMS
            )
        else:
            whole = _array_of(node)
            self._decimals = most_decimals(node)
            if whole == self._turned_shape != self._shape:
                turned = True
                self._fill_turned(node, path)
            elif whole and 0 not in whole and whole != self._shape:
                raise self._misfit(whole, path, node)
            elif whole is None or 0 not in whole:
                self._fill((), node, path)
        if not self._given.any():
            raise AttnError(f"{dotted(path)} has no numbers", path=path, help=FORMS)
        return Answer(
            step=self._step.name,
            values=self._values,
            given=self._given,
            decimals=self._decimals,
            tolerance=self._tolerance,
            turned=turned,
        )

    @property
    def _turned_shape(self) -> tuple[int, ...]:
        return (*self._shape[:-2], *reversed(self._shape[-2:]))

    def _fill_turned(self, node: Any, path: Path) -> None:
        """Fill the values from nested lists whose last two axes are exchanged."""
        inner = AnswerReader(self._document, self._step.transposed(), self._tolerance)
        inner._fill((), node, path)
        self._values = inner._values.swapaxes(-1, -2)
        self._given = inner._given.swapaxes(-1, -2)

    def _take(self, array: AnyArray, path: Path, node: Any) -> bool:
        """Take a whole array; return whether its last two axes were exchanged."""
        values = array.astype(np.float64)
        turned = values.shape != self._shape and values.shape == self._turned_shape
        if turned:
            values = values.swapaxes(-1, -2)
        if values.shape != self._shape:
            raise self._misfit(values.shape, path, None)
        self._values, self._given = values, np.ones(self._shape, dtype=np.bool_)
        table = node.get("file") if isinstance(node, Mapping) else node
        if isinstance(table, str) and is_table_file(table):
            self._decimals = self._decimals_in(table, values, path)
        return turned

    def _decimals_in(self, table: str, values: AnyArray, path: Path) -> int | None:
        """Return the most decimals in a table, as it is written if it can be read again."""
        located = os.path.join(self._document.folder_of(path), table)
        if not os.path.isfile(located):
            return most_decimals([x for x in values.ravel().tolist() if x % 1])
        with open(located, encoding="utf-8", errors="replace") as file:
            return most_decimals(re.split(r"[\s,;]+", file.read()))

    def _fill(self, place: tuple[int, ...], node: Any, path: Path) -> None:
        """Fill the values from a place on."""
        depth = len(place)
        if depth == len(self._shape):
            self._cell(place, node, path)
        elif isinstance(node, Mapping):
            for key, item in node.items():
                at = self._index(depth, key, path)
                self._fill((*place, at), item, (*path, key))
        elif isinstance(node, list | tuple):
            if len(node) != self._shape[depth]:
                raise self._miscounted(depth, node, path)
            for at, item in enumerate(node):
                self._fill((*place, at), item, (*path, at))
        elif _is_blank(node):
            return
        else:
            axis = self._axes[depth]
            raise AttnError(
                f"{dotted(path)} must have {self._shape[depth]} numbers, one per {axis}, not "
                f"{kind_of(node)}",
                path=path,
                help=FORMS,
            )

    def _cell(self, place: tuple[int, ...], node: Any, path: Path) -> None:
        if _is_blank(node):
            return
        try:
            self._values[place] = number(node, path)
        except AttnError as error:
            error.help = error.help or _CELL
            raise
        self._given[place] = True

    def _index(self, depth: int, key: str, path: Path) -> int:
        """Return the position of a row that is named by its word, or its number."""
        axis = self._axes[depth]
        text = key.removeprefix(f"{axis} ") if depth < len(self._shape) - 2 else key
        try:
            return find_token(self._labels[depth], text, what=axis)
        except AttnError as error:
            error.path, error.at_key = (*path, key), True
            raise

    def _misfit(self, shape: tuple[int, ...], path: Path, node: Any) -> AttnError:
        """Return the error for an array of another shape."""
        count = " x ".join(map(str, shape))
        one = shape == (1,)
        found = f"has {count} number{'' if one else 's'}"
        advice = _MISSING
        if len(shape) == 1 < len(self._shape) and shape[0] == self._shape[-1]:
            first = printable(self._labels[-2][0])
            advice = f"name the row of which these are the numbers: {{{first}: [...]}}"
        return self._wrong_size(found, path, _with_comma(node, self._shape[-1]) or advice)

    def _miscounted(self, depth: int, node: Sequence[Any], path: Path) -> AttnError:
        """Return the error for a list of another length."""
        one = len(node) == 1
        found = f"has {len(node)} value{'' if one else 's'} along the axis {self._axes[depth]}"
        return self._wrong_size(found, path, _with_comma(node, self._shape[depth]) or _MISSING)

    def _wrong_size(self, found: str, path: Path, advice: str) -> AttnError:
        sizes, named = " x ".join(map(str, self._shape)), " x ".join(self._axes)
        name = self._step.name
        return AttnError(
            f"the answer for {name} {found}, but {name} has {sizes} ({named})",
            path=path,
            help=advice,
        )


_MISSING = "give one number for each value of the step; null for one that was left out"


def _with_comma(node: Any, count: int) -> str:
    """Return the advice for a row of decimals that were written with commas: 0,5; else empty.

    Each comma makes two whole numbers of one decimal.
    """
    while isinstance(node, list | tuple) and node and isinstance(node[0], list | tuple):
        node = node[0]
    if not isinstance(node, list | tuple) or not count < len(node) <= 2 * count:
        return ""
    if not all(isinstance(each, str | int) and str(each).lstrip("-").isdigit() for each in node):
        return ""
    return f"a comma separates two numbers: write {node[0]}.{node[1]}, not {node[0]},{node[1]}"


_BLANKS = ("", "null", "~", "?")


def _is_blank(node: Any) -> bool:
    return node is None or (isinstance(node, str) and node in _BLANKS)


def _array_of(node: Any) -> tuple[int, ...] | None:
    """Return the shape of nested lists; None if they have none, or hold rows by their words."""
    if not isinstance(node, list | tuple):
        return None if isinstance(node, Mapping) else ()
    if not node:
        return (0,)
    inner = {_array_of(item) for item in node}
    if len(inner) != 1:
        return None
    (shape,) = inner
    return None if shape is None else (len(node), *shape)
