"""Translation as attention: the dictionary is K and V, the words of the sentence are Q.

    z = score(Q, K)        one row per word, one column per pair of the dictionary
    alpha = normalize(z)   none on one-hot vectors, argmax or softmax on embeddings
    h = alpha V
    h V^T                  how well each pair's target word fits; the largest is the answer

With a context, self-attention over the sentence comes first, and its output takes the place of Q.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from attn_cli.arrays import Array, Bools, Integers
from attn_cli.dataclass import dataclass, replace
from attn_cli.engine.run import run
from attn_cli.engine.settings import settings
from attn_cli.engine.step_plan import edges
from attn_cli.engine.watch import zero_keys
from attn_cli.formula import Equation, Symbol
from attn_cli.language.space import Space
from attn_cli.maths.look_up import sums_of_groups
from attn_cli.maths.pipeline import pipeline
from attn_cli.maths.problem import Edge, Problem, Request
from attn_cli.record import Choice, Labels, Record, Step

CLEAR_MARGIN = 0.05  # a best value whose relative margin is less than this is not clearly best
H, V, ALPHA = Symbol("h"), Symbol("V"), Symbol("alpha")
# In a translation the scores are called z, and the weights alpha.
LETTERS = {Symbol("scores"): Symbol("z"), Symbol("weights"): ALPHA}
UP_TO_WEIGHTS = ("q", "k", "products", "gate", "scores", "weights")


@dataclass(frozen=True, kw_only=True)
class Translation:
    """A sentence to be translated, validated."""

    sentence: str
    words: tuple[str, ...]  # all that are translated or kept, in order
    known: tuple[bool, ...]  # whether each is looked up; the others are kept unchanged
    looked_up: tuple[str, ...]
    query: Array | None  # the vectors of those; None if there are none
    context: Problem | None  # self-attention over the known words
    space: Space
    warnings: tuple[str, ...] = ()


def translate(
    translation: Translation,
    *,
    top: int = 0,
    edge: Edge | None = None,
    steps: Collection[str] | None = None,
    quick: list[Choice] | None = None,
) -> Record:
    """Return the record of a translation: the steps, the words under `answer`.

    `top` is the number of nearest keys in the ranking of each word, `steps` the names of those that
    are needed, None: all. For the answer alone no step is needed, and less is computed. `quick` are
    the choices if they are there already: see `answers`.
    """
    t = translation
    if t.query is None:
        return _nothing(t)
    warnings = list(t.warnings)
    made: dict[str, Step] = {}
    repeats: dict[str, str] = {}
    before = warnings if t.context is None else []
    if quick is None:
        alone, chosen, problem = _looked_up(t, t.query, top, steps, before)
    else:
        alone, chosen, problem = {}, quick, t.space.template
        warnings += _hidden_keys(t.space)
    if t.context is not None:
        sentence = run(t.context)
        last = list(sentence.steps.values())[-1]
        made |= {f"alone.{name}": step for name, step in alone.items()}
        made |= {f"sentence.{name}": step for name, step in sentence.steps.items()}
        repeats = {f"sentence.{a}": f"sentence.{b}" for a, b in sentence.repeats.items()}
        warnings += sentence.warnings
        without = chosen
        alone, chosen, problem = _looked_up(t, last.values, top, steps, warnings)
        chosen = [
            replace(choice, alone=before.answer, attention=paid)
            for choice, before, paid in zip(chosen, without, _attention_paid(sentence), strict=True)
        ]
    made |= alone
    choices = _with_kept(t, chosen)
    answer = [choice.answer for choice in choices]
    return Record(
        command="translate",
        steps={name: step.cut(edges(step.shape, edge)) for name, step in made.items()},
        settings=_settings(t, problem),
        query_tokens=t.looked_up,
        key_tokens=t.space.sources,
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
    settings = {"method": t.space.method}
    return Record(
        "translate", {}, settings, (), t.space.sources, answer=answer, text=joined(answer),
        choices=choices, title=t.sentence, warnings=t.warnings,
    )  # fmt: skip


def _settings(t: Translation, problem: Problem) -> Mapping[str, object]:
    resolved = t.space.settings if problem is t.space.template else settings(problem, Request())
    return {"method": t.space.method, "context": t.context is not None, **resolved}


def answers(translations: Sequence[Translation], *, top: int = 0) -> Iterator[Record]:
    """Yield the records of translations without their steps; all words are looked up together.

    A product of many queries with the keys takes a fraction of the time of one after the other.
    """
    together = [t for t in translations if t.query is not None and t.context is None]
    choices = iter(_quickly(together, top)) if together else iter(())
    for t in translations:
        quick = next(choices) if t.query is not None and t.context is None else None
        yield translate(t, top=top, steps=(), quick=quick)


def _looked_up(
    t: Translation, Q: Array, top: int, steps: Collection[str] | None, warnings: list[str]
) -> tuple[dict[str, Step], list[Choice], Problem]:
    """Return the steps of the look-up, the choice for each word, and the problem."""
    if steps is not None and not steps:
        (chosen,) = _quickly([replace(t, query=Q)], top)
        if chosen is not None:
            warnings += _hidden_keys(t.space)
            return {}, chosen, t.space.template
    return _with_steps(t, Q, top, steps, warnings)


def _quickly(translations: Sequence[Translation], top: int) -> list[list[Choice] | None]:
    """Return the choices of each without a step; None if a number is not finite.

    All have the same space, and words that are looked up.
    """
    space = translations[0].space
    look_up = space.look_up
    if look_up is None or not look_up.seen.any():
        return [None] * len(translations)
    asked = [(t, at) for t in translations for at in range(len(t.looked_up))]
    chosen: dict[int, list[Choice] | None] = {id(t): [] for t in translations}
    seen = None if look_up.seen.all() else look_up.seen
    Q = np.concatenate([t.query for t in translations if t.query is not None])
    for rows, scores, weights in look_up.weights(Q):
        fits = _fits(space, weights)
        near = weights if space.method == "softmax" else scores
        finite = _finite(scores if seen is None else np.where(seen, scores, 0)) & _finite(fits)
        for row, (t, at) in enumerate(asked[rows]):
            found = chosen[id(t)]
            if not finite[row]:
                chosen[id(t)] = None
            elif found is not None:
                found.append(_choice(t, at, Q[rows.start + row], fits[row], near[row], top))
    return [chosen[id(t)] for t in translations]


def _finite(rows: Array) -> Bools:
    """Return whether all numbers of each row are finite: its largest and its smallest are."""
    found: Bools = np.isfinite(rows.max(axis=1)) & np.isfinite(rows.min(axis=1))
    return found


def _hidden_keys(space: Space) -> list[str]:
    """Return the warning that keys are hidden, if some are."""
    look_up = space.look_up
    hidden = 0 if look_up is None else int(np.count_nonzero(~look_up.seen))
    if look_up is None or not hidden:
        return []
    return [zero_keys(hidden, look_up.seen.size, look_up.problem.score.name)]


def _fits(space: Space, weights: Array) -> Array:
    """Return how well each pair's target fits, or each distinct target: (n_q, pairs or targets)."""
    if space.target_vectors is None:
        return sums_of_groups(weights, space.groups)
    with np.errstate(all="ignore"):
        fits: Array = weights @ space.target_vectors @ space.target_vectors.T
    return fits


def _with_steps(
    t: Translation, Q: Array, top: int, wanted: Collection[str] | None, warnings: list[str]
) -> tuple[dict[str, Step], list[Choice], Problem]:
    """Return the choices and all steps, or those up to the weights if no later one is wanted."""
    space = t.space
    whole = wanted is None or not {*UP_TO_WEIGHTS, "k_transposed"}.issuperset(wanted)
    problem = space.problem(t.looked_up, Q, values=whole)
    there = pipeline(problem)
    early = tuple(name for name in UP_TO_WEIGHTS if name in there)
    record = run(problem, Request() if whole else Request(steps=early))
    warnings += record.warnings
    q, k, z, alpha = (record.steps[name] for name in ("q", "k", "scores", "weights"))
    q, k = _named(q, space.q_labels), _named(k, space.q_labels)
    k_t = replace(k.transposed(), name="k_transposed", expression=Symbol("K").T)
    z, alpha = (replace(step, expression=step.expression.with_(LETTERS)) for step in (z, alpha))
    by_name = record.steps
    gated = (by_name["products"], by_name["gate"]) if "gate" in by_name else ()
    later: tuple[Step, ...] = ()
    if whole:
        later = _later(t, by_name["v"], by_name["context"], warnings)
        fits = later[-1].values
    else:
        fits = _fits(space, alpha.values)
    v = later[:1]
    steps = {step.name: step for step in (q, k, k_t, *v, *gated, z, alpha, *later[1:])}
    near = (z if space.method != "softmax" else alpha).values
    chosen = [_choice(t, at, row, fits[at], near[at], top) for at, row in enumerate(q.values)]
    return steps, chosen, problem


def _later(t: Translation, v: Step, h: Step, warnings: list[str]) -> tuple[Step, Step, Step]:
    """Return v, h and the scores of the targets, with their names."""
    targets = t.space.targets
    h_v = replace(
        h,
        name="target_scores",
        expression=Equation(Symbol("target_scores"), H @ V.T),
        axes=("query", "key"),
        labels=(h.labels[0], targets),
        values=_product(h.values, v.values, warnings),
        shape=(len(h.values), len(targets)),
    )
    v = _named(replace(v, labels=(targets, v.labels[1])), t.space.v_labels)
    h = replace(_named(h, t.space.v_labels), expression=Equation(H, ALPHA @ V))
    return v, h, h_v


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
    """Return the target word that fits best, the first on a tie; its rival is another word.

    `fits` has a value for each pair, or for each distinct target.
    """
    asked, space = t.looked_up[at], t.space
    per_pair = len(fits) == len(space.targets)
    words = space.targets if per_pair else space.distinct
    best = _largest(fits)
    value = float(fits[best])
    rival = _rival(fits, best, space.groups.numbers if per_pair else None)
    margin = None if rival is None else value - float(fits[rival])
    nearest = np.argsort(-near, kind="stable")[:top].tolist() if top else ()
    runner_up = None if rival is None else words[rival]
    return Choice(
        asked=asked,
        answer=words[best],
        value=value,
        runner_up=runner_up,
        margin=margin,
        ranking=tuple((space.sources[i], float(near[i])) for i in nearest),
        doubt=_doubt(asked, words[best], runner_up, value, margin, zero=not Q.any()),
    )


def _largest(values: Array) -> int:
    """Return the index of the largest number, the first on a tie; NaN is below all."""
    at = int(np.argmax(values))  # of a NaN if there is one
    return (
        int(np.argmax(np.where(np.isnan(values), -np.inf, values)))
        if values[at] != values[at]
        else at
    )


def _rival(fits: Array, best: int, numbers: Integers | None) -> int | None:
    """Return the index of the largest number of another word than the best; None if there is none.

    `numbers` are those of the words; None: each number has a word of its own.
    """
    if numbers is not None:
        others = np.flatnonzero(numbers != numbers[best])
        return int(others[_largest(fits[others])]) if len(others) else None
    sides = ((0, fits[:best]), (best + 1, fits[best + 1 :]))
    found = [start + _largest(side) for start, side in sides if len(side)]
    return max(found, key=lambda at: _or_lowest(fits[at]), default=None)


def _or_lowest(value: Array) -> float:
    return float(value) if value == value else -np.inf


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
