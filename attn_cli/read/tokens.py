"""Words: the tokens of a problem, and a look-up table from which they pick their vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from attn_cli.core.arrays import Array
from attn_cli.errors import AttnError, Path, dotted, nearest, printable
from attn_cli.read.document import Document
from attn_cli.read.matrix import cast, natural
from attn_cli.read.scalars import kind_of, word
from attn_cli.read.shapes import form
from attn_cli.read.text import nfc, words_of
from attn_cli.record import Labels


def read_tokens(node: Any, path: Path, *, lower: bool = False) -> tuple[str, ...]:
    """Return the words of a list, or of one string by the rule of `read.text`."""
    if isinstance(node, np.ndarray):
        node = node.tolist()
    if isinstance(node, str):
        text = word(node, path)
        words = words_of(text, lower=lower)
        if not words:
            raise AttnError(
                f"{dotted(path)} holds no word",
                path=path,
                help="a word is a run of letters, digits, marks or underscores; write a list for "
                "anything else",
            )
        return words
    if not isinstance(node, list | tuple):
        raise AttnError(
            f"{dotted(path)} must be a list of words, not {kind_of(node)}",
            path=path,
            help="write [the, cat], or one string: the cat",
        )
    if not node:
        raise AttnError(f"{dotted(path)} is empty", path=path, help="write at least one word")
    listed = [word(item, (*path, at)) for at, item in enumerate(node)]
    return tuple(item.lower() for item in listed) if lower else tuple(listed)


def read_table_of_words(
    document: Document, table: dict[str, Any], path: Path, dtype: np.dtype[Any], *, finite: bool
) -> dict[str, Array]:
    """Return word -> vector; raise AttnError where a vector is none, or of another length."""
    vectors: dict[str, Array] = {}
    for key, node in table.items():
        place = (*path, str(key))
        vector = cast(natural(document, node, place), place, dtype, finite=finite)
        if vector.ndim != 1:
            raise AttnError(
                f"{dotted(place)} has shape {form(vector.shape)}, but a word has one vector",
                path=place,
                help="write word: [1, 0, ...]",
            )
        first = next(iter(vectors.values()), vector)
        if len(vector) != len(first):
            raise AttnError(
                f"{dotted(place)} has length {len(vector)}, but "
                f"{dotted((*path, next(iter(vectors))))} has {len(first)}",
                path=place,
                help="all words of a table have vectors of the same length",
            )
        vectors[nfc(str(key))] = vector
    return vectors


def look_up(
    vectors: dict[str, Array], path: Path, words: Labels | None, tokens_path: Path
) -> Array:
    """Return one row a word from a table word -> vector."""
    if words is None:
        raise AttnError(
            f"{dotted(path)} is a table of words, but {dotted(tokens_path)} names none to look up",
            path=path,
            help=f"add {dotted(tokens_path)}: [...], or write the rows as a list",
        )
    for at, token in enumerate(words):
        if nfc(token) not in vectors:
            raise AttnError(
                f"'{printable(token)}' has no vector in {dotted(path)}",
                path=(*tokens_path, at),
                help=known_words(token, vectors),
            )
    return np.stack([vectors[nfc(token)] for token in words])


def find_token(tokens: Labels, asked: str | int, *, what: str = "query") -> int:
    """Return the position of a query that is named by its word or else by its index.

    A number, as Python may give it, is an index and no word.
    """
    if not isinstance(asked, str):
        if 0 <= asked < len(tokens):
            return int(asked)
        raise _no_index(str(asked), tokens, what)
    where = [at for at, token in enumerate(tokens) if token == asked]
    if len(where) == 1:
        return where[0]
    if where:
        places = ", ".join(map(str, where[:-1])) + f" and {where[-1]}"
        raise AttnError(
            f"'{printable(asked)}' stands {len(where)} times: at {places}",
            help="say which by its index",
        )
    if asked.isascii() and asked.isdigit() and len(asked) < 19:
        if int(asked) < len(tokens):
            return int(asked)
        raise _no_index(asked, tokens, what)
    raise AttnError(f"there is no {what} '{printable(asked)}'", help=known_words(asked, tokens))


def _no_index(asked: str, tokens: Labels, what: str) -> AttnError:
    return AttnError(
        f"there is no {what} {asked}: there are {len(tokens)}, numbered from 0 to {len(tokens) - 1}"
    )


def known_words(asked: str, words: Any) -> str:
    """Return the advice for an unknown word: the nearest, then the first of all."""
    near = nearest(asked, words)
    names = [printable(str(w)) for w, _ in zip(words, range(20), strict=False)]
    more = f" and {len(words) - 20} more" if len(words) > 20 else ""
    listed = f"the words are: {', '.join(names)}{more}"
    return f"did you mean '{printable(near)}'? {listed}" if near else listed
