"""How the rows of kernels are made."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from attn_cli.dataclass import replace
from attn_cli.lab.variants.variant import KERNEL, Base, Change, Changes, Variant, of_keys
from attn_cli.maths.adjustments import Adjustment
from attn_cli.maths.problem import Problem

Keys = Callable[[Base], "Changes | None"]
Kind = TypeVar("Kind")


def kernel(
    name: str,
    sentence: str,
    change: Change,
    *sources: str,
    needs: str = "",
    keys: Keys | None = None,
) -> Variant:
    """Return a variant of kernels."""
    return Variant(name, sentence, change, sources, KERNEL, keys, needs)


def kernel_of_keys(
    name: str, sentence: str, keys: Keys | Changes, *sources: str, needs: str = ""
) -> Variant:
    """Return a variant of kernels that is a change of keys, the same for all problems or not."""
    made = keys if callable(keys) else partial(_same, keys)
    return of_keys(name, sentence, made, kind=KERNEL, sources=sources, needs=needs)


def _same(changes: Changes, base: Base) -> Changes:  # noqa: ARG001
    return changes


def adjustment(problem: Problem, kind: type[Kind]) -> Kind | None:
    """Return the adjustment of a kind, if the problem has it."""
    return next((each for each in problem.rules.adjustments if isinstance(each, kind)), None)


def with_adjustment(problem: Problem, old: Adjustment, new: Adjustment | None) -> Problem:
    """Return the problem with one adjustment replaced, or left out."""
    changed = (new if each is old else each for each in problem.rules.adjustments)
    adjustments = tuple(each for each in changed if each is not None)
    return replace(problem, rules=replace(problem.rules, adjustments=adjustments))


def in_tree(base: Base, *path: str) -> object:
    """Return the node of a key as it was written; None if it is not there."""
    node: object = {} if base.document is None else base.document.tree
    for key in path:
        node = node.get(key) if isinstance(node, dict) else None
    return node


def at_positions(base: Base, besides: str = "") -> bool:
    """Return whether rope or a bias depends on where the queries are."""
    problem = base.problem
    used = {"rope": problem.qk_transform.rope is not None}
    used |= {key: in_tree(base, key) is not None for key in ("alibi", "relative_bias")}
    return any(there for key, there in used.items() if key != besides)
