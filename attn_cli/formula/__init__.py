r"""Formulas: expressions that print as text and as LaTeX.

    >>> Q, K, d_k = Symbol("Q"), Symbol("K"), Symbol("d_k")
    >>> scores = Q @ K.T / Call("sqrt", d_k)
    >>> str(scores)
    'Q K^T / sqrt(d_k)'
    >>> scores.latex()
    '\\frac{Q K^{\\top}}{\\sqrt{d_{k}}}'
    >>> str(scores.with_({Q: Symbol("scale") @ Q, d_k: number(4)}))
    '(scale Q) K^T / sqrt(4)'

A formula is a tree that never changes. Two formulas are equal if they have the same structure.
Python's operators make the common nodes: + and - (Sum), unary - (Negative), @ (Product, written
side by side), * (Times, written with a star), / (Quotient), ** (Power) and `.T` (Transpose); one
of the operands may be a number. Parentheses follow from the structure: a part that binds less
tightly than its place demands is put in parentheses, as is a product inside a product.

`expression` has the nodes of arithmetic, `clause` those made of them (equations, conditions, cases,
prose); `latex` is loaded on first use. All of it needs only Python.
"""

from __future__ import annotations

from attn_cli.formula.clause import And, Equation, Named, Or, Relation, Remark, Where, Words
from attn_cli.formula.expression import (
    Abs,
    Call,
    Dot,
    Elementwise,
    Enclosed,
    Formula,
    Index,
    Negative,
    Norm,
    Number,
    Pair,
    Power,
    Prefix,
    Product,
    Quotient,
    Stack,
    Sum,
    Symbol,
    Times,
    Transpose,
    number,
)

__all__ = [
    "Abs",
    "And",
    "Call",
    "Dot",
    "Elementwise",
    "Enclosed",
    "Equation",
    "Formula",
    "Index",
    "Named",
    "Negative",
    "Norm",
    "Number",
    "Or",
    "Pair",
    "Power",
    "Prefix",
    "Product",
    "Quotient",
    "Relation",
    "Remark",
    "Stack",
    "Sum",
    "Symbol",
    "Times",
    "Transpose",
    "Where",
    "Words",
    "number",
]
