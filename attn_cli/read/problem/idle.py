"""Keys that would change nothing: an error, since whoever wrote them expects that they do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attn_cli.core.rules import Rules
from attn_cli.core.scores.base import ScoreFunction
from attn_cli.errors import AttnError
from attn_cli.read.problem.standing import USERS, goes_by_positions

# What goes by the place where a query stands.
STANDS = ("causal", *USERS)
HIDING_SCORES = ("sparse", "given")


def refuse_idle(tree: Mapping[str, Any], rules: Rules, function: ScoreFunction) -> None:
    """Raise AttnError for a key that nothing in the problem goes by."""
    if "offset" in tree and not any(goes_by_positions(tree, key) for key in STANDS):
        raise _idle(
            "offset says where the queries stand among the keys, and nothing goes by that",
            "offset",
            "add causal, window, alibi, relative_bias or rope",
        )
    if "order" in tree and len(rules.stages) < 2:
        there = (
            f"only the step {rules.stages[0].step} is there" if rules.stages else "none is there"
        )
        raise _idle(
            f"order is that of softcap, bias and mask, and {there}",
            "order",
            "add another of them",
        )
    hides = bool(rules.schemes) or "mask" in tree or function.name in HIDING_SCORES
    if "empty_rows" in tree and not hides:
        raise _idle(
            "empty_rows says what a query without a key gives, and nothing hides any key",
            "empty_rows",
            "add causal, window, key_lengths or a mask",
        )
    if "temperature" in tree and rules.normalizer.name == "argmax":
        raise _idle(
            "temperature changes nothing with normalize: argmax, since the largest score stays so",
            "temperature",
            "choose another normaliser",
        )


def _idle(message: str, key: str, instead: str) -> AttnError:
    return AttnError(message, path=(key,), at_key=True, help=f"leave it out, or {instead}")
