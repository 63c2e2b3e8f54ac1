"""Sheets of answers, read: YAML or JSON with the numbers of steps, or STEP=MATRIX.

weights: [[0.6, 0.4], [0.5, 0.5]]       a matrix; of several heads, one matrix for each
scores: {love: [1.41, 2.83]}            some rows by their words or numbers
output: output.csv                      a file; null for a number that was not given
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.errors import AttnError, Path, did_you_mean, dotted, printable
from attn_cli.lab.answers.sheet import Answer, Sheet
from attn_cli.lab.variants.variant import Base
from attn_cli.maths.pipeline import names as step_names
from attn_cli.maths.stage import CODE
from attn_cli.sources.matrices.document import Document, Known, open_document
from attn_cli.sources.matrices.files import Inputs
from attn_cli.sources.matrices.matrix import names_file, read_array
from attn_cli.sources.text.decimals import most_decimals
from attn_cli.sources.text.events import parse_kindly
from attn_cli.sources.text.scalars import kind_of, number
from attn_cli.sources.text.tokens import find_token

_FORMS = "write nested lists, rows by their words ({love: [0.2, 0.8]}), or the path of a file"


def read_sheet(file: str, inputs: Inputs, base: Base, tolerance: float | None) -> Sheet:
    """Return the answers of a file; raise AttnError, with the place, for the first fault."""
    ending = os.path.splitext(file)[1].lower()
    if ending in {".csv", ".tsv", ".npy"}:
        name = printable(file)
        raise AttnError(
            f"{name} holds one matrix, and does not say of which step",
            help=f"name its step: 'weights={name}'; a sheet is YAML or JSON",
        )
    try:
        document = open_document(file, inputs, Known(step_names(), ()))
    except AttnError as error:
        if error.help is not None and "expected a mapping of keys" in error.help:
            error.help = "write steps and their numbers, such as 'weights: [[0.5, 0.5]]'"
        raise
    if document.text is None:
        raise AttnError(
            f"{printable(file)} holds arrays that a program wrote, not a sheet of answers",
            help="attn diff compares two results of programs; a sheet is YAML or JSON",
        )
    try:
        return sheet_of(document, base, os.path.splitext(os.path.basename(file))[0], tolerance)
    except AttnError as error:
        raise document.located(error) from None


def sheet_of_texts(
    texts: Sequence[str], inputs: Inputs, base: Base, tolerance: float | None
) -> Sheet:
    """Return the sheet of texts STEP=MATRIX, whose matrix is YAML, or STEP=FILE."""
    tree: dict[str, Any] = {}
    options: dict[Path, str] = {}
    for text in texts:
        step, _, value = text.partition("=")
        if step in tree:
            raise AttnError(f"there are two answers for {printable(step)}", help="keep one")
        if not value.strip():
            raise AttnError(f"{printable(step)}= has no numbers", help=_FORMS)
        tree[step] = parse_kindly(value, f"{printable(step)}=...").tree
        options[(step,)] = printable(text)
    document = Document(tree, inputs=inputs, options=options)
    try:
        return sheet_of(document, base, "answers", tolerance)
    except AttnError as error:
        raise document.located(error) from None


def sheet_of(document: Document, base: Base, name: str, tolerance: float | None) -> Sheet:
    """Return the answers of a document's tree, in the order in which the steps are computed."""
    meant = {alias: n for n, spec in base.specs.items() for alias in spec.stage.aliases}
    answers: dict[str, Answer] = {}
    for key, node in document.tree.items():
        step = meant.get(key.lower(), key) if key not in base.specs else key
        _refuse_unknown(step, base)
        if step in answers:
            raise AttnError(
                f"there are two answers for {step}",
                path=(key,),
                at_key=True,
                help="they are two names of one step: keep one",
            )
        answers[step] = _Reader(document, base, step, tolerance).answer(node, (key,))
    if not answers:
        raise AttnError(
            "the sheet has no answers", help="write a step and its numbers: weights: [[0.5, 0.5]]"
        )
    return Sheet(name, tuple(answers[step] for step in base.specs if step in answers))


def _refuse_unknown(step: str, base: Base) -> None:
    """Raise AttnError for a step that the problem does not have, or that has no numbers."""
    numbers = [name for name, spec in base.specs.items() if spec.stage.role != CODE]
    if step in numbers:
        return
    known = step in step_names()
    raise AttnError(
        f"this problem has no step '{printable(step)}'"
        if known
        else f"unknown step '{printable(step)}'",
        path=(step,),
        at_key=True,
        help=did_you_mean(step, numbers, what="it has", listed=True),
    )


class _Reader:
    """Reads the answer for one step."""

    def __init__(self, document: Document, base: Base, step: str, tolerance: float | None) -> None:
        self._document, self._step, self._tolerance = document, step, tolerance
        right = base.record.steps[step]
        self._shape, self._axes, self._labels = right.shape, right.axes, right.labels
        self._decimals: int | None = None
        self._values = np.full(self._shape, np.nan)
        self._given = np.zeros(self._shape, dtype=np.bool_)

    def answer(self, node: Any, path: Path) -> Answer:
        """Return the answer that a node holds."""
        turned = False
        if names_file(node) or isinstance(node, np.ndarray):
            array = read_array(self._document, node, path)
            turned = self._take(array, path, written=_is_text(node))
        elif isinstance(node, str):
            raise AttnError(
                f"{dotted(path)} must be numbers, not '{printable(node)}'", path=path, help=_FORMS
            )
        else:
            whole = _array_of(node)
            self._decimals = most_decimals(node)
            if whole == self._turned_shape != self._shape:
                turned = self._take(self._nested(node, path), path, written=False)
            elif whole and whole != self._shape:
                raise self._misfit(whole, path)
            else:
                self._fill((), node, path)
        if not self._given.any():
            raise AttnError(f"{dotted(path)} has no numbers", path=path, help=_FORMS)
        return Answer(
            step=self._step,
            values=self._values,
            given=self._given,
            decimals=self._decimals,
            tolerance=self._tolerance,
            turned=turned,
        )

    @property
    def _turned_shape(self) -> tuple[int, ...]:
        return (*self._shape[:-2], *reversed(self._shape[-2:]))

    def _take(self, array: AnyArray, path: Path, *, written: bool) -> bool:
        """Take a whole array; return whether its last two axes were exchanged."""
        values = array.astype(np.float64)
        turned = values.shape != self._shape and values.shape == self._turned_shape
        if turned:
            values = values.swapaxes(-1, -2)
        if values.shape != self._shape:
            raise self._misfit(values.shape, path)
        self._values, self._given = values, np.ones(self._shape, dtype=np.bool_)
        if written:
            self._decimals = most_decimals([x for x in values.ravel().tolist() if x % 1])
        return turned

    def _nested(self, node: Any, path: Path) -> AnyArray:
        return read_array(self._document, node, path)

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
                raise self._misfit(None, path, depth, len(node))
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
                help=_FORMS,
            )

    def _cell(self, place: tuple[int, ...], node: Any, path: Path) -> None:
        if _is_blank(node):
            return
        self._values[place] = number(node, path)
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

    def _misfit(
        self, shape: tuple[int, ...] | None, path: Path, depth: int = 0, count: int = 0
    ) -> AttnError:
        sizes = " x ".join(map(str, self._shape))
        named = " x ".join(self._axes)
        if shape is not None:
            found = f"has {' x '.join(map(str, shape))} numbers"
        else:
            found = f"has {count} values along the axis {self._axes[depth]}"
        return AttnError(
            f"the answer for {self._step} {found}, but {self._step} has {sizes} ({named})",
            path=path,
            help="give one number for each value of the step; null for one that was left out",
        )


def _is_blank(node: Any) -> bool:
    return node is None or (isinstance(node, str) and node in {"", "null", "~", "?"})


def _is_text(node: Any) -> bool:
    """Return whether a node names a file of text, whose numbers have decimals."""
    file = node.get("file", "") if isinstance(node, dict) else node
    return isinstance(file, str) and not file.lower().partition("#")[0].endswith((".npy", ".npz"))


def _array_of(node: Any) -> tuple[int, ...] | None:
    """Return the shape of nested lists; None if they have none, or hold rows by their words."""
    if not isinstance(node, list | tuple):
        return None if isinstance(node, Mapping) else ()
    inner = {_array_of(item) for item in node}
    if len(inner) != 1:
        return None
    (shape,) = inner
    return None if shape is None else (len(node), *shape)
