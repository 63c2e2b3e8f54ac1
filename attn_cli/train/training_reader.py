"""The `train:` key: examples, and which of the written arrays are learnt.

    train:
      examples: [[not like, hate], ...]    words, and the answer: the word that follows, or the key
                                           to attend to; for `query: all` one key per query
      text: paragraph.txt                  instead: each word of a text, and the one that follows
      parameters: [weights.query, ...]     key paths; default: all that are written but embeddings
      steps: 300
      learning_rate: 0.05
      seed: 0
      start: seed                          or file: from the numbers that are written
      digits: 4                            decimals of the learnt numbers; default: all they have

An example is the problem with its own words in place of `tokens`. `numbered` maps the numbers of
the file to those of an example.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from attn_cli.dataclass import replace
from attn_cli.errors import AttnError, Path, did_you_mean, printable
from attn_cli.maths.answer import ReadAttended, ReadKept, ReadWord
from attn_cli.maths.problem import Problem
from attn_cli.reading.keys import KEYS
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import Document
from attn_cli.sources.text.mappings import mapping
from attn_cli.sources.text.scalars import (
    choice,
    flag,
    integer,
    positive,
)
from attn_cli.sources.text.tokens import read_tokens
from attn_cli.train.examples_reader import Pair, grouped, read_pairs, rows_of_words
from attn_cli.train.initial import at_start
from attn_cli.train.learning import Examples, Training
from attn_cli.train.learnt import EMBEDDINGS
from attn_cli.train.numbered import (
    Written,
    written_parameters,
)
from attn_cli.train.shapes import names_by_shape, with_arrays_by_shape
from attn_cli.train.targets import refuse_unused_classes
from attn_cli.train.text_reader import check_text, read_text
from attn_cli.train.unlearnable import (
    refuse_functions_without_gradient,
    refuse_keys_without_gradient,
)

STEPS = 300
LEARNING_RATE = 0.05
EXAMPLES: Path = ("train", "examples")


def read_training(document: Document) -> Training:
    """Return the validated training; raise AttnError, with its place, for the first fault.

    The computation is in float64, even if the problem sets another `dtype`.
    """
    try:
        return _training(document)
    except AttnError as error:
        raise document.located(error) from None


def _training(document: Document) -> Training:
    if document.name is not None and document.text is None:
        raise AttnError(
            f"{document.name} is an NPZ archive, and training rewrites the text of a problem file",
            help="write the problem as YAML or JSON; its matrices may stay in the archive",
        )
    if document.written is not None and document.written != document.text:
        raise AttnError(
            f"{document.name} has a matrix as NumPy prints it, and training rewrites the text",
            help="put commas between its numbers",
        )
    # Examples have words of their own.
    tree = {key: node for key, node in document.tree.items() if key != "sequences"}
    document = replace(document, tree=tree)
    keys = mapping(tree.get("train", {}), ("train",), KEYS["train"].inner)
    _refuse_other_embeddings(tree)
    lower, text = "lower" in tree and flag(tree["lower"], ("lower",)), "text" in keys
    pairs = read_text(document, lower=lower) if text else read_pairs(keys, lower=lower)
    rows = rows_of_words(tree["embeddings"], pairs)
    document = with_arrays_by_shape(document, pairs[0].tokens)
    seed = integer(keys.get("seed", 0), ("train", "seed"), 0)
    kept, held = _held_out(keys, len(pairs), seed)
    base = _base(document, pairs)
    written = written_parameters(document, base)
    examples, held_out = (
        grouped(document, pairs, rows, written, chosen, text=text) for chosen in (kept, held)
    )
    if text:
        for group in (*examples, *held_out):
            check_text(group.problem)
    elif base.next_word is not None and "answer" in tree and isinstance(base.answer, ReadWord):
        refuse_unused_classes(base.next_word, [pair.answer for pair in pairs])
    names = _names(keys, examples[0], written, names_by_shape(tree))
    from_file = choice(keys.get("start", "seed"), ("train", "start"), ("seed", "file")) == "file"
    rng = None if from_file else np.random.default_rng(seed)
    return Training(
        examples=tuple(_learning(group, written, names) for group in examples),
        held_out=tuple(_learning(group, written, names) for group in held_out),
        parameters={name: at_start(name, written[name], examples[0], rng) for name in names},
        steps=integer(keys.get("steps", STEPS), ("train", "steps"), 1),
        learning_rate=positive(
            keys.get("learning_rate", LEARNING_RATE), ("train", "learning_rate")
        ),
        digits=_digits(keys),
    )


def _held_out(keys: Mapping[str, Any], count: int, seed: int) -> tuple[list[int], list[int]]:
    """Return the numbers of the examples to learn from, and of those that are held out.

    The last ones after a shuffle are held out; it has a generator of its own, of the same seed.
    """
    if "held_out" not in keys:
        return list(range(count)), []
    path = ("train", "held_out")
    share = positive(keys["held_out"], path)
    held = round(share * count) if share < 1 else count
    if not 0 < held < count:
        raise AttnError(
            f"train.held_out is {share:g}: of {count} examples that holds {min(held, count)} out",
            path=path,
            help="write a share below 1 that leaves examples on both sides, such as 0.2",
        )
    order = np.random.default_rng(seed).permutation(count).tolist()
    return sorted(order[: count - held]), sorted(order[count - held :])


def _digits(keys: Mapping[str, Any]) -> int | None:
    if "digits" not in keys:
        return None
    digits = integer(keys["digits"], ("train", "digits"), 0)
    if digits > 17:
        raise AttnError(
            f"train.digits must be at most 17, not {digits}",
            path=("train", "digits"),
            help="leave it out for all digits that the numbers have",
        )
    return digits


def _refuse_other_embeddings(tree: Mapping[str, Any]) -> None:
    table = tree.get("embeddings")
    if not isinstance(table, dict) or isinstance(table.get("file"), str):
        raise AttnError(
            "train needs embeddings that are a table of words: every example has words of its own",
            path=("embeddings",) if "embeddings" in tree else (),
            help="write embeddings: {not: [1, 0], like: [0, 1], ...}",
        )
    if list(table) == ["shape"]:
        raise AttnError(
            "embeddings have a shape, and no words to which their rows belong",
            path=("embeddings",),
            help="write embeddings: {words: [not, like], vectors: {shape: [2, 32]}}",
        )


def _base(document: Document, pairs: list[Pair]) -> Problem:
    """Return the problem of the file itself; raise AttnError if it cannot be learnt from."""
    tree = document.tree
    if "tokens" not in tree:  # they are the examples'
        document = replace(document, tree={**tree, "tokens": list(pairs[0].tokens)})
    refuse_keys_without_gradient(tree)
    base = read_problem(document)
    _check_answer(base)
    if base.next_word is None and not isinstance(base.answer, ReadAttended):
        raise AttnError(
            "train needs next_word, whose logits are learnt, or an answer that is read: attended",
            help="add next_word: {vocabulary: [...], weights: [[...], ...]}, or "
            "answer: {read: attended, query: TOKEN}",
        )
    refuse_functions_without_gradient(base)
    return base


def _check_answer(base: Problem) -> None:
    if isinstance(base.answer, ReadKept):
        raise AttnError(
            "kept tokens cannot be learnt: which tokens are kept changes in jumps",
            path=("answer", "read"),
            help="learn with answer: {read: attended, ...} or {read: word}",
        )


def _learning(group: Examples, written: Mapping[str, Written], names: Sequence[str]) -> Examples:
    """Return examples with the numbers of the file, of which those named are learnt."""
    stack = group.gather({name: values for name, (values, _) in written.items()})
    sources = {n: s for n, s in group.sources.items() if s.parameter in names}
    return replace(group, problem=stack.problem, X=stack.X, sources=sources)


def _names(
    keys: Mapping[str, Any],
    group: Examples,
    written: Mapping[str, Written],
    by_shape: Sequence[str],
) -> tuple[str, ...]:
    """Return the names of the learnt parameters: those given, else all.

    Embeddings are among all if they are given by shape. Raises AttnError if an array is given by
    shape and not learnt.
    """
    names = _given_names(keys, group, written, with_embeddings=EMBEDDINGS in by_shape)
    for name in by_shape:
        if name not in names:
            raise AttnError(
                f"{name} has a shape and no numbers, and is not learnt",
                path=tuple(name.split(".")),
                help="write its numbers, or learn it; those that are learnt: " + ", ".join(names),
            )
    return names


def _given_names(
    keys: Mapping[str, Any],
    group: Examples,
    written: Mapping[str, Written],
    *,
    with_embeddings: bool,
) -> tuple[str, ...]:
    with np.errstate(all="ignore"):
        ones = {name: np.ones_like(values) for name, (values, _) in written.items()}
        reached = group.gradients(ones)[2]
    able = [name for name in written if name in reached]
    if "parameters" not in keys:
        names = [name for name in able if with_embeddings or name != EMBEDDINGS]
        if not names:
            raise AttnError(
                "the file has nothing to learn",
                path=("train",),
                help=f"write train.parameters: [{', '.join(able)}]",
            )
        return tuple(names)
    names = list(read_tokens(keys["parameters"], ("train", "parameters")))
    for at, name in enumerate(names):
        path = ("train", "parameters", at)
        if name in names[:at]:
            raise AttnError(
                f"'{printable(name)}' appears twice in train.parameters",
                path=path,
                help="keep one of the two",
            )
        if name in written and name not in reached:
            raise AttnError(
                f"{name} cannot be learnt: the logits do not depend on it",
                path=path,
                help=f"those that can: {', '.join(able)}",
            )
        if name not in written:
            raise AttnError(
                f"'{printable(name)}' is not a parameter of this file that can be learnt",
                path=path,
                help=did_you_mean(name, able, what="those that can"),
            )
    return tuple(names)
