r"""Arithmetic as text or as LaTeX: the tree of a line with its numbers in the slots.

Numbers for people have so many decimals; whole numbers, and others that are short, are exact.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import isfinite
from typing import Any, NamedTuple

import numpy as np

from attn_cli.lab.derivation.arithmetic import SLOT, Tree, names_in, present
from attn_cli.lab.derivation.result import Line
from attn_cli.views import tex

Write = Callable[[float], str]


def shown(x: float, decimals: int) -> str:
    """Return a number for people.

    >>> [shown(x, 4) for x in (7.0, 0.5, 2 / 3, -1e-7, 1e9, 0.0)]
    ['7', '0.5', '0.6667', '-1.00e-07', '1000000000', '0']
    """
    if not isfinite(x):
        return str(float(x))
    whole = round(x)  # 5.000000000000001 is what rounding has left of 5
    if abs(x) < 1e15 and (x == whole or (whole and abs(x - whole) < 1e-13 * abs(x))):
        return str(whole)
    if abs(x) < 0.5 * 10.0**-decimals or abs(x) >= 1e8:
        return f"{x:.2e}"
    text = f"{x:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if float(text) == x else text


class Medium(NamedTuple):
    """How a medium writes what is not a number or a sum."""

    number: Callable[[str], str]
    times: str
    quotient: Callable[[str, str], str]
    power: Callable[[str, str], str]
    call: Callable[[str, list[str]], str]
    component: Callable[[str, str], str]
    drops: bool  # whether fractions and exponents need no parentheses


def _call(function: str, arguments: list[str]) -> str:
    return f"{function}({', '.join(arguments)})"


def _tex_call(function: str, arguments: list[str]) -> str:
    if function == "exp":
        return f"e^{{{arguments[0]}}}"
    if function == "sqrt":
        return rf"\sqrt{{{arguments[0]}}}"
    known = {"log", "max", "tanh", "cos", "sin"}
    plain = function.replace("_", " ")
    name = f"\\{function}" if function in known else rf"\operatorname{{{plain}}}"
    return f"{name}({', '.join(arguments)})"


TEXT = Medium(
    str,
    "*",
    lambda a, b: f"{a} / {_guarded(b)}",
    lambda a, b: f"{a}^{b}",
    _call,
    lambda letter, n: f"{letter}{n}",
    drops=False,
)
TEX = Medium(
    tex.number,
    r" \cdot ",
    lambda a, b: rf"\frac{{{a}}}{{{b}}}",
    lambda a, b: f"{a}^{{{b}}}",
    _tex_call,
    lambda letter, n: f"{letter}_{{{n}}}",
    drops=True,
)


def _guarded(text: str) -> str:
    """Return a factor, in parentheses if it begins with a minus."""
    return f"({text})" if text.startswith("-") else text


def plus(left: str, right: str) -> str:
    """Return a sum of two texts, of which the second may begin with a minus."""
    return f"{left} - {right[1:]}" if right.startswith("-") else f"{left} + {right}"


def written(tree: Tree, slot: Callable[[str], str], medium: Medium) -> str:
    """Return the text of a tree."""
    kind, *parts = tree
    if kind == "slot":
        return slot(parts[0])
    if kind == "number":
        return str(parts[0])
    if kind == "()":
        return f"({written(parts[0], slot, medium)})"
    if kind == "call":
        function, *arguments = parts
        return medium.call(function, [written(each, slot, medium) for each in arguments])
    if medium.drops and kind in "/^":
        parts = [_bare(part, base=kind == "^" and not n) for n, part in enumerate(parts)]
    texts = [written(part, slot, medium) for part in parts]
    return _signed(kind, texts, medium)


def _bare(tree: Tree, *, base: bool) -> Tree:
    """Return a tree without the parentheses that a fraction or an exponent makes needless."""
    inside: Tree = tree[1] if tree[0] == "()" and not base else tree
    return inside


def _signed(sign: str, texts: list[str], medium: Medium) -> str:
    """Return what a sign makes of the texts of its parts."""
    if len(texts) == 1:
        return f"-{_guarded(texts[0])}"
    left, right = texts
    if sign == "+":
        return plus(left, right)
    if sign == "-":
        return f"{left} + {right[1:]}" if right.startswith("-") else f"{left} - {right}"
    if sign == "*":
        return f"{left}{medium.times}{_guarded(right)}"
    if sign == "/":
        return medium.quotient(left, right)
    simple = left.replace(".", "").isalnum() or left.endswith(")")
    return medium.power(left if simple else f"({left})", right)


def numbers(line: Line, write: Write, medium: Medium) -> str:
    """Return the arithmetic of a line; empty if it has none, or no more than its value."""
    if line.tree is None:
        return ""
    text = written(line.tree, _filling(line, write, medium), medium)
    return "" if text == _number(line.result, write, medium) else text


def values(line: Line) -> tuple[float, ...]:
    """Return the value of a line as a vector."""
    return line.result if isinstance(line.result, tuple) else (line.result,)


def further(line: Line, write: Write, medium: Medium) -> str:
    """Return the arithmetic of a line further worked out; empty if it is not."""
    if line.tree is None or line.then is None:
        return ""
    return written(line.then, _filling(line, write, medium), medium)


def _number(x: Any, write: Write, medium: Medium) -> str:
    return medium.number(write(float(x)))


def _filling(line: Line, write: Write, medium: Medium) -> Callable[[str], str]:
    def slot(name: str) -> str:
        if name != "terms":
            return _number(line.slots[name], write, medium)
        terms = [_term(line, at, write, medium) for at in range(line.count)]
        if line.rest is not None:
            terms.append(_number(line.rest[1], write, medium))
        return _summed(terms)

    return slot


def _term(line: Line, at: int, write: Write, medium: Medium) -> str:
    def slot(name: str) -> str:
        if name == "inner":
            return _inner(line, at, write, medium)
        value = np.asarray(line.slots[name])
        return _number(value[at] if value.ndim else value, write, medium)

    return written(line.term, slot, medium)


def _inner(line: Line, at: int, write: Write, medium: Medium) -> str:
    names = names_in(line.template.inner)
    count = max(len(np.asarray(line.slots[name])[at]) for name in names)

    def term(m: int) -> str:
        def slot(name: str) -> str:
            return _number(np.asarray(line.slots[name])[at, m], write, medium)

        return written(line.inner, slot, medium)

    return _summed([term(m) for m in range(count)])


def _summed(terms: list[str]) -> str:
    text = terms[0] if terms else "0"
    for term in terms[1:]:
        text = plus(text, term)
    return text


def rounds(line: Line, decimals: int) -> bool:
    """Return whether the numbers as they are shown give another last digit than the result."""
    if line.tree is None:
        return False
    rounded = np.vectorize(lambda x: float(shown(float(x), decimals)), otypes=[np.float64])
    with np.errstate(all="ignore"):
        value = line.value(lambda x: rounded(np.asarray(x, np.float64)))
    return shown(value, decimals) != shown(float(np.asarray(line.result)), decimals)


def filled(line: Line, pattern: str, write: Write, word: Callable[[str], str]) -> str:
    """Return a label or a note with its words and numbers."""

    def slot(found: re.Match[str]) -> str:
        name = found[1]
        if name in line.words:
            return word(line.words[name])
        return write(float(line.slots[name])) if name in line.slots else found[0]

    return SLOT.sub(slot, present(pattern, line.slots))


def note(line: Line, decimals: int, word: Callable[[str], str], *, several: bool = False) -> str:
    """Return what is to be said about a line: its note, and what stands for shorter sums.

    With `several` lines beside it the sum of the smaller terms is not named.
    """

    def write(x: float) -> str:
        return shown(x, decimals)

    notes = [filled(line, line.note, write, word)] if line.note else []
    if line.rest is not None:
        count, total = line.rest
        notes.append(f"{'last' if several else write(total)}: {count} smaller terms")
    return "; ".join(notes)
