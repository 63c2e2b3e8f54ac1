"""What an example should answer, as the place of a word or of keys."""

from __future__ import annotations

from attn_cli.errors import AttnError, Path, did_you_mean, dotted, printable
from attn_cli.maths.answer import ReadAttended
from attn_cli.maths.problem import Problem
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
