"""A dictionary -> a Translation: pairs of words, their vectors, the words to translate.

A dictionary is a YAML mapping with `pairs`, or a CSV or TSV file of two columns.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from attn_cli import samples
from attn_cli.dataclass import replace
from attn_cli.errors import AttnError, printable
from attn_cli.language.methods import refuse_other_names
from attn_cli.language.space import COSINE_SCALE, Space
from attn_cli.language.translation import Translation
from attn_cli.reading.schema import read_document
from attn_cli.sources.matrices.document import Document
from attn_cli.sources.matrices.files import Inputs
from attn_cli.sources.matrices.tables import DELIMITERS, LineOfTable, lines_of_table
from attn_cli.sources.text.mappings import mapping
from attn_cli.sources.text.scalars import choice, flag, kind_of, word
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
            self._space: Space | None = None
        except AttnError as error:
            raise document.located(error) from None

    @cached_property
    def _known(self) -> frozenset[str]:
        """The entries, some of which may have several words."""
        table = self.tree.get("embeddings")
        return frozenset((*self.sources, *(map(nfc, table) if isinstance(table, dict) else ())))

    def words(self, texts: Iterable[str]) -> tuple[str, ...]:
        """Return the words of texts; a text that is itself in the dictionary is not split."""
        found: list[str] = []
        for text in texts:
            whole = nfc(text.lower() if self.lower else text)
            found += [whole] if whole in self._known else words_of(text, lower=self.lower)
        return tuple(found)

    def translations(
        self,
        sentences: Sequence[Sentence],
        method: str | None,
        *,
        context: bool,
        unknown: str,
    ) -> list[Translation]:
        """Return a validated translation of each sentence.

        Raises AttnError for an unknown word (unless it may be skipped or kept), and for faults in
        vectors and parameters. What the dictionary has is read once, for the first sentences.
        """
        requested = {nfc(each) for sentence in sentences for each in sentence.words}
        try:
            refuse_other_names(method, unknown)
            if self._space is None:
                chosen = method or ("softmax" if "embeddings" in self.tree else "one-hot")
                words = frozenset((*requested, *self.sources))
                document = replace(self.document, words=words)
                self._space = Space(document, self.sources, self.targets, self.dtype, chosen)
            else:
                self._space.fetch(requested)
            space = self._space
            return [_translation(space, each, context, unknown) for each in sentences]
        except AttnError as error:
            raise self.document.located(error) from None

    @property
    def chosen_scale(self) -> str | None:
        """The scale of the cosine, if it was chosen for the user; empty if the scale is given.

        It is known after the first translations.
        """
        if self._space is None or not self._space.by_angle:
            return None
        return "" if "scale" in self.tree else COSINE_SCALE


def _translation(space: Space, sentence: Sentence, context: bool, unknown: str) -> Translation:
    """Return the validated translation of one sentence."""
    words = sentence.words
    known = tuple(space.knows(name) for name in words)
    warnings = list(space.warnings)
    for name, here in zip(words, known, strict=True):
        if not here and unknown == "error":
            raise space.refuse_unknown(name, sentence.place)
        if not here:
            verb = "left out" if unknown == "skip" else "kept as it is"
            warnings.append(f"'{name}' is unknown, and {verb}")
    looked_up = tuple(w for w, here in zip(words, known, strict=True) if here)
    kept = words if unknown == "keep" else looked_up
    query = space.vectors(looked_up) if looked_up else None
    if query is not None and not context:
        space.refuse_zero(looked_up, query, sentence.place)
    return Translation(
        sentence=sentence.text,
        words=kept,
        known=known if unknown == "keep" else (True,) * len(kept),
        looked_up=looked_up,
        query=query,
        context=space.context(looked_up) if context and looked_up else None,
        space=space,
        warnings=tuple(warnings),
    )


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
