"""The vectors in which a dictionary is searched: keys, targets, and the vectors of queries.

The vectors of the keys are one matrix. Those of targets are one-hot unless they are given: then the
weights of the keys of a target are summed, and no matrix is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from attn_cli.arrays import Array
from attn_cli.dataclass import replace
from attn_cli.engine.settings import settings
from attn_cli.errors import AttnError, Path, Where, argument, dotted, either, printable
from attn_cli.language.methods import METHODS
from attn_cli.maths.look_up import Groups, LookUp
from attn_cli.maths.pipeline import pipeline
from attn_cli.maths.problem import Problem, Request
from attn_cli.maths.rows import last_of_rows
from attn_cli.memory import half_of_the_machine, in_units
from attn_cli.reading.keys import KEYS
from attn_cli.reading.schema import read_problem
from attn_cli.record import Labels
from attn_cli.sources.matrices.document import Document
from attn_cli.sources.matrices.lookup import WordTable, read_word_table
from attn_cli.sources.matrices.word_index import LineIndex, RowIndex, index_of
from attn_cli.sources.text.mappings import mapping
from attn_cli.sources.text.tokens import known_words
from attn_cli.sources.text.words import nfc

# With scale 1, exp(cosine) of the nearest key is at most e^2 times that of the farthest: a target
# of many keys would win over the nearest. 20 is the usual scale of cosines before a softmax, as in
# the losses of sentence-transformers.
COSINE_SCALE = "20"
HELD = 4096  # vectors of words that are not keys


class Space:
    """K and the targets of a dictionary, and the vectors of words."""

    def __init__(
        self, document: Document, sources: Labels, targets: Labels, dtype: Any, method: str
    ) -> None:
        self.document, self.method, self.dtype = document, method, dtype
        self.sources, self.targets = sources, targets
        self.warnings: tuple[str, ...] = ()
        self.table: WordTable | None = None
        self._others: dict[str, Array] = {}  # vectors of words that are not keys
        if method == "one-hot":
            self._refuse_what_cannot_fit(len(self.sources))
            self.K: Array = np.eye(len(self.sources), dtype=dtype)
        else:
            self.K = self._of_table(self._embeddings())
        self.at = {source: number for number, source in enumerate(self.sources)}
        self.distinct = tuple(dict.fromkeys(self.targets))
        number = {target: at for at, target in enumerate(self.distinct)}
        self.groups = Groups(np.array([number[target] for target in self.targets], dtype=np.intp))
        self.target_vectors = self._target_vectors()

    @property
    def q_labels(self) -> Labels:
        """The names of the dimensions of Q and K if they are one-hot."""
        return self.sources if self.table is None else ()

    @property
    def v_labels(self) -> Labels:
        """The names of the dimensions of V if it is one-hot."""
        return self.distinct if self.target_vectors is None else ()

    @property
    def by_angle(self) -> bool:
        """Whether vectors are compared by cosine without being asked to: those of a file."""
        return "score" not in self.document.tree and _of_a_file(self.document.tree)

    @cached_property
    def values(self) -> Array:
        """The vectors of the targets, one row per pair."""
        if self.target_vectors is not None:
            return self.target_vectors
        self._refuse_what_cannot_fit(len(self.distinct))
        rows: Array = np.eye(len(self.distinct), dtype=self.dtype)[self.groups.numbers]
        return rows

    @cached_property
    def look_up(self) -> LookUp | None:
        """The keys, ready for queries; None if the score is not a product."""
        return LookUp.of(self.template)

    def knows(self, word: str) -> bool:
        """Return whether a word has a vector, or is a key if vectors are one-hot."""
        return word in self.at or word in self._others

    def vectors(self, words: Iterable[str]) -> Array:
        """Return the vectors of words that are known."""
        return np.stack([self.K[self.at[w]] if w in self.at else self._others[w] for w in words])

    def fetch(self, words: Iterable[str]) -> None:
        """Read the vectors of words that are not known yet, if there is a file of vectors."""
        missing = [word for word in dict.fromkeys(map(nfc, words)) if not self.knows(word)]
        if not missing or self.table is None or not _of_a_file(self.document.tree):
            return
        if len(self._others) > HELD:
            self._others.clear()
            self.fetch(words)
            return
        if self._index is not None:
            self._others |= self._index.vectors(missing, self.dtype)
            return
        document = replace(self.document, words=frozenset(), vectors={})
        node = document.tree["embeddings"]
        table = read_word_table(document, node, ("embeddings",), missing, self.dtype, finite=True)
        assert table is not None  # it was one before
        self._others |= table.vectors

    @cached_property
    def _index(self) -> LineIndex | RowIndex | None:
        """The places of all words in a file, made if words are asked for after the first."""
        path: Path = ("embeddings",)
        node, words = self.document.tree["embeddings"], None
        if isinstance(node, dict):
            if "words" in node:
                words = self.document.beside(str(node["words"]), (*path, "words"))
            node, path = node["file"], (*path, "file")
        file = self.document.beside(str(node), path)
        return index_of(self.document.inputs, file, words, path)

    def refuse_unknown(self, word: str, place: str | None) -> AttnError:
        """Return the error for a word that is not known."""
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

    def refuse_zero(self, words: Labels, Q: Array, place: str | None) -> None:
        """Raise AttnError for a word with a zero vector, if the score has no value for it."""
        undefined = self.template.score.undefined
        if undefined is not None and (zero := undefined(Q)).any():
            word = words[int(zero.argmax())]
            raise AttnError(
                f"'{printable(word)}' has a zero vector, which has no direction: "
                f"{self.template.score.name} has no value there",
                where=Where(place),
                help="leave the word out, or compare by the dot product: "
                + argument("score", "scaled"),
            )

    @cached_property
    def template(self) -> Problem:
        """The look-up of the first key, for what is the same in all."""
        return self.problem(self.sources[:1], self.K[:1], values=False)

    @cached_property
    def settings(self) -> Mapping[str, object]:
        """The settings of a look-up, which are the same in all."""
        return settings(self.template, Request())

    def problem(self, words: Labels, Q: Array, *, values: bool) -> Problem:
        """Return the look-up as a problem: Q and K given, and V if `values`, else a column of 0."""
        tree = self.document.tree
        own: Mapping[str, object] = {"scale": tree["scale"]} if "scale" in tree else {}
        if self.by_angle:
            own = {"scale": COSINE_SCALE, **own}
        return read_problem(
            replace(
                self.document,
                tree={
                    "query": Q,
                    "key": self.K,
                    "value": self.values if values else np.zeros((len(self.K), 1), self.dtype),
                    "tokens": words,
                    "memory": {"tokens": self.sources},
                    "score": tree.get("score", "cosine" if self.by_angle else "dot"),
                    "normalize": METHODS[self.method],
                    "dtype": self.dtype.name,
                    **own,
                },
            )
        )

    def context(self, words: Labels) -> Problem:
        """Return self-attention over the words, as the dictionary's `context` describes it."""
        path: Path = ("context",)
        tree = self.document.tree
        if "context" not in tree or self.table is None:
            what = "context" if "context" not in tree else "embeddings to attend by"
            raise AttnError(
                f"{argument('context')} needs a dictionary with {what}",
                help="add context: {weights: {query: [[...]], key: [[...]]}} and embeddings",
            )
        own = mapping(tree["context"], path, _keys_of_context())
        given = {
            "embeddings": self.vectors(words),
            "tokens": words,
            "dtype": self.dtype.name,
            **own,
        }
        moved: dict[Path, Path] = {(key,): (*path, key) for key in own}
        problem = read_problem(replace(self.document, tree=given, moved=moved))
        depth = pipeline(problem)[last_of_rows(problem)].depth
        if depth != self.K.shape[1]:
            raise AttnError(
                f"the context gives vectors of length {depth}, but embeddings have "
                f"{self.K.shape[1]}",
                path=path,
                help="its output takes the place of the words' vectors: keep their length",
            )
        return problem

    def _refuse_what_cannot_fit(self, size: int) -> None:
        needed = size**2 * self.dtype.itemsize
        if needed > half_of_the_machine():
            raise AttnError(
                f"one-hot vectors of {size} words would take {in_units(needed)}",
                path=("pairs",),
                help="give embeddings, or a smaller dictionary",
            )

    def _of_table(self, table: WordTable) -> Array:
        """Return the vectors of the keys as a matrix; the table keeps its words alone.

        Its vectors are dropped one by one: all of them twice would take too much memory.
        """
        rows, nothing = table.vectors, np.empty(0)
        K = np.empty((len(self.sources), len(table[self.sources[0]])), dtype=self.dtype)
        for number, source in enumerate(self.sources):
            K[number], rows[source] = rows[source], nothing
        for word, vector in rows.items():
            if vector is not nothing:
                self._others[word], rows[word] = vector.copy(), nothing
        self.table = replace(table, vectors={})
        self.document.vectors.clear()
        return K

    def _embeddings(self) -> WordTable:
        """Return the vectors of the source words; with a file, pairs without one are left out."""
        path: Path = ("embeddings",)
        node = self.document.tree.get("embeddings")
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
        table = read_word_table(self.document, node, path, (), self.dtype, finite=True)
        if table is None:
            raise AttnError(
                f"{dotted(path)} of a dictionary must be a table word -> vector, or a file of "
                "word vectors",
                path=path,
                help="write {word: [...]}, a .vec or .txt file, or {file: v.npy, words: w.txt}",
            )
        self.warnings += table.warnings
        return table

    def _target_vectors(self) -> Array | None:
        """Return the vectors of the targets, one row per pair; None if they are one-hot."""
        path: Path = ("target_embeddings",)
        if "target_embeddings" not in self.document.tree:
            return None
        self.document = replace(self.document, words=self.document.words | frozenset(self.targets))
        table = self._table(self.document.tree["target_embeddings"], path)
        for source, target in zip(self.sources, self.targets, strict=True):
            if target not in table:
                raise AttnError(
                    f"'{printable(target)}' has no vector in {dotted(path)}",
                    path=("pairs", source),
                    help=table.advice(target),
                )
        return np.stack([table[target] for target in self.targets])


def _of_a_file(tree: Mapping[str, Any]) -> bool:
    """Return whether the vectors of words are those of a file."""
    node = tree.get("embeddings")
    return isinstance(node, str) or (isinstance(node, dict) and isinstance(node.get("file"), str))


def _keys_of_context() -> list[str]:
    return [name for name, key in KEYS.items() if key.in_context]
