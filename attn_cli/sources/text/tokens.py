"""Words: the tokens of a problem, and looking one up by its word or index."""

from __future__ import annotations

from typing import Any

import numpy as np

from attn_cli.errors import AttnError, Path, dotted, nearest, printable
from attn_cli.record import Labels, Numbered
from attn_cli.sources.text.scalars import kind_of, word
from attn_cli.sources.text.words import nfc, words_of


def read_tokens(node: Any, path: Path, *, lower: bool = False) -> tuple[str, ...]:
    """Return the words of a list, or of one string by the rule of `words`."""
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


def find_token(tokens: Labels, asked: str | int, *, what: str = "query") -> int:
    """Return the position of a query that is named by its word or else by its index.

    A number, as Python callers may pass it, is an index, not a word.
    """
    if not isinstance(asked, str):
        if isinstance(asked, bool) or not hasattr(asked, "__index__"):
            raise AttnError(f"{asked} names no {what}", help="give its word or its index")
        if 0 <= asked < len(tokens):
            return int(asked)
        raise _no_index(str(asked), tokens, what)
    if isinstance(tokens, Numbered):  # there may be a hundred thousand
        where = tokens.places(asked)
    else:
        where = [at for at, token in enumerate(tokens) if token == asked]
    if not where and not asked.isascii():  # one letter may have been written in two ways
        where = [at for at, token in enumerate(tokens) if nfc(token) == nfc(asked)]
    if len(where) == 1:
        return where[0]
    if where:
        places = ", ".join(map(str, where[:-1])) + f" and {where[-1]}"
        raise AttnError(
            f"'{printable(asked)}' appears {len(where)} times: at {places}",
            help="give its index",
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
