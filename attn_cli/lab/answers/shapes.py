"""Changes of the shape of an exercise, of which one may show a mistake that no number can show.

Each is a sentence and a function from the keys of a problem to others, or to None if the problem
has no such shape. Numbers that are added are small and differ from each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import cycle, islice
from typing import Any, NamedTuple, TypeGuard

from attn_cli.maths.problem import Problem

Tree = dict[str, Any]
_NEW = (2, 5, 1, 3, 7, 4)


class ShapeChange(NamedTuple):
    """A change of the shape, and how it is named."""

    sentence: str
    change: Callable[[Tree, Problem], Tree | None]


def other_shapes(tree: Mapping[str, Any], problem: Problem) -> Iterator[tuple[str, Tree]]:
    """Yield the sentence and the keys of each shape that the problem can have."""
    for sentence, change in SHAPES:
        changed = change(dict(tree), problem)
        if changed is not None:
            yield sentence, changed


def _row(count: int, start: int = 0) -> list[str]:
    return [str(number) for number in islice(cycle(_NEW), start, start + count)]


def _is_rows(node: Any) -> TypeGuard[list[list[Any]]]:
    """Return whether a node is rows of numbers, written out."""
    listed = isinstance(node, list) and bool(node) and all(isinstance(row, list) for row in node)
    return listed and not any(isinstance(cell, list) for row in node for cell in row)


def _without_words(tree: Tree) -> Tree:
    """Return the keys without words, of which there would be too few or too many."""
    return {key: node for key, node in tree.items() if key not in {"tokens", "key_tokens"}}


def _query_fewer(tree: Tree, _: Problem) -> Tree | None:
    rows = tree.get("query")
    if not _is_rows(rows) or len(rows) < 2:
        return None
    return _without_words({**tree, "query": rows[:-1]})


def _query_more(tree: Tree, _: Problem) -> Tree | None:
    rows = tree.get("query")
    if not _is_rows(rows):
        return None
    return _without_words({**tree, "query": [*rows, _row(len(rows[0]))]})


def _wider(tree: Tree, _: Problem) -> Tree | None:
    """Return the keys with one more number in each query and key."""
    weights = tree.get("weights")
    within = weights if isinstance(weights, dict) and "query" in weights else tree
    if "heads" in tree or not all(_is_rows(within.get(side)) for side in ("query", "key")):
        return None
    changed = dict(within)
    for at, side in enumerate(("query", "key")):
        new = _row(len(within[side]), at)
        changed[side] = [[*row, cell] for row, cell in zip(within[side], new, strict=True)]
    if within is tree:
        return changed
    biases = tree.get("biases")
    if isinstance(biases, dict):
        longer = {
            side: [*bias, "1"] if side != "value" and isinstance(bias, list) else bias
            for side, bias in biases.items()
        }
        return {**tree, "weights": changed, "biases": longer}
    return {**tree, "weights": changed}


def _past(tree: Tree, problem: Problem) -> Tree | None:
    """Return the keys with a cache of one earlier token."""
    if "past" in tree or problem.key is None:
        return None
    heads = problem.kv_heads or 1

    def cached(depth: int) -> list[Any]:
        return [[[_row(depth, head)] for head in range(heads)]]

    return {
        **tree,
        "past": {"key": cached(problem.key.depth), "value": cached(problem.value.depth)},
    }


def _memory(tree: Tree, _: Problem) -> Tree | None:
    """Return the keys with keys and values of other tokens, one more than there are queries."""
    rows = tree.get("embeddings")
    if isinstance(rows, dict) and all(isinstance(row, list) for row in rows.values()):
        rows = list(rows.values())
    if "memory" in tree or not _is_rows(rows):
        return None
    new = [_row(len(rows[0]), at) for at in range(len(rows) + 1)]
    return {**tree, "memory": {"embeddings": new}}


def _more_heads(tree: Tree, _: Problem) -> Tree | None:
    """Return the keys with twice as many heads of Q, K and V: (batch, heads, n, d)."""
    changed: Tree = {}
    for side in ("query", "key", "value"):
        entries = tree.get(side)
        if not isinstance(entries, list) or not all(_is_heads(heads) for heads in entries):
            return None
        changed[side] = [[*heads, *map(_other_head, heads)] for heads in entries]
    counts: Tree = {key: str(2 * int(tree[key])) for key in ("heads", "kv_heads") if key in tree}
    return {**tree, **changed, **counts}


def _is_heads(node: Any) -> bool:
    return isinstance(node, list) and bool(node) and all(_is_rows(head) for head in node)


def _other_head(head: list[list[Any]]) -> list[list[str]]:
    return [_row(len(row), n) for n, row in enumerate(head)]


SHAPES = (
    ShapeChange("one query fewer", _query_fewer),
    ShapeChange("one more query", _query_more),
    ShapeChange("one more number in each query and key", _wider),
    ShapeChange("a cache of one earlier token (past)", _past),
    ShapeChange("keys and values of a memory that has one more token", _memory),
    ShapeChange("twice as many heads of queries, keys and values", _more_heads),
)
