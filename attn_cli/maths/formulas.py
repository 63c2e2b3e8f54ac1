"""Which steps a problem has, in the order computed, and the formula of each as resolved."""

from __future__ import annotations

from attn_cli.formula import (
    Call,
    Elementwise,
    Equation,
    Formula,
    Product,
    Remark,
    Symbol,
    Where,
    Words,
    number,
)
from attn_cli.maths.axes import OF_SCORES
from attn_cli.maths.heads import named
from attn_cli.maths.normalizers.base import SCORES
from attn_cli.maths.problem import Problem, Projection
from attn_cli.maths.scores.base import D_K, KEYS, QUERIES
from attn_cli.maths.standing import P_J


def formulas(problem: Problem) -> dict[str, Formula]:
    """Return step name -> formula, for the steps that apply, in the order computed."""
    found = _inputs(problem) | _turned(problem) | _scored(problem)
    last = [name for name in found if name in OF_SCORES][-1]
    found |= _weighed(problem, Symbol(last))
    found["context"], last = _context(problem), "context"
    X = Symbol("" if problem.query is None else problem.query.letter)
    if problem.gate is not None:
        gated = problem.gate.formula(X, problem.layout)
        found["gated"], last = _defined("gated", gated), "gated"
    if problem.joined:
        what = "contexts" if last == "context" else "gated contexts"
        words = Words(f"the {what} of all heads, side by side")
        found["concat"], last = _defined("concat", words), "concat"
    found |= problem.after.formulas(Symbol(last), X, problem.layout)
    if problem.next_word is not None:
        found |= problem.next_word.formulas(Symbol(list(found)[-1]), problem.layout)
    return found


def _defined(name: str, value: Formula) -> Formula:
    return Equation(Symbol(name), value)


def _inputs(problem: Problem) -> dict[str, Formula]:
    """Return the steps up to Q, K and V."""
    found: dict[str, Formula] = {}
    if problem.embeddings is not None:
        found["embeddings"] = Remark(Symbol("X"), "one vector a token")
    if problem.positions is not None:
        found["positions"] = problem.positions.formula
        found["positioned"] = _defined("X'", Symbol("X") + Symbol("P"))
    for name, source in (("q", problem.query), ("k", problem.key), ("v", problem.value)):
        if source is not None:
            found[name] = _projected(problem, source, name)
    return found


def _projected(problem: Problem, source: Projection, name: str) -> Formula:
    """Return Q, K or V: what it is projected from, and how."""
    if not source.letter:
        return Remark(Symbol(name.upper()), "as given")
    inputs, weight, bias = Symbol(source.letter), f"W_{name}", f"b_{name}"
    return _defined(name.upper(), source.linear.formula(inputs, weight, bias, problem.layout))


def _turned(problem: Problem) -> dict[str, Formula]:
    """Return what is done to q and k before they meet."""
    treatment, past = problem.treatment, problem.past
    found, query, key = {}, Symbol("q"), Symbol("k")
    if treatment.query_norm is not None and problem.query is not None:
        found["q_normed"] = treatment.query_norm.formula(query)
    if treatment.key_norm is not None and problem.key is not None:
        found["k_normed"] = treatment.key_norm.formula(key)
        key = Symbol("k_normed")
    present_key = past is not None and problem.key is not None
    if past is not None:
        if present_key and not past.rotated:
            found["present_key"] = _with_past(key)
            key = Symbol("present_key")
        found["present_value"] = _with_past(Symbol("v"))
    if treatment.rope is not None:
        if treatment.query_norm is not None:
            query = Symbol("q_normed")
        found["q_rotated"] = treatment.rope.formula(query, problem.turned_at.query_formula())
        found["k_rotated"] = treatment.rope.formula(key, _rotated_at(problem))
    if present_key and past is not None and past.rotated:
        found["present_key"] = _with_past(Symbol("k_rotated"))
    return {name: _defined(name, formula) for name, formula in found.items()}


def _with_past(new: Formula) -> Formula:
    return Words("the past, then ", new)


def _rotated_at(problem: Problem) -> Formula:
    """Return the position by which rope turns key j, of the new keys if the past is rotated."""
    past, p_j = problem.past, problem.turned_at.key_formula
    return p_j + past.length if past is not None and past.rotated and p_j != P_J else p_j


def _scored(problem: Problem) -> dict[str, Formula]:
    """Return the steps from the products to the last of the scores, in the problem's order."""
    innermost, parameters = problem.score.innermost(problem.parameters)
    columns = problem.layout == "columns"
    found = {}
    if innermost.products and problem.placement == "scores":
        found["products"] = _met(problem, innermost.products[columns])
    if innermost.gate:
        found["gate"] = innermost.gate(parameters)
    found["scores"] = _scores(problem)
    last = "scores"
    for adjustment in problem.rules.adjustments:
        found[adjustment.step] = adjustment.formula(Symbol(last))
        last = adjustment.step
    return {name: _defined(name, formula) for name, formula in found.items()}


def _scores(problem: Problem) -> Formula:
    innermost, parameters = problem.score.innermost(problem.parameters)
    scores = _met(problem, innermost.expression(parameters, problem.layout))
    if problem.placement == "scores" and not problem.scale_given:
        if innermost.divisor is not None:
            depth = problem.key.depth if problem.key else 0
            scores = scores / innermost.divisor.with_({D_K: number(depth)})
    elif problem.placement == "scores" and problem.scale != 1:
        scores = named(problem.scale, "scale") * scores
    return Remark(scores, "where selected") if problem.score.selection else scores


def _met(problem: Problem, product: Formula) -> Formula:
    """Return a product of Q and K with the steps that meet, and with the scale that is on them."""
    treatment, past = problem.treatment, problem.past
    rotated, normed = treatment.rope is not None, treatment.query_norm is not None
    Q: Formula = Symbol("q_rotated" if rotated else "q_normed" if normed else "Q")
    K: Formula = Symbol("k_rotated" if rotated else "k_normed" if normed else "K")
    if past is not None and (not rotated or past.rotated):
        K = Symbol("present_key")
    scale = named(problem.scale, "scale")
    if problem.placement == "query":
        Q = Product(scale, Q)
    elif problem.placement == "split":
        root = Call("sqrt", scale)
        Q, K = Product(root, Q), Product(root, K)
    return product.with_({QUERIES: Q, KEYS: K})


def hides(problem: Problem) -> bool:
    """Whether anything can hide a key."""
    return bool(problem.rules.schemes or problem.score.selection or problem.rules.top_k)


def _weighed(problem: Problem, scores: Formula) -> dict[str, Formula]:
    """Return the weights and what tells about them; `scores` is the step before."""
    rules = problem.rules
    read: dict[Formula, Formula] = {SCORES: _normalised(problem, scores), **_numbers(problem)}
    found: dict[str, Formula] = {}
    # Also where a mask happens to hide nothing: which steps there are is no matter of its numbers.
    if hides(problem) or any(adjustment.step == "masked" for adjustment in rules.adjustments):
        seen, why = Words("a query sees a key"), Words("the code of why not")
        found["visible"] = Where(number(0), seen, why)
    weights = rules.normalizer.formula.with_(read)
    column = problem.layout == "columns"
    found["weights"] = Remark(weights, "column by column") if column else weights
    if rules.normalizer.lse is not None:
        found["lse"] = rules.normalizer.lse.with_(read)
    line = "column" if column else "row"
    found["row_sums"] = Words(f"the sum of the weights of a {line}")
    if rules.dropout is not None:
        kept = Elementwise(Symbol("weights"), Symbol("keep"))
        p = float(rules.dropout.p)
        found["dropped"] = kept if p == 0 else kept / (1 - number(p))
    return {name: _defined(name, formula) for name, formula in found.items()}


def _normalised(problem: Problem, scores: Formula) -> Formula:
    """Return what the normaliser reads."""
    rules = problem.rules
    if rules.top_k:
        scores = Words(f"the {rules.top_k} largest of ", scores)
    if rules.temperature is not None:
        scores = scores / named(rules.temperature, "temperature")
    return scores


def _numbers(problem: Problem) -> dict[Formula, Formula]:
    """Return the normaliser's parameters that are numbers, by the symbols in its formulas."""
    rules = problem.rules
    arrays = {p.name for p in rules.normalizer.parameters if p.kind == "array"}
    return {Symbol(n): number(float(v)) for n, v in rules.parameters.items() if n not in arrays}


def _context(problem: Problem) -> Formula:
    weights = Symbol("weights" if problem.rules.dropout is None else "dropped")
    V = Symbol("V" if problem.past is None else "present_value")
    return _defined("context", V @ weights if problem.layout == "columns" else weights @ V)
