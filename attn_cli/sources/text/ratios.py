"""Fractions and square roots as numbers: 1/2, sqrt(2), -3/sqrt(8).

    [sign] A   or   [sign] A/B,   A and B: a decimal without a sign, or sqrt(of one)

The decimals are taken exactly as they are written, and the one result is rounded to the nearest
float64, ties to even: 0.1/0.3 is the float64 nearest to 1/3, sqrt(2) that nearest to the root of 2.
Read in YAML, in JSON as strings, in options and in Python; never in CSV and TSV.
"""

from __future__ import annotations

import re
from fractions import Fraction
from math import isqrt

from attn_cli.errors import AttnError, Path, dotted, printable

_DECIMAL = r"(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_TERM = rf"(?:{_DECIMAL}|sqrt\( *{_DECIMAL} *\))"
RATIO = re.compile(rf"([+-]?)({_TERM})(?: */ *({_TERM}))?", re.ASCII)
LONGEST = 64  # characters of a decimal
FARTHEST = 400  # its exponent, either way: float64 ends before
_BITS = 66  # of a root: more than the 53 of float64 and one for a half


def is_ratio(text: str) -> bool:
    """Return whether a text is a fraction or has a root in it; a decimal alone is neither."""
    return ("/" in text or "sqrt" in text) and RATIO.fullmatch(text) is not None


def ratio(text: str, path: Path) -> float:
    """Return the value of a text that `is_ratio`, rounded once to the nearest float64.

    Raises AttnError for a division by 0, for decimals that are too long to be worked out exactly,
    and for a value beyond float64.
    """
    match = RATIO.fullmatch(text)
    assert match is not None
    sign, above, below = match.groups()
    (p, root), (q, root_below) = (_term(part, path) for part in (above, below or "1"))
    if q == 0:
        raise AttnError(f"{dotted(path)} = {printable(text)} divides by 0", path=path)
    try:
        if root or root_below:
            value = _root(p if root else p * p, q if root_below else q * q)
        else:
            value = float(p / q)
    except OverflowError:
        raise AttnError(
            f"{dotted(path)} = {printable(text)} is too large for float64", path=path
        ) from None
    return -value if sign == "-" else value


def _term(text: str, path: Path) -> tuple[Fraction, bool]:
    """Return the decimal in a term, exactly, and whether its root is meant."""
    root = text.startswith("sqrt")
    decimal = text[len("sqrt(") : -1].strip() if root else text
    exponent = decimal.lower().partition("e")[2] or "0"
    if len(decimal) > LONGEST or abs(int(exponent)) > FARTHEST:
        raise AttnError(
            f"{dotted(path)} has a decimal that is too long for a fraction or a root",
            path=path,
            help=f"write it with at most {LONGEST} characters and an exponent to {FARTHEST}",
        )
    return Fraction(decimal), root


def _root(above: Fraction, below: Fraction) -> float:
    """Return sqrt(above / below), rounded once: its first bits, and whether anything follows."""
    square = above / below
    p, q = square.numerator, square.denominator
    shift = max(0, _BITS - (p.bit_length() - q.bit_length()) // 2 + 1)
    whole, rest = divmod(p << (2 * shift), q)
    bits = isqrt(whole)
    inexact = rest != 0 or bits * bits != whole
    return float(Fraction(2 * bits + inexact, 1 << (shift + 1)))
