"""Tokens from a tokenizer: lists, or files of one token per line or of JSON. Never split.

A JSON file holds a list of words, or a list of such lists, one per batch entry.
"""

from __future__ import annotations

from typing import Any

from attn_cli.errors import AttnError, Path, dotted, printable
from attn_cli.sources.matrices.document import Document
from attn_cli.sources.matrices.tables import decode
from attn_cli.sources.text.events import Quoted
from attn_cli.sources.text.mappings import mapping
from attn_cli.sources.text.scalars import word
from attn_cli.sources.text.tokens import read_tokens

Entries = tuple[tuple[str, ...], ...]  # the words of each batch entry; of one, if it is for all


def read_entries(document: Document, node: Any, path: Path, *, lower: bool) -> Entries:
    """Return the words of a list, a text or {file:}; of lists of lists, a tuple per batch entry."""
    if isinstance(node, dict):
        keys = mapping(node, path, ("file",))
        place = (*path, "file")
        if "file" not in keys:
            raise AttnError(f"{dotted(path)} names no file", path=path, help="write {file: t.txt}")
        node = _of_file(document, word(keys["file"], place), place)
        path = place
    if isinstance(node, list | tuple) and node and isinstance(node[0], list | tuple):
        return tuple(read_tokens(each, (*path, at), lower=lower) for at, each in enumerate(node))
    return (read_tokens(node, path, lower=lower),)


def _of_file(document: Document, file: str, path: Path) -> list[Any]:
    """Return the tokens of a file, unchanged; blank lines at the end are ignored."""
    located = file if file == "-" else document.beside(file, path)
    name = "standard input" if file == "-" else printable(located)
    with document.inputs.open(located, dotted(path), path) as stream:
        text = decode(stream.read(), name)
    listed = _of_json(text)
    if listed is not None:
        return listed
    if file.lower().endswith(".json"):
        raise AttnError(
            f"{name} is not a list of words in JSON",
            path=path,
            help='write ["a", "b"], or one such list per batch entry: [["a", "b"], ["c", "d"]]',
        )
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    if "" in lines:
        raise AttnError(
            f"{name} is empty" if lines == [""] else f"{name}: line {lines.index('') + 1} is empty",
            path=path,
            help="write one token per line; an empty token can be written in JSON",
        )
    return list(map(Quoted, lines))


def _of_json(text: str) -> list[Any] | None:
    """Return a list of words, or a list of such lists; None for a text that is not JSON of these.

    `[CLS]` in the first line is a token, and so is a line `[1]`.
    """
    if not text.lstrip().startswith("["):
        return None
    import json

    try:
        node = json.loads(text)
    except (ValueError, RecursionError):
        return None
    lists = [node] if node and not all(isinstance(each, list) for each in node) else node
    if not node or not all(each and all(isinstance(w, str) for w in each) for each in lists):
        return None
    quoted = [[Quoted(item) for item in each] for each in lists]
    return quoted[0] if lists is not node else quoted
