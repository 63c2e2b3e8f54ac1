"""Raw text -> numbers, flags and words, by a written grammar.

A number is digits with at most one point and an optional exponent: 1, +2, 3., -.5, 1e5. So are inf,
.inf and nan with their signs if the caller allows them, and fractions and roots (`ratios`), but
not in tables. Texts that other readers interpret differently are refused: 1_000, 010, 12:30, 0x1F,
1,5. A word is the text unchanged: no, on, null and 1e5 are words wherever a word is expected.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from attn_cli.errors import AttnError, Path, did_you_mean, dotted, printable
from attn_cli.sources.text.events import Quoted

NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
WHOLE = re.compile(r"[+-]?(?:0|[1-9]\d*)", re.ASCII)
WILD = re.compile(r"[+-]?\.?(?:inf|Inf|INF)|\.?(?:nan|NaN|NAN)")

# Texts that `float` accepts and the grammar does not: any other character, and digits after a 0.
# Two patterns, because each is a plain scan; their alternation takes four times as long.
_FOREIGN = re.compile(r"[^0-9+\-.eE\n]")
_LEADING_ZERO = re.compile(r"\n[+-]?0[0-9]")


def number(value: Any, path: Path, *, ratios: bool = True) -> float:
    """Return a number; raise AttnError with a hint if the value is not one.

    `ratios`: whether fractions and roots are numbers.
    """
    if isinstance(value, bool | np.bool_):
        raise _no_number(str(value).lower(), path)
    if isinstance(value, int | float | np.integer | np.floating):
        try:
            return float(value)
        except OverflowError:
            raise AttnError(f"{dotted(path)} is too large for float64", path=path) from None
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return number(value.item(), path)
    if not isinstance(value, str):
        raise AttnError(f"{dotted(path)} must be a number, not {kind_of(value)}", path=path)
    if NUMBER.fullmatch(value) and not isinstance(value, Quoted):
        return float(value)
    if WILD.fullmatch(value):
        return float(value.replace(".", ""))
    if _is_ratio(value):
        if ratios:
            from attn_cli.sources.text.ratios import ratio

            return ratio(value, path)
        raise AttnError(
            f"{dotted(path)} must be a number, not {shown(value)}",
            path=path,
            help="a table holds decimal numbers: write the fraction or the root as one",
        )
    raise _no_number(value, path)


def _is_ratio(text: str) -> bool:
    """Whether a text is a fraction or a root; for most texts this loads no other module."""
    if "/" not in text and "sqrt" not in text:
        return False
    from attn_cli.sources.text.ratios import is_ratio

    return is_ratio(text)


def is_number(value: Any) -> bool:
    """Return whether a node is one finite number."""
    if isinstance(value, str):
        plain = NUMBER.fullmatch(value) is not None and not isinstance(value, Quoted)
        return plain or _is_ratio(value)
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def integer(value: Any, path: Path, minimum: int) -> int:
    """Return a whole number that is at least `minimum`."""
    result = number(value, path)
    if result != result or result != np.floor(result) or abs(result) > 2**53:
        raise AttnError(
            f"{dotted(path)} must be a whole number, not {printable(str(value))}", path=path
        )
    if result < minimum:
        raise AttnError(f"{dotted(path)} must be at least {minimum}, not {int(result)}", path=path)
    return int(result)


def positive(value: Any, path: Path) -> float:
    """Return a finite number above 0."""
    result = finite(value, path)
    if result <= 0:
        raise AttnError(f"{dotted(path)} must be more than 0, not {result:g}", path=path)
    return result


def finite(value: Any, path: Path) -> float:
    """Return a number that is neither infinite nor NaN."""
    result = number(value, path)
    if not np.isfinite(result):
        raise AttnError(
            f"{dotted(path)} must be a finite number, not {printable(str(value))}", path=path
        )
    return result


def narrowed(value: float, path: Path, dtype: np.dtype[Any]) -> float:
    """Return a number; raise AttnError if the arithmetic's type cannot hold it."""
    with np.errstate(over="ignore", under="ignore"):
        held = dtype.type(value)
    if not np.isfinite(held) or (held == 0) != (value == 0):
        size = "large" if abs(value) > 1 else "small"
        raise AttnError(
            f"{dotted(path)} = {value:g} is too {size} for {dtype}",
            path=path,
            help="compute in a wider type: dtype float64",
        )
    return value


def flag(value: Any, path: Path, *, help: str | None = None) -> bool:
    """Return true or false; `help` is the advice if the key allows other values too."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, str) and value in ("true", "false") and not isinstance(value, Quoted):
        return value == "true"
    truth = _TRUTHS.get(str(value).lower()) if isinstance(value, str | int) else None
    raise AttnError(
        f"{dotted(path)} must be true or false, not {shown(value)}",
        path=path,
        help=f"did you mean '{truth}'?" if truth else help,
    )


# Other spellings of true and false, in lower case.
_TRUTHS = {
    **dict.fromkeys(("true", "yes", "y", "on", "1"), "true"),
    **dict.fromkeys(("false", "no", "n", "off", "0", "none", "null", "~"), "false"),
}


def choice(value: Any, path: Path, names: tuple[str, ...]) -> str:
    """Return one of the names; raise AttnError, naming the nearest, if it is another word."""
    text = word(value, path)
    if text not in names:
        raise AttnError(
            f"{dotted(path)} cannot be '{printable(text)}'",
            path=path,
            help=did_you_mean(
                text, names, what="it can be", meant=_TRUTHS if "true" in names else None
            ),
        )
    return text


def word(value: Any, path: Path) -> str:
    """Return a word unchanged."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, int | float | np.integer) and not isinstance(value, bool):
        try:
            value = str(value)
        except ValueError:  # Python writes no more than some thousand digits
            raise AttnError(f"{dotted(path)} has too many digits for a word", path=path) from None
    if not isinstance(value, str):
        raise AttnError(f"{dotted(path)} must be a word, not {kind_of(value)}", path=path)
    if not value and not isinstance(value, Quoted):
        raise AttnError(f"{dotted(path)} has no value", path=path)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise AttnError(f"{dotted(path)} is not UTF-8: {str(value)!a}", path=path) from None
    return str(value)


def numbers(texts: list[Any], path: Path, *, ratios: bool = True) -> list[float]:
    """Return a row of numbers; raise AttnError for the first cell that is not one.

    The whole row is tested at once, and its cells one by one only if that test fails.
    """
    kinds = set(map(type, texts))
    if kinds <= {float, int} or (kinds == {str} and _of_digits(texts)):
        try:
            return list(map(float, texts))
        except (ValueError, OverflowError):
            pass
    return [number(text, (*path, at), ratios=ratios) for at, text in enumerate(texts)]


def _of_digits(texts: list[str]) -> bool:
    """Whether texts have the characters of decimal numbers only, and no digits after a 0."""
    joined = "\n" + "\n".join(texts)
    if joined.count("\n") != len(texts) or _FOREIGN.search(joined):
        return False
    return not _LEADING_ZERO.search(joined)


def whole(texts: list[Any]) -> bool:
    """Return whether every cell of a row is written as a whole number."""
    kinds = set(map(type, texts))
    if kinds == {str}:
        return all(map(WHOLE.fullmatch, texts))
    if kinds <= {float, int}:
        return float not in kinds
    return all(
        WHOLE.fullmatch(t) is not None
        if isinstance(t, str)
        else isinstance(t, int | np.integer) and not isinstance(t, bool)
        for t in texts
    )


def kind_of(value: Any) -> str:
    """Return the kind of a node, for messages."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, np.ndarray) or not isinstance(value, str | int | float | np.generic):
        return f"an array of shape {value.shape}" if hasattr(value, "shape") else "an array"
    return f"{type(value).__name__} {value!r}" if not isinstance(value, str) else shown(value)


def shown(value: Any) -> str:
    """Return a value, quoted for messages."""
    if not isinstance(value, str):
        return kind_of(value) if not isinstance(value, bool | int | float) else str(value).lower()
    text = printable(value)
    return f"'{text if len(text) <= 40 else text[:37] + '...'}'" if value else "nothing"


def _no_number(text: str, path: Path) -> AttnError:
    """Return the error for a text that is not a number, with a hint that fits it."""
    return AttnError(
        f"{dotted(path)} must be a number, not {shown(text)}", path=path, help=_hint(text)
    )


def _hint(text: str) -> str | None:
    """Return the advice for a text that is meant as a number."""
    if isinstance(text, Quoted) and NUMBER.fullmatch(text):
        return "remove the quotes"
    for pattern, advice in _HINTS:
        if re.fullmatch(pattern, text):
            return advice
    return None


_HINTS = (  # compiled only for an error
    (r"", "write a number here"),
    (r"\(.*|[+-]?[\d.]+\)+", "write rows in square brackets: [1, 0]"),
    (r".*[½⅓⅔¼¾].*", "write a fraction as 1/2"),
    (r"[+-]?[\d.]+\s*%", "write it without '%': 50% is 0.5"),
    (r"[+-]?(pi|π)", "write its digits: 3.141592653589793"),
    (r"[+-]?[\d.]+[eE][+-]?", "write the digits of the exponent: 1e-5"),
    (r".*，.*", "put ',' between the numbers, not '，'"),
    (
        r"[^ ]*[\xa0\u2007-\u200b\u202f\u3000][^ ]*",
        "remove the blank in it, which is not an ordinary space",
    ),
    (r"−[\d.]+", "write the minus sign as '-'"),
    (r"[+-]?\d+(_\d+)+(\.\d*)?", "write it without '_'"),
    (r"[+-]?\d+,\d+", "write the decimal point as '.'"),
    (r"[+-]?0\d+(\.\d*)?", "write it without the leading 0"),
    (r"\S+\s*/\s*\S+", "a fraction is A/B, where A and B are decimals or sqrt(decimal): 3/sqrt(8)"),
    (r".*(sqrt|√).*", "a root is sqrt(2), with one decimal number in it"),
    (r".*\*\*.*|.*\^.*", "write the power as a decimal number, or a root as sqrt(2)"),
    (r"\d+(:\d+)+", "write one number, not a time"),
    (r"0[xXbBoO]\w+", "write it in decimal digits"),
    (r"true|false|True|False|yes|no", "write 1 or 0, or true and false in all of the matrix"),
    (r"null|~|None", "write a number, or leave the key out"),
    (r"\.\.\.", "NumPy leaves numbers out of a long print: keep all of them with numpy.save"),
    (r"one|two|three|four|six|eight|ten", "write it in digits"),
    (r"[+-]?[\d.]+(\s*,\s+[+-]?[\d.]+)+", "write the row in brackets: [1, 0]"),
    (r"[^;]*;.*", "write each row in brackets of its own: [[1, 0], [0, 1]]"),
    (r"[+-]?[\d.]\S*(\s+[+-]?[\d.]\S*)+", "put commas between the numbers: [1, 0]"),
)
