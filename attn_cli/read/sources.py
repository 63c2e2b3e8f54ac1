"""Where Q, K and V come from: given as they are, or projected from embeddings or memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from attn_cli.core.arrays import Array
from attn_cli.core.problem import Linear, Projection
from attn_cli.errors import AttnError, Path, dotted
from attn_cli.read.document import Document
from attn_cli.read.keys import PROJECTED, mapping
from attn_cli.read.matrix import cast, is_file, is_table_file, natural
from attn_cli.read.shapes import Shapes, form
from attn_cli.read.tokens import look_up, read_table_of_words, read_tokens

Side = Literal["query", "key", "value"]
LETTERS = {"query": "q", "key": "k", "value": "v"}
AXES = ("batch", "heads")


@dataclass
class Sources:
    """Reads the arrays of a problem, each once, and binds their shapes."""

    document: Document
    dtype: np.dtype[Any]
    columns: bool
    finite: bool
    shapes: Shapes = field(default_factory=Shapes)

    def __post_init__(self) -> None:
        tree = self.document.tree
        self.memory = mapping(tree.get("memory", {}), ("memory",), ("tokens", "embeddings"))
        self.weights = mapping(tree.get("weights", {}), ("weights",), PROJECTED)
        self.biases = mapping(tree.get("biases", {}), ("biases",), PROJECTED)
        self.tokens = read_tokens(tree["tokens"], ("tokens",)) if "tokens" in tree else None
        self.memory_tokens = (
            read_tokens(self.memory["tokens"], ("memory", "tokens"))
            if "tokens" in self.memory
            else None
        )
        self.X: Array | None = None
        self.M: Array | None = None

    def array(
        self, node: Any, path: Path, symbols: tuple[str, ...], help: str | None = None
    ) -> Array:
        """Return an array of numbers with these axes, as written."""
        array = cast(natural(self.document, node, path), path, self.dtype, finite=self.finite)
        if len(symbols) == 1 and array.ndim == 2 and 1 in array.shape and is_table_file(node):
            array = array.ravel()  # one line, or one column, of a table is a vector
        if array.ndim != len(symbols):
            raise AttnError(
                f"{dotted(path)} has shape {form(array.shape)}, expected {form(symbols)}",
                path=path,
                help=f"it needs {len(symbols)} {'axis' if len(symbols) == 1 else 'axes'}",
            )
        self.shapes.bind(path, array.shape, symbols, help=help)
        return array

    def matrix(
        self, node: Any, path: Path, symbols: tuple[str, str], help: str | None = None
    ) -> Array:
        """Return a matrix whose axes change places in layout columns."""
        if not self.columns:
            return self.array(node, path, symbols, help)
        return self.array(node, path, (symbols[1], symbols[0]), help).T

    def read_embeddings(self) -> None:
        """Read X from embeddings, and M from memory, where something is made from them.

        A look-up table in embeddings serves the tokens of memory too.
        """
        tree = self.document.tree
        node = tree.get("embeddings")
        table = None
        if isinstance(node, dict) and _is_table(node):
            table = read_table_of_words(
                self.document, node, ("embeddings",), self.dtype, finite=self.finite
            )
        keys_given = {"key", "value"} <= tree.keys()
        if node is not None and (table is None or self._reads_x):
            symbols = ("n_k" if "query" in tree else "n_q", "d_model")
            if table is None:
                self.X = self.matrix(node, ("embeddings",), symbols)
            else:
                self.X = self._looked_up(table, ("embeddings",), symbols, self.tokens, ("tokens",))
            if "memory" not in tree and not keys_given:
                self.shapes.fix("n_k", len(self.X), "embeddings")  # self-attention
        place = ("memory", "embeddings")
        words, of_words = self.memory_tokens, ("memory", "tokens")
        if _is_table(self.memory.get("embeddings")):
            own = read_table_of_words(
                self.document, self.memory["embeddings"], place, self.dtype, finite=self.finite
            )
            self.M = self._looked_up(own, place, ("n_k", "d_memory"), words, of_words)
        elif "embeddings" in self.memory:
            self.M = self.matrix(self.memory["embeddings"], place, ("n_k", "d_memory"))
        elif table is not None and words is not None and not keys_given:
            self.M = self._looked_up(table, ("embeddings",), ("n_k", "d_model"), words, of_words)

    @property
    def _reads_x(self) -> bool:
        """Whether rows of embeddings become queries, or keys and values."""
        tree = self.document.tree
        return "query" not in tree or ("memory" not in tree and not {"key", "value"} <= tree.keys())

    def _looked_up(
        self,
        table: dict[str, Array],
        path: Path,
        symbols: tuple[str, str],
        words: tuple[str, ...] | None,
        tokens_path: Path,
    ) -> Array:
        rows = look_up(table, path, words, tokens_path)
        self.shapes.bind(path, rows.shape, symbols)
        return rows

    def projection(self, side: Side, *, needed: bool) -> Projection | None:
        """Return where Q, K or V comes from; None where it is neither given nor needed."""
        tree = self.document.tree
        if side in tree:
            self._refuse_projection(side, "is given as it is")
            return Projection(self._given(side))
        from_memory = side != "query" and "memory" in tree
        inputs, letter = (self.M, "M") if from_memory else (self.X, "X")
        if inputs is None:
            if not needed:
                self._refuse_projection(side, "is not read by this score function")
                return None
            source = "memory.embeddings" if from_memory else "embeddings"
            raise AttnError(
                f"there is no {side}: neither {side} nor {source} to make it from",
                path=("memory",) if from_memory else (),
                help=f"give {source}, or query, key and value as they are",
            )
        model = "d_memory" if from_memory and self.shapes.size("d_memory") else "d_model"
        return Projection(inputs, self.linear(side, model, f"d_{LETTERS[side]}"), letter)

    def _refuse_projection(self, side: Side, because: str) -> None:
        """Raise AttnError for a weight or bias that nothing is multiplied by."""
        for group in ("weights", "biases"):
            if side in getattr(self, group):
                raise AttnError(
                    f"{group}.{side} has nothing to apply to: {side} {because}",
                    path=(group, side),
                    at_key=True,
                    help=f"leave out {group}.{side}, or give embeddings to make {side} from",
                )

    def linear(self, side: str, d_in: str, d_out: str) -> Linear:
        """Return the weight and bias of a projection."""
        weight = bias = None
        if side in self.weights:
            what = "value" if d_in == "d_v" else "memory" if d_in == "d_memory" else "embedding"
            row = "column" if self.columns else "row"
            weight = self.matrix(
                self.weights[side],
                ("weights", side),
                (d_in, d_out),
                f"weights.{side} needs one {row} per {what} dimension; if it is stored transposed, "
                "write {file: ..., transpose: true}",
            )
        else:
            size = self.shapes.size(d_in)
            if size is not None:
                self.shapes.fix(d_out, size, self.shapes.owner(d_in))
        if side in self.biases:
            bias = self.array(self.biases[side], ("biases", side), (d_out,))
        return Linear(weight, bias)

    def _given(self, side: Side) -> Array:
        """Return Q, K or V as given: (tokens, features), with batch and heads before them."""
        path = (side,)
        rows, depth = ("n_q" if side == "query" else "n_k"), f"d_{LETTERS[side]}"
        array = cast(
            natural(self.document, self.document.tree[side], path),
            path,
            self.dtype,
            finite=self.finite,
        )
        if not 2 <= array.ndim <= 4:
            raise AttnError(
                f"{side} has {array.ndim} {'axis' if array.ndim == 1 else 'axes'}, shape "
                f"{form(array.shape)}; expected 2 to 4",
                path=path,
                help="(tokens, features), (batch, tokens, features) or "
                "(batch, heads, tokens, features)",
            )
        last = (depth, rows) if self.columns else (rows, depth)
        self.shapes.bind(path, array.shape, (*AXES[: array.ndim - 2], *last))
        return array.swapaxes(-1, -2) if self.columns else array

    def refuse_unused(self) -> None:
        """Raise AttnError for embeddings that nothing is made from."""
        tree = self.document.tree
        if "embeddings" in self.memory and {"key", "value"} <= tree.keys():
            raise AttnError(
                "memory.embeddings are not used: key and value are given as they are",
                path=("memory", "embeddings"),
                at_key=True,
                help="leave out memory.embeddings, or key and value",
            )
        from_table = self.X is None and self.M is not None and "embeddings" not in self.memory
        if "embeddings" in tree and not self._reads_x and not from_table:
            given = "query and memory" if "memory" in tree else "query, key and value"
            raise AttnError(
                f"embeddings are not used: {given} are given",
                path=("embeddings",),
                at_key=True,
                help="leave out embeddings, or what is given instead of them",
            )


def _is_table(node: Any) -> bool:
    """Return whether embeddings are a mapping word -> vector."""
    return isinstance(node, dict) and not is_file(node)
