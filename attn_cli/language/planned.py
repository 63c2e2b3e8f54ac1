"""The steps of a translation and their shapes, before they are computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attn_cli.dataclass import replace
from attn_cli.engine.order import whole_of
from attn_cli.engine.plan import plan_unheld
from attn_cli.language.space import Space
from attn_cli.language.translation import Translation
from attn_cli.maths.pipeline import STAGES, pipeline
from attn_cli.maths.problem import Request
from attn_cli.record import Whole, refuse_unknown_steps


def planned(translation: Translation) -> dict[str, Whole]:
    """Return name -> step of all steps that `translate` makes, in their order."""
    if translation.query is None:
        return {}
    look_up = _of_look_up(translation.space, len(translation.looked_up))
    problem = translation.context
    if problem is None:
        return look_up
    steps = plan_unheld(problem, Request()).steps.values()
    sentence = {step.name: whole_of(problem, step) for step in steps}
    return _renamed("alone", look_up) | _renamed("sentence", sentence) | look_up


def refuse_unknown(translations: Iterable[Translation], names: tuple[str, ...]) -> None:
    """Raise AttnError for a name that is not one of the steps; nothing is computed."""
    first = next((each for each in translations if each.query is not None), None)
    if first is not None:
        steps = planned(first)
        meant = {a: s.name for s in STAGES if s.name in steps for a in s.aliases}
        refuse_unknown_steps(names, steps, meant)


def _renamed(part: str, steps: Mapping[str, Whole]) -> dict[str, Whole]:
    return {f"{part}.{name}": replace(step, name=f"{part}.{name}") for name, step in steps.items()}


def _of_look_up(space: Space, n_q: int) -> dict[str, Whole]:
    n_k, d = space.K.shape
    vectors = space.target_vectors
    d_v = len(space.distinct) if vectors is None else vectors.shape[1]
    gated = "gate" in pipeline(space.template)
    of_pairs = ("query", "key"), (n_q, n_k)
    shapes = {
        "q": (("query", "dimension"), (n_q, d)),
        "k": (("key", "dimension"), (n_k, d)),
        "k_transposed": (("dimension", "key"), (d, n_k)),
        "v": (("key", "dimension"), (n_k, d_v)),
        **({"products": of_pairs, "gate": of_pairs} if gated else {}),
        "scores": of_pairs,
        "weights": of_pairs,
        "context": (("query", "dimension"), (n_q, d_v)),
        "target_scores": of_pairs,
    }
    return {
        name: Whole(name, axes, (), shape, space.dtype) for name, (axes, shape) in shapes.items()
    }
