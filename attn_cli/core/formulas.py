"""Which steps a problem has, in the order computed, and the formula of each as resolved."""

from __future__ import annotations

from attn_cli.core.problem import Problem, Projection

OF_TOKENS = ("token", "dimension")
OF_PAIRS = ("query", "key")
ROWS = ("query", "dimension")

AXES: dict[str, tuple[str, ...]] = {
    "embeddings": OF_TOKENS,
    "positions": OF_TOKENS,
    "positioned": OF_TOKENS,
    "q": ROWS,
    "k": ("key", "dimension"),
    "v": ("key", "dimension"),
    "products": OF_PAIRS,
    "gate": OF_PAIRS,
    "scores": OF_PAIRS,
    "masked": OF_PAIRS,
    "weights": OF_PAIRS,
    "context": ROWS,
    "concat": ROWS,
    "output": ROWS,
    "residual": ROWS,
    "layer_norm": ROWS,
    "hidden": ("query", "unit"),
    "feed_forward": ROWS,
    "residual_2": ROWS,
    "layer_norm_2": ROWS,
    "pooled": ("dimension",),
    "logits": ("word",),
    "probabilities": ("word",),
}
INPUTS = ("embeddings", "positions", "positioned")  # without batch or head
WHOLE_ROWS = frozenset(name for name, axes in AXES.items() if axes == OF_PAIRS)
POOLED = ("pooled", "logits", "probabilities")
AFTER = tuple(AXES)[tuple(AXES).index("concat") : tuple(AXES).index("pooled")]


def formulas(problem: Problem) -> dict[str, str]:
    """Return step name -> formula, for the steps that apply, in the order computed."""
    innermost, parameters = problem.score.innermost(problem.parameters)
    columns = problem.layout == "columns"
    positions = problem.positions
    steps = {
        "embeddings": None if problem.embeddings is None else "X, one vector a token",
        "positions": positions and positions.formula,
        "positioned": positions and "X' = X + P",
        "q": _projected(problem, problem.query, "Q", "W_q", "b_q"),
        "k": _projected(problem, problem.key, "K", "W_k", "b_k"),
        "v": _projected(problem, problem.value, "V", "W_v", "b_v"),
        "products": innermost.products and f"products = {innermost.products[columns]}",
        "gate": innermost.gate and f"gate = {innermost.gate(parameters)}",
        "scores": f"scores = {_scores(problem)}",
        "masked": f"masked = {_masked(problem)}" if problem.schemes else None,
        "weights": f"weights = {_weights(problem)}",
        "context": "context = V weights" if columns else "context = weights V",
        "concat": "concat = the contexts of all heads, side by side" if problem.joined else None,
    }
    found = {name: formula for name, formula in steps.items() if formula}
    X = "" if problem.query is None else problem.query.letter
    context = "concat" if problem.joined else "context"
    found |= problem.after.formulas(context, X, problem.layout)
    if problem.next_word is not None:
        found |= problem.next_word.formulas(list(found)[-1], problem.layout)
    return found


def _projected(
    problem: Problem, source: Projection | None, letter: str, weight: str, bias: str
) -> str | None:
    if source is None:
        return None
    if not source.letter:
        return f"{letter}, as given"
    formula = source.linear.formula(source.letter, weight, bias, problem.layout)
    return f"{letter} = {formula}"


def _scores(problem: Problem) -> str:
    innermost, parameters = problem.score.innermost(problem.parameters)
    formula = innermost.expression(parameters, problem.layout)
    if not problem.scale_given:
        depth = problem.key.depth if problem.key else 0
        formula += innermost.scale_formula.format(d_k=depth)
    elif problem.scale != 1:
        compound = formula.startswith("-") or formula.startswith("v .")
        formula = (
            f"{problem.scale:g} * ({formula})" if compound else f"{problem.scale:g} * {formula}"
        )
    return f"{formula}, where selected" if problem.score.selection else formula


def _masked(problem: Problem) -> str:
    mask = problem.mask
    formula = "scores" if mask is None or mask.added is None else "scores + mask"
    conditions = [] if problem.causal is None else [problem.causal.formula]
    if mask is not None and mask.hides:
        conditions.append(mask.formula)
    return f"{formula} where {' and '.join(conditions)}, else -inf" if conditions else formula


def _weights(problem: Problem) -> str:
    scores = "masked" if problem.schemes else "scores"
    formula = problem.normalizer.formula.format(scores=scores)
    return f"{formula}, column by column" if problem.layout == "columns" else formula
