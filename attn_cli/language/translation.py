"""Translation as attention: the dictionary is K and V, the words of the sentence are Q.

    z = score(Q, K)        one row per word, one column per pair of the dictionary
    alpha = normalize(z)   none on one-hot vectors, argmax or softmax on embeddings
    h = alpha V
    h V^T                  how well each pair's target word fits; the largest is the answer

With a context, self-attention over the sentence comes first, and its output takes the place of Q.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from attn_cli.arrays import Array
from attn_cli.dataclass import dataclass, replace
from attn_cli.engine.run import run
from attn_cli.engine.settings import settings
from attn_cli.engine.step_plan import edges
from attn_cli.formula import Equation, Symbol
from attn_cli.maths.problem import Edge, Problem, Request
from attn_cli.record import Choice, Labels, Record, Step

CLEAR_MARGIN = 0.05  # a best value whose relative margin is less than this is not clearly best
H, V, ALPHA = Symbol("h"), Symbol("V"), Symbol("alpha")
# In a translation the scores are called z, and the weights alpha.
LETTERS = {Symbol("scores"): Symbol("z"), Symbol("weights"): ALPHA}
LOOK_UP = ("q", "k", "v", "scores", "weights", "context")


@dataclass(frozen=True, kw_only=True)
class Translation:
    """A sentence to be translated, validated."""

    sentence: str
    words: tuple[str, ...]  # all that are translated or kept, in order
    known: tuple[bool, ...]  # whether each is looked up; the others are kept unchanged
    problem: Problem | None  # Q, K and V of the known words; None if there are none
    context: Problem | None  # self-attention over the known words
    sources: Labels  # of each pair
    targets: Labels
    method: str
    q_labels: Labels  # of the dimensions of Q and K
    v_labels: Labels  # of the dimensions of V
    warnings: tuple[str, ...] = ()


def translate(translation: Translation, *, top: int = 0, edge: Edge | None = None) -> Record:
    """Return the record of a translation: all steps, the words under `answer`.

    `top` is the number of nearest keys in the ranking of each word.
    """
    t = translation
    if t.problem is None:
        return _nothing(t)
    steps: dict[str, Step] = {}
    repeats: dict[str, str] = {}
    warnings = list(t.warnings)
    alone, chosen = _looked_up(t, t.problem, top, warnings if t.context is None else [])
    if t.context is not None:
        sentence = run(t.context)
        last = list(sentence.steps.values())[-1]
        steps |= {f"alone.{name}": step for name, step in alone.items()}
        steps |= {f"sentence.{name}": step for name, step in sentence.steps.items()}
        repeats = {f"sentence.{a}": f"sentence.{b}" for a, b in sentence.repeats.items()}
        warnings += sentence.warnings
        without = chosen
        query = replace(_query(t.problem), inputs=last.values)
        alone, chosen = _looked_up(t, replace(t.problem, query=query), top, warnings)
        chosen = [
            replace(choice, alone=before.answer, attention=paid)
            for choice, before, paid in zip(chosen, without, _attention_paid(sentence), strict=True)
        ]
    steps |= alone
    choices = _with_kept(t, chosen)
    answer = [choice.answer for choice in choices]
    return Record(
        command="translate",
        steps={name: step.cut(edges(step.shape, edge)) for name, step in steps.items()},
        settings=_settings(t, t.problem),
        query_tokens=t.problem.query_tokens,
        key_tokens=t.sources,
        cross=True,
        answer=answer,
        text=joined(answer),
        choices=choices,
        title=t.sentence,
        warnings=(*warnings, *(choice.doubt for choice in choices if choice.doubt)),
        repeats=repeats,
    )


def joined(words: list[str]) -> str:
    """Return words joined to a line, without a blank after an apostrophe.

    >>> joined(["J'", "aime", "le tennis"])
    "J'aime le tennis"
    """
    line = ""
    for word in words:
        line += word if not line or line.endswith(("'", "’")) else f" {word}"
    return line


def _nothing(t: Translation) -> Record:
    choices = _with_kept(t, [])
    answer = [choice.answer for choice in choices]
    settings = {"method": t.method}
    return Record(
        "translate", {}, settings, (), t.sources, answer=answer, text=joined(answer),
        choices=choices, title=t.sentence, warnings=t.warnings,
    )  # fmt: skip


def _settings(t: Translation, problem: Problem) -> Mapping[str, object]:
    resolved = settings(problem, Request())
    return {"method": t.method, "context": t.context is not None, **resolved}


def _query(problem: Problem) -> Any:
    assert problem.query is not None  # a translation always has one
    return problem.query


def _looked_up(
    t: Translation, problem: Problem, top: int, warnings: list[str]
) -> tuple[dict[str, Step], list[Choice]]:
    """Return the steps of the look-up, and the choice for each word."""
    record = run(problem)
    warnings += record.warnings
    q, k, v, z, alpha, h = (record.steps[name] for name in LOOK_UP)
    h_v = replace(
        h,
        name="target_scores",
        expression=Equation(Symbol("target_scores"), H @ V.T),
        axes=("query", "key"),
        labels=(h.labels[0], t.targets),
        values=_product(h.values, v.values, warnings),
        shape=(len(h.values), len(t.targets)),
    )
    q, k = _named(q, t.q_labels), _named(k, t.q_labels)
    k_t = replace(k.transposed(), name="k_transposed", expression=Symbol("K").T)
    v = _named(replace(v, labels=(t.targets, v.labels[1])), t.v_labels)
    h = replace(_named(h, t.v_labels), expression=Equation(H, ALPHA @ V))
    z, alpha = (replace(step, expression=step.expression.with_(LETTERS)) for step in (z, alpha))
    by_name = record.steps
    gated = (by_name["products"], by_name["gate"]) if "gate" in by_name else ()
    steps = {step.name: step for step in (q, k, k_t, v, *gated, z, alpha, h, h_v)}
    chosen = [
        _choice(t, at, Q, h_v.values[at], (z if t.method != "softmax" else alpha).values[at], top)
        for at, Q in enumerate(q.values)
    ]
    return steps, chosen


def _product(h: Array, V: Array, warnings: list[str]) -> Array:
    """Return h V^T; add a warning if it overflows."""
    with np.errstate(all="ignore"):
        product: Array = h @ V.T
    if not np.isfinite(product).all():
        warnings.append(f"target_scores is not finite: {product.dtype} overflows there")
    return product


def _named(step: Step, labels: Labels) -> Step:
    """Return a step whose dimensions have names."""
    return replace(step, labels=(*step.labels[:-1], labels)) if labels else step


def _choice(t: Translation, at: int, Q: Array, fits: Array, near: Array, top: int) -> Choice:
    """Return the target word that fits best, the first on a tie; its rival is another word."""
    asked = [word for word, known in zip(t.words, t.known, strict=True) if known][at]
    order = np.argsort(-fits, kind="stable")
    best = int(order[0])
    rival = next((int(i) for i in order if t.targets[int(i)] != t.targets[best]), None)
    value = float(fits[best])
    margin = None if rival is None else value - float(fits[rival])
    nearest = np.argsort(-near, kind="stable")[:top]
    runner_up = None if rival is None else t.targets[rival]
    return Choice(
        asked=asked,
        answer=t.targets[best],
        value=value,
        runner_up=runner_up,
        margin=margin,
        ranking=tuple((t.sources[int(i)], float(near[i])) for i in nearest),
        doubt=_doubt(asked, t.targets[best], runner_up, value, margin, zero=not Q.any()),
    )


def _doubt(
    asked: str, best: str, rival: str | None, value: float, margin: float | None, *, zero: bool
) -> str:
    """Return why a choice is not clear; empty if it is."""
    if zero:
        return f"'{asked}' has a zero vector, which carries no meaning"
    if rival is None or margin is None:
        return ""
    if not np.isfinite(margin):
        return f"the translation of '{asked}' is unknown: its scores are not finite"
    if margin <= 1e-12 * abs(value):
        return f"'{best}' and '{rival}' fit '{asked}' equally well: the first was taken"
    if margin < CLEAR_MARGIN * abs(value):
        return f"'{best}' fits '{asked}' barely better than '{rival}': {value:.4g} to " + (
            f"{value - margin:.4g}"
        )
    return ""


def _attention_paid(sentence: Record) -> list[tuple[tuple[str, float], ...]]:
    """Return the attention of each word to each word; the mean over heads if there are several."""
    weights = sentence.steps["weights"].values
    if weights.ndim == 3:
        weights = weights.mean(axis=0)
    return [tuple(zip(sentence.key_tokens, map(float, row), strict=True)) for row in weights]


def _with_kept(t: Translation, chosen: list[Choice]) -> tuple[Choice, ...]:
    """Return the choices with the unknown words that are kept between them."""
    left = iter(chosen)
    return tuple(
        next(left) if known else Choice(word, word, None, None, None)
        for word, known in zip(t.words, t.known, strict=True)
    )
