r"""LaTeX of formulas, for math mode with the package amsmath: MathJax and KaTeX read it too.

    q_rotated              q_{\mathrm{rotated}}           a letter with a word as its index
    present_key            \mathrm{present\_key}          any other name
    scale * Q K^T          \mathrm{scale} \cdot Q K^{\top}
    gate * products        \mathrm{gate} \odot \mathrm{products}
    s where c, else -inf   \begin{cases} s & \text{if } c \\ -\infty & \text{otherwise} \end{cases}

Names are those of the text, so that a reader finds the step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attn_cli import formula as f
from attn_cli.formula import expression as at
from attn_cli.formula.expression import begins_with_minus

GREEK = frozenset(("alpha", "beta", "gamma", "sigma"))
FUNCTIONS = {"exp": r"\exp", "log": r"\log", "max": r"\max", "tanh": r"\tanh"}
OPERATORS = {"sum": r"\sum", "d": r"\partial"}
RELATIONS = {"<=": r"\le", ">=": r"\ge"}
SPECIAL = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        **{character: f"\\{character}" for character in "{}$&#_%"},
    }
)
NOT_IN_TEXT = str.maketrans({c: rf"}}{{{c}}}\text{{" for c in "<>|"})
TALL, OPERATED = (f.Quotient, f.Where, f.Named), (f.Prefix, f.Call)


def latex(formula: f.Formula) -> str:
    """Return the LaTeX of a formula."""
    return WRITERS[type(formula)](formula)


def escaped(text: str) -> str:
    r"""Return a text as `\text` and `\mathrm` take it.

    >>> escaped("50 % of d_k")
    '50 \\% of d\\_k'
    """
    return text.translate(SPECIAL)


def _inside(part: f.Formula, least: int) -> str:
    """Return a part, in parentheses if it binds less tightly than `least`; fractions need none."""
    level = at.POWER if isinstance(part, f.Quotient) and least <= at.POWER else part.level
    return _bracketed(part) if level < least else latex(part)


def _after(part: f.Formula, least: int) -> str:
    """Return a part after a sign, in parentheses if it begins with a minus."""
    return _bracketed(part) if begins_with_minus(part) else _inside(part, least)


def _bracketed(*parts: f.Formula) -> str:
    tall = any(_is_tall(node) for part in parts for node in part.nodes())
    left, right = (r"\left(", r"\right)") if tall else ("(", ")")
    return f"{left}{', '.join(map(latex, parts))}{right}"


def _is_tall(node: f.Formula) -> bool:
    """Return whether a node is higher than a line: a fraction, a large sum, several lines."""
    return isinstance(node, TALL) or (isinstance(node, OPERATED) and node.parts[0] == "sum")


def _symbol(symbol: f.Symbol) -> str:
    name = str(symbol)
    letter, rest = name[:1], name[1:]
    if name in GREEK:
        return f"\\{name}"
    if not rest or rest == "'":
        return r"\mathbf{1}" if name == "1" else escaped(name)
    if rest.isdigit() or (rest[0] == "_" and len(rest) == 2):
        return f"{letter}_{{{rest.lstrip('_')}}}"
    if rest[0] == "_":
        return rf"{letter}_{{\mathrm{{{escaped(rest[1:])}}}}}"
    return rf"\mathrm{{{escaped(name)}}}"


def _number(number: f.Number) -> str:
    digits, _, exponent = str(number).partition("e")
    if digits.endswith("inf"):
        return digits.replace("inf", r"\infty")
    if digits == "nan":
        return r"\mathrm{nan}"
    if not exponent:
        return digits
    power = f"10^{{{int(exponent)}}}"
    if digits in ("1", "-1"):
        return f"{digits[:-1]}{power}"
    return rf"{digits} \cdot {power}"


def _words(words: f.Words) -> str:
    return "".join(
        _text(part) if isinstance(part, str) else _inside(part, at.RELATION) for part in words.parts
    )


def _text(text: str) -> str:
    """Return words in a formula; TeX's usual text fonts lack three characters that math has."""
    written = escaped(text).translate(NOT_IN_TEXT)
    return rf"\text{{{written}}}".replace(r"\text{}", "")


def _sum(terms: f.Sum) -> str:
    first, *rest = terms.parts
    text = _inside(first, at.NEGATIVE)
    for term in rest:
        if type(term) is f.Negative:
            text += f" - {_after(term.parts[0], at.DOT)}"
        elif isinstance(term, f.Number) and begins_with_minus(term):
            text += f" - {latex(f.number(-term.value))}"
        else:
            text += f" + {_inside(term, at.DOT)}"
    return text


def _product(product: f.Product) -> str:
    first, *rest = product.parts
    text = _inside(first, at.POWER)
    for before, part in zip(product.parts, rest, strict=False):
        # Names of several letters would run into each other; a function has its own space.
        apart = " " if (_is_short(before) and _is_short(part)) or type(part) is f.Call else r" \, "
        text += apart + _after(part, at.POWER)
    return text


def _is_short(part: f.Formula) -> bool:
    """Return whether a factor is a number, or a letter with or without a short index."""
    if isinstance(part, f.Transpose | f.Power):
        part = part.parts[0]
    if isinstance(part, f.Symbol):
        return "mathrm" not in _symbol(part)
    return isinstance(part, f.Number | f.Product | f.Sum)


def _joined(sign: str) -> Callable[[Any], str]:
    """Return the writer of numbers and things that are multiplied with this sign."""

    def write(product: f.Times) -> str:
        first, *rest = product.parts
        texts = [_inside(first, at.QUOTIENT), *(_after(part, at.QUOTIENT) for part in rest)]
        return f" {sign} ".join(texts)

    return write


def _power(power: f.Power) -> str:
    base, exponent = power.parts
    if isinstance(exponent, f.Quotient):
        above, below = exponent.parts
        raised = f"{_inside(above, at.DOT)}/{_after(below, at.POWER)}"
    else:
        raised = latex(exponent)
    return f"{_base(base)}^{{{raised}}}"


def _base(base: f.Formula) -> str:
    """Return a part that is raised or transposed; a minus or a power of ten has parentheses."""
    scientific = isinstance(base, f.Number) and "e" in str(base)
    return _bracketed(base) if scientific else _after(base, at.ATOM)


def _call(call: f.Call) -> str:
    function, *arguments = call.parts
    if len(arguments) == 1 and function == "sqrt":
        return rf"\sqrt{{{latex(arguments[0])}}}"
    if len(arguments) == 1 and function in OPERATORS:
        return _prefix(f.Prefix(function, *arguments))
    if isinstance(function, f.Formula):
        name = latex(function)
    else:
        name = FUNCTIONS.get(function) or rf"\operatorname{{{escaped(function)}}}"
    return name + _bracketed(*arguments)


def _prefix(prefix: f.Prefix) -> str:
    operator, operand = prefix.parts
    name = OPERATORS.get(operator) or rf"\operatorname{{{escaped(operator)}}}"
    return f"{name} {_inside(operand, at.POWER)}"


def _index(index: f.Index) -> str:
    array, *indices = index.parts
    short = all(isinstance(each, f.Symbol) for each in indices)
    left, right = ("_{", "}") if short else ("[", "]")
    return f"{_inside(array, at.ATOM)}{left}{', '.join(map(latex, indices))}{right}"


def _named(named: f.Named) -> str:
    name, value = named.parts
    return rf"\underbrace{{{latex(value)}}}_{{\text{{{escaped(name)}}}}}"


def _relation(relation: f.Relation) -> str:
    return " ".join(
        RELATIONS.get(p, p) if isinstance(p, str) else _inside(p, at.SUM) for p in relation.parts
    )


def _connected(word: str, least: int) -> Callable[[Any], str]:
    """Return the writer of conditions with this word between them."""

    def write(conditions: f.Formula) -> str:
        return rf" \text{{ {word} }} ".join(_inside(part, least) for part in conditions.parts)

    return write


def _where(where: f.Where) -> str:
    value, condition, otherwise = where.parts
    written = latex(condition)
    if isinstance(condition, f.Or) and len(condition.parts) > 2:  # one line each
        written = r" \\ & \text{or } ".join(_inside(part, at.AND) for part in condition.parts)
    rows = rf"{latex(value)} & \text{{if }} {written} \\ {latex(otherwise)}"
    return rf"\begin{{cases}} {rows} & \text{{otherwise}} \end{{cases}}"


def _remark(remark: f.Remark) -> str:
    about, said = remark.parts
    if isinstance(said, f.Formula):
        return rf"{latex(about)}, \quad {latex(said)}"
    return rf"{latex(about)} \text{{, {escaped(said)}}}"


WRITERS: Mapping[type[f.Formula], Callable[[Any], str]] = {
    f.Symbol: _symbol,
    f.Number: _number,
    f.Words: _words,
    f.Sum: _sum,
    f.Negative: lambda negative: f"-{_after(negative.parts[0], at.DOT)}",
    f.Dot: lambda dot: r" \cdot ".join(_after(part, at.PRODUCT) for part in dot.parts),
    f.Quotient: lambda q: rf"\frac{{{latex(q.parts[0])}}}{{{latex(q.parts[1])}}}",
    f.Times: _joined(r"\cdot"),
    f.Elementwise: _joined(r"\odot"),
    f.Product: _product,
    f.Power: _power,
    f.Transpose: lambda transpose: rf"{_base(transpose.parts[0])}^{{\top}}",
    f.Call: _call,
    f.Prefix: _prefix,
    f.Abs: lambda part: rf"\lvert {latex(part.parts[0])} \rvert",
    f.Norm: lambda part: rf"\lVert {latex(part.parts[0])} \rVert",
    f.Index: _index,
    f.Pair: lambda pair: _bracketed(*pair.parts),
    f.Stack: lambda stack: f"[{'; '.join(map(latex, stack.parts))}]",
    f.Named: _named,
    f.Relation: _relation,
    f.And: _connected("and", at.RELATION),
    f.Or: _connected("or", at.AND),
    f.Where: _where,
    f.Remark: _remark,
    f.Equation: lambda equation: " = ".join(map(latex, equation.parts)),
}
