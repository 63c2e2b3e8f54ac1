"""The knobs: questions that systems answer differently, with the possible values and attn's own.

A knob has the name of the key of a problem that sets it: `alibi.form` is `form` in `alibi`. Its
values are written as in a problem, except those that only a preset can set: the meaning of a bare
number as `window`, the alignments `end` and `cache`, and the types `dtype`, `accumulate` and
`at least float32` of `precision`, which depend on the problem's own type. Five knobs have no
default, because systems are split and a wrong guess is not noticed: these need a value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from attn_cli.dataclass import dataclass

Plain = Any  # a text, number, truth value, list or mapping, as a problem file holds it

INF = math.inf


@dataclass(frozen=True)
class Answer:
    """One value of a knob, and its meaning; `in_problems`: whether a problem can have it."""

    value: Plain
    meaning: str
    in_problems: bool = True


@dataclass(frozen=True)
class Knob:
    """A question that systems answer differently. `default` None: attn refuses to guess."""

    name: str
    question: str
    answers: tuple[Answer, ...]
    default: Plain | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """The key path in a problem that answers it."""
        return tuple(self.name.split("."))

    @property
    def values(self) -> dict[str, str]:
        """Each value as text -> its meaning."""
        return {text(answer.value): answer.meaning for answer in self.answers}

    @property
    def words(self) -> tuple[str, ...]:
        """The answers of one word that a problem can write."""
        return tuple(a.value for a in self.answers if a.in_problems and isinstance(a.value, str))

    def meaning(self, value: Plain) -> str:
        """Return the meaning of a value, empty for one that is not among the answers."""
        return self.values.get(text(value), "")


def text(value: Plain, digits: int = 15) -> str:
    """Return a value as in a problem file, in one line, with `digits` digits of its numbers.

    >>> text({"value": -INF, "how": "select"}), text([-1e9, 0.25, True]), text(2 / 3, 4)
    ('{value: -inf, how: select}', '[-1e9, 0.25, true]', '0.6667')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {text(item, digits)}' for key, item in value.items())}}}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(text(item, digits) for item in value)}]"
    if isinstance(value, float):
        return _number(value, digits)
    return str(value)


def _number(value: float, digits: int) -> str:
    """Return the shorter of 1000000 and 1e6."""
    value += 0.0  # removes the sign of -0
    plain = f"{value:.{digits}g}"
    power = re.sub(r"\.?0*e", "e", f"{value:.{digits - 1}e}")
    plain, power = (re.sub(r"e\+?(-?)0*(?=\d)", r"e\1", number) for number in (plain, power))
    return power if len(power) + 2 < len(plain) else plain


def _fill(value: float | str, how: str) -> dict[str, Plain]:
    return {"value": value, "how": how}


_PAIRS, _PADDING = ["query", "key"], ["batch", "key"]  # axes of a mask of two

_KNOBS = (
    Knob(
        "mask.true_means",
        "what does true mean in a mask of booleans?",
        (
            Answer("attend", "the query sees the key"),
            Answer("ignore", "the key is hidden from the query"),
        ),
    ),
    Knob(
        "mask.axes",
        "which axes does a mask or bias of two or three axes have?",
        (
            Answer(
                [_PAIRS, ["head", "query", "key"]], "aligned from the last, as arrays broadcast"
            ),
            Answer([_PAIRS, ["batch", "query", "key"]], "one for all heads of a batch entry"),
            Answer(
                [_PAIRS, ["batch*head", "query", "key"]],
                "the heads of one batch entry after another",
            ),
            Answer(
                [_PADDING, ["head", "query", "key"]],
                "two: keys of each batch entry (padding); three: aligned from the last",
            ),
            Answer([_PADDING], "two: keys of each batch entry (padding); three are not read"),
        ),
    ),
    Knob(
        "causal",
        "at which keys are the queries if there are more keys than queries, or fewer?",
        (
            Answer("top-left", "query i is at key i"),
            Answer("bottom-right", "the last query is at the last key that key_lengths count"),
            Answer(
                "end",
                "the last query is at the last key, even if key_lengths are less",
                in_problems=False,
            ),
            Answer(
                "cache",
                "after the past if there is one, else bottom-right with key_lengths",
                in_problems=False,
            ),
        ),
    ),
    Knob(
        "window",
        "which keys does a window of W let a query see?",
        (
            Answer("keys", "W: itself and the W - 1 before it", in_problems=False),
            Answer("previous", "W + 1: itself and the W before it", in_problems=False),
            Answer("band", "2W - 1: itself and W - 1 on either side", in_problems=False),
            Answer("both", "2W + 1: itself and W on either side", in_problems=False),
        ),
    ),
    Knob(
        "order",
        "when is the soft cap applied: before or after bias and mask?",
        (
            Answer(["softcap", "bias", "mask"], "the cap bounds the scores alone"),
            Answer(["bias", "softcap", "mask"], "the cap bounds the sum of score and bias"),
            Answer(
                ["bias", "mask", "softcap"],
                "the cap makes -c of the -inf of a hidden key, which then gets some weight",
            ),
        ),
        default=["softcap", "bias", "mask"],
    ),
    Knob(
        "mask_fill",
        "what happens to the score of a hidden key?",
        (
            Answer(_fill(-INF, "select"), "-inf replaces it: its weight is 0 whatever it was"),
            Answer(_fill("lowest", "select"), "the lowest finite number replaces it"),
            Answer(_fill("lowest", "add"), "the lowest finite number is added to it"),
            Answer(_fill("0.7 lowest", "select"), "0.7 times the lowest number replaces it"),
            Answer(_fill("0.7 lowest float32", "select"), "the same of float32, also in float64"),
            Answer(_fill(-1e18, "select"), "-1e18 replaces it"),
            Answer(_fill(-1e9, "select"), "-1e9 replaces it"),
            Answer(_fill(-1e9, "add"), "-1e9 is added to it: float64 keeps the score to 1e-7"),
            Answer(_fill(-1e6, "select"), "-1e6 replaces it"),
        ),
        default=_fill(-INF, "select"),
    ),
    Knob(
        "empty_rows",
        "what are the weights of a query that sees no key?",
        (
            Answer("zero", "0, and so is its output"),
            Answer("nan", "NaN: 0/0"),
            Answer("uniform", "1/n for each of the n keys: its output is the mean of V"),
            Answer(
                {"mask": "zero", "other": "uniform"},
                "0 if the mask alone hides every key of its row, else 1/n",
            ),
        ),
        default="zero",
    ),
    Knob(
        "scale_placement",
        "what does the scale multiply: the scores, the queries, or queries and keys by its root?",
        (
            Answer("scores", "scale * (q k^T)"),
            Answer("query", "(scale q) k^T"),
            Answer("split", "(sqrt(scale) q) (sqrt(scale) k)^T"),
        ),
        default="scores",
    ),
    Knob(
        "precision.scale",
        "to which type is the scale rounded before it is multiplied?",
        (
            Answer(
                "accumulate",
                "to that of the sums: float32 for 16-bit types, else dtype",
                in_problems=False,
            ),
            Answer(
                "dtype",
                "to dtype, even if it has 16 bits: 1/sqrt(5) is 0.4473 in bfloat16",
                in_problems=False,
            ),
        ),
        default="accumulate",
    ),
    Knob(
        "precision.scaled",
        "in which type are q and k that are scaled before their product?",
        (
            Answer("dtype", "in dtype, like all other steps", in_problems=False),
            Answer(
                "at least float32",
                "in float32 if dtype has 16 bits, else in dtype",
                in_problems=False,
            ),
        ),
        default="dtype",
    ),
    Knob(
        "precision.scores",
        "in which type are scores kept, from the product up to the softmax?",
        (
            Answer("dtype", "in dtype, like all other steps", in_problems=False),
            Answer(
                "at least float32",
                "in float32 if dtype has 16 bits, else in dtype",
                in_problems=False,
            ),
        ),
        default="dtype",
    ),
    Knob(
        "precision.softmax",
        "in which type does the softmax run?",
        (
            Answer(
                "accumulate",
                "in that of the sums: float32 for 16-bit types, else dtype",
                in_problems=False,
            ),
            Answer("dtype", "in that of the scores, even if it has 16 bits", in_problems=False),
            Answer("float32", "in float32, even if the scores are float64"),
        ),
        default="accumulate",
    ),
    Knob(
        "precision.weighted_sum",
        "in which type are the weights multiplied by V?",
        (
            Answer("dtype", "in dtype, like all other steps", in_problems=False),
            Answer(
                "at least float32",
                "in float32 if dtype has 16 bits, else in dtype",
                in_problems=False,
            ),
        ),
        default="dtype",
    ),
    Knob(
        "grouping",
        "which of G key heads does query head h of H read?",
        (
            Answer("interleave", "h // (H/G): neighbours share one, 0 0 1 1"),
            Answer("tile", "h mod G: they take turns, 0 1 0 1"),
        ),
        default="interleave",
    ),
    Knob(
        "axes",
        "what is the order of four axes?",
        (
            Answer("bhsd", "batch, heads, tokens, features"),
            Answer("bshd", "batch, tokens, heads, features"),
        ),
        default="bhsd",
    ),
    Knob(
        "positions.layout",
        "how are the sines and cosines of positions ordered?",
        (
            Answer("interleaved", "alternating: sin, cos, sin, cos; exponents 2i/d (the paper)"),
            Answer("concatenated", "all sines, then all cosines; exponents i/(d/2 - 1)"),
        ),
        default="interleaved",
    ),
    Knob(
        "rope.interleaved",
        "which two features of d does a rotary embedding turn together?",
        (
            Answer(False, "m and m + d/2: the two halves"),
            Answer(True, "2m and 2m + 1: neighbours"),
        ),
        default=False,
    ),
    Knob(
        "past.rotated",
        "has rope turned the keys of a cache already?",
        (
            Answer(True, "yes: the cache holds keys as they come out of rope"),
            Answer(False, "no: rope turns them again with the new ones"),
        ),
    ),
    Knob(
        "alibi.slopes",
        "which ALiBi slopes do H heads have if H is not a power of two?",
        (
            Answer("paper", "those of the power of two below, then every other one of the next"),
            Answer("plain", "2^(-8(h + 1)/H) for head h = 0, 1, ..., as if it were one"),
        ),
        default="paper",
    ),
    Knob(
        "alibi.form",
        "what does ALiBi with slope m add, for a query at p and key j of n?",
        (
            Answer("distance", "-m |p - j|"),
            Answer("signed", "m (j - p): more than 0 for keys after the query"),
            Answer("key", "m j: the same in every row"),
            Answer("last_key", "m (j - n + 1): the same in every row, 0 at the last key"),
            Answer("clamped", "-m max(p - j, 0): 0 for keys after the query"),
        ),
        default="distance",
    ),
)

KNOBS: dict[str, Knob] = {knob.name: knob for knob in _KNOBS}
