"""X and M: the rows of embeddings that queries, keys and values are projected from, read once."""

from __future__ import annotations

from typing import Any

from attn_cli.arrays import Array
from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError, Path
from attn_cli.maths.positions import Positions
from attn_cli.reading.positions_reader import read_positions
from attn_cli.reading.sources import Sources
from attn_cli.sources.matrices.lookup import WordTable, read_word_table


@dataclass(frozen=True)
class Embedded:
    """The inputs of projections; None if nothing is projected from them."""

    X: Array | None  # (tokens, d_model)
    M: Array | None  # of the memory, (tokens, d_memory)
    positions: Positions | None  # that are added to X
    inputs: Array | None  # X' = X + P, or X without positions

    @property
    def letter(self) -> str:
        """The name of the inputs in formulas."""
        return "X" if self.positions is None else "X'"


def read_embedded(sources: Sources) -> Embedded:
    """Return X from embeddings, M from memory, and X with its positions.

    A look-up table in embeddings serves the tokens of memory too.
    """
    tree = sources.document.tree
    node, words = tree.get("embeddings"), sources.memory_tokens
    table = None
    if node is not None:
        wanted = (*(sources.tokens or ()), *(words or ()))
        table = _table(sources, node, ("embeddings",), wanted)
    X = None
    if node is not None and (table is None or _reads_x(tree)):
        X = _read_x(sources, node, table)
    M = _read_m(sources, table)
    positions = read_positions(sources, X)
    inputs = X
    if X is not None and positions is not None:
        inputs = positions.added_to(X, sources.precision.dtype)
    return Embedded(X, M, positions, inputs)


def refuse_unused(sources: Sources, embedded: Embedded) -> None:
    """Raise AttnError for embeddings that are not used."""
    tree = sources.document.tree
    if "embeddings" in sources.memory and _keys_given(tree):
        raise AttnError(
            "memory.embeddings are not used: key and value are given as they are",
            path=("memory", "embeddings"),
            at_key=True,
            help="leave out memory.embeddings, or key and value",
        )
    from_table = (
        embedded.X is None and embedded.M is not None and "embeddings" not in sources.memory
    )
    if "embeddings" in tree and not _reads_x(tree) and not from_table:
        given = "query and memory" if "memory" in tree else "query, key and value"
        raise AttnError(
            f"embeddings are not used: {given} are given",
            path=("embeddings",),
            at_key=True,
            help="leave out embeddings, or what is given instead of them",
        )


def _keys_given(tree: dict[str, Any]) -> bool:
    return {"key", "value"} <= tree.keys()


def _reads_x(tree: dict[str, Any]) -> bool:
    """Return whether rows of embeddings become queries, or keys and values."""
    return "query" not in tree or ("memory" not in tree and not _keys_given(tree))


def _read_x(sources: Sources, node: Any, table: WordTable | None) -> Array:
    tree = sources.document.tree
    symbols = (sources.new_keys if "query" in tree else "n_q", "d_model")
    if table is None:
        X = sources.matrix(node, ("embeddings",), symbols)
    else:
        X = _looked_up(sources, table, symbols, sources.tokens, ("tokens",))
    if "memory" not in tree and not _keys_given(tree):
        sources.shapes.fix(sources.new_keys, len(X), "embeddings")  # self-attention
    return X


def _read_m(sources: Sources, table: WordTable | None) -> Array | None:
    """Return M from memory.embeddings, or from the table of embeddings for the words of memory."""
    words, of_words = sources.memory_tokens, ("memory", "tokens")
    if "embeddings" in sources.memory:
        place, symbols = ("memory", "embeddings"), (sources.new_keys, "d_memory")
        own = _table(sources, sources.memory["embeddings"], place, words or ())
        if own is None:
            return sources.matrix(sources.memory["embeddings"], place, symbols)
        return _looked_up(sources, own, symbols, words, of_words)
    if table is not None and words is not None and not _keys_given(sources.document.tree):
        return _looked_up(sources, table, (sources.new_keys, "d_model"), words, of_words)
    return None


def _table(sources: Sources, node: Any, path: Path, wanted: tuple[str, ...]) -> WordTable | None:
    """Return a table of words, None if the node is a matrix; keep its warnings."""
    table = read_word_table(
        sources.document, node, path, wanted, sources.dtype, finite=sources.finite
    )
    sources.warnings += table.warnings if table else ()
    return table


def _looked_up(
    sources: Sources,
    table: WordTable,
    symbols: tuple[str, str],
    words: tuple[str, ...] | None,
    words_path: Path,
) -> Array:
    rows = sources.rounded(table.rows(words, words_path), table.path)
    sources.shapes.bind(table.path, rows.shape, symbols)
    return rows
