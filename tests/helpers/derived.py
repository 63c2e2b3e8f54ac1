"""The arithmetic of a derivation, worked out by Python itself instead of by `attn_cli`."""

from __future__ import annotations

import math
import re
from typing import Any

from attn_cli.lab.derivation.result import Line
from attn_cli.lab.derivation.templates import TEMPLATES
from attn_cli.views.derivation import written as w


def _exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def _sigmoid(x: float) -> float:
    return 1 / (1 + _exp(-x))


def _gelu(x: float) -> float:
    return x * math.erfc(-x / math.sqrt(2)) / 2


def _gelu_tanh(x: float) -> float:
    return x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


NAMES: dict[str, Any] = {
    "exp": _exp, "log": math.log, "sqrt": math.sqrt, "tanh": math.tanh, "cos": math.cos,
    "sin": math.sin, "max": max, "sigmoid": _sigmoid, "gelu": _gelu, "gelu_tanh": _gelu_tanh,
    "inf": math.inf, "nan": math.nan, "__builtins__": {},
}  # fmt: skip


_OF_TABLE = frozenset(TEMPLATES)


def has_its_template(line: Line) -> bool:
    """Whether a line is as the table has it: no value without the arithmetic that it has there.

    A hidden cell has none, whatever is in the table.
    """
    return line.template in _OF_TABLE or line.template.kind == "hidden"


def arithmetic(line: Line) -> str:
    """The text of a line with every digit; empty if it has no arithmetic."""
    return w.numbers(line, repr, w.TEXT)


def worked_out(text: str) -> float:
    """What such a text gives."""
    return float(eval(re.sub(r"\^", "**", text), NAMES))
