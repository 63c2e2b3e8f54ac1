r"""The arithmetic of templates: patterns with named slots, read into trees, evaluated.

    <products> / sqrt(<d_k>)                  slots are names in angle brackets
    <terms>[ + <b>]                           a part in square brackets is there if its slots are
    exp(<s>) / (<terms>)                      <terms> is the sum of another pattern over an axis

+ - * / ^ and parentheses mean what they do on paper; so do the functions of `FUNCTIONS`. A tree is
a tuple: ("slot", name), ("number", text), ("call", function, tree, ...), ("()", tree), ("-", tree),
or (sign, tree, tree).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from attn_cli.maths.activations import ACTIVATIONS, sigmoid

Tree = tuple[Any, ...]
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "cos": np.cos,
    "sin": np.sin,
    "max": np.maximum,
    "sigmoid": sigmoid,
    "gelu": lambda x: ACTIVATIONS["gelu"].function(np.asarray(x)),
    "gelu_tanh": lambda x: ACTIVATIONS["gelu_tanh"].function(np.asarray(x)),
}
SIGNS: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "^": np.power,
}
_OPTIONAL = re.compile(r"\[([^\[\]]*)\]")
SLOT = re.compile(r"<(\w+)>")
_MARK = re.compile(r"<(\w+)\?>")  # is there if the slot is, and writes nothing
_TOKEN = re.compile(r"<\w+>|[a-z_]+|[0-9.]+|[-+*/^(),]")


def present(pattern: str, slots: Collection[str]) -> str:
    """Return a pattern with the optional parts whose slots are there, and without the others.

    >>> present("<a>[ + <b>][ * <c>]", {"a", "c"})
    '<a> * <c>'
    >>> present("x W_q[<b?> + b_q]", {"b"})
    'x W_q + b_q'
    """

    def chosen(found: re.Match[str]) -> str:
        part = found[1]
        return _MARK.sub("", part) if names_in(part) <= set(slots) else ""

    while (shorter := _OPTIONAL.sub(chosen, pattern)) != pattern:  # from the inside outwards
        pattern = shorter
    return pattern


def names_in(pattern: str) -> set[str]:
    """Return the names of the slots of a pattern, and of those that it only asks for."""
    return {*SLOT.findall(pattern), *_MARK.findall(pattern)}


@lru_cache(maxsize=256)
def parse(pattern: str) -> Tree:
    """Return the tree of a pattern without optional parts.

    >>> parse("-<a>^2 + 1")
    ('+', ('-', ('^', ('slot', 'a'), ('number', '2'))), ('number', '1'))
    """
    tokens = _TOKEN.findall(pattern)
    tree = _sum(tokens)
    assert not tokens, pattern  # a template is wrong
    return tree


def _sum(tokens: list[str]) -> Tree:
    return _joined(tokens, "+-", _product)


def _product(tokens: list[str]) -> Tree:
    return _joined(tokens, "*/", _signed)


def _joined(tokens: list[str], signs: str, part: Callable[[list[str]], Tree]) -> Tree:
    """Return the tree of parts with these signs between them, the first two joined first."""
    tree = part(tokens)
    while tokens and tokens[0] in signs:
        sign = tokens.pop(0)
        tree = (sign, tree, part(tokens))
    return tree


def _signed(tokens: list[str]) -> Tree:
    if tokens[0] == "-":
        tokens.pop(0)
        return ("-", _signed(tokens))
    base = _atom(tokens)
    if tokens and tokens[0] == "^":
        tokens.pop(0)
        return ("^", base, _atom(tokens))
    return base


def _atom(tokens: list[str]) -> Tree:
    token = tokens.pop(0)
    if token == "(":
        inside = _sum(tokens)
        tokens.pop(0)
        return ("()", inside)
    if token[0] == "<":
        return ("slot", token[1:-1])
    if token[0].isdigit():
        return ("number", token)
    tokens.pop(0)  # the parenthesis after the name of a function
    arguments = [_sum(tokens)]
    while tokens.pop(0) == ",":
        arguments.append(_sum(tokens))
    return ("call", token, *arguments)


def evaluate(tree: Tree, slot: Callable[[str], Any]) -> Any:
    """Return the value of a tree; slots are numbers, or arrays that broadcast."""
    kind, *parts = tree
    if kind == "slot":
        return slot(parts[0])
    if kind == "number":
        return float(parts[0])
    if kind == "()":
        return evaluate(parts[0], slot)
    if kind == "call":
        function, *arguments = parts
        return FUNCTIONS[function](*(evaluate(each, slot) for each in arguments))
    values = [evaluate(each, slot) for each in parts]
    return -values[0] if len(values) == 1 else SIGNS[kind](*values)
