"""Reads formulas back, as a person does: from text, and from LaTeX, into nested tuples.

`structure` makes the same tuples of a formula, without a look at how it prints. Both leave out what
the writing leaves out: whether a*b*c is (a*b)*c, and whether -2 b is a minus or a number below 0.
"""

from __future__ import annotations

import re
from typing import Any

from attn_cli import formula as f

TOKEN = re.compile(r"\d+(?:\.\d+)?(?:e[+-]\d+)?|[A-Za-z]\w*'?|<=|>=|\S")
RELATIONS = ("<=", ">=", "<", ">", "=")
SIGNS: dict[type[f.Formula], str] = {
    f.And: "and", f.Or: "or", f.Product: " ", f.Dot: "*", f.Times: "*", f.Elementwise: "*",
    f.Relation: "relation", f.Norm: "Abs",
}  # fmt: skip


def chain(sign: str, parts: list[Any]) -> Any:
    """Parts with a sign between them; those with stars as one, whatever is grouped in it."""
    found: list[Any] = []
    for part in parts:
        found += part[1] if sign == "*" == part[0] else [part]
    return (sign, found) if len(found) > 1 else found[0]


def negative(part: Any) -> Any:
    """Minus a part; of what begins with a number, the same with the number below 0."""
    if part[0] == "number":
        return ("number", -part[1])
    if part[0] in ("*", " ", "Quotient") and begins_with_number(part):
        first, *rest = part[1]
        return (part[0], [negative(first), *rest])
    return ("-", part)


def begins_with_number(part: Any) -> bool:
    """Whether the first thing that is written is a number."""
    if part[0] in ("*", " ", "Quotient"):
        return begins_with_number(part[1][0])
    return bool(part[0] == "number")


def structure(formula: f.Formula) -> Any:
    """A formula as nested tuples."""
    if isinstance(formula, f.Symbol):
        return ("name", str(formula))
    if isinstance(formula, f.Number):
        return ("number", float(formula.value))
    parts = [structure(part) if isinstance(part, f.Formula) else part for part in formula.parts]
    if isinstance(formula, f.Negative):
        return negative(parts[0])
    return (
        chain(SIGNS.get(type(formula), type(formula).__name__), parts)
        if parts[1:]
        else (SIGNS.get(type(formula), type(formula).__name__), parts)
    )


class Reader:
    """A recursive descent over the tokens of a text, from the loosest to the tightest."""

    def __init__(self, text: str) -> None:
        self.tokens = TOKEN.findall(text)
        self.bars = False  # whether the next bar closes

    def next_is(self, *tokens: str) -> bool:
        return bool(self.tokens) and self.tokens[0] in tokens

    def take(self) -> str:
        token: str = self.tokens.pop(0)
        return token

    def alternatives(self) -> Any:
        return self._separated("or", lambda: self._separated("and", self.relation))

    def _separated(self, sign: str, part: Any) -> Any:
        found = [part()]
        while self.next_is(sign):
            self.take()
            found.append(part())
        return chain("*" if sign == "." else sign, found)

    def relation(self) -> Any:
        found = [self.sum()]
        while self.next_is(*RELATIONS):
            found += [self.take(), self.sum()]
        return chain("relation", found)

    def sum(self) -> Any:
        found = [self.term()]
        while self.next_is("+", "-"):
            found.append(negative(self.term()) if self.take() == "-" else self.term())
        return chain("Sum", found)

    def term(self) -> Any:
        if self.next_is("-"):
            self.take()
            return negative(self.term())
        found = self._separated(".", self.product)
        while self.next_is("*", "/"):
            if self.take() == "*":
                found = chain("*", [found, self._separated(".", self.product)])
            else:
                found = ("Quotient", [found, self.product()])
        return found

    def product(self) -> Any:
        found = [self.power()]
        while self.tokens and not self.next_is("and", "or") and self._begins(self.tokens[0]):
            found.append(self.power())
        return chain(" ", found)

    def _begins(self, token: str) -> bool:
        return token[0].isalnum() or token == "(" or (token == "|" and not self.bars)

    def power(self) -> Any:
        found = self.atom()
        if not self.next_is("^"):
            return found
        self.take()
        if self.next_is("T"):
            self.take()
            return ("Transpose", [found])
        return ("Power", [found, self.atom()])  # of a^b^c nobody knows what it means

    def atom(self) -> Any:
        token = self.take()
        if token == "(":
            found = self.alternatives()
            assert self.take() == ")"
            return found
        if token == "|":
            self.bars = True
            found = ("Abs", [self.alternatives()])
            assert self.take() == "|"
            self.bars = False
            return found
        assert token[0].isalnum(), token
        return ("number", float(token)) if token[0].isdigit() else ("name", token)


def read(text: str) -> Any:
    """The structure that a text has for its reader."""
    reader = Reader(text)
    found = reader.alternatives()
    assert not reader.tokens, (text, reader.tokens)
    return found


COMMANDS = {
    "cdot": "*", "odot": "*", "le": "<=", "ge": ">=", "lvert": "|", "rvert": "|", "lVert": "|",
    "rVert": "|", "left": "", "right": "", ",": " ", "_": "_",
}  # fmt: skip


def plain(latex: str) -> str:
    """LaTeX as text: fractions in parentheses, exponents too."""
    found = ""
    while latex:
        command = re.match(r"\\([A-Za-z]+|.)|[_^](?=\{)|.", latex)
        assert command is not None
        latex = latex[command.end() :]
        name = command[1] or command[0]
        if name == "frac":
            above, latex = argument(latex)
            below, latex = argument(latex)
            found += f"(({plain(above)}) / ({plain(below)}))"
        elif name in ("mathrm", "text") or command[0] == "_":
            inner, latex = argument(latex)
            found += ("_" if command[0] == "_" else "") + plain(inner)
        elif name == "^":
            inner, latex = argument(latex)
            found += "^T" if inner == r"\top" else f"^({plain(inner)})"
        else:
            found += COMMANDS[name] if command[1] else name
    return found


def argument(latex: str) -> tuple[str, str]:
    """The braces at the beginning, without them, and the rest."""
    assert latex[0] == "{", latex
    depth = 0
    for at, character in enumerate(latex):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if not depth:
            return latex[1:at], latex[at + 1 :]
    raise AssertionError(latex)
