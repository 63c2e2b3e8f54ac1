"""Documents, key starts, positions that are given, and a past that is rotated."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.conformance.cases.bases import FOUR, PAST, SHARED, SQUARE, STANDS, THREE, TWO, Cases

_IDS = [[0, 0, 1, 1, 1, 2, 2], [0, 1, 1, 1, 1, 1, 0]]
_SIDES = {"query": [0, 1, 2, 9, 0], "key": _IDS[0]}
_SLENS = {"cu_seqlens_q": [0, 2, 2, 5], "cu_seqlens_k": [0, 3, 5, 7]}
_AGREE = {"query": [2, 0, 0, 1, 2], "key": [0, 2, 1, 7, 0, 2, 7]}
"""Every id that queries and keys share has as many of both."""
_PAST = {"key": PAST.normal(2, 3, 2, 4), "value": PAST.normal(2, 3, 2, 3)}
_PLACES = {"query": [3, 1, 4, 1, 5], "key": [9, 2, 6, 5, 3, 5, 8]}
_OF_EACH = {"query": [[3, 1, 4, 1, 5], [0, 0, 7, 8, 9]], "key": [_PLACES["key"], [*range(7)]]}
_LAST = {"form": "last_key"}
_WIDE = replace(THREE, d_k=10)
_ROWS = {"query": FOUR.choices([*range(9)], 3, 5), "key": FOUR.choices([*range(9)], 3, 7)}
_BLOCKS = {"sections": [2, 1, 2], "sections_layout": "blocks"}
_IN_TURN = {"sections": [2, 2, 1], "sections_layout": "in-turn"}


def _named(*shape: int) -> dict[str, Any]:
    """Three rows by their names."""
    return {name: FOUR.choices([*range(9)], *shape) for name in ("temporal", "height", "width")}


POSITIONS: Cases = {
    **{
        f"documents, {causal}, {name}": (THREE, {"documents": given, "causal": causal})
        for causal in ("top-left", "bottom-right")
        for name, given in (
            ("keys", _IDS[0]),
            ("keys of each entry", _IDS),
            ("queries and keys", _SIDES),
            ("cu_seqlens", _SLENS),
        )
    },
    "documents, queries and keys, not causal": (THREE, {"documents": _SIDES}),
    "documents, cu_seqlens, not causal": (FOUR, {"documents": _SLENS}),
    "documents, alignment": (
        THREE,
        {"documents": {**_SIDES, "alignment": "bottom-right"}, "rope": True},
    ),
    "documents, alignment, causal": (
        THREE,
        {"documents": {**_SLENS, "alignment": "bottom-right"}, "causal": True},
    ),
    "documents, cu_seqlens of each entry": (
        FOUR,
        {
            "documents": {
                "cu_seqlens_q": [[0, 2, 2, 5], [0, 1, 5]],
                "cu_seqlens_k": [[0, 3, 5, 7], [0, 6, 7]],
            },
            "causal": "bottom-right",
        },
    ),
    "documents that agree": (THREE, {"documents": _AGREE, "causal": True}),
    "documents that agree, window": (THREE, {"documents": _AGREE, "window": {"left": 1}}),
    "documents that agree, rope": (THREE, {"documents": _AGREE, "rope": True}),
    "documents that agree, alibi": (FOUR, {"documents": _AGREE, "alibi": True}),
    "documents, key_lengths": (
        THREE,
        {"documents": _SIDES, "causal": "bottom-right", "key_lengths": [4, 6], "rope": True},
    ),
    "documents, key_start": (
        FOUR,
        {"documents": _SIDES, "causal": "bottom-right", "key_start": [1, 3], "rope": True},
    ),
    "documents, key_start, top-left": (
        THREE,
        {"documents": _SIDES, "causal": "top-left", "key_start": [1, 3], "rope": True},
    ),
    "documents, prefix and sink_tokens": (
        THREE,
        {
            "documents": _SIDES,
            "causal": "top-left",
            "window": {"left": 0},
            "prefix": 1,
            "sink_tokens": 2,
        },
    ),
    "documents, last_key": (
        SHARED,
        {"documents": _SIDES, "causal": "bottom-right", "alibi": _LAST},
    ),
    "documents, last_key, key_lengths": (
        SHARED,
        {
            "documents": _SIDES,
            "causal": "bottom-right",
            "alibi": _LAST,
            "key_lengths": [4, 6],
        },
    ),
    "documents, relative_bias": (
        SHARED,
        {
            "documents": _SLENS,
            "causal": "bottom-right",
            "relative_bias": {"table": FOUR.normal(8, 3)},
        },
    ),
    "key_start": (THREE, {"key_start": [2, 5]}),
    "key_start of 2 axes": (TWO, {"key_start": 3}),
    "key_start, causal": (replace(FOUR, new=5), {"key_start": [0, 3], "causal": True}),
    "key_start, key_lengths": (
        THREE,
        {"key_start": [1, 4], "key_lengths": [6, 4], "causal": "bottom-right", "rope": True},
    ),
    "key_start, offset": (THREE, {"key_start": 2, "rope": True, **STANDS}),
    "key_start, window, prefix, sink_tokens": (
        THREE,
        {
            "key_start": [1, 2],
            "window": {"left": 1, "right": 0},
            "prefix": 1,
            "sink_tokens": 2,
            **STANDS,
        },
    ),
    "key_start, last_key": (THREE, {"key_start": [1, 2], "alibi": _LAST, **STANDS}),
    "key_start, alibi key": (THREE, {"key_start": [1, 2], "alibi": {"form": "key"}, **STANDS}),
    "rope positions": (FOUR, {"rope": {"positions": _PLACES}}),
    "rope positions of each entry": (FOUR, {"rope": {"positions": _OF_EACH}}),
    "rope positions of both sides": (SQUARE, {"rope": {"positions": [0, 1, 0, 1, 2]}}),
    "rope positions, causal": (THREE, {"rope": {"positions": _PLACES}, "causal": "top-left"}),
    "rope positions, a past to rotate": (
        PAST,
        {
            "past": {**_PAST, "rotated": False},
            "rope": {"positions": {"query": _PLACES["query"], "key": [*range(9)]}},
        },
    ),
    "rope positions, a past that is rotated": (
        PAST,
        {"past": {**_PAST, "rotated": True}, "rope": {"positions": _OF_EACH}},
    ),
    "rope sections in blocks": (replace(SHARED, d_k=10), {"rope": {"positions": _ROWS, **_BLOCKS}}),
    "rope sections in turn": (_WIDE, {"rope": {"positions": _ROWS, **_IN_TURN}}),
    "rope sections, interleaved": (
        _WIDE,
        {"rope": {"positions": _ROWS, "interleaved": True, **_IN_TURN}},
    ),
    "rope sections, batch first": (
        _WIDE,
        {
            "rope": {
                "positions": {
                    "query": FOUR.choices([*range(9)], 2, 3, 5),
                    "key": FOUR.choices([*range(9)], 3, 2, 7),
                },
                **_BLOCKS,
            }
        },
    ),
    "rope sections by name": (
        _WIDE,
        {"rope": {"positions": {"query": _named(5), "key": _named(2, 7)}, **_IN_TURN}},
    ),
    "rope sections of both sides": (
        replace(THREE, new=5, d_k=6),
        {"rope": {"positions": _named(5), "sections": [1, 1, 1], "sections_layout": "blocks"}},
    ),
    "alibi positions": (FOUR, {"alibi": {"positions": _PLACES}}),
    "alibi positions, last_key": (THREE, {"alibi": {**_LAST, "positions": _OF_EACH}}),
    "alibi positions, key": (THREE, {"alibi": {"positions": _PLACES, "form": "key"}}),
    "alibi positions, documents": (
        SHARED,
        {"documents": _SIDES, "alibi": {"positions": _PLACES}, "causal": "top-left"},
    ),
    "relative_bias positions": (
        SHARED,
        {"relative_bias": {"table": FOUR.normal(8, 3), "positions": _OF_EACH}},
    ),
}
