"""Formulas: text and LaTeX say what the structure is; equality, replacing, pickling."""

from __future__ import annotations

import pickle
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from attn_cli import compute
from attn_cli import formula as f
from attn_cli.formula import Call, Equation, Formula, Sum, Symbol, Words, number
from attn_cli.formula.latex import WRITERS
from tests.golden.formula_reader import plain, read, structure

pytestmark = pytest.mark.slow

NAMES = ("a", "b", "i", "Q", "W_q", "d_k", "q_rotated", "present_key", "X'")
SYMBOLS = st.sampled_from(NAMES).map(Symbol)
NUMBERS = st.sampled_from((0, 1, 2, 7, -3, 0.5, -2.5)).map(number)
PROSE = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=5)


def arithmetic(inner: st.SearchStrategy[Formula]) -> st.SearchStrategy[Formula]:
    """Nodes of arithmetic, and conditions, over anything inside."""
    one = st.sampled_from((f.Negative, f.Transpose))
    two = st.sampled_from((f.Quotient, f.Power, f.Dot))
    some = st.sampled_from((f.Sum, f.Product, f.Times, f.Elementwise, f.And, f.Or))
    relation = st.tuples(inner, st.sampled_from(("<=", ">=", "<", ">", "=")), inner)
    return st.one_of(
        st.builds(lambda kind, part: kind(part), one, inner),
        st.builds(lambda kind, parts: kind(*parts), two, st.tuples(inner, inner)),
        st.builds(lambda kind, parts: kind(*parts), some, st.lists(inner, min_size=2, max_size=3)),
        relation.map(lambda parts: f.Relation(*parts)),
    )


LEAVES = st.one_of(SYMBOLS, NUMBERS)
# A bar inside bars could open or close.
BARRED = st.builds(lambda kind, x: kind(x), st.sampled_from((f.Abs, f.Norm)),
                   st.recursive(LEAVES, arithmetic, max_leaves=4))  # fmt: skip
EXPRESSIONS = st.recursive(st.one_of(LEAVES, BARRED), arithmetic, max_leaves=12)


def said(inner: st.SearchStrategy[Formula]) -> st.SearchStrategy[Formula]:
    """Nodes that no reader of arithmetic knows."""
    some = st.lists(inner, min_size=1, max_size=3)
    prefixed = st.sampled_from((f.Call, f.Index))
    return st.one_of(
        arithmetic(inner),
        st.lists(st.one_of(inner, PROSE), min_size=1, max_size=4).map(lambda x: Words(*x)),
        st.builds(lambda kind, name, parts: kind(Symbol(name) if kind is f.Index else name, *parts),
                  prefixed, st.sampled_from(("sqrt", "exp", "softmax", "sum", "gelu_tanh")), some),
        st.builds(f.Prefix, st.sampled_from(("sum", "d")), inner),
        st.builds(lambda kind, parts: kind(*parts), st.sampled_from((f.Pair, f.Stack)), some),
        st.builds(f.Named, PROSE, inner),
        st.builds(f.Remark, inner, st.one_of(inner, PROSE)),
        st.builds(f.Where, inner, inner, inner),
        st.builds(Equation, SYMBOLS, inner),
    )  # fmt: skip


ANY = st.recursive(st.one_of(LEAVES, BARRED), said, max_leaves=12)


def nested(inner: list[Formula]) -> list[Formula]:
    """Each kind of node over each of these, as its first part and as its last."""
    b, c = Symbol("b"), Symbol("c")
    found: list[Formula] = [kind(x) for kind in (f.Negative, f.Transpose, f.Abs) for x in inner]
    for kind in (f.Sum, f.Product, f.Times, f.Quotient, f.Power, f.Dot, f.And, f.Or):
        found += [made for x in inner for made in (kind(x, b), kind(c, x))]
    found += [made for x in inner for made in (f.Relation(x, "<", b), f.Relation(c, "<", x))]
    return [node for node in found if str(node).count("|") <= 2]


def test_readers_find_every_nesting() -> None:
    leaves: list[Formula] = [Symbol("a"), number(2), number(-3)]
    twice = nested(nested(leaves))
    deep = nested(nested(nested(leaves[:1])))
    assert len(twice) > 1000
    assert len(deep) > 5000
    for formula in twice + deep[::11]:  # of 21 kinds at each depth: each pair is among them
        assert read(str(formula)) == structure(formula), str(formula)
        assert read(plain(formula.latex())) == structure(formula), formula.latex()


@given(EXPRESSIONS)
def test_a_reader_of_the_text_finds_the_structure(formula: Formula) -> None:
    assert read(str(formula)) == structure(formula), str(formula)


@given(EXPRESSIONS)
def test_a_reader_of_the_latex_finds_the_structure(formula: Formula) -> None:
    assert read(plain(formula.latex())) == structure(formula), formula.latex()


def assert_sound(latex: str) -> None:
    """Braces balance, no _ stands for itself, and each \\left has its \\right."""
    bare = re.sub(r"\\[\\{}$&#_%]", "", latex)
    depth = 0
    for character in bare:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0, latex
    assert depth == 0, latex
    assert not re.search(r"_(?!\{)", bare), latex
    assert not re.search(r"[$#%~]", bare), latex
    assert bare.count(r"\left") == bare.count(r"\right"), latex
    assert bare.count(r"\begin{cases}") == bare.count(r"\end{cases}"), latex


@given(ANY)
@example(f.Call("sum", Symbol("a"), Symbol("b")))
def test_latex_is_sound(formula: Formula) -> None:
    assert_sound(formula.latex())


@pytest.mark.parametrize("function", ["sqrt", "sum"])
def test_signs_of_one_argument_are_names_if_there_are_two(function: str) -> None:
    two = f.Call(function, Symbol("a"), Symbol("b")).latex()
    assert two == rf"\operatorname{{{function}}}(a, b)"


@given(ANY)
def test_pickled_and_made_again_it_is_the_same(formula: Formula) -> None:
    again = pickle.loads(pickle.dumps(formula))
    made = eval(repr(formula), vars(f))
    assert again == formula == made
    assert hash(again) == hash(formula) == hash(made)
    assert str(again) == str(formula) == str(made)


@given(ANY, ANY)
def test_equal_formulas_are_written_alike(one: Formula, other: Formula) -> None:
    assert (one == other) <= (str(one) == str(other) and one.latex() == other.latex())
    assert one != str(one)


def test_other_nodes_of_the_same_parts_are_no_equals() -> None:
    made = [kind(Q, K) for kind in (f.Product, f.Times, f.Elementwise, f.Dot, f.Sum, f.Quotient)]
    assert len(set(made)) == len(made)
    assert all((one == other) == (one is other) for one in made for other in made)


Q, K, i, m = Symbol("Q"), Symbol("K"), Symbol("i"), Symbol("m")


@given(ANY, SYMBOLS, ANY)
def test_replacing(formula: Formula, symbol: Symbol, new: Formula) -> None:
    replaced = formula.with_({symbol: new})
    assert formula.with_({}) is formula
    assert formula.with_({symbol: symbol}) == formula
    if symbol not in formula.symbols():
        assert replaced is formula
    else:
        assert set(replaced.symbols()) == set(formula.symbols()) - {symbol} | set(new.symbols())
    fresh = Symbol("fresh")
    assert formula.with_({symbol: fresh}).with_({fresh: symbol}) == formula
    assert formula.with_({symbol: fresh}).with_({fresh: new}) == replaced
    assert formula.with_({formula: new}) is new


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        (Q + i + K, "Q + K"),
        (Q + i, "Q"),
        (i + i, "0"),
        (Q + 0 + i, "Q + 0"),  # the 0 was there before
        (Q / m, "Q"),
        (Q / 1 + m, "Q / 1 + 1"),
        (Q / i, "Q / 0"),
        (Q + m, "Q + 1"),
    ],
    ids=str,
)
def test_what_becomes_idle_is_left_out(formula: Formula, expected: str) -> None:
    assert str(formula.with_({i: number(0.0), m: number(1.0)})) == expected


def test_a_fraction_needs_no_parentheses_in_a_product() -> None:
    assert f.Product(Q / m, i).latex() == r"\frac{Q}{m} \, i"
    assert f.Product(i, Q / m).latex() == r"i \, \frac{Q}{m}"


@given(ANY)
def test_all_at_the_same_time(formula: Formula) -> None:
    a, b = Symbol("a"), Symbol("b")
    swapped = formula.with_({a: b, b: a})
    assert swapped.with_({a: b, b: a}) == formula
    assert (a in swapped.symbols()) == (b in formula.symbols())


@given(ANY)
def test_symbols_are_those_of_the_nodes(formula: Formula) -> None:
    found = formula.symbols()
    assert len(set(found)) == len(found)
    assert set(found) == {node for node in formula.nodes() if isinstance(node, Symbol)}


TEXTS: list[tuple[Formula, str, str]] = [
    (Q @ K.T / Call("sqrt", Symbol("d_k")), "Q K^T / sqrt(d_k)",
     r"\frac{Q K^{\top}}{\sqrt{d_{k}}}"),
    ((2 @ m).T @ Q, "(2m)^T Q", r"(2 m)^{\top} Q"),
    (2 @ Q, "2 Q", "2 Q"),
    (0.5 @ m, "0.5 m", "0.5 m"),
    (number(10000.0) ** (2 @ i / 4), "10000^(2i/4)", "10000^{2 i/4}"),
    (number(1e-6) ** 2, "1e-06^2", "(10^{-6})^{2}"),
    ((Q / 2) ** 2, "(Q / 2)^2", r"\left(\frac{Q}{2}\right)^{2}"),
    (number(2.5e9) * Q, "2.5e+09 * Q", r"2.5 \cdot 10^{9} \cdot Q"),
    (Q + number(-1e9), "Q + -1e+09", "Q - 10^{9}"),
    (Q - number(-2), "Q - (-2)", "Q - (-2)"),
    (i + 3 - Symbol("j"), "i + 3 - j", "i + 3 - j"),
    (Symbol("j") - (i + 3), "j - (i + 3)", "j - (i + 3)"),
    (1 - (m - 1), "1 - (m - 1)", "1 - (m - 1)"),
    (-(m @ f.Abs(i)), "-m |i|", r"-m \, \lvert i \rvert"),
    (3 * f.Dot(Q, K), "3 * (Q.K)", r"3 \cdot (Q \cdot K)"),
    (Call("log", Call("sum", Call("exp", Q / 2))), "log(sum(exp(Q / 2)))",
     r"\log\left(\sum \exp\left(\frac{Q}{2}\right)\right)"),
    (f.Index(Symbol("scale"), Symbol("head")), "scale[head]", r"\mathrm{scale}_{\mathrm{head}}"),
    (f.Index(Symbol("B"), i, i + 1), "B[i, i + 1]", "B[i, i + 1]"),
    (Words("50 % of {", Q, "}"), "50 % of {Q}", r"\text{50 \% of \{}Q\text{\}}"),
    (f.Where(Q, f.Or(*(f.Relation(i, "<", number(n)) for n in range(3))), number(-float("inf"))),
     "Q where i < 0 or i < 1 or i < 2, else -inf",
     r"\begin{cases} Q & \text{if } i < 0 \\ & \text{or } i < 1 \\ & \text{or } i < 2 \\ "
     r"-\infty & \text{otherwise} \end{cases}"),
    (number(float("nan")), "nan", r"\mathrm{nan}"),
]  # fmt: skip


@pytest.mark.parametrize(("formula", "text", "latex"), TEXTS)
def test_by_hand(formula: Formula, text: str, latex: str) -> None:
    assert (str(formula), formula.latex()) == (text, latex)


def test_sums_of_sums_and_alternatives_of_alternatives_are_one() -> None:
    assert (i + 1) + m == Sum(i, number(1), m) == i + Sum(number(1), m)
    assert i - (m + 1) != i - m + 1
    assert f.Or(f.Or(Q, K), i) == f.Or(Q, K, i)
    assert f.And(f.And(Q, K), i) != f.And(Q, K, i)


def test_numbers_that_are_written_differently_are_no_equals() -> None:
    assert number(1234567) != number(1234567.0)
    assert number(3) == number(3)
    assert str(number(1234567)) == "1234567"
    assert str(number(1234567.0)) == "1.23457e+06"


def test_a_formula_never_changes() -> None:
    with pytest.raises(AttributeError, match="never changes"):
        Q.parts = ("K",)


def test_every_node_has_latex() -> None:
    def kinds(kind: type[Formula]) -> set[type[Formula]]:
        return {kind}.union(*(kinds(each) for each in kind.__subclasses__()))

    assert kinds(Formula) - {Formula, f.Enclosed} == set(WRITERS)


def test_an_equation_defines_its_left_side() -> None:
    assert Equation(Q, K).defines("Q")
    assert not Equation(Q, K).defines("K")
    assert not (Q @ K).defines("Q")


def test_steps_have_expressions() -> None:
    step = compute({"embeddings": [[1, 0], [0, 1]]}).steps["scores"]
    assert step.expression.latex() == r"\mathrm{scores} = \frac{Q K^{\top}}{\sqrt{2}}"
    assert step.formula == str(step.expression) == "scores = Q K^T / sqrt(2)"
    changed: Any = step.expression.with_({Q: Symbol("X"), K: Symbol("X")})
    assert str(changed) == "scores = X X^T / sqrt(2)"


INF = np.inf


FORMULAS: list[tuple[dict[str, Any], str, str]] = [
    ({"mask": [[0.5, 1]]}, "masked", "masked = scores + mask"),
    ({"mask": [[0.5, -INF]]}, "masked", "masked = scores + mask where mask > -inf, else -inf"),
    ({"mask": [[0.0, -INF]], "causal": True}, "masked", "masked = scores where j <= i and mask > -inf, else -inf"),  # noqa: E501
    ({"scale": 2, "score": {"function": "additive", "W1": np.eye(2), "W2": np.eye(2), "v": [1, 1]}}, "scores", "scores = 2 * (v . tanh(W1 q + W2 k))"),  # noqa: E501
    ({"scale": 0.5}, "scores", "scores = 0.5 * Q K^T"),
    ({"scale": "none"}, "scores", "scores = Q K^T"),
    ({"scale": 3, "score": {"function": "gaussian", "sigma": 2}}, "scores", "scores = 3 * (-|q - k|^2 / (2 * 2^2))"),  # noqa: E501
    ({"score": {"function": "sparse", "inside": "scaled", "window": 1}}, "scores", "scores = Q K^T / sqrt(2), where selected"),  # noqa: E501
    ({"normalize": "argmax", "causal": True}, "weights", "weights = one-hot argmax(masked)"),
    ({"normalize": "none"}, "weights", "weights = scores, as they are"),
    ({"biases": {"key": [1, 2]}}, "k", "K = X + b_k"),
]  # fmt: skip


@pytest.mark.regression("formulas showed what was written, not what was computed")
@pytest.mark.parametrize(("keys", "step", "formula"), FORMULAS)
def test_formulas_as_resolved(keys: dict[str, Any], step: str, formula: str) -> None:
    assert compute({"embeddings": np.eye(2), **keys}).steps[step].formula == formula
