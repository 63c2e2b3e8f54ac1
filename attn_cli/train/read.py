"""The `train:` key: examples, and which of the written arrays are learnt.

    train:
      examples: [[not like, hate], ...]    words, and the word that follows
      parameters: [weights.query, ...]     key paths; default: all that are written but embeddings
      steps: 300
      learning_rate: 0.05
      seed: 0
      start: seed                          or file: from the numbers that are written
      digits: 4                            decimals of the learnt numbers; default: all they have

An example is the problem with its own words in place of `tokens`. To know which number of the file
stands where in it, the file is read with numbers that say where they stand: 1, 2, 3, ...
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from attn_cli.arrays import Array
from attn_cli.dataclass import replace
from attn_cli.errors import AttnError, Path, did_you_mean, dotted, printable
from attn_cli.maths.problem import Problem
from attn_cli.reading.keys import TRAIN_KEYS
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.casting import cast
from attn_cli.sources.matrices.document import Document
from attn_cli.sources.matrices.lookup import WordTable, read_word_table
from attn_cli.sources.matrices.matrix import is_table_file, natural
from attn_cli.sources.text.mappings import mapping
from attn_cli.sources.text.scalars import (
    choice,
    flag,
    integer,
    is_number,
    kind_of,
    number,
    positive,
    word,
)
from attn_cli.sources.text.tokens import known_words, read_tokens
from attn_cli.sources.text.words import nfc
from attn_cli.train.initial import constant, drawn, score_parameter
from attn_cli.train.learning import Example, Learnt, Origin, Training
from attn_cli.train.learnt import arrays_of
from attn_cli.train.unlearnable import (
    refuse_functions_without_gradient,
    refuse_keys_without_gradient,
)

STEPS = 300
LEARNING_RATE = 0.05
EXAMPLES: Path = ("train", "examples")
MEMORY = "memory.embeddings"
FLOAT = np.dtype(np.float64)


class Written(NamedTuple):
    """A learnable parameter as it stands in the file; a table of words as one matrix."""

    values: Array
    words: tuple[str, ...] | None = None


class Pair(NamedTuple):
    """An example as it is written."""

    tokens: tuple[str, ...]
    follows: str


def read_training(document: Document) -> Training:
    """Return the validated training; raise AttnError, with its place, for the first fault.

    The computation is in float64, whatever `dtype` the problem has.
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
    keys = mapping(tree.get("train", {}), ("train",), TRAIN_KEYS)
    pairs = _pairs(keys, lower="lower" in tree and flag(tree["lower"], ("lower",)))
    base = _base(document, pairs)
    written = _written(document, base)
    numbered = _numbered(document, written)
    problems = [_problem_of(numbered, document, at, pair) for at, pair in enumerate(pairs)]
    targets = [_target(base, at, pair) for at, pair in enumerate(pairs)]
    made = zip(problems, targets, strict=True)
    examples = tuple(Example(p, target, _sources(p, written, document)) for p, target in made)
    names = _names(keys, examples[0], written)
    from_file = choice(keys.get("start", "seed"), ("train", "start"), ("seed", "file")) == "file"
    seed = integer(keys.get("seed", 0), ("train", "seed"), 0)
    rng = None if from_file else np.random.default_rng(seed)
    kept = [
        replace(e, sources={n: s for n, s in e.sources.items() if s.parameter in names})
        for e in (replace(e, problem=e.gather(_values(written))) for e in examples)
    ]
    return Training(
        examples=tuple(kept),
        parameters={name: _parameter(name, written[name], examples[0], rng) for name in names},
        steps=integer(keys.get("steps", STEPS), ("train", "steps"), 1),
        learning_rate=positive(
            keys.get("learning_rate", LEARNING_RATE), ("train", "learning_rate")
        ),
        digits=_digits(keys),
    )


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


def _pairs(keys: Mapping[str, Any], *, lower: bool) -> list[Pair]:
    """Return the examples as written."""
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
        pairs.append(Pair(tokens, word(item[1], (*path, 1))))
    return pairs


_FORM = (
    "write train: {examples: [[not like, hate], [[do, like], like]]}: words, then the one that "
    "follows"
)


def _base(document: Document, pairs: list[Pair]) -> Problem:
    """Return the problem of the file itself; raise AttnError where it cannot be learnt from."""
    tree = document.tree
    table = tree.get("embeddings")
    if not isinstance(table, dict) or isinstance(table.get("file"), str):
        raise AttnError(
            "train needs embeddings that are a table of words: every example has words of its own",
            path=("embeddings",) if "embeddings" in tree else (),
            help="write embeddings: {not: [1, 0], like: [0, 1], ...}",
        )
    vectors: dict[str, Array] = {nfc(word): np.zeros(1) for word in table}
    known = WordTable(("embeddings",), vectors, lambda asked: known_words(asked, vectors))
    for at, pair in enumerate(pairs):
        known.rows(pair.tokens, (*EXAMPLES, at, 0))
    if "tokens" not in tree:  # they are the examples'
        document = replace(document, tree={**tree, "tokens": list(pairs[0].tokens)})
    refuse_keys_without_gradient(tree)
    base = read_problem(document)
    if base.next_word is None:
        raise AttnError(
            "train needs next_word: its logits are what is learnt",
            help="add next_word: {vocabulary: [...], weights: [[...], ...]}",
        )
    refuse_functions_without_gradient(base)
    return base


def _node(tree: Any, name: str) -> Any:
    """Return what is written at the key path of a parameter, None where nothing is."""
    for key in name.split("."):
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def _written(document: Document, base: Problem) -> dict[str, Written]:
    """Return all learnable parameters of the file, as they stand there."""
    found = {}
    arrays = arrays_of(base)
    if MEMORY in arrays and "embeddings" not in document.tree["memory"]:
        arrays = {"embeddings": arrays[MEMORY], **arrays}  # they are looked up in the same table
    for name, array in arrays.items():
        node, path = _node(document.tree, name), tuple(name.split("."))
        if node is None or name == MEMORY:
            continue
        if name == "embeddings":
            table = read_word_table(document, node, path, (), FLOAT, finite=False)
            assert table is not None  # it was checked
            found[name] = Written(np.stack(list(table.vectors.values())), tuple(table.vectors))
        elif is_number(node):
            found[name] = Written(np.asarray(number(node, path)))
        else:
            values = cast(natural(document, node, path), path, FLOAT, finite=False)
            is_line = array.ndim == 1 and values.ndim == 2 and is_table_file(node)
            found[name] = Written(values.ravel() if is_line else values)
    return found


def _numbered(document: Document, written: Mapping[str, Written]) -> Document:
    """Return the document with the numbers 1, 2, 3, ... in place of those of each parameter.

    It has no text: what is found in it is placed by the document itself.
    """
    tree = {key: node for key, node in document.tree.items() if key != "train"}
    tree["dtype"] = "float64"
    numbered = Document(tree, folder=document.folder, inputs=document.inputs)
    for name, (values, words) in written.items():
        numbers = np.arange(1.0, values.size + 1).reshape(values.shape)
        node: Any = numbers if numbers.ndim else 1.0
        if words is not None:
            node = dict(zip(words, numbers, strict=True))
        _put(tree, name.split("."), node)
    return numbered


def _put(tree: dict[str, Any], path: list[str], node: Any) -> None:
    """Put a node at a path, and leave the mappings on the way as they were."""
    for key in path[:-1]:
        tree[key] = dict(tree[key])
        tree = tree[key]
    tree[path[-1]] = node


def _problem_of(numbered: Document, document: Document, at: int, pair: Pair) -> Problem:
    """Return the problem of one example; raise AttnError that names the example."""
    path = (*EXAMPLES, at)
    try:
        return read_problem(replace(numbered, tree={**numbered.tree, "tokens": [*pair.tokens]}))
    except AttnError as error:
        whole = replace(document, tree={**document.tree, "tokens": [*pair.tokens]})
        raise _of_example(whole, path, error) from None


def _of_example(document: Document, path: Path, error: AttnError) -> AttnError:
    """Return the error of an example, said of what is written instead of the numbers."""
    try:
        read_problem(document)
    except AttnError as original:
        error = original
    return AttnError(f"{dotted(path)}: {error.message}", path=path, help=error.help)


def _target(base: Problem, at: int, pair: Pair) -> int:
    """Return the place of the word that follows in the vocabulary."""
    assert base.next_word is not None  # it was checked
    vocabulary = [nfc(each) for each in base.next_word.vocabulary]
    if nfc(pair.follows) not in vocabulary:
        raise AttnError(
            f"{dotted((*EXAMPLES, at, 1))}: '{printable(pair.follows)}' is not in the vocabulary",
            path=(*EXAMPLES, at, 1),
            help=did_you_mean(pair.follows, vocabulary, what="next_word.vocabulary has"),
        )
    return vocabulary.index(nfc(pair.follows))


def _sources(
    problem: Problem, written: Mapping[str, Written], document: Document
) -> dict[str, Origin]:
    """Return where each array of a problem with numbered parameters comes from."""
    found = {}
    for name, array in arrays_of(problem).items():
        parameter = name
        if name == MEMORY:
            given = "embeddings" in document.tree["memory"]
            parameter = "" if given else "embeddings"
        if parameter in written:
            found[name] = Origin(parameter, np.asarray(array, dtype=np.intp) - 1)
    return found


def _values(written: Mapping[str, Written]) -> dict[str, Array]:
    return {name: values for name, (values, _) in written.items()}


def _names(
    keys: Mapping[str, Any], example: Example, written: Mapping[str, Written]
) -> tuple[str, ...]:
    """Return the names of what is learnt: those asked for, else all but embeddings."""
    with np.errstate(all="ignore"):
        ones = {name: np.ones_like(values) for name, (values, _) in written.items()}
        reached = example.gradients(ones)[2]
    able = [name for name in written if name in reached]
    if "parameters" not in keys:
        names = [name for name in able if name != "embeddings"]
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
                f"'{printable(name)}' stands twice in train.parameters",
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
                f"'{printable(name)}' is no parameter of this file that can be learnt",
                path=path,
                help=did_you_mean(name, able, what="those that can"),
            )
    return tuple(names)


def _parameter(
    name: str, written: Written, example: Example, rng: np.random.Generator | None
) -> Learnt:
    """Return a parameter at its start: as written where nothing is drawn.

    A matrix is drawn as (d_in x d_out), a head after the other, whichever way round it is written.
    """
    problem, words = example.problem, written.words
    labels = None
    if words is not None:
        labels = (words, tuple(map(str, range(written.values.shape[1]))))
    above_0 = False
    if name.startswith("score."):
        above_0 = score_parameter(problem, name).kind == "positive"
    if rng is None:
        return Learnt(written.values, labels, above_0)
    number = constant(problem, name)
    if number is not None:
        return Learnt(np.full_like(written.values, number), labels, above_0)
    if name == "embeddings":
        return Learnt(drawn(rng, name, written.values.shape), labels)
    if name == "positions.learned":  # the examples need not reach its last rows
        columns = problem.layout == "columns"
        shape = written.values.shape[::-1] if columns else written.values.shape
        values = drawn(rng, name, shape)
        return Learnt(values.T.copy() if columns else values)
    places = example.sources[name].places
    start = np.zeros_like(written.values)
    start.reshape(-1)[places] = drawn(rng, name, places.shape)
    return Learnt(start, labels, above_0)
