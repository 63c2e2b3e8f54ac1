"""Expressions: numbers, symbols, and arithmetic with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

# How tightly a formula binds, from the loosest to the tightest.
(CLAUSE, OR, AND, RELATION, SUM, NEGATIVE, DOT, QUOTIENT, STAR, PRODUCT, POWER, ATOM) = range(12)


class Formula:
    """A node: its type determines how it is written; `parts` are formulas and literal texts."""

    __slots__ = ("parts",)
    parts: tuple[Any, ...]
    level: ClassVar[int] = ATOM

    def __init__(self, *parts: Formula | str) -> None:
        object.__setattr__(self, "parts", parts)

    def latex(self) -> str:
        """Return the formula in LaTeX's math mode; it needs the package amsmath."""
        from attn_cli.formula.latex import latex

        return latex(self)

    def symbols(self) -> tuple[Symbol, ...]:
        """Return the symbols that occur, each once, in the order in which they are written.

        >>> X, W = Symbol("X"), Symbol("W_q")
        >>> [str(symbol) for symbol in (X @ W + X).symbols()]
        ['X', 'W_q']
        """
        return tuple(dict.fromkeys(node for node in self.nodes() if isinstance(node, Symbol)))

    def nodes(self) -> Iterator[Formula]:
        """Yield this formula and every one inside it, from left to right."""
        yield self
        for part in self.parts:
            if isinstance(part, Formula):
                yield from part.nodes()

    def defines(self, name: str) -> bool:  # noqa: ARG002
        """Return whether this is an equation whose left side is the symbol of that name."""
        return False

    def with_(self, replacements: Mapping[Any, Formula]) -> Formula:
        """Return the formula with some of its parts replaced, all at the same time.

        A key is a symbol or any other formula that occurs. Replacements are not replaced again.
        A term that becomes 0 is left out, and so is a denominator that becomes 1.
        """
        if self in replacements:
            return replacements[self]
        parts = [p.with_(replacements) if isinstance(p, Formula) else p for p in self.parts]
        same = all(new is old for new, old in zip(parts, self.parts, strict=True))
        return self if same else self._of(parts)

    def _of(self, parts: list[Any]) -> Formula:
        """Return a formula of this type with other parts."""
        return type(self)(*parts)

    def __add__(self, other: Formula | float) -> Formula:
        return Sum(self, formula(other))

    def __radd__(self, other: float) -> Formula:
        return Sum(number(other), self)

    def __sub__(self, other: Formula | float) -> Formula:
        return Sum(self, Negative(formula(other)))

    def __rsub__(self, other: float) -> Formula:
        return Sum(number(other), Negative(self))

    def __neg__(self) -> Formula:
        return Negative(self)

    def __matmul__(self, other: Formula) -> Formula:
        return Product(*self.parts, other) if type(self) is Product else Product(self, other)

    def __rmatmul__(self, other: float) -> Formula:
        return Product(number(other), self)

    def __mul__(self, other: Formula | float) -> Formula:
        return Times(self, formula(other))

    def __rmul__(self, other: float) -> Formula:
        return Times(number(other), self)

    def __truediv__(self, other: Formula | float) -> Formula:
        return Quotient(self, formula(other))

    def __pow__(self, other: Formula | float) -> Formula:
        return Power(self, formula(other))

    @property
    def T(self) -> Formula:  # noqa: N802
        """The transpose."""
        return Transpose(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Formula):
            return NotImplemented
        return type(self) is type(other) and self.parts == other.parts

    def __hash__(self) -> int:
        return hash((type(self), self.parts))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.parts))})"

    def __reduce__(self) -> tuple[Callable[..., Formula], tuple[Any, ...]]:
        return type(self), self.parts

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a formula never changes: {name} cannot be set")


def formula(value: Formula | float) -> Formula:
    """Return a formula as it is, and a number as a formula."""
    return value if isinstance(value, Formula) else number(value)


def number(value: float) -> Number:
    """Return a number as a formula: whole numbers with all their digits, others with six.

    >>> str(number(1234567)), str(number(1e-6)), str(number(-float("inf")))
    ('1234567', '1e-06', '-inf')
    """
    if hasattr(value, "__index__"):
        return Number(int(value))
    return Number(float(value))


def inside(part: Formula, least: int) -> str:
    """Return the text of a part, in parentheses if it binds less tightly than `least`."""
    return f"({part})" if part.level < least else str(part)


class Symbol(Formula):
    """A letter, a matrix, a step or another name: `Q`, `W_q`, `d_k`, `q_rotated`."""

    def __str__(self) -> str:
        return str(self.parts[0])


class Number(Formula):
    """A number; `number` makes one: `0.5`, `1e-06`, `-inf`."""

    def __init__(self, value: float) -> None:
        # The type is a part: 1234567 and 1234567.0 are written differently, so they are not equal.
        object.__setattr__(self, "parts", (value, type(value)))

    def __reduce__(self) -> tuple[Callable[..., Formula], tuple[Any, ...]]:
        return Number, self.parts[:1]

    def __repr__(self) -> str:
        return f"number({self.value})"

    @property
    def value(self) -> float:
        """The number."""
        value: float = self.parts[0]
        return value

    def __str__(self) -> str:
        return str(self.value) if isinstance(self.value, int) else f"{self.value:g}"


def _is(part: Formula, value: int) -> bool:
    """Return whether a part is this number."""
    return isinstance(part, Number) and part.value == value


def begins_with_minus(part: Formula) -> bool:
    """Return whether a number with a minus is, or begins, a part."""
    if isinstance(part, Number):
        return f"{part.value:+}".startswith("-")
    return isinstance(part, Product | Times | Quotient | Dot) and begins_with_minus(part.parts[0])


def _after(part: Formula, least: int) -> str:
    """Return the text of a part after a sign, in parentheses if it begins with a minus."""
    return f"({part})" if begins_with_minus(part) else inside(part, least)


def flat(parts: tuple[Formula, ...], kind: type[Formula]) -> Iterator[Formula]:
    """Yield the parts, with a part of this type replaced by its own parts."""
    for part in parts:
        yield from part.parts if type(part) is kind else (part,)


class Sum(Formula):
    """Terms with + between them, or - before a Negative: `x + b`, `i - 2`. Sums of sums are one."""

    level = SUM

    def __init__(self, *terms: Formula) -> None:
        super().__init__(*flat(terms, Sum))

    def __str__(self) -> str:
        first, *rest = self.parts
        text = inside(first, NEGATIVE)
        for term in rest:
            if type(term) is Negative:
                text += f" - {_after(term.parts[0], DOT)}"
            else:
                text += f" + {inside(term, DOT)}"
        return text

    def _of(self, parts: list[Any]) -> Formula:
        both = zip(parts, self.parts, strict=True)
        terms = [new for new, old in both if new is old or not _is(new, 0)]
        return Sum(*terms) if len(terms) > 1 else terms[0] if terms else number(0)


class Negative(Formula):
    """A minus before a formula: `-m |i - j|`."""

    level = NEGATIVE

    def __str__(self) -> str:
        return f"-{_after(self.parts[0], DOT)}"


class Dot(Formula):
    """The dot product of two vectors: `q.k`, or `v . tanh(x)` if one of them is not a symbol."""

    level = DOT

    def __str__(self) -> str:
        dot = "." if all(isinstance(part, Symbol) for part in self.parts) else " . "
        return dot.join(_after(part, PRODUCT) for part in self.parts)


class Quotient(Formula):
    """One formula over another: `Q K^T / sqrt(4)`, and in an exponent `2i/4`."""

    level = QUOTIENT

    def __str__(self) -> str:
        return self.text(" / ")

    def text(self, slash: str) -> str:
        """Return the text with this between numerator and denominator."""
        above, below = self.parts
        return f"{inside(above, DOT)}{slash}{_after(below, POWER)}"

    def _of(self, parts: list[Any]) -> Formula:
        above, below = parts
        return above if below is not self.parts[1] and _is(below, 1) else Quotient(above, below)


class Times(Formula):
    """A number times something, with a star: `0.5 * Q K^T`, `2 * 0.5^2`."""

    @property
    def level(self) -> int:  # type: ignore[override]
        """That of a quotient if it begins with one, which has no parentheses there."""
        return QUOTIENT if self.parts[0].level == QUOTIENT else STAR

    def __str__(self) -> str:
        first, *rest = self.parts
        return " * ".join([inside(first, QUOTIENT), *(_after(part, STAR) for part in rest)])


class Elementwise(Times):
    """The elementwise product, with a star too: `gate * products`."""


class Product(Formula):
    """Factors side by side: `X W_q`, `30 tanh(x)`, `2i`. A product in a product has parentheses.

    A whole number goes with a small letter after it, as in the index `2m + 1`.
    """

    level = PRODUCT

    def __str__(self) -> str:
        first, *rest = self.parts
        coefficient = isinstance(first, Number) and isinstance(first.value, int)
        index = isinstance(rest[0], Symbol) and len(str(rest[0])) == 1 and str(rest[0]).islower()
        texts = [inside(first, POWER), *(_after(part, POWER) for part in rest)]
        return ("" if coefficient and index and len(rest) == 1 else " ").join(texts)


class Power(Formula):
    """A formula raised to another: `sigma^2`, `10000^(2i/4)`."""

    level = POWER

    def __str__(self) -> str:
        base, exponent = self.parts
        if isinstance(exponent, Quotient):
            raised = f"({exponent.text('/')})"
        else:
            raised = _after(exponent, ATOM)
        return f"{_after(base, ATOM)}^{raised}"


class Transpose(Formula):
    """The transpose of a matrix: `K^T`, `(0.5 K)^T`."""

    level = POWER

    def __str__(self) -> str:
        return f"{_after(self.parts[0], ATOM)}^T"


class Call(Formula):
    """A function of arguments: `softmax(scores)`. The first part is its name, or a formula."""

    def __str__(self) -> str:
        function, *arguments = self.parts
        return f"{function}({', '.join(map(str, arguments))})"


class Prefix(Formula):
    """An operator before its operand: `sum exp(scores)`, `d loss`. The first part is its name."""

    level = POWER

    def __str__(self) -> str:
        operator, operand = self.parts
        return f"{operator} {inside(operand, POWER)}"


class Enclosed(Formula):
    """Formulas between two brackets."""

    brackets: ClassVar[tuple[str, str]] = ("(", ")")
    separator: ClassVar[str] = ", "

    def __str__(self) -> str:
        left, right = self.brackets
        return f"{left}{self.separator.join(map(str, self.parts))}{right}"


class Pair(Enclosed):
    """Numbers that go together: `(m, m + 2)`."""


class Stack(Enclosed):
    """Vectors one below the other: `[q; k]`."""

    brackets = ("[", "]")
    separator = "; "


class Abs(Enclosed):
    """The absolute value of a number: `|i - j|`."""

    brackets = ("|", "|")


class Norm(Abs):
    """The length of a vector: `|q - k|`."""


class Index(Formula):
    """An entry of an array, the first part: `scale[head]`, `relative_bias[bucket(j - i), head]`."""

    def __str__(self) -> str:
        array, *indices = self.parts
        return f"{inside(array, ATOM)}[{', '.join(map(str, indices))}]"
