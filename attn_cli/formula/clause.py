"""Clauses of expressions: relations, conditions, cases, remarks, equations."""

from __future__ import annotations

from attn_cli.formula.expression import (
    AND,
    CLAUSE,
    OR,
    RELATION,
    SUM,
    Formula,
    Symbol,
    flat,
    inside,
)


class Words(Formula):
    """Prose, and formulas inside it: `the past, then k_normed`, `any j`."""

    def __str__(self) -> str:
        return "".join(p if isinstance(p, str) else inside(p, RELATION) for p in self.parts)


class Named(Formula):
    """A formula with the name of its origin, the first part: `alibi (-m |i - j|)`."""

    def __str__(self) -> str:
        name, value = self.parts
        return f"{name} ({value})"


class Relation(Formula):
    """Formulas with a text between each two, one of <=, >=, <, > and =: `i - 2 <= j <= i`."""

    level = RELATION

    def __str__(self) -> str:
        return " ".join(p if isinstance(p, str) else inside(p, SUM) for p in self.parts)


class And(Formula):
    """Conditions that hold together: `j <= i and mask > -inf`."""

    level = AND

    def __str__(self) -> str:
        return " and ".join(inside(part, RELATION) for part in self.parts)


class Or(Formula):
    """Conditions of which one holds: `j <= i or j < 3`. Alternatives of alternatives are one Or."""

    level = OR

    def __init__(self, *conditions: Formula) -> None:
        super().__init__(*flat(conditions, Or))

    def __str__(self) -> str:
        return " or ".join(inside(part, AND) for part in self.parts)


class Where(Formula):
    """A value, its condition, and the other value: `s where j <= i, else -inf`."""

    level = CLAUSE

    def __str__(self) -> str:
        value, condition, otherwise = self.parts
        return f"{inside(value, SUM)} where {inside(condition, OR)}, else {inside(otherwise, SUM)}"


class Remark(Formula):
    """A formula and a remark, words or a formula: `scores, as they are`."""

    level = CLAUSE

    def __str__(self) -> str:
        about, remark = self.parts
        return f"{about}, {remark}"


class Equation(Formula):
    """A name and its formula: `Q = X W_q`."""

    level = CLAUSE

    def __str__(self) -> str:
        name, value = self.parts
        return f"{name} = {value}"

    def defines(self, name: str) -> bool:
        """Return whether the left side is the symbol of that name."""
        return bool(self.parts[0] == Symbol(name))
