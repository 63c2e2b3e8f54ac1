"""Keys and functions that have no gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attn_cli.errors import AttnError
from attn_cli.maths.normalizers import NORMALIZERS
from attn_cli.maths.problem import Problem
from attn_cli.maths.scores import SCORES
from attn_cli.reading.keys import ALWAYS, KEYS, UNLESS_LIST
from attn_cli.reading.per_head import is_list


def refuse_keys_without_gradient(tree: Mapping[str, Any]) -> None:
    """Raise AttnError for a key whose part of the computation has no gradient.

    A key whose row does not set `learnable` is refused, too: its gradient could be wrong.
    """
    for key, data in KEYS.items():
        if key in tree and not _has_gradient(data.learnable, tree[key]):
            raise AttnError(
                f"train has no gradient for {key}",
                path=(key,),
                at_key=True,
                help="leave it out; what hides keys (causal, window, mask, ...) can stay",
            )


def _has_gradient(learnable: str, node: Any) -> bool:
    return learnable == ALWAYS or (learnable == UNLESS_LIST and not is_list(node))


def refuse_functions_without_gradient(base: Problem) -> None:
    """Raise AttnError for a normaliser or score function that has no gradient."""
    if base.rules.normalizer.backward is None:
        able = ", ".join(each.name for each in NORMALIZERS if each.backward is not None)
        raise AttnError(
            f"the normaliser {base.rules.normalizer.name} has no gradient",
            path=("normalize",),
            help=f"those that have one: {able}",
        )
    innermost, _ = base.score.innermost(base.parameters)
    for function in (base.score, innermost):
        if function.backward is None:
            able = ", ".join(each.name for each in SCORES if each.backward is not None)
            raise AttnError(
                f"the score function {function.name} has no gradient",
                path=("score",),
                help=f"those that have one: {able}",
            )
