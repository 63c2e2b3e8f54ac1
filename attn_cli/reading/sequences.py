"""Several sequences of words in one document: a problem each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attn_cli.dataclass import replace
from attn_cli.errors import AttnError, Path
from attn_cli.maths.problem import Problem
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import Document
from attn_cli.sources.text.scalars import kind_of
from attn_cli.sources.text.tokens import read_tokens


def read_problems(document: Document) -> list[Problem]:
    """Return the problem of each sequence; without sequences, the one problem."""
    tree = document.tree
    if "sequences" not in tree:
        return [read_problem(document)]
    try:
        sequences = _sequences(tree)
    except AttnError as error:
        raise document.located(error) from None
    lower = tree.get("lower") in ("true", True)
    problems, document = [], replace(document, words=frozenset(_words(sequences, lower=lower)))
    for at, tokens in enumerate(sequences):
        alone = {key: value for key, value in tree.items() if key != "sequences"}
        moved: dict[Path, Path] = {**document.moved, ("tokens",): ("sequences", at)}
        of_one = replace(document, tree={**alone, "tokens": tokens}, moved=moved)
        problem = read_problem(of_one)
        problems.append(replace(problem, title=" ".join(problem.query_tokens)))
    return problems


def _sequences(tree: dict[str, Any]) -> list[Any]:
    """Return the tokens of each sequence, unread."""
    path, node = ("sequences",), tree["sequences"]
    if "tokens" in tree:
        raise AttnError(
            "there are both tokens and sequences",
            path=path,
            at_key=True,
            help="sequences: [...] takes the place of tokens: keep one of the two",
        )
    if not isinstance(node, list | tuple):
        raise AttnError(
            f"sequences must be a list of sequences of words, not {kind_of(node)}",
            path=path,
            help="write sequences: [not like, not hate]",
        )
    if not node:
        raise AttnError("sequences is empty", path=path, help="write at least one sequence")
    return list(node)


def _words(sequences: list[Any], *, lower: bool) -> Iterator[str]:
    """Yield texts that may be words of sequences, before these are read."""
    for at, node in enumerate(sequences):
        try:
            yield from read_tokens(node, ("sequences", at), lower=lower)
        except AttnError:  # raised again when the sequence is read
            continue
