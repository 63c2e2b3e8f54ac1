"""Which steps a problem has, in the order computed, and the formula of each as resolved."""

from __future__ import annotations

from attn_cli.maths.axes import OF_SCORES
from attn_cli.maths.heads import named
from attn_cli.maths.problem import Problem, Projection


def formulas(problem: Problem) -> dict[str, str]:
    """Return step name -> formula, for the steps that apply, in the order computed."""
    found = _inputs(problem) | _turned(problem) | _scored(problem)
    last = [name for name in found if name in OF_SCORES][-1]
    found |= _weighed(problem, last)
    weights = "dropped" if problem.rules.dropout else "weights"
    V = "V" if problem.past is None else "present_value"
    context = f"{V} {weights}" if problem.layout == "columns" else f"{weights} {V}"
    found["context"], last = f"context = {context}", "context"
    X = "" if problem.query is None else problem.query.letter
    if problem.gate is not None:
        found["gated"], last = f"gated = {problem.gate.formula(X, problem.layout)}", "gated"
    if problem.joined:
        what = "contexts" if last == "context" else "gated contexts"
        found["concat"], last = f"concat = the {what} of all heads, side by side", "concat"
    found |= problem.after.formulas(last, X, problem.layout)
    if problem.next_word is not None:
        found |= problem.next_word.formulas(list(found)[-1], problem.layout)
    return found


def _inputs(problem: Problem) -> dict[str, str]:
    """Return the steps up to Q, K and V."""
    positions = problem.positions
    found = {
        "embeddings": None if problem.embeddings is None else "X, one vector a token",
        "positions": positions and positions.formula,
        "positioned": positions and "X' = X + P",
        "q": _projected(problem, problem.query, "Q", "W_q", "b_q"),
        "k": _projected(problem, problem.key, "K", "W_k", "b_k"),
        "v": _projected(problem, problem.value, "V", "W_v", "b_v"),
    }
    return {name: formula for name, formula in found.items() if formula}


def _projected(
    problem: Problem, source: Projection | None, letter: str, weight: str, bias: str
) -> str | None:
    if source is None:
        return None
    if not source.letter:
        return f"{letter}, as given"
    formula = source.linear.formula(source.letter, weight, bias, problem.layout)
    return f"{letter} = {formula}"


def _turned(problem: Problem) -> dict[str, str]:
    """Return what is done to q and k before they meet."""
    treatment, past = problem.treatment, problem.past
    found, key = {}, "k"
    if treatment.query_norm is not None and problem.query is not None:
        found["q_normed"] = f"q_normed = {treatment.query_norm.formula('q')}"
    if treatment.key_norm is not None and problem.key is not None:
        found["k_normed"] = f"k_normed = {treatment.key_norm.formula('k')}"
        key = "k_normed"
    present_key = past is not None and problem.key is not None
    if past is not None:
        if present_key and not past.rotated:
            found["present_key"] = f"present_key = the past, then {key}"
            key = "present_key"
        found["present_value"] = "present_value = the past, then v"
    if treatment.rope is not None:
        query = "q" if treatment.query_norm is None else "q_normed"
        at = problem.turned_at
        found["q_rotated"] = f"q_rotated = {treatment.rope.formula(query, at.text())}"
        p_j = at.key_text
        if past is not None and past.rotated and p_j == "j":
            p_j = f"j + {past.length}"
        found["k_rotated"] = f"k_rotated = {treatment.rope.formula(key, p_j)}"
    if present_key and past is not None and past.rotated:
        found["present_key"] = "present_key = the past, then k_rotated"
    return found


def _scored(problem: Problem) -> dict[str, str]:
    """Return the steps from the products to the last of the scores, in the problem's order."""
    innermost, parameters = problem.score.innermost(problem.parameters)
    columns = problem.layout == "columns"
    found = {}
    if innermost.products and problem.placement == "scores":
        found["products"] = f"products = {_met(problem, innermost.products[columns])}"
    if innermost.gate:
        found["gate"] = f"gate = {innermost.gate(parameters)}"
    found["scores"] = f"scores = {_scores(problem)}"
    last = "scores"
    for adjustment in problem.rules.adjustments:
        found[adjustment.step] = f"{adjustment.step} = {adjustment.formula(last)}"
        last = adjustment.step
    return found


def _scores(problem: Problem) -> str:
    innermost, parameters = problem.score.innermost(problem.parameters)
    formula = _met(problem, innermost.expression(parameters, problem.layout))
    if problem.placement == "scores" and not problem.scale_given:
        depth = problem.key.depth if problem.key else 0
        formula += innermost.scale_formula.format(d_k=depth)
    elif problem.placement == "scores" and problem.scale != 1:
        compound = formula.startswith("-") or formula.startswith("v .")
        formula = f"({formula})" if compound else formula
        formula = f"{named(problem.scale, 'scale')} * {formula}"
    return f"{formula}, where selected" if problem.score.selection else formula


def _met(problem: Problem, formula: str) -> str:
    """Write a product of Q and K with the names of the steps that meet, and the scale on them."""
    treatment, past = problem.treatment, problem.past
    rotated, normed = treatment.rope is not None, treatment.query_norm is not None
    Q = "q_rotated" if rotated else "q_normed" if normed else "Q"
    K = "k_rotated" if rotated else "k_normed" if normed else "K"
    if past is not None and (not rotated or past.rotated):
        K = "present_key"
    scale = named(problem.scale, "scale")
    if problem.placement == "query":
        Q = f"({scale} {Q})"
    elif problem.placement == "split":
        Q, K = f"(sqrt({scale}) {Q})", f"(sqrt({scale}) {K})"
    return formula.replace("K", K).replace("Q", Q)


def hides(problem: Problem) -> bool:
    """Whether anything can hide a key."""
    return bool(problem.rules.schemes or problem.score.selection or problem.rules.top_k)


def _weighed(problem: Problem, scores: str) -> dict[str, str]:
    """Return the weights and what tells about them; `scores` is the step before."""
    rules, column = problem.rules, problem.layout == "columns"
    by = ", column by column" if column else ""
    source = f"the {rules.top_k} largest of {scores}" if rules.top_k else scores
    if rules.temperature is not None:
        source = f"{source} / {named(rules.temperature, 'temperature')}"
    found = {}
    # Also where a mask happens to hide nothing: which steps there are is no matter of its numbers.
    if hides(problem) or any(adjustment.step == "masked" for adjustment in rules.adjustments):
        found["visible"] = "visible = 0 where a query sees a key, else the code of why not"
    weights = rules.normalizer.formula.format(scores=source, **_numbers(problem))
    found["weights"] = f"weights = {weights}{by}"
    if rules.normalizer.log_sum is not None:
        found["lse"] = f"lse = {rules.normalizer.lse.format(scores=source)}"
    found["row_sums"] = f"row_sums = the sum of the weights of a {'column' if column else 'row'}"
    if rules.dropout is not None:
        rest = "" if rules.dropout.p == 0 else f" / (1 - {rules.dropout.p:g})"
        found["dropped"] = f"dropped = weights * keep{rest}"
    return found


def _numbers(problem: Problem) -> dict[str, object]:
    """Return the normaliser's parameters that are numbers, and names for its arrays."""
    rules = problem.rules
    arrays = {p.name for p in rules.normalizer.parameters if p.kind == "array"}
    return {n: n if n in arrays else v for n, v in rules.parameters.items()}
