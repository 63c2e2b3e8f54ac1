"""What an example should answer, as the place of a word or of keys."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from attn_cli.errors import AttnError, Path, did_you_mean, dotted, printable
from attn_cli.maths.answer import ReadAttended
from attn_cli.maths.next_word import NextWord
from attn_cli.maths.place import Place
from attn_cli.maths.problem import Problem
from attn_cli.maths.visible.base import REASONS, codes
from attn_cli.record import Labels
from attn_cli.sources.text.tokens import find_token
from attn_cli.sources.text.words import nfc


def target_of(
    problem: Problem, keys: Labels, answer: str | tuple[str, ...], path: Path
) -> int | tuple[int, ...]:
    """Return the target of an example whose answer is at a path: a word, or a key per query.

    `keys` are the words of its keys. Raises AttnError if the answer is not among them, or is not
    in the vocabulary.
    """
    rule = problem.answer
    if isinstance(rule, ReadAttended) and rule.query is None:
        return _keys(problem, keys, rule, answer, path)
    if not isinstance(answer, str):
        raise AttnError(
            f"{dotted(path)} must be one word, not a list of {len(answer)}",
            path=path,
            help="an example is [words, answer]; several answers are for answer: {query: all}",
        )
    if isinstance(rule, ReadAttended):
        return (_key(keys, rule, answer, path),)
    return word_of(problem, answer, path)


def word_of(problem: Problem, answer: str, path: Path) -> int:
    """Return the place of the word that follows in the vocabulary."""
    assert problem.next_word is not None  # it was checked
    vocabulary = [nfc(each) for each in problem.next_word.vocabulary]
    if nfc(answer) not in vocabulary:
        raise AttnError(
            f"{dotted(path)}: '{printable(answer)}' is not in the vocabulary",
            path=path,
            help=did_you_mean(answer, vocabulary, what="next_word.vocabulary has"),
        )
    return vocabulary.index(nfc(answer))


def refuse_unused_classes(head: NextWord, answers: Collection[object]) -> None:
    """Raise AttnError for a class that is the answer of no example.

    That is for answer: {read: word}, where the vocabulary has the classes.
    """
    given = {nfc(each) for each in answers if isinstance(each, str)}
    for at, word in enumerate(head.vocabulary):
        if nfc(word) not in given:
            raise AttnError(
                f"no example has the answer '{printable(word)}'",
                path=("next_word", "vocabulary", at),
                help="add one to train.examples, or remove the word from next_word.vocabulary; "
                "without answer the vocabulary can have any words",
            )


def refuse_hidden(
    problem: Problem, queries: Labels, keys: Labels, target: tuple[int, ...], path: Path
) -> None:
    """Raise AttnError if a query should attend to a key that no head lets it see.

    `target` has a key for each query whose attention is learnt.
    """
    rule, schemes = problem.answer, problem.rules.schemes
    if not isinstance(rule, ReadAttended) or not schemes:
        return
    rows = rule.rows(problem.n_q)
    for at, (query, key) in enumerate(zip(rows, target, strict=True)):
        i, j = np.array([query]), np.array([key])
        places = [
            Place(0, head, i, j, problem.token_positions) for head in range(problem.heads or 1)
        ]
        why = [int(codes(schemes, place)[0, 0]) for place in places]
        if all(why):
            place = path if rule.query is not None else (*path, at)
            raise AttnError(
                f"{dotted(place)}: '{printable(queries[query])}' cannot learn to attend to "
                f"'{printable(keys[key])}', which {REASONS[why[0]]} hides",
                path=place,
                help="name a key that it sees, or let it see this one",
            )


def _keys(
    problem: Problem,
    keys: Labels,
    rule: ReadAttended,
    answer: str | tuple[str, ...],
    path: Path,
) -> tuple[int, ...]:
    answers = (answer,) if isinstance(answer, str) else answer
    what = "answer" if len(answers) == 1 else "answers"
    if len(answers) != problem.n_q:
        raise AttnError(
            f"{dotted(path)} has {len(answers)} {what}, and there are {problem.n_q} queries",
            path=path,
            help="with query: all every token needs a key that it should attend to",
        )
    return tuple(_key(keys, rule, each, (*path, at)) for at, each in enumerate(answers))


def _key(keys: Labels, rule: ReadAttended, answer: str, path: Path) -> int:
    try:
        key = find_token(keys, answer, what="key")
    except AttnError as error:
        raise AttnError(f"{dotted(path)}: {error.message}", path=path, help=error.help) from None
    if rule.among is not None and key not in rule.among:
        known = ", ".join(printable(keys[at]) for at in rule.among)
        raise AttnError(
            f"{dotted(path)}: '{printable(answer)}' is not in answer.among",
            path=path,
            help=f"answer.among has: {known}",
        )
    return key
