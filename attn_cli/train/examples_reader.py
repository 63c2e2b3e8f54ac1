"""Examples as they are written, and grouped: those of equal length are computed together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from attn_cli.arrays import Array, Integers
from attn_cli.errors import AttnError, Path, dotted
from attn_cli.maths.problem import Problem
from attn_cli.sources.matrices.document import Document
from attn_cli.sources.matrices.lookup import WordTable, words_of_table
from attn_cli.sources.text.scalars import kind_of, word
from attn_cli.sources.text.tokens import known_words, read_tokens
from attn_cli.train.learning import Examples, Origin
from attn_cli.train.learnt import EMBEDDINGS
from attn_cli.train.numbered import Written, numbered, numbered_problem, origins
from attn_cli.train.objective import objective_of
from attn_cli.train.targets import refuse_hidden, target_of, word_of

EXAMPLES: Path = ("train", "examples")
TEXT: Path = ("train", "text")
TOGETHER = 1 << 20  # numbers of the largest array of a group, about


class Pair(NamedTuple):
    """An example as it is written."""

    tokens: tuple[str, ...]
    answer: str | tuple[str, ...]  # of a text, the next word of each word
    line: int | None = None  # of the text

    def path(self, at: int, part: int) -> Path:
        """Return the key path of the words (0) or the answer (1) of the example of a number."""
        return (*EXAMPLES, at, part) if self.line is None else TEXT


def read_pairs(keys: Mapping[str, Any], *, lower: bool) -> list[Pair]:
    """Return the examples as written; raise AttnError if they are not pairs of words and answer."""
    if "examples" not in keys:
        raise AttnError("train.examples is missing", path=EXAMPLES, help=_FORM)
    node = keys["examples"]
    if not isinstance(node, list | tuple):
        raise AttnError(
            f"train.examples must be a list, not {kind_of(node)}", path=EXAMPLES, help=_FORM
        )
    if not node:
        raise AttnError("train.examples is empty", path=EXAMPLES, help=_FORM)
    pairs = []
    for at, item in enumerate(node):
        path = (*EXAMPLES, at)
        if not isinstance(item, list | tuple):
            raise AttnError(
                f"{dotted(path)} must be [words, word], not {kind_of(item)}", path=path, help=_FORM
            )
        if len(item) != 2:
            raise AttnError(
                f"{dotted(path)} has {len(item)} {'part' if len(item) == 1 else 'parts'}, expected "
                "2: [words, word]",
                path=path,
                help=_FORM,
            )
        tokens = read_tokens(item[0], (*path, 0), lower=lower)
        several = isinstance(item[1], list | tuple)
        answer = read_tokens(item[1], (*path, 1)) if several else word(item[1], (*path, 1))
        pairs.append(Pair(tokens, answer))
    return pairs


_FORM = (
    "write train: {examples: [[not like, hate], [[do, like], like]]}: words, then the one that "
    "follows"
)


def rows_of_words(table: Mapping[str, Any], pairs: Sequence[Pair]) -> list[Integers]:
    """Return for each example the rows of its words in the table of embeddings.

    Raises AttnError for a word that the table does not have.
    """
    words = words_of_table(table, (EMBEDDINGS,))
    rows: dict[str, Array] = {word: np.array([at]) for at, word in enumerate(words)}
    known = WordTable((EMBEDDINGS,), rows, lambda asked: known_words(asked, rows))
    return [
        known.rows(pair.tokens, pair.path(at, 0))[:, 0].astype(np.intp)
        for at, pair in enumerate(pairs)
    ]


def grouped(
    document: Document,
    pairs: Sequence[Pair],
    rows: Sequence[Integers],
    written: Mapping[str, Written],
    chosen: Sequence[int],
    *,
    text: bool = False,
) -> list[Examples]:
    """Return the chosen examples in groups, each with a numbered problem and the origins of arrays.

    A group has one length, and one row and keys that the answer is read from, if they are named by
    words. The problem is read once for each length; for each example if there are such words.
    """
    numbers = numbered(document, written)
    by_words = _depends_on_words(document.tree)
    read: dict[int, Problem] = {}
    groups: dict[object, list[int]] = {}
    problems: dict[object, Problem] = {}
    for at in chosen:
        pair = pairs[at]
        n = len(pair.tokens)
        problem = None if by_words else read.get(n)
        if problem is None:
            problem = numbered_problem(numbers, document, pair.tokens, pair.path(at, 0)[:3])
            read[n] = problem
        row = None if problem.next_word is None else problem.next_word.row
        key = (n, row, problem.answer)
        problems.setdefault(key, problem)
        groups.setdefault(key, []).append(at)
    return [
        _group(
            document, problems[key], [(at, pairs[at], rows[at]) for at in part], written, text=text
        )
        for key, members in groups.items()
        for part in _parts(problems[key], members)
    ]


def _parts(problem: Problem, members: list[int]) -> list[list[int]]:
    """Return the members in parts whose arrays are not too large."""
    width = max(problem.n_q * problem.n_k, problem.n_q * problem.value.depth, 1)
    if problem.next_word is not None:
        width = max(width, len(problem.next_word.vocabulary))
    most = max(1, TOGETHER // width)
    return [members[first : first + most] for first in range(0, len(members), most)]


def _depends_on_words(tree: Mapping[str, Any]) -> bool:
    """Return whether a token is named by its word, so that its place differs between examples."""
    next_word, answer = tree.get("next_word", {}), tree.get("answer", {})
    if isinstance(next_word, Mapping) and isinstance(next_word.get("pool"), Mapping):
        return True
    if not isinstance(answer, Mapping):
        return False
    return "among" in answer or answer.get("query", "all") != "all"


def _group(
    document: Document,
    problem: Problem,
    members: list[tuple[int, Pair, Integers]],
    written: Mapping[str, Written],
    *,
    text: bool,
) -> Examples:
    sources = origins(problem, written, document)
    if EMBEDDINGS in sources:
        d = written[EMBEDDINGS].values.shape[1]
        places = np.stack([rows for _, _, rows in members])[..., None] * d + np.arange(d)
        sources[EMBEDDINGS] = Origin(EMBEDDINGS, places)
    own = {"memory", "key", "key_tokens"}.isdisjoint(document.tree)
    targets = [
        _target(problem, pair, pair.path(at, 1), own=own)
        if not text
        else [word_of(problem, each, pair.path(at, 1)) for each in pair.answer]
        for at, pair, _ in members
    ]
    objective = objective_of(problem, text=text)
    places = np.array(targets, dtype=np.intp)
    return Examples(problem, problem.embeddings, places, objective, sources)


def _target(problem: Problem, pair: Pair, path: Path, *, own: bool) -> int | tuple[int, ...]:
    """Return the target of an example; `own`: its keys are its own words, not the memory's."""
    keys = pair.tokens if own else problem.key_tokens
    target = target_of(problem, keys, pair.answer, path)
    if not isinstance(target, int):
        refuse_hidden(problem, pair.tokens, keys, target, path)
    return target
