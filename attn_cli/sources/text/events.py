"""YAML text -> a tree of dicts, lists and raw words, in one pass over the parse events.

Whether `no`, `1e5` or `010` is a word or a number is not decided here: a scalar remains text,
`Quoted` if it was in quotes. No objects are constructed, so nothing can be executed; anchors,
aliases and tags are refused, and so are duplicate keys and deep nesting.

Positions are not kept: `find` walks the events again when an error needs one.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from attn_cli.errors import AttnError, Path, Where
from attn_cli.sources.text.broken import LINE_ENDS, Mark, fault, foreign, late_mark, readable
from attn_cli.sources.text.depth import MAX_DEPTH, too_deep

Node = Any  # dict[str, Node] | list[Node] | str; from Python also numbers, booleans, arrays


class Quoted(str):
    """A scalar in quotes or in a block: a word, even if it looks like a number."""

    __slots__ = ()


class Parsed(NamedTuple):
    """The tree of a text, the text as it was read, and notes for the user."""

    tree: Node
    text: str  # with commas in matrices that NumPy printed
    notes: tuple[str, ...] = ()


def parse(text: str, name: str, keys: Collection[str] = ()) -> Node:
    """Return the tree of one YAML or JSON document; raise AttnError, with the place of a fault.

    `keys` are those that it can have, for advice about typing errors.
    """
    return _begun(text, name, keys).document()


def _begun(text: str, name: str, keys: Collection[str]) -> Events:
    events = Events(text, name, keys=keys)
    if not text.strip():
        raise AttnError(f"{name} is empty", where=Where(name), help=_EXPECTED)
    if (late := late_mark(text)) is not None:
        raise events.refuse(late.message, late.mark, late.help)
    return events


def parse_kindly(text: str, name: str, keys: Collection[str] = ()) -> Parsed:
    """Return the tree as `parse` does; matrices as NumPy prints them are read too, with a note."""
    events = _begun(text, name, keys)
    try:
        tree = events.document()
    except AttnError:
        parsed = _with_commas(text, name)
        if parsed is None:
            raise
        return parsed
    return (_with_commas(text, name) if events.printed else None) or Parsed(tree, text)


def _with_commas(text: str, name: str) -> Parsed | None:
    """Return a text, parsed with commas put into matrices as NumPy prints them.

    None if it has no such matrices, or cannot be parsed with commas either.
    """
    from attn_cli.sources.text.printed import NOTE, with_commas

    printed = with_commas(text)
    if printed is None:
        return None
    try:
        tree = Events(printed.text, name).document()
    except AttnError:
        return None
    lines = ", ".join(map(str, printed.lines))
    where = f"line {lines}" if len(printed.lines) == 1 else f"lines {lines}"
    note = f"{name}, {where}: blanks between numbers are read as commas, as NumPy prints; {NOTE}"
    return Parsed(tree, printed.text, (note,))


def find(text: str, path: Path, *, at_key: bool = False) -> Where | None:
    """Return line, column and the line itself of the node at a path, or of the nearest above it.

    None if the text does not have the key of the path.
    """
    events = Events(text, "")
    event = events.next_content()
    mark = event.start_mark
    for depth, part in enumerate(path):
        found = None
        if is_event(event, "MappingStart"):
            found = events.seek_key(part)
        elif is_event(event, "SequenceStart") and isinstance(part, int):
            found = events.seek_item(part)
        if found is None and depth == 0:
            return None
        if found is None:
            break
        key, event = found
        mark = key.start_mark if at_key and depth == len(path) - 1 else event.start_mark
    return events.where(mark)


_EXPECTED = "expected a mapping of keys, such as 'embeddings: [[1, 0], [0, 1]]'"
_SURROGATES = r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})"


def _joined(match: re.Match[str]) -> str:
    """Replace a JSON surrogate pair by the character that it encodes."""
    high, low = (int(part, 16) for part in match.groups())
    return f"\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"


def is_event(event: Any, kind: str) -> bool:
    """Return whether an event is of a kind: Scalar, MappingStart, SequenceEnd, ..."""
    return type(event).__name__ == f"{kind}Event"


def _quoted(event: Any) -> Quoted:
    """Return a scalar in quotes or in a block; the line end of a block is not part of the word."""
    return Quoted(event.value.rstrip("\n") if event.style in ("|", ">") else event.value)


class _Cut(Exception):  # noqa: N818
    """Raised at the end of the part of a text that is read."""


class Events:
    """The events of one text, already checked for anchors, aliases, tags and broken syntax.

    With `length`, only that many characters are read, and `_Cut` is raised after them.
    """

    def __init__(
        self, text: str, name: str, length: int | None = None, keys: Collection[str] = ()
    ) -> None:
        import yaml

        self.text = text
        self.name = name
        self._keys = keys
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            text.encode()
        except UnicodeEncodeError:
            raise AttnError(f"{name} is not UTF-8: {text!a}", where=Where(name)) from None
        self._json = text.lstrip()[:1] in {"{", "["} and "\\u" in text
        if self._json:
            text = re.sub(_SURROGATES, _joined, text)
        self._given = text
        self._partly = length is not None
        self.printed = False  # whether a list holds one word with blanks in it
        self.opened: list[Any] = []  # the events of the collections that have not ended
        self._broken: type[Exception] = yaml.YAMLError
        try:
            self._next: Callable[[], Any] = loader(text[:length]).get_event
        except yaml.YAMLError as error:  # a character that YAML does not allow
            raise self._not_yaml(error) from None
        self._scalar = yaml.ScalarEvent

    def where(self, mark: Any) -> Where:
        """Return the place of a mark, counted from 1, with its line."""
        lines = re.split(LINE_ENDS, self.text)
        if mark.line < len(lines) - 1 or (mark.line < len(lines) and lines[mark.line]):
            line, column = lines[mark.line], mark.column
            for pair in re.finditer(_SURROGATES, line) if self._json else ():
                column += 2 * (pair.start() < column)  # a pair is read as two characters fewer
            return Where(self.name, mark.line + 1, column + 1, line)
        lines = re.split(
            LINE_ENDS, self.text.rstrip()
        )  # a mark at the end: after the last character
        return Where(self.name, len(lines), len(lines[-1]) + 1, lines[-1])

    def refuse(self, message: str, mark: Any, help: str, path: Path = ()) -> AttnError:
        """Return the error at a mark."""
        return AttnError(message, path=path, where=self.where(mark), help=help)

    def next(self) -> Any:
        """Return the next event; raise AttnError if it is broken, an alias or a tag."""
        try:
            event = self._next()
        except self._broken as error:
            raise self._not_yaml(error) from None
        return self.checked(event)

    def checked(self, event: Any) -> Any:
        """Return an event; raise AttnError if it is an alias, or has an anchor or a tag."""
        if type(event) is self._scalar and event.anchor is None and event.tag is None:
            return event
        if is_event(event, "Alias") or getattr(event, "anchor", None) is not None:
            raise self.refuse(
                "anchors and aliases are not read",
                event.start_mark,
                "write the values out, or put the matrix into a file and name it twice",
            )
        if getattr(event, "tag", None) is not None:
            raise self.refuse(
                f"the tag '{event.tag}' is not read", event.start_mark, "write the plain value"
            )
        return event

    def _not_yaml(self, error: Any) -> AttnError:
        """Return the error for text that is not YAML, or for an earlier error of our own.

        A library may read far ahead, and reach a limit of its own before it returns the events.
        """
        if self._partly:
            raise _Cut
        if (slipped := self.slip()) is not None:
            return slipped
        context = getattr(error, "context_mark", None)
        character = None if hasattr(error, "problem_mark") else foreign(self._given)
        mark = character.mark if character else error.problem_mark
        before = Events(self.text, self.name, readable(self._given, mark, context))
        whole = before.as_far_as_it_goes()
        found = character or fault(self._given, mark, context, before.opened or whole)
        return self.refuse(f"not YAML: {found.message}", found.mark, found.help)

    def slip(self) -> AttnError | None:
        """Return the error for the first typing error in the text, None if none is found."""
        from attn_cli.sources.text.slips import slip

        found = slip(self.text, self._keys)
        if found is None:
            return None
        before = re.split(LINE_ENDS, self.text[: found.offset])
        mark = Mark(found.offset, len(before) - 1, len(before[-1]))
        return self.refuse(found.message, mark, found.help)

    def next_content(self) -> Any:
        """Return the first event of the next node, skipping the heads of stream and document."""
        event = self.next()
        while is_event(event, "StreamStart") or is_event(event, "DocumentStart"):
            event = self.next()
        return event

    def document(self) -> Node:
        """Return the one document of the text."""
        event = self.next_content()
        if is_event(event, "StreamEnd"):
            raise AttnError(f"{self.name} is empty", where=Where(self.name), help=_EXPECTED)
        node = self.only(event)
        if not isinstance(node, dict) and (slipped := self.slip()) is not None:
            raise slipped
        return node

    def as_far_as_it_goes(self) -> list[Any]:
        """Read to the end, raising our own errors; return the first event of the document."""
        begins = []
        with contextlib.suppress(_Cut):
            event = self.next_content()
            if not is_event(event, "StreamEnd"):
                begins.append(event)
                self.only(event)
        return [event for event in begins if not is_event(event, "Scalar")]

    def only(self, event: Any) -> Node:
        """Return the document that begins with an event, which must be the only one."""
        node = self.node(event, ())
        self.next()  # the end of the document
        event = self.next()
        if not is_event(event, "StreamEnd"):
            raise self.refuse(
                "there is more than one YAML document",
                event.start_mark,
                "keep one problem in a file; remove the '---'",
            )
        return node

    def node(self, event: Any, path: Path) -> Node:
        """Return the node at a path, which begins with an event."""
        if is_event(event, "Scalar"):
            return event.value if event.implicit[0] else _quoted(event)
        if len(path) >= MAX_DEPTH:
            raise too_deep(path, self.where(event.start_mark))
        self.opened.append(event)
        node = self.items(path) if is_event(event, "SequenceStart") else self.entries(path)
        self.opened.pop()
        return node

    def items(self, path: Path) -> list[Node]:
        """Return the items of a sequence whose start has been read."""
        items: list[Node] = []
        while not is_event(event := self.cells(items), "SequenceEnd"):
            items.append(self.node(event, (*path, len(items))))
        if len(items) == 1 and type(items[0]) is str and " " in items[0]:
            self.printed = True  # it may be a row as NumPy prints it
        return items

    def cells(self, items: list[Node]) -> Any:
        """Add scalars to the items of a sequence; return the first other event.

        They may be the many cells of a matrix: one call for each would make reading half as slow
        again.
        """
        get, scalar, add = self._next, self._scalar, items.append
        try:
            while type(event := get()) is scalar and event.anchor is None and event.tag is None:
                add(event.value if event.implicit[0] else _quoted(event))
        except self._broken as error:
            raise self._not_yaml(error) from None
        return self.checked(event)

    def entries(self, path: Path) -> dict[str, Node]:
        """Return the entries of a mapping whose start has been read."""
        entries: dict[str, Node] = {}
        while not is_event(event := self.next(), "MappingEnd"):
            if not is_event(event, "Scalar"):
                raise self.refuse(
                    "a key must be a word", event.start_mark, "write 'key: value'", path
                )
            if event.value in entries:
                raise self.refuse(
                    f"the key '{event.value}' appears twice",
                    event.start_mark,
                    "keep one of the two",
                    (*path, event.value),
                )
            value = self.next()
            if ":" in event.value and is_event(value, "Scalar") and not value.value:
                self._refuse_glued(event)
            entries[event.value] = self.node(value, (*path, event.value))
        return entries

    def _refuse_glued(self, event: Any) -> None:
        """Raise AttnError for a key such as `window:1`, to which no value belongs."""
        key, _, value = event.value.partition(":")
        if event.implicit[0] and key.isidentifier() and value:
            from attn_cli.sources.text.slips import glued

            found = glued(key, len(key), value)
            raise self.refuse(found.message, event.start_mark, found.help)

    def skip(self, event: Any) -> None:
        """Read to the end of the node that begins with an event."""
        depth = 0
        while True:
            name = type(event).__name__
            depth += name in {"SequenceStartEvent", "MappingStartEvent"}
            depth -= name in {"SequenceEndEvent", "MappingEndEvent"}
            if depth == 0:
                return
            event = self.next()

    def seek_key(self, key: object) -> tuple[Any, Any] | None:
        """Return the events of a key and its value in the mapping whose start has been read."""
        while not is_event(event := self.next(), "MappingEnd"):
            value = self.next()
            if event.value == key:
                return event, value
            self.skip(value)
        return None

    def seek_item(self, index: int) -> tuple[Any, Any] | None:
        """Return the event of an item (as both key and value) in the sequence just begun."""
        for _ in range(index):
            event = self.next()
            if is_event(event, "SequenceEnd"):
                return None
            self.skip(event)
        event = self.next()
        return None if is_event(event, "SequenceEnd") else (event, event)

    def offset(self, mark: Any) -> int:
        """Return the offset of a mark in the text as it was given."""
        offset: int = mark.index
        for pair in re.finditer(_SURROGATES, self.text) if self._json else ():
            offset += 2 * (pair.start() < offset)  # a pair is read as two characters fewer
        return offset
