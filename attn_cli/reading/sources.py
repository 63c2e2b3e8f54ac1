"""Reads the arrays of a problem, each once, in its type, and binds their shapes."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from attn_cli.arrays import AnyArray, Array, Tensor
from attn_cli.dataclass import dataclass, field
from attn_cli.errors import AttnError, Path, dotted
from attn_cli.maths.linear import Linear
from attn_cli.maths.precision import Precision
from attn_cli.reading.conventions_reader import Conventions
from attn_cli.reading.keys import KEYS
from attn_cli.reading.sides import LETTERS
from attn_cli.sources.matrices.casting import cast, rounded
from attn_cli.sources.matrices.document import Document
from attn_cli.sources.matrices.matrix import is_table_file, read_array, read_array_by_rows
from attn_cli.sources.matrices.shapes import Shapes, row_or_column, shape_text
from attn_cli.sources.matrices.token_files import read_entries
from attn_cli.sources.text.mappings import mapping
from attn_cli.sources.text.scalars import flag
from attn_cli.sources.text.tokens import read_tokens


@dataclass
class Sources:
    """Reads the arrays of a problem, each once.

    The value of an array does not depend on the order of reading. Errors do: a size belongs to the
    array that had it first.
    """

    document: Document
    precision: Precision
    conventions: Conventions
    columns: bool
    finite: bool
    shapes: Shapes = field(default_factory=Shapes)

    def __post_init__(self) -> None:
        tree = self.document.tree
        self.memory = mapping(tree.get("memory", {}), ("memory",), KEYS["memory"].inner)
        self.weights = mapping(tree.get("weights", {}), ("weights",), KEYS["weights"].inner)
        self.biases = mapping(tree.get("biases", {}), ("biases",), KEYS["biases"].inner)
        lower = "lower" in tree and flag(tree["lower"], ("lower",))
        self.memory_tokens: tuple[str, ...] | None = None
        self.token_entries, self.key_entries = (
            read_entries(self.document, tree[name], (name,), lower=lower) if name in tree else ()
            for name in ("tokens", "key_tokens")
        )
        if "tokens" in self.memory:
            path = ("memory", "tokens")
            self.memory_tokens = read_tokens(self.memory["tokens"], path, lower=lower)
        self.warnings: tuple[str, ...] = ()
        self._read: dict[Path, AnyArray] = {}
        self._given: dict[str, Tensor] = {}
        self.narrow: set[str] = set()  # types of inputs that are narrower than float64

    @property
    def tokens(self) -> tuple[str, ...] | None:
        """The words of queries, or of embeddings, if they are the same in all batch entries."""
        return self.token_entries[0] if len(self.token_entries) == 1 else None

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type in which arrays are read; bfloat16 is rounded to from float64, once."""
        return self.precision.dtype.read_as

    def rounded(self, array: Array, path: Path) -> Array:
        """Return an array that was read in the type of the problem."""
        return rounded(array, path, self.precision.dtype, finite=self.finite)

    def numbers(self, node: Any, path: Path) -> Array:
        """Return an array of numbers with any axes, in the type of the problem."""
        return self._cast(self.read_array(node, path), path)

    def _cast(self, written: AnyArray, path: Path) -> Array:
        """Return an array that was read, in the type of the problem."""

        def make() -> Array:
            return self.rounded(cast(written, path, self.dtype, finite=self.finite), path)

        if self.document.held is None:
            return make()
        key = (self.precision.dtype.name, str(self.finite), *path)
        found: Array = self.document.held.once(key, written, make)
        return found

    def of_heads(self, node: Any, path: Path, before: tuple[str, ...], heads: int | None) -> Array:
        """Return an array whose last axis has one number per head; one number without heads."""
        if heads is None:
            self.shapes.fix("heads", 1, "a problem without heads")
        return self.array(node, path, (*before, "heads"))

    def read_array(self, node: Any, path: Path) -> AnyArray:
        """Return an array as written; a file is read once."""
        if path not in self._read:
            self._read[path] = read_array(self.document, node, path)
            self._note_type(self._read[path])
        return self._read[path]

    def _note_type(self, array: Tensor) -> None:
        if array.dtype.kind == "f" and array.dtype.itemsize < 8:
            self.narrow.add(array.dtype.name)

    def written(self, side: str) -> Tensor:
        """Return Q, K or V as written; a large file as a Tensor that is read by rows."""
        if side not in self._given:
            node = self.document.tree[side]
            self._given[side] = read_array_by_rows(self.document, node, (side,))
            self._note_type(self._given[side])
        return self._given[side]

    def given(self, side: str) -> Tensor:
        """Return Q, K or V in the type of the problem; a large file as a Tensor read by rows."""
        path: Path = (side,)
        written = self.written(side)
        if isinstance(written, np.ndarray):
            return self._cast(written, path)
        from attn_cli.sources.matrices.stored import Stored

        assert isinstance(written, Stored)
        located = self.document.located
        return written.cast(path, self.precision.dtype, located, finite=self.finite)

    @cached_property
    def given_four_axes(self) -> bool:
        """Whether Q, K or V is given with batch, heads, tokens and features."""
        tree = self.document.tree
        return any(side in tree and self.written(side).ndim == 4 for side in LETTERS)

    def array(
        self, node: Any, path: Path, symbols: tuple[str, ...], help: str | None = None
    ) -> Array:
        """Return an array of numbers with these axes, as written."""
        array = self.numbers(node, path)
        if len(symbols) == 1 and array.ndim == 2 and 1 in array.shape and is_table_file(node):
            array = array.ravel()  # one line, or one column, of a table is a vector
        if array.ndim != len(symbols):
            raise AttnError(
                f"{dotted(path)} has shape {shape_text(array.shape)}, "
                f"expected {shape_text(symbols)}",
                path=path,
                help=row_or_column(array.shape[0], "row", "rows")
                if (array.ndim, len(symbols)) == (1, 2)
                else f"it needs {len(symbols)} {'axis' if len(symbols) == 1 else 'axes'}",
            )
        self.shapes.bind(path, array.shape, symbols, help=help)
        return array

    def matrix(
        self, node: Any, path: Path, symbols: tuple[str, str], help: str | None = None
    ) -> Array:
        """Return a matrix, transposed in layout columns."""
        if not self.columns:
            return self.array(node, path, symbols, help)
        return self.array(node, path, (symbols[1], symbols[0]), help).T

    @property
    def new_keys(self) -> str:
        """The symbol of the number of new keys; n_k includes those of the past."""
        return "n_new" if "past" in self.document.tree else "n_k"

    def linear(self, side: str, d_in: str, d_out: str) -> Linear:
        """Return the weight and bias of a projection; without a weight, d_out is d_in."""
        weight = bias = None
        if side in self.weights:
            weight = self.weight(side, d_in, d_out)
        else:
            size = self.shapes.size(d_in)
            if size is not None:
                self.shapes.fix(d_out, size, self.shapes.owner(d_in))
        if side in self.biases:
            bias = self.array(self.biases[side], ("biases", side), (d_out,))
        return Linear(weight, bias)

    def weight(self, side: str, d_in: str, d_out: str) -> Array:
        """Return the weight of a projection, (d_in x d_out)."""
        whose = {"d_v": "value", "heads d_v": "concat", "d_memory": "memory"}
        row = "column" if self.columns else "row"
        return self.matrix(
            self.weights[side],
            ("weights", side),
            (d_in, d_out),
            f"weights.{side} needs one {row} per {whose.get(d_in, 'embedding')} dimension; "
            "if it is stored transposed, write {file: ..., transpose: true}",
        )
