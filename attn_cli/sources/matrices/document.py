"""The user's input as one tree: the problem file, and the options that replace parts of it.

It has the place of each part, so that code that raises an error needs only the key path.
"""

from __future__ import annotations

import codecs
import os
import re
import sys
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.dataclass import dataclass, field, replace
from attn_cli.errors import AttnError, Path, Where, dotted, either, printable
from attn_cli.sources.matrices.files import Inputs, name_of
from attn_cli.sources.matrices.foreign import foreign
from attn_cli.sources.matrices.npy_files import NPY_MAGIC, ZIP_MAGIC, Archive
from attn_cli.sources.matrices.tables import decode
from attn_cli.sources.text.broken import LINE_ENDS
from attn_cli.sources.text.depth import MAX_DEPTH, too_deep
from attn_cli.sources.text.events import Node, find, parse_kindly
from attn_cli.sources.text.meant import SYNONYMS
from attn_cli.sources.text.scalars import kind_of

if TYPE_CHECKING:
    from attn_cli.sources.matrices.vectors import Vectors

SMALL = 4096  # members up to this many bytes are read at once: they may be numbers or words


@dataclass(frozen=True)
class Member:
    """An array in an archive that has not been read yet."""

    archive: Archive
    name: str

    def read(self, path: Path) -> AnyArray:
        """Return the array."""
        return self.archive.read(self.name, path)


class Held:
    """The arrays of a document that is read several times: each is read, and cast, once."""

    def __init__(self) -> None:
        self._made: dict[Path, tuple[object, Any]] = {}

    def once(self, key: Path, source: object, make: Callable[[], Any]) -> Any:
        """Return what was made of the same source before, or make it."""
        if key not in self._made or not _same(self._made[key][0], source):
            self._made[key] = source, make()
        return self._made[key][1]


def _same(one: object, other: object) -> bool:
    """Return whether two nodes are one, or have the same text; arrays are not compared."""
    if isinstance(one, dict) and isinstance(other, dict):
        texts = all(isinstance(value, str) for value in (*one.values(), *other.values()))
        return texts and one == other
    return one is other or (isinstance(one, str) and one == other)


@dataclass
class Document:
    """The tree of a problem, and the origin of each of its parts."""

    tree: dict[str, Node]
    name: str | None = None  # of the file, as messages show it
    text: str | None = None  # of the file, if it is text
    folder: str = ""  # that paths in the file are relative to
    inputs: Inputs = field(default_factory=Inputs)
    options: dict[Path, str] = field(default_factory=dict)  # path -> the option that wrote it
    words: frozenset[str] = frozenset()  # looked up in one pass over a file of vectors
    vectors: dict[str, Vectors] = field(default_factory=dict)  # file -> the vectors read from it
    moved: dict[Path, Path] = field(default_factory=dict)  # path -> its path in the file
    notes: list[str] = field(default_factory=list)  # notes for the user on the text
    written: str | None = None  # the text of the file, if `text` has commas put into it
    marked: bool = False  # whether the file begins with a byte order mark
    held: Held | None = None  # the arrays, if the document will be read again with other keys

    def where(self, path: Path, *, at_key: bool = False) -> Where | None:
        """Return the place of a node, or of the nearest above it."""
        for length in range(1, len(path) + 1):
            if path[:length] in self.moved:
                return replace(self, moved={}).where(
                    (*self.moved[path[:length]], *path[length:]), at_key=at_key
                )
        for length in range(len(path), 0, -1):
            if path[:length] in self.options:
                return Where(self.options[path[:length]])
        below = [o for p, o in self.options.items() if path and p[: len(path)] == path]
        if below:  # a fault of the whole was caused by the part that an option wrote
            return Where(below[-1])
        place = find(self.text, path, at_key=at_key) if self.text and path else None
        if place is not None:
            return self._as_written(replace(place, file=self.name))
        return None if self.name is None else Where(self.name)

    def _as_written(self, place: Where) -> Where:
        """Return a place with its line as it is in the file."""
        if self.written is None or self.written == self.text or place.line is None:
            return place
        lines = re.split(LINE_ENDS, self.written)
        return replace(place, text=lines[place.line - 1])

    def located(self, error: AttnError) -> AttnError:
        """Return the error with its place, if it does not have one yet."""
        if error.where is None:
            error.where = self.where(error.path, at_key=error.at_key)
        return error

    def folder_of(self, path: Path) -> str:
        """Return the folder that a path written at a node is relative to."""
        written_as_option = any(path[:n] in self.options for n in range(1, len(path) + 1))
        return "" if written_as_option else self.folder

    def beside(self, file: str, path: Path) -> str:
        """Return the path of a file that a node names, relative to the current folder."""
        return os.path.join(self.folder_of(path), file)

    def replace(self, path: tuple[str, ...], node: Node, option: str) -> None:
        """Put a node at the path of an option; a score that is a name becomes a mapping for it."""
        place = self.tree
        for depth, key in enumerate(path[:-1]):
            inner = place.setdefault(key, {})
            if isinstance(inner, str) and path[: depth + 1] == ("score",):
                inner = place[key] = {"function": inner}
            if not isinstance(inner, dict):
                raise AttnError(
                    f"{dotted(path[: depth + 1])} is not a mapping, so {dotted(path)} "
                    "cannot be set",
                    where=Where(option),
                )
            place = inner
        place[path[-1]] = node
        self.moved.pop(path[:1], None)
        for written in [p for p in self.options if p[: len(path)] == path]:
            del self.options[written]
        self.options[path] = option

    def remove(self, path: tuple[str, ...]) -> None:
        """Remove a node, if there is one."""
        place: Node = self.tree
        for key in path[:-1]:
            place = place.get(key)
            if not isinstance(place, dict):
                return
        place.pop(path[-1], None)
        for written in [p for p in self.options if p[: len(path)] == path]:
            del self.options[written]


@dataclass(frozen=True)
class Known:
    """The names that a reader of documents knows."""

    keys: Collection[str]  # that a text can have, for advice about typing errors
    results: Collection[str]  # members of an archive that follow from others


def open_document(file: str | None, inputs: Inputs, known: Known) -> Document:
    """Return the document of a problem file: YAML, JSON, or an NPZ whose members are its keys."""
    if file is None:
        return Document({}, inputs=inputs)
    name = name_of(file)
    stream = inputs.open(file, "the problem")
    head = stream.read(16)
    stream.seek(0)
    if head.startswith(ZIP_MAGIC):
        archive = Archive(inputs.reopener(stream, file, "the problem"), name, ())
        folder = "" if file == "-" else os.path.dirname(file)
        document = Document({}, name, folder=folder, inputs=inputs)
        try:
            document.tree = _tree(archive, known.results)
        except AttnError as error:
            raise document.located(error) from None
        return document
    with stream:
        if (other := foreign(head)) is not None:
            raise AttnError(f"{name} is {other.what}", where=Where(name), help=other.help)
        if head.startswith(NPY_MAGIC):
            raise AttnError(
                f"{name} is one matrix, not a problem",
                where=Where(name),
                help="say which: "
                + either(
                    f"--query {name} --key k.npy --value v.npy",
                    f"{{'query': '{name}', 'key': 'k.npy', 'value': 'v.npy'}}",
                ),
            )
        data = stream.read()
        text = decode(data, name)
    tree, read_as, notes = parse_kindly(text, name, known.keys)
    folder = "" if file == "-" else os.path.dirname(file)
    document = Document({}, name, read_as, folder, inputs, notes=list(notes))
    document.written, document.marked = text, data.startswith(codecs.BOM_UTF8)
    if not isinstance(tree, dict):
        raise AttnError(
            f"{name} is {kind_of(tree)}, not a mapping of keys",
            where=find_top(document),
            help="expected a mapping of keys, such as 'embeddings: [[1, 0], [0, 1]]'",
        )
    document.tree = tree
    try:
        _rename_synonyms(document)
    except AttnError as error:
        raise document.located(error) from None
    return document


def _rename_synonyms(document: Document) -> None:
    """Rename q, k and v to query, key and value; raise AttnError if a matrix has both names."""
    tree = document.tree
    if "pairs" in tree or not any(short in tree for short in SYNONYMS):
        return
    for short, long in SYNONYMS.items():
        if short in tree and long in tree:
            raise AttnError(
                f"there are both '{short}' and '{long}'",
                path=(short,),
                at_key=True,
                help="they are two names of one matrix: keep one",
            )
        if short in tree:
            document.moved[(long,)] = (short,)
    document.tree = {SYNONYMS.get(key, key): node for key, node in tree.items()}


def find_top(document: Document) -> Where:
    """Return the place of the document's first node."""
    place = find(document.text or "", ())
    return Where(document.name) if place is None else replace(place, file=document.name)


def from_mapping(problem: Mapping[str, Any], inputs: Inputs | None = None) -> Document:
    """Return the document of a problem written in Python: the same keys, arrays and numbers.

    Raises AttnError for an array that NumPy cannot convert, and for two names of one matrix.
    """
    tree = problem.items()
    plain = {key: _plain(node, (str(key),)) for key, node in tree if node is not None}
    document = Document(plain, inputs=inputs or Inputs())
    _rename_synonyms(document)
    return document


def _plain(node: Any, path: Path) -> Node:
    """Return any mapping as a dict, at all levels, with any arrays as NumPy's.

    An array of words becomes a list, and one without axes the number, the flag or the word in it.
    """
    if isinstance(node, Mapping):
        if len(path) >= MAX_DEPTH:
            raise too_deep(path)
        return {key: _plain(value, (*path, str(key))) for key, value in node.items()}
    if not hasattr(node, "__array__") or isinstance(node, type):
        return node
    try:
        array = np.asarray(node)
    except (TypeError, ValueError, RuntimeError) as error:
        raise AttnError(
            f"{dotted(path)} cannot become a NumPy array: {printable(str(error))}",
            path=path,
            help="convert it first, for example with .detach().float().numpy()",
        ) from None
    return array.tolist() if array.ndim == 0 or array.dtype.kind == "U" else array


def _tree(archive: Archive, results: Collection[str]) -> dict[str, Node]:
    """Return the tree of an NPZ: a dot in a name goes one level down, q, k, v are Q, K, V.

    In an archive written by attn, the results that follow from Q, K and V are ignored.
    """
    names = set(archive.names)
    given = {long for short, long in SYNONYMS.items() if short in names or long in names}
    tree: dict[str, Node] = {}
    if given == {"value"} and "scores" in names:  # of a problem whose scores were given
        tree["score"] = {"function": "given", "scores": Member(archive, "scores")}
    ours = given == set(SYNONYMS.values()) or "score" in tree
    aside = {name for name in results if name not in SYNONYMS} if ours else set()
    for name in archive.names:
        if name in aside and not _without_axes(archive, name):
            continue
        if name in SYNONYMS and SYNONYMS[name] in names:
            raise AttnError(
                f"{archive.name} has both '{name}' and '{SYNONYMS[name]}'",
                where=Where(archive.name),
                help="they are two names of one matrix: keep one",
            )
        place = tree
        *parents, last = SYNONYMS.get(name, name).split(".")
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise AttnError(
                    f"{archive.name} has both '{parent}' and '{printable(name)}'",
                    where=Where(archive.name),
                )
        place[last] = _member(archive, name)
    return tree


def _without_axes(archive: Archive, name: str) -> bool:
    """Whether a member is a single value, so not a step: `layer_norm: true` is a key."""
    return archive.size(name) <= SMALL and archive.read(name, (name,)).ndim == 0


def _member(archive: Archive, name: str) -> Node:
    """Return a member's node: a number, a word, a list of words, or a matrix to be read later."""
    if archive.size(name) > SMALL and not name.endswith("tokens"):
        return Member(archive, name)
    array = archive.read(name, (name,))
    if array.dtype.kind == "U":
        _refuse_no_text(array, f"{archive.name}#{printable(name)}", (name,))
    return array.tolist() if array.ndim == 0 or array.dtype.kind == "U" else array


def _refuse_no_text(words: AnyArray, shown: str, path: Path) -> None:
    """Raise AttnError for characters beyond Unicode, which NumPy may let pass."""
    native = words.astype(words.dtype.newbyteorder("="))
    if (np.frombuffer(native.tobytes(), np.uint32) > sys.maxunicode).any():
        raise AttnError(f"{shown} is not text", path=path)
