"""Keys without effect in a problem: warnings with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attn_cli.maths.adjustments import Masking
from attn_cli.maths.heads import PerHead
from attn_cli.maths.problem import Placement
from attn_cli.maths.rules import Rules
from attn_cli.maths.scores.base import ScoreFunction
from attn_cli.reading.keys import KEYS
from attn_cli.reading.sources import Sources
from attn_cli.reading.token_positions_reader import goes_by_positions, is_false

HIDING_SCORES = ("sparse", "given", "cosine")
_ON = {"offset": " on steps"}  # statistics measure distances by it


def unused_keys(
    sources: Sources,
    rules: Rules,
    function: ScoreFunction,
    scale: PerHead,
    placement: Placement,
    *,
    heads: int | None,
    grouped: bool,
) -> list[str]:
    """Return a warning for each key that has no effect.

    `grouped`: whether query heads read key heads other than those of their own number.
    """
    tree = sources.document.tree
    found = [
        *_of_place(tree, sources, heads, grouped=grouped),
        *_of_rules(tree, rules, function),
        *_of_types(tree, scale, placement),
    ]
    return [
        f"{key} has no effect{_ON.get(key, '')}: {why}" for key, why in found if _given(tree, key)
    ]


def _given(tree: Mapping[str, Any], key: str) -> bool:
    """Whether a key is given with a value other than that of no effect, such as `prefix: 0`."""
    first, _, inner = key.partition(".")
    node = tree.get(first)
    if key in ("prefix", "sink_tokens") and str(node) == "0":
        return False
    return inner in node if inner and isinstance(node, Mapping) else first in tree and not inner


def _of_place(
    tree: Mapping[str, Any], sources: Sources, heads: int | None, *, grouped: bool
) -> list[tuple[str, str]]:
    """Return unused keys of positions, axes and heads, each with the reason."""
    found = []
    users = [name for name, key in KEYS.items() if key.uses_positions] if "offset" in tree else []
    if users and not any(goes_by_positions(tree, key) for key in users):
        possible = f"{', '.join(users[:-1])} or {users[-1]}"
        found.append(("offset", f"none depends on the positions of queries, as {possible} can"))
    if not _is_asked(tree, "window"):
        found.append(("sink_tokens", "it lets first keys be seen in spite of a window"))
        if not _is_asked(tree, "causal"):
            why = "it lets first keys be seen in spite of causal or window"
            found.append(("prefix", why))
    if not sources.given_four_axes:
        found.append(("axes", "neither query, key nor value has four axes"))
    if not grouped:
        same = "there are no heads" if heads is None else "each key head has one query head"
        found.append(("grouping", f"{same}; kv_heads says how many key heads there are"))
    return found


def _of_rules(
    tree: Mapping[str, Any], rules: Rules, function: ScoreFunction
) -> list[tuple[str, str]]:
    """Return unused keys of the rules from scores to weights, each with the reason."""
    found = []
    if len(rules.adjustments) < 2:
        there = (
            f"only the step {rules.adjustments[0].step}" if rules.adjustments else "none of them"
        )
        found.append(("order", f"it is that of softcap, bias and mask, and {there} is there"))
    if not (rules.schemes or "mask" in tree or function.name in HIDING_SCORES):
        found.append(("empty_rows", "no key is hidden, as by causal, window or a mask"))
    if not any(isinstance(each, Masking) for each in rules.adjustments):
        found.append(("mask_fill", "no key is hidden, as by causal, window or a mask"))
    if "sink_tokens" in tree and _has_no_left_bound(rules):
        found.append(("sink_tokens", "it passes the left bound of a window, which has none here"))
    if rules.normalizer.name == "argmax":
        found.append(("temperature", "the largest score stays so, with normalize: argmax"))
    return found


def _has_no_left_bound(rules: Rules) -> bool:
    """Whether there is a window, and its left side is unbounded."""
    from attn_cli.maths.visible.window import UNBOUNDED, Window

    windows = [scheme for scheme in rules.schemes if isinstance(scheme, Window)]
    return bool(windows) and windows[0].left == UNBOUNDED


def _of_types(
    tree: Mapping[str, Any], scale: PerHead, placement: Placement
) -> list[tuple[str, str]]:
    """Return unused keys of precision, each with the reason."""
    found = []
    if scale == 1:
        found.append(("precision.scale", "the scale is 1"))
    if placement == "scores":
        why = "it is the type of scaled q and k, and scale_placement: scores scales the scores"
        found.append(("precision.scaled", why))
    network = tree.get("feed_forward")
    normed = isinstance(network, Mapping) and "layer_norm" in network
    if not (normed or "qk_norm" in tree or "layer_norm" in tree):
        found.append(("precision.norm", "there is neither qk_norm nor layer_norm"))
    if not _is_asked(tree, "rope"):
        found.append(("precision.rope", "there is no rope"))
    return found


def _is_asked(tree: Mapping[str, Any], key: str) -> bool:
    return key in tree and not is_false(tree[key])
