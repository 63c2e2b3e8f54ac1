"""Text, word by word: each is chosen by the next-word head from all words before it.

    p = softmax(logits / T), of the `top` likeliest words; T = 0: the likeliest, the first on a tie

Sampling draws one number in [0, 1) per word from numpy.random.default_rng(seed), and takes the
first word, in descending order of p, at which the sum of p exceeds it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from attn_cli.dataclass import dataclass, replace
from attn_cli.engine.run import run
from attn_cli.errors import AttnError, nearest, printable
from attn_cli.maths.next_word import NextWord
from attn_cli.maths.problem import Problem, Request
from attn_cli.maths.visible.base import look_ahead
from attn_cli.reading.schema import read_problem
from attn_cli.record import Choice, Record
from attn_cli.sources.matrices.document import Document
from attn_cli.sources.matrices.lookup import words_of_table
from attn_cli.sources.text.words import nfc


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How a word is chosen: `temperature` 0 takes the likeliest; `top` None: of all words.

    `listed`: how many of the likeliest words are recorded with each.
    """

    temperature: float = 0.0
    top: int | None = None
    seed: int = 0
    listed: int = 5


def generate(document: Document, count: int, sampling: Sampling) -> Iterator[Choice]:
    """Yield at most `count` words that follow the tokens of a document, fewer if a text ends.

    Before the first word, raises AttnError for a problem that cannot be continued: without
    next_word, or a causal order, with a word that has no vector, or too few positions.
    """
    problem = read_problem(document)
    words = list(problem.query_tokens)
    head = _head(problem)
    try:
        check_causal(problem)
        _check_vectors(document, head)
    except AttnError as error:
        raise document.located(error) from None
    if count > 1:  # so that an error comes before the first word
        other = next(each for each in head.vocabulary if each != head.end)
        read_problem(_with_words(document, [*words, *[other] * (count - 1)]))
    rng = np.random.default_rng(sampling.seed)
    for _ in range(count):
        problem = read_problem(_with_words(document, words))
        chosen = _next(problem, sampling, rng)
        yield chosen
        if chosen.answer == head.end:
            return
        words.append(chosen.answer)


def end_of(document: Document) -> str | None:
    """Return the word that ends a text, which is not a part of it; None if there is none."""
    end = document.tree["next_word"].get("end")
    return None if end is None else str(end)


def recorded(document: Document, words: list[Choice]) -> Record:
    """Return generated words as a record that has no steps."""
    tokens, end = read_problem(document).query_tokens, end_of(document)
    text = [each.answer for each in words if each.answer != end]
    return Record(
        command="next",
        steps={},
        settings={},
        query_tokens=tokens,
        key_tokens=tokens,
        answer=text,
        text=" ".join(text),
        choices=tuple(words),
        warnings=tuple(each.doubt for each in words if each.doubt),
    )


def _with_words(document: Document, words: list[str]) -> Document:
    return replace(document, tree={**document.tree, "tokens": list(words)})


def _head(problem: Problem) -> NextWord:
    if problem.next_word is None:
        raise AttnError(
            "the problem has no next_word, so no word can come next",
            help="add next_word: {vocabulary: [...], weights: [[...], ...], pool: last}",
        )
    return problem.next_word


def check_causal(problem: Problem) -> None:
    """Raise AttnError if a query sees a key after it, or keys are other tokens."""
    schemes, heads = problem.rules.schemes, problem.heads or 1
    if problem.cross or look_ahead(schemes, problem.n_q, heads, problem.token_positions):
        raise AttnError(
            "text is generated in causal order, and here a word sees those after it: the rows of "
            "the words before would change with each word that is added",
            path=("next_word",),
            at_key=True,
            help="write causal: true, and train the problem so",
        )


def _check_vectors(document: Document, head: NextWord) -> None:
    """Raise AttnError if a word that may be generated has no vector."""
    table = document.tree.get("embeddings")
    if not isinstance(table, dict) or "file" in table:
        raise AttnError(
            "generated words are looked up in a table of words, and there is none",
            path=("embeddings",) if "embeddings" in document.tree else (),
            help="write embeddings: {not: [1, 0], like: [0, 1], ...}",
        )
    known = set(words_of_table(table, ("embeddings",)))
    for at, each in enumerate(head.vocabulary):
        if each != head.end and nfc(each) not in known:
            near = nearest(each, known)
            raise AttnError(
                f"'{printable(each)}' can be generated, and has no vector in embeddings",
                path=("next_word", "vocabulary", at),
                help=f"did you mean '{printable(near)}'?" if near else "add its vector",
            )


def _next(problem: Problem, sampling: Sampling, rng: np.random.Generator) -> Choice:
    record = run(problem, Request(steps=("logits", "probabilities"), top=sampling.listed))
    (likeliest,) = record.choices
    if sampling.temperature == 0 or likeliest.doubt.startswith("the word after"):
        return likeliest
    logits = record["logits"].astype(np.float64)
    with np.errstate(over="ignore"):  # -inf: their share is 0
        logits = (logits - logits.max()) / sampling.temperature
    order = np.argsort(-logits, kind="stable")[: sampling.top]
    p = np.exp(logits[order])
    p /= p.sum()
    at = min(int(np.searchsorted(np.cumsum(p), rng.random(), side="right")), len(order) - 1)
    words = problem.next_word.vocabulary if problem.next_word is not None else ()
    ranking = tuple((words[each], float(share)) for each, share in zip(order, p, strict=True))
    return replace(
        likeliest,
        answer=words[order[at]],
        value=float(p[at]),
        runner_up=None,
        margin=None,
        ranking=ranking[: len(likeliest.ranking)],
        doubt="",
    )
