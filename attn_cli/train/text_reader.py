"""The key `train.text`: a file of text, in which the next word of every word is learnt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attn_cli.errors import AttnError, dotted, printable
from attn_cli.maths.problem import Problem
from attn_cli.maths.visible.base import look_ahead
from attn_cli.sources.matrices.document import Document
from attn_cli.sources.matrices.lookup import words_of_table
from attn_cli.sources.matrices.tables import decode
from attn_cli.sources.text.scalars import word
from attn_cli.sources.text.tokens import known_words
from attn_cli.sources.text.words import nfc, words_of
from attn_cli.train.examples_reader import TEXT, Pair


def read_text(document: Document, *, lower: bool) -> list[Pair]:
    """Return a sequence per line that has words: its words, and the word that follows each.

    After the last word of a line comes `next_word.end`, if there is one. Raises AttnError for a
    file that cannot be read, or a word that has no vector or is not in the vocabulary.
    """
    tree = document.tree
    if "examples" in tree["train"]:
        raise AttnError(
            "there are both train.text and train.examples",
            path=TEXT,
            at_key=True,
            help="keep one of the two",
        )
    file = document.beside(word(tree["train"]["text"], TEXT), TEXT)
    with document.inputs.open(file, dotted(TEXT), TEXT) as stream:
        lines = decode(stream.read(), printable(file)).splitlines()
    end = _end(tree)
    pairs = []
    for number, line in enumerate(lines, 1):
        words = words_of(line, lower=lower)
        if not words:
            continue
        _check_words(words, tree, f"{printable(file)}:{number}")
        follow = (*words[1:], *end)
        if follow:
            pairs.append(Pair(words[: len(follow)], follow, number))
    if not pairs:
        raise AttnError(
            f"{printable(file)} has no line of two words or more", path=TEXT, help="write a text"
        )
    return pairs


def _end(tree: Mapping[str, Any]) -> tuple[str, ...]:
    next_word = tree.get("next_word")
    end = next_word.get("end") if isinstance(next_word, Mapping) else None
    return () if end is None else (word(end, ("next_word", "end")),)


def _check_words(words: tuple[str, ...], tree: Mapping[str, Any], place: str) -> None:
    """Raise AttnError, with the line of the text, for a word that cannot be learnt."""
    table = set(words_of_table(tree["embeddings"], ("embeddings",)))
    for each in words:
        if nfc(each) not in table:
            raise AttnError(
                f"{place}: '{printable(each)}' has no vector in embeddings",
                path=TEXT,
                help=known_words(each, sorted(table)),
            )


def check_text(problem: Problem) -> None:
    """Raise AttnError unless every row predicts the next word from the words up to it."""
    if problem.cross:
        raise AttnError(
            "a text is learnt by self-attention, and the keys of this problem are other tokens",
            path=TEXT,
            help="leave memory, key and query out",
        )
    schemes, heads = problem.rules.schemes, problem.heads or 1
    if look_ahead(schemes, problem.n_q, heads, problem.token_positions):
        raise AttnError(
            "a text is learnt in causal order: without it each word sees the one that it predicts",
            path=TEXT,
            help="write causal: true",
        )
    head = problem.next_word
    if head is None or head.row != problem.n_q - 1:
        raise AttnError(
            "a text is learnt from the row of each word, so the last row predicts the next word",
            path=("next_word",) if head is not None else TEXT,
            help="write next_word: {pool: last, ...}",
        )
