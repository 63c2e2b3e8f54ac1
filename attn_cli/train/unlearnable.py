"""What cannot be learnt through: keys and functions that have no gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attn_cli.errors import AttnError
from attn_cli.maths.normalizers import NORMALIZERS
from attn_cli.maths.problem import Problem
from attn_cli.maths.scores import SCORES
from attn_cli.reading.per_head import is_list

NO_GRADIENT = (
    "like", "past", "kv_heads", "grouping", "qk_norm", "rope", "scale_placement", "softcap",
    "score_bias", "alibi", "relative_bias", "mask_fill", "top_k", "temperature", "empty_rows",
    "dropout", "output_gate", "precision",
)  # fmt: skip


def refuse_keys_without_gradient(tree: Mapping[str, Any]) -> None:
    """Raise AttnError for a key whose part of the computation has no gradient."""
    for key in NO_GRADIENT:
        if key in tree and (key != "grouping" or is_list(tree[key])):
            raise AttnError(
                f"train has no gradient for {key}",
                path=(key,),
                at_key=True,
                help="leave it out; what hides keys (causal, window, mask, ...) can stay",
            )


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
