"""Problems on which every variant is computed as a kernel would, and asked about."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from attn_cli.arrays import Array
from attn_cli.dataclass import replace
from attn_cli.floats import FLOAT_TYPES
from attn_cli.lab.identify.asking import identify
from attn_cli.lab.identify.candidates import Candidate, candidates
from attn_cli.lab.identify.observed import Given
from attn_cli.lab.identify.result import Identified
from attn_cli.lab.noise import exactly, in_types, kernel_types, to_nearest, values_of
from attn_cli.lab.variants import Base
from attn_cli.maths.pipeline import pipeline
from attn_cli.sources.matrices.document import from_mapping
from tests.unit.lab.kernel_problems import PROBLEMS as SMALL

STEPS = ("output", "lse")
TYPES = to_nearest(kernel_types("bfloat16"))


def _arrays(n_q: int, n_k: int, heads: int = 6, groups: int = 3, d: int = 8) -> dict[str, Array]:
    rng = np.random.default_rng(n_q * n_k)
    shapes = {"query": (2, heads, n_q, d), "key": (2, groups, n_k, d), "value": (2, groups, n_k, d)}
    return {
        name: FLOAT_TYPES["bfloat16"].round(2 * rng.standard_normal(shape)).astype(np.float64)
        for name, shape in shapes.items()
    }


def _rounded(keys: dict[str, Any]) -> dict[str, Any]:
    """Return a problem whose Q, K and V are numbers of bfloat16."""
    sides = {n: FLOAT_TYPES["bfloat16"].round(keys[n]) for n in ("query", "key", "value")}
    return {**keys, **{name: array.astype(np.float64) for name, array in sides.items()}}


PROBLEMS: dict[str, dict[str, Any]] = {
    "plain": _arrays(13, 17),
    "causal": {**_arrays(17, 17), "causal": True, "window": {"left": 5}, "softcap": 3.0},
    "decoding": {**_arrays(11, 17), "causal": "bottom-right", "alibi": True},
    "lengths": {
        **_arrays(13, 13),
        "causal": "top-left",
        "key_lengths": [13, 7],
        "rope": True,
        "normalize": {"function": "sink_logits", "logits": [0.5, 1, 2, -1, 0, 1.5]},
    },
}


# What the variants of kernels need, of three to five tokens, and rope with a base of its own.
FURTHER: dict[str, dict[str, Any]] = {
    **{f"{name} of few tokens": _rounded(keys) for name, keys in SMALL.items()},
    "base of rope": {**_arrays(17, 17), "rope": {"base": 5e3}},
}


def based(name: str) -> Base:
    """Return a problem, read from its keys."""
    keys = PROBLEMS[name] if name in PROBLEMS else FURTHER[name]
    return Base.read(from_mapping({"score": "scaled", **keys}))


def every(base: Base) -> list[Candidate]:
    """Return the problem itself, and one candidate per problem that a hypothesis makes of it."""
    return candidates(Base(exactly(base.problem), base.document))


def kernel_of(base: Base, candidate: Candidate) -> dict[str, Array] | None:
    """Return the steps of a candidate as a kernel in bfloat16 has them.

    None if it lacks one of the steps, or if they have other sizes, or are 0. The scale is
    multiplied where the problem has it: another place differs in roundings only.
    """
    problem = replace(in_types(candidate.problem, TYPES), placement=base.problem.placement)
    if not set(STEPS) <= pipeline(problem).keys():
        return None
    values = values_of(problem, STEPS, None)
    here = values_of(base.problem, STEPS, None)
    same = all(values[name].shape == here[name].shape for name in STEPS)
    if not same or not values["output"].any():
        return None
    return {
        "output": FLOAT_TYPES["bfloat16"].round(values["output"]).astype(np.float64),
        "lse": FLOAT_TYPES["float32"].round(values["lse"]).astype(np.float64),
    }


def asked(base: Base, values: dict[str, Array]) -> Identified:
    """Return what is found for these steps."""
    return identify(base, [Given(name, "", array) for name, array in values.items()])


def right(candidate: Candidate, result: Identified) -> bool:
    """Whether the class that explains it has the hypotheses of a candidate, and is the only one.

    Also if it cannot be separated from that class on this input, which is said.
    """
    names = {each.name for each in candidate.hypotheses}
    found = {each.name for group in result.explaining for each in group.hypotheses}
    return len(result.explaining) == 1 and bool(
        names & found or names & {u.name for u in result.untold}
    )


def found_again(base: Base, names: Collection[str]) -> Iterator[str]:
    """Yield which of these variants are found on what a kernel that has them makes of a problem."""
    for candidate in every(base)[1:]:
        mine = {each.name for each in candidate.hypotheses} & set(names)
        values = kernel_of(base, candidate) if mine else None
        if values is not None:
            result = asked(base, values)
            if right(candidate, result):
                (best,) = result.explaining
                yield from mine & {each.name for each in best.hypotheses}
