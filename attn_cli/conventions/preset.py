"""A preset: the conventions of one system in one version, as data."""

from __future__ import annotations

from collections.abc import Mapping

from attn_cli.conventions.knobs import INF, Plain
from attn_cli.dataclass import dataclass


@dataclass(frozen=True, kw_only=True)
class Preset:
    """The conventions of one system. `settings`: knob -> its value; `notes`: other differences.

    A preset sets conventions and no numbers: no cap, no sink, no scale. It does not set a knob if
    the system lacks the feature or leaves the choice to its caller; attn's own default is used.
    `adds_integers`: whether a mask of whole numbers is added to the scores like any other numbers,
    so that one of 0 and 1 hides nothing.
    """

    name: str
    title: str
    version: str  # of the system that is described
    settings: Mapping[str, Plain]
    sources: tuple[str, ...]
    notes: tuple[str, ...] = ()
    adds_integers: bool = False


# Values that several systems share.
MINUS_INF = {"value": -INF, "how": "select"}
AT_LEAST_FLOAT32 = "at least float32"
CAP_FIRST = ["softcap", "bias", "mask"]
_PAIRS, _PADDING, _HEADS = ["query", "key"], ["batch", "key"], ["head", "query", "key"]
AXES_FROM_THE_LAST = [_PAIRS, _HEADS]
AXES_BY_BATCH = [_PAIRS, ["batch", "query", "key"]]
AXES_OF_BOTH = [_PAIRS, ["batch*head", "query", "key"]]
AXES_OF_PADDING = [_PADDING]
AXES_OF_PADDING_AND_HEADS = [_PADDING, _HEADS]
