"""The key `answer`: how the answer is read from the weights or the next word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attn_cli.errors import AttnError, Path, dotted, printable
from attn_cli.maths.answer import Answer, ReadAttended, ReadKept, ReadWord
from attn_cli.maths.next_word import NextWord
from attn_cli.reading.keys import KEYS
from attn_cli.record import Labels
from attn_cli.sources.text.mappings import mapping
from attn_cli.sources.text.scalars import choice, integer, kind_of, word
from attn_cli.sources.text.tokens import find_token

PATH: Path = ("answer",)
# What is read -> the keys beside `read`.
_KEYS = {"word": (), "attended": ("query", "among"), "kept": ("keep",)}


def read_answer(
    node: Any, queries: Labels, keys: Labels, next_word: NextWord | None, *, cross: bool
) -> Answer:
    """Return the rule of the answer; `cross`: whether the keys are other tokens than the queries.

    Raises AttnError for a token that is not there, or a rule that the problem cannot follow.
    """
    given = mapping(node, PATH, KEYS["answer"].inner)
    if "read" not in given:
        raise AttnError("answer.read is missing", path=PATH, help=_FORMS)
    read = choice(given["read"], (*PATH, "read"), tuple(_KEYS))
    for name in given:
        if name != "read" and name not in _KEYS[read]:
            owner = next(each for each, names in _KEYS.items() if name in names)
            raise AttnError(
                f"answer.{name} belongs to read: {owner}, and this answer is read: {read}",
                path=(*PATH, name),
                at_key=True,
                help=_FORMS,
            )
    if read == "word":
        return _word(next_word)
    if read == "kept":
        return _kept(given, len(keys), cross=cross or tuple(queries) != tuple(keys))
    return _attended(given, queries, keys)


def _word(next_word: NextWord | None) -> ReadWord:
    if next_word is None:
        raise AttnError(
            "the answer is the likeliest word, and the problem has no next_word",
            path=(*PATH, "read"),
            help="add next_word: {vocabulary: [...], weights: [[...], ...]}",
        )
    return ReadWord(next_word.row)


def _kept(given: Mapping[str, Any], n: int, *, cross: bool) -> ReadKept:
    if cross:
        raise AttnError(
            "kept needs queries and keys that are the same tokens, because no token counts for "
            "itself",
            path=(*PATH, "read"),
            help="leave memory and past out, or use read: attended",
        )
    if "keep" not in given:
        raise AttnError(
            "answer.keep is missing", path=PATH, help="write how many are kept: keep: 2"
        )
    path = (*PATH, "keep")
    keep = integer(given["keep"], path, 1)
    if keep > n:
        raise AttnError(
            f"answer.keep is {keep}, and there are {n} tokens", path=path, help=f"at most {n}"
        )
    return ReadKept(keep)


def _attended(given: Mapping[str, Any], queries: Labels, keys: Labels) -> ReadAttended:
    path: Path = (*PATH, "query")
    if "query" not in given:
        raise AttnError(
            "answer.query is missing: whose attention is the answer",
            path=PATH,
            help="name a token or its index, or write query: all",
        )
    query = None if given["query"] == "all" else _place(queries, given["query"], path, "query")
    if "among" not in given:
        return ReadAttended(query, None)
    path = (*PATH, "among")
    node = given["among"]
    if not isinstance(node, list | tuple) or not node:
        what = (
            "is empty" if isinstance(node, list | tuple) else f"must be a list, not {kind_of(node)}"
        )
        raise AttnError(f"{dotted(path)} {what}", path=path, help="write among: [1889, Paris]")
    among: list[int] = []
    for at, name in enumerate(node):
        key = _place(keys, name, (*path, at), "key")
        if key in among:
            raise AttnError(
                f"'{printable(keys[key])}' appears twice in {dotted(path)}",
                path=(*path, at),
                help="keep one of the two",
            )
        among.append(key)
    return ReadAttended(query, tuple(among))


def _place(tokens: Labels, node: Any, path: Path, what: str) -> int:
    """Return the position of a token that is named by its word, or else by its index."""
    whole = isinstance(node, int) and not isinstance(node, bool)
    name = str(node) if whole else word(node, path)
    try:
        return find_token(tokens, name, what=what)
    except AttnError as error:
        raise AttnError(error.message, path=path, help=error.help) from None


_FORMS = (
    "write {read: word}, {read: attended, query: TOKEN or all, among: [A, B]} or "
    "{read: kept, keep: 2}"
)
