"""Problem -> recipes: the numbers of each line of the page's working, by step.

`lab.derivation.sources` finds the same numbers for one cell; here they are places in the steps and
parts that the page has, so that its script finds them for any cell.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.dataclass import dataclass, replace
from attn_cli.lab.derivation.derive import SILENT
from attn_cli.lab.derivation.result import Template
from attn_cli.lab.derivation.sources_pairs import WIDE
from attn_cli.lab.derivation.templates import TEMPLATES, template_of
from attn_cli.lab.report.entries import Entries, at_step
from attn_cli.lab.report.recipe import Numbers, Part, Recipe, Source
from attn_cli.lab.report.recipe_of_weights import weights
from attn_cli.maths.adjustments import Biases, Masking, Softcap
from attn_cli.maths.meeting import value_end
from attn_cli.maths.pairs import last_of_scores
from attn_cli.maths.place import Place, cells
from attn_cli.maths.rules import KINDS
from attn_cli.maths.scores.concat import QUERY_KEY
from attn_cli.maths.stage import KEYS, OF_PAIRS, PROBLEM, StepSpec, closure
from attn_cli.maths.visible.base import all_of

# A step of pairs that is only numbers in a row's table of `attn explain`.
ASIDE = frozenset(("visible", "exp_scores", "exp_sum", "lse", "row_sums"))


@dataclass(frozen=True)
class Working:
    """The recipes in the order of the steps, and the parts that they read.

    `empty` is the part with the kind of each row that sees no key, 0 for others; `zero` is the kind
    of those whose weights are 0.
    """

    recipes: tuple[Recipe, ...]
    parts: Mapping[str, Part]
    empty: str | None
    zero: int


def working(entries: Entries) -> Working:
    """Return the recipes of all steps from the vectors that meet to the context."""
    specs = entries.specs
    weighed = closure(specs.values(), {"weights", "dropped"} & specs.keys())
    return _working(entries, {*weighed, "context"})


def of_weights(entries: Entries) -> Working:
    """Return the recipes of the scores that are normalised, as they are, and of the weights."""
    last = entries.specs[last_of_scores(entries.problem)]
    kept = Recipe(
        step=last.name, formula=str(last.formula), axes=OF_PAIRS, depth=0,
        templates=(Template(step=last.name, kind="value", label=last.name),),
        facts={}, slots={}, needs={},
    )  # fmt: skip
    found = _working(entries, {"weights"})
    return replace(found, recipes=(kept, *found.recipes))


def _working(entries: Entries, names: Collection[str]) -> Working:
    specs = entries.specs
    found = []
    for name, spec in specs.items():
        if name in names and name not in {*SILENT, *ASIDE}:
            source = SOURCES.get(name)
            numbers = None if source is None else source(entries, spec)
            found.append(_recipe(spec, numbers or Numbers()))
    return Working(tuple(found), entries.parts, entries.empty, KINDS.index("zero"))


def _recipe(spec: StepSpec, numbers: Numbers) -> Recipe:
    """Return the recipe of a step, without the templates that never hold."""
    possible = numbers.always | numbers.facts.keys()
    templates = [
        replace(each, when=tuple(fact for fact in each.when if fact in numbers.facts))
        for each in TEMPLATES
        if each.step == spec.name and set(each.when) <= possible
    ]
    certain = next((n for n, each in enumerate(templates) if not each.when), len(templates))
    chosen = templates[: certain + 1] or [_of_value(spec)]
    used = set(numbers.facts) & {fact for each in chosen for fact in each.when}
    used |= {each[1] for each in numbers.facts.values() if each[0] == "not"}
    return Recipe(
        step=spec.name,
        formula=str(spec.formula),
        axes=_axes(spec),
        depth=0 if spec.axes == OF_PAIRS else spec.depth,
        templates=tuple(chosen),
        facts={
            name: each
            for name, each in numbers.facts.items()
            if name in used or name in numbers.needs.values()
        },
        slots=numbers.slots,
        needs=numbers.needs,
        same=numbers.same,
        fill=numbers.fill,
    )


def _of_value(spec: StepSpec) -> Template:
    """Return the template of a value without arithmetic, with the label of the others."""
    plain = template_of(spec.name, ())
    label = next((each.label for each in TEMPLATES if each.step == spec.name), plain.label)
    return replace(plain, label=label)


def _axes(spec: StepSpec) -> tuple[str, ...]:
    """Return what a line of a step is of: a query, a key, both, or a token."""
    if spec.axes == OF_PAIRS:
        return OF_PAIRS
    if spec.scope == PROBLEM:
        return ("token",)
    return ("key",) if spec.scope == KEYS else ("query",)


def _bilinear(entries: Entries, spec: StepSpec) -> dict[str, Source]:
    """Return the factors of each term of q.k, or of q W k."""
    problem = entries.problem
    _, parameters = problem.score.innermost(problem.parameters)
    q, k = spec.reads[:2]
    if "W" not in parameters:
        return {"q": at_step(q), "k": at_step(k)}
    W = np.asarray(parameters["W"], np.float64)
    rows, columns = W.shape
    return {
        "q": ["repeat", at_step(q), columns],
        "W": entries.part("W", ("term",), W.ravel()),
        "k": ["tile", at_step(k), rows],
    }


def _products(entries: Entries, spec: StepSpec) -> Numbers:
    function, _ = entries.problem.score.innermost(entries.problem.parameters)
    return Numbers(frozenset((f"score={function.name}",)), slots=_bilinear(entries, spec))


def _gate(entries: Entries, spec: StepSpec) -> Numbers:
    problem = entries.problem
    _, parameters = problem.score.innermost(problem.parameters)
    q, k = spec.reads[:2]
    weight = np.asarray(parameters["W_g"][0], np.float64)
    slots = {"w": entries.part("W_g", ("term",), weight), "x": ["concat", at_step(q), at_step(k)]}
    if parameters.get("b_g") is not None:
        slots["b"] = float(parameters["b_g"][0])
    return Numbers(slots=slots)


def _scores(entries: Entries, spec: StepSpec) -> Numbers:
    problem, specs = entries.problem, entries.specs
    function, parameters = problem.score.innermost(problem.parameters)
    always, facts, slots = _scale(entries)
    always |= {f"score={function.name}"}
    if "products" in specs:
        always |= {"products"} | ({"gate"} & specs.keys())
        slots |= {name: at_step(name) for name in ("products", "gate") if name in specs}
    elif function.name in OTHERS:
        more, others = OTHERS[function.name](entries, spec, parameters)
        always |= more
        slots |= others
    elif problem.placement != "scores":
        always |= {f"placement={problem.placement}"}
        slots |= _bilinear(entries, spec)
    same = "products" if "products" in specs else None
    return Numbers(frozenset(always), facts, slots, same=same)


def _scale(entries: Entries) -> tuple[set[str], dict[str, Source], dict[str, Source]]:
    """Return how the scale is written: 1/sqrt(d_k), a number, or not at all."""
    problem = entries.problem
    function, _ = problem.score.innermost(problem.parameters)
    if problem.placement == "scores" and not problem.scale_given and function.divisor is not None:
        return {"divisor"}, {}, {"d_k": float(problem.key.depth if problem.key else 0)}
    scale = entries.per_head(problem.factor)
    if isinstance(scale, float):
        return (set() if scale == 1 else {"scale"}), {}, {"scale": scale}
    other = entries.per_head(lambda head: float(problem.factor(head) != 1))
    if isinstance(other, float):
        return {"scale"}, {}, {"scale": scale}
    return set(), {"scale": ["coded", other[1], 1]}, {"scale": scale}


def _additive(
    entries: Entries, spec: StepSpec, parameters: Mapping[str, Any]
) -> tuple[set[str], dict[str, Source]]:
    W1, W2 = (np.asarray(parameters[name], np.float64) for name in ("W1", "W2"))
    slots = {"v": entries.part("v", ("term",), np.asarray(parameters["v"], np.float64))}
    if parameters.get("b") is not None:
        slots["b"] = entries.part("b", ("term",), np.asarray(parameters["b"], np.float64))
    W = entries.part("W", ("term", "inner"), np.concatenate([W1, W2], axis=1))
    x = ["concat", *map(at_step, spec.reads[:2])]
    if W1.shape[1] + W2.shape[1] > WIDE:
        return {"wide"}, {**slots, "a": ["apply", W, x]}
    return set(), {**slots, "w": W, "x": x}


def _gaussian(
    entries: Entries, spec: StepSpec, parameters: Mapping[str, Any]
) -> tuple[set[str], dict[str, Source]]:
    del entries
    q, k = spec.reads[:2]
    return set(), {"q": at_step(q), "k": at_step(k), "sigma": float(parameters["sigma"])}


def _given(
    entries: Entries, spec: StepSpec, parameters: Mapping[str, Any]
) -> tuple[set[str], dict[str, Source]]:
    del spec
    given = entries.pairs("given", lambda at: np.asarray(parameters["scores"])[at.i][:, at.j])
    return set(), {} if given is None else {"given": given}


def _concat(
    entries: Entries, spec: StepSpec, parameters: Mapping[str, Any]
) -> tuple[set[str], dict[str, Source]]:
    ends = list(map(at_step, spec.reads[:2]))
    x = ["concat", *(ends if parameters["order"] == QUERY_KEY else ends[::-1])]
    numbers = {name: np.asarray(parameters[name], np.float64) for name in ("W", "v")}
    slots = {"v": entries.part("v", ("term",), numbers["v"])}
    if parameters.get("b") is not None:
        slots["b"] = entries.part("b", ("term",), np.asarray(parameters["b"], np.float64))
    W = entries.part("W", ("term", "inner"), numbers["W"])
    if numbers["W"].shape[1] > WIDE:
        return {"wide", f"order={parameters['order']}"}, {**slots, "a": ["apply", W, x]}
    return set(), {**slots, "w": W, "x": x}


def _cosine(
    entries: Entries, spec: StepSpec, parameters: Mapping[str, Any]
) -> tuple[set[str], dict[str, Source]]:
    del entries, parameters
    q, k = spec.reads[:2]
    slots: dict[str, Source] = {"q": at_step(q), "k": at_step(k)}
    for name in slots.copy():
        slots[f"squares_{name}"] = ["sum", ["calc", f"<{name}>^2"]]
        slots[f"length_{name}"] = ["calc", f"sqrt(<squares_{name}>)"]
    return set(), slots


OTHERS: Mapping[str, Callable[..., tuple[set[str], dict[str, Source]]]] = {
    "additive": _additive,
    "concat": _concat,
    "cosine": _cosine,
    "gaussian": _gaussian,
    "given": _given,
}


def _adjustment(entries: Entries, kind: type) -> Any:
    return next(each for each in entries.problem.rules.adjustments if isinstance(each, kind))


def _capped(entries: Entries, spec: StepSpec) -> Numbers:
    return Numbers(
        slots={"before": at_step(spec.reads[0]), "cap": float(_adjustment(entries, Softcap).cap)}
    )


def _biased(entries: Entries, spec: StepSpec) -> Numbers:
    terms = []
    for bias in _adjustment(entries, Biases).biases:
        terms.append(entries.pairs("bias", bias.values))
    if None in terms:
        return Numbers()
    return Numbers(slots={"before": at_step(spec.reads[0]), "bias": ["concat", *terms]})


def _masked(entries: Entries, spec: StepSpec) -> Numbers:
    masking = _adjustment(entries, Masking)
    problem = entries.problem
    fill = float(problem.precision.scores.carrier.type(masking.fill))
    slots: dict[str, Source] = {"before": at_step(spec.reads[0]), "fill": fill}
    always = {"adds"} if masking.adds and not masking.hides_permanently else set()
    if masking.mask is not None:
        mask = _addend(entries, masking)
        if mask is not None:
            slots["mask"] = mask
            always |= {"mask"}
    hidden: Source = ["hidden"]
    by_mask = np.array([~all_of(masking.hides, at) for at in entries.places()])
    assert entries.visible is not None  # of all rungs but the last
    if by_mask.size and not np.array_equal(by_mask, entries.visible != 0):
        codes = entries.pairs("masked", lambda at: ~all_of(masking.hides, at))
        hidden = hidden if codes is None else ["coded", codes[1], 1]
    return Numbers(frozenset(always), {"hidden": hidden}, slots, same=spec.reads[0], fill=fill)


def _addend(entries: Entries, masking: Masking) -> Source | None:
    """Return what the mask adds to the score; None if it adds nothing."""
    mask = masking.mask
    assert mask is not None  # or there is none to add
    if any(mask.addend(at) is None for at in entries.places()):
        return None

    def added(at: Place) -> AnyArray:
        numbers = mask.addend(at)
        assert numbers is not None  # see above
        return numbers

    return entries.pairs("mask", added)


def _dropped(entries: Entries, spec: StepSpec) -> Numbers:
    del spec
    dropout = entries.problem.rules.dropout
    assert dropout is not None  # this stage applies
    keep = entries.pairs("keep", lambda at: cells(dropout.keep, at))
    if keep is None:
        return Numbers()
    return Numbers(slots={"weights": at_step("weights"), "keep": keep, "p": float(dropout.p)})


def _context(entries: Entries, spec: StepSpec) -> Numbers:
    problem = entries.problem
    after = problem.after.output
    plain = after.weight is None and after.bias is None
    always = {"output"} if plain and problem.gate is None and not problem.joined else set()
    del spec
    w = "dropped" if "dropped" in entries.specs else "weights"
    return Numbers(
        frozenset(always), slots={"w": ["taken", w], "v": ["values", value_end(problem)]}
    )


SOURCES: Mapping[str, Callable[[Entries, StepSpec], Numbers]] = {
    "products": _products,
    "gate": _gate,
    "scores": _scores,
    "capped": _capped,
    "biased": _biased,
    "masked": _masked,
    "weights": weights,
    "dropped": _dropped,
    "context": _context,
}
