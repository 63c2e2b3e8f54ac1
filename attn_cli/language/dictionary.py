"""A dictionary -> a Translation: pairs of words, their vectors, the words to translate.

A dictionary is a YAML mapping with `pairs`, or a CSV or TSV file of two columns.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from attn_cli import samples
from attn_cli.arrays import Array
from attn_cli.dataclass import replace
from attn_cli.errors import AttnError, Path, Where, argument, dotted, either, printable
from attn_cli.language.methods import METHODS, refuse_other_names
from attn_cli.language.translation import Translation
from attn_cli.maths.pipeline import pipeline
from attn_cli.maths.problem import Problem
from attn_cli.maths.rows import last_of_rows
from attn_cli.memory import half_of_the_machine, in_units
from attn_cli.reading.keys import KEYS
from attn_cli.reading.schema import read_document, read_problem
from attn_cli.sources.matrices.document import Document
from attn_cli.sources.matrices.files import Inputs
from attn_cli.sources.matrices.lookup import WordTable, read_word_table
from attn_cli.sources.matrices.tables import DELIMITERS, LineOfTable, lines_of_table
from attn_cli.sources.text.mappings import mapping
from attn_cli.sources.text.scalars import choice, flag, kind_of, word
from attn_cli.sources.text.tokens import known_words
from attn_cli.sources.text.words import nfc, words_of

DICTIONARY_KEYS = {
    "pairs": "source word: target word, in order",
    "embeddings": "source word -> vector, also of words that are not keys",
    "target_embeddings": "target word -> vector; one-hot without",
    "context": "self-attention over the sentence before the look-up: weights, score, heads, ...",
    "score": "a score function (default: dot)",
    "scale": "as in a problem file",
    "dtype": "float64, float32 or float16: the arithmetic",
    "lower": "true: the words that are asked for in lower case",
}
DTYPES = ("float64", "float32", "float16")


class Sentence(NamedTuple):
    """A sentence to translate: its text, its words, and its place in standard input."""

    text: str
    words: tuple[str, ...]
    place: str | None = None


class Dictionary:
    """A dictionary whose pairs have been read; `translation` reads the rest for a sentence."""

    def __init__(self, document: Document) -> None:
        self.document = document
        try:
            _refuse_no_pairs(document.tree)
            self.tree = mapping(document.tree, (), DICTIONARY_KEYS)
            self.sources, self.targets = _pairs(self.tree)
            name = choice(self.tree.get("dtype", "float64"), ("dtype",), DTYPES)
            self.dtype: np.dtype[Any] = np.dtype(name)
            self.lower = "lower" in self.tree and flag(self.tree["lower"], ("lower",))
        except AttnError as error:
            raise document.located(error) from None

    def words(self, texts: Iterable[str]) -> tuple[str, ...]:
        """Return the words of texts; a text that is itself in the dictionary is not split."""
        table = self.tree.get("embeddings")
        known = {*self.sources, *(map(nfc, table) if isinstance(table, dict) else ())}
        found: list[str] = []
        for text in texts:
            whole = nfc(text.lower() if self.lower else text)
            found += [whole] if whole in known else words_of(text, lower=self.lower)
        return tuple(found)

    def translations(
        self,
        sentences: list[Sentence],
        method: str | None,
        *,
        context: bool,
        unknown: str,
    ) -> list[Translation]:
        """Return a validated translation of each sentence.

        Raises AttnError for an unknown word (unless it may be skipped or kept), and for faults in
        vectors and parameters.
        """
        chosen = method or ("softmax" if "embeddings" in self.tree else "one-hot")
        requested = frozenset(nfc(each) for sentence in sentences for each in sentence.words)
        document = replace(self.document, words=requested | frozenset(self.sources))
        try:
            refuse_other_names(method, unknown)
            space = _Space(self, document, chosen)
            return [
                space.translation(sentence, context=context, unknown=unknown)
                for sentence in sentences
            ]
        except AttnError as error:
            raise self.document.located(error) from None


def read_dictionary(file: str | None, inputs: Inputs) -> Dictionary:
    """Return the dictionary of a YAML, CSV or TSV file; raise AttnError if it is not one.

    None means the bundled one.
    """
    if file is None:
        document = read_document(samples.dictionary(), inputs)
        document.name = "the bundled dictionary"
        return Dictionary(document)
    suffix = os.path.splitext(file)[1].lower()
    if suffix not in DELIMITERS:
        return Dictionary(read_document(file, inputs))
    pairs: dict[str, str] = {}
    with inputs.open(file, "the dictionary") as stream:
        for place, cells in lines_of_table(stream, printable(file), DELIMITERS[suffix], ()):
            source, target = _pair(place, cells)
            if source in pairs:
                raise AttnError(
                    f"'{printable(source)}' appears twice",
                    where=place.where(0),
                    help="a dictionary has one translation of a word: keep one of the two",
                )
            pairs[source] = target
    folder = os.path.dirname(file)
    return Dictionary(Document({"pairs": pairs}, file, folder=folder, inputs=inputs))


def _pair(place: LineOfTable, cells: list[str]) -> tuple[str, str]:
    """Return the two words of a line."""
    if len(cells) != 2:
        raise AttnError(
            f"a line of a dictionary has two words, this one has {len(cells)} "
            f"{'field' if len(cells) == 1 else 'fields'}",
            where=place.where(0),
            help="write the source word, the delimiter, the target word",
        )
    for at, cell in enumerate(cells):
        if not cell.strip():
            raise AttnError(
                "there is no word", where=place.where(at), help="write a word on either side"
            )
    return nfc(cells[0].strip()), nfc(cells[1].strip())


def _refuse_no_pairs(tree: Any) -> None:
    if "pairs" not in tree:
        raise AttnError(
            "this is not a dictionary: it has no pairs",
            help="write pairs: {chat: cat, table: table}",
        )


def _pairs(tree: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    node = tree["pairs"]
    if not isinstance(node, dict) or not node:
        kind = "is empty" if isinstance(node, dict) else f"must be a mapping, not {kind_of(node)}"
        raise AttnError(f"pairs {kind}", path=("pairs",), help="write pairs: {chat: cat}")
    targets = tuple(nfc(word(node[key], ("pairs", str(key)))) for key in node)
    sources = tuple(nfc(str(key)) for key in node)
    seen: set[str] = set()
    for source, key in zip(sources, node, strict=True):
        if source in seen:
            raise AttnError(
                f"'{printable(source)}' appears twice, in two Unicode forms",
                path=("pairs", str(key)),
                at_key=True,
                help="keep one of the two",
            )
        seen.add(source)
    return sources, targets


def _keys_of_context() -> list[str]:
    return [name for name, key in KEYS.items() if key.in_context]


class _Space:
    """The vectors in which a dictionary is searched: K and V, and the table that gives Q."""

    def __init__(self, dictionary: Dictionary, document: Document, method: str) -> None:
        self.dictionary, self.document, self.method = dictionary, document, method
        self.sources, self.targets = dictionary.sources, dictionary.targets
        self.warnings: tuple[str, ...] = ()
        self.table: WordTable | None = None
        if method == "one-hot":
            self._refuse_what_cannot_fit(len(self.sources))
            self.K: Array = np.eye(len(self.sources), dtype=dictionary.dtype)
        else:
            self.table = self._embeddings()
            self.K = np.stack([self.table[source] for source in self.sources])
        self.V, self.distinct = self._values()

    def _refuse_what_cannot_fit(self, size: int) -> None:
        needed = size**2 * self.dictionary.dtype.itemsize
        if needed > half_of_the_machine():
            raise AttnError(
                f"one-hot vectors of {size} words would take {in_units(needed)}",
                path=("pairs",),
                help="give embeddings, or a smaller dictionary",
            )

    def _embeddings(self) -> WordTable:
        """Return the vectors of the source words; with a file, pairs without one are left out."""
        path: Path = ("embeddings",)
        node = self.dictionary.tree.get("embeddings")
        if node is None:
            raise AttnError(
                f"the method {self.method} needs embeddings, and the dictionary has none",
                help="add embeddings: {word: [...]}, or use "
                + either("--embeddings FILE or ", "")
                + argument("method", "one-hot"),
            )
        table = self._table(node, path)
        lost = [source for source in self.sources if source not in table]
        written_out = isinstance(node, dict) and "file" not in node
        if lost and (written_out or len(lost) == len(self.sources)):
            raise AttnError(
                f"'{printable(lost[0])}' has no vector in {dotted(path)}",
                path=("pairs", lost[0]),
                at_key=True,
                help=table.advice(lost[0]),
            )
        if lost:
            pairs = zip(self.sources, self.targets, strict=True)
            kept = [(source, target) for source, target in pairs if source in table]
            self.sources, self.targets = (tuple(side) for side in zip(*kept, strict=True))
            self.warnings += (
                f"{len(lost)} of {len(kept) + len(lost)} pairs are left out, whose source words "
                f"have no vector: {', '.join(lost[:3])}{', ...' if len(lost) > 3 else ''}",
            )
        return table

    def _table(self, node: Any, path: Path) -> WordTable:
        table = read_word_table(self.document, node, path, (), self.dictionary.dtype, finite=True)
        if table is None:
            raise AttnError(
                f"{dotted(path)} of a dictionary must be a table word -> vector, or a file of "
                "word vectors",
                path=path,
                help="write {word: [...]}, a .vec or .txt file, or {file: v.npy, words: w.txt}",
            )
        self.warnings += table.warnings
        return table

    def _values(self) -> tuple[Array, tuple[str, ...]]:
        """Return V, and the names of its dimensions if it is one-hot."""
        path: Path = ("target_embeddings",)
        if "target_embeddings" not in self.dictionary.tree:
            distinct = tuple(dict.fromkeys(self.targets))
            self._refuse_what_cannot_fit(len(distinct))
            at = {target: number for number, target in enumerate(distinct)}
            eye = np.eye(len(distinct), dtype=self.dictionary.dtype)
            return eye[[at[target] for target in self.targets]], distinct
        self.document = replace(self.document, words=self.document.words | frozenset(self.targets))
        table = self._table(self.dictionary.tree["target_embeddings"], path)
        for source, target in zip(self.sources, self.targets, strict=True):
            if target not in table:
                raise AttnError(
                    f"'{printable(target)}' has no vector in {dotted(path)}",
                    path=("pairs", source),
                    help=table.advice(target),
                )
        return np.stack([table[target] for target in self.targets]), ()

    def translation(self, sentence: Sentence, *, context: bool, unknown: str) -> Translation:
        """Return the validated translation of one sentence."""
        words = sentence.words
        known = tuple(self._knows(name) for name in words)
        warnings = list(self.warnings)
        for name, here in zip(words, known, strict=True):
            if not here and unknown == "error":
                raise self._unknown(name, sentence.place)
            if not here:
                verb = "left out" if unknown == "skip" else "kept as it is"
                warnings.append(f"'{name}' is unknown, and {verb}")
        looked_up = tuple(w for w, here in zip(words, known, strict=True) if here)
        kept = words if unknown == "keep" else looked_up
        problem = self._problem(looked_up) if looked_up else None
        return Translation(
            sentence=sentence.text,
            words=kept,
            known=known if unknown == "keep" else (True,) * len(kept),
            problem=problem,
            context=self._context(looked_up) if context and looked_up else None,
            sources=self.sources,
            targets=self.targets,
            method=self.method,
            q_labels=self.sources if self.table is None else (),
            v_labels=self.distinct,
            warnings=tuple(warnings),
        )

    def _knows(self, word: str) -> bool:
        return word in (self.sources if self.table is None else self.table)

    def _unknown(self, word: str, place: str | None) -> AttnError:
        if self.table is None:
            known: Any = self.sources
            advice = known_words(word, known)
            where = "the dictionary"
        else:
            advice, where = self.table.advice(word), "the dictionary's embeddings"
        return AttnError(
            f"'{printable(word)}' is not in {where}",
            where=Where(place),
            help=f"{advice}\nor let it pass: {argument('unknown', 'skip')}, "
            f"{argument('unknown', 'keep')}",
        )

    def _problem(self, words: tuple[str, ...]) -> Problem:
        """Return the look-up as a problem: Q, K and V given."""
        rows = [self.sources.index(word) for word in words] if self.table is None else []
        Q = self.K[rows] if self.table is None else np.stack([self.table[w] for w in words])
        own = {key: self.dictionary.tree[key] for key in ("scale",) if key in self.dictionary.tree}
        tree = {
            "query": Q,
            "key": self.K,
            "value": self.V,
            "tokens": words,
            "memory": {"tokens": self.sources},
            "score": self.dictionary.tree.get("score", "dot"),
            "normalize": METHODS[self.method],
            "dtype": self.dictionary.dtype.name,
            **own,
        }
        return read_problem(replace(self.document, tree=tree))

    def _context(self, words: tuple[str, ...]) -> Problem:
        """Return self-attention over the words, as the dictionary's `context` describes it."""
        path: Path = ("context",)
        if "context" not in self.dictionary.tree or self.table is None:
            what = "context" if "context" not in self.dictionary.tree else "embeddings to attend by"
            raise AttnError(
                f"{argument('context')} needs a dictionary with {what}",
                help="add context: {weights: {query: [[...]], key: [[...]]}} and embeddings",
            )
        own = mapping(self.dictionary.tree["context"], path, _keys_of_context())
        tree = {
            "embeddings": np.stack([self.table[w] for w in words]),
            "tokens": words,
            "dtype": self.dictionary.dtype.name,
            **own,
        }
        moved: dict[Path, Path] = {(key,): (*path, key) for key in own}
        problem = read_problem(replace(self.document, tree=tree, moved=moved))
        depth = pipeline(problem)[last_of_rows(problem)].depth
        if depth != self.K.shape[1]:
            raise AttnError(
                f"the context gives vectors of length {depth}, but embeddings have "
                f"{self.K.shape[1]}",
                path=path,
                help="its output takes the place of the words' vectors: keep their length",
            )
        return problem
