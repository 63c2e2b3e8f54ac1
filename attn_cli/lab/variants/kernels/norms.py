"""QK norm: left out, of another kind, over all heads, after rope, with another gain."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.dataclass import replace
from attn_cli.lab.altered import Steps, with_steps
from attn_cli.lab.variants.kernels.making import in_tree, kernel
from attn_cli.lab.variants.variant import Base, Changes, Variant
from attn_cli.maths.norm import DEFAULT_EPS, HeadNorm
from attn_cli.maths.problem import Problem, QKTransform
from attn_cli.maths.token_positions import TokenPositions

Other = Callable[[HeadNorm], "HeadNorm | None"]
Norms = tuple[HeadNorm, HeadNorm]


def _norms(problem: Problem) -> Norms | None:
    query, key = problem.qk_transform.query_norm, problem.qk_transform.key_norm
    return None if query is None or key is None else (query, key)


def _with(problem: Problem, query: HeadNorm | None, key: HeadNorm | None) -> Problem:
    transform: QKTransform = replace(problem.qk_transform, query_norm=query, key_norm=key)
    return replace(problem, qk_transform=transform)


def _off(base: Base, *, query: bool = True, key: bool = True) -> Problem | None:
    norms = _norms(base.problem)
    if norms is None:
        return None
    return _with(base.problem, None if query else norms[0], None if key else norms[1])


def _other(other: Other, base: Base) -> Problem | None:
    norms = _norms(base.problem)
    made = None if norms is None else [other(norm) for norm in norms]
    if made is None or made[0] is None or made[1] is None:
        return None
    return _with(base.problem, made[0], made[1])


def _keys(other: Other, base: Base) -> Changes | None:
    """Return the norm as a key, with the gains as they are in the problem file."""
    problem = _other(other, base)
    norms = None if problem is None else _norms(problem)
    if norms is None:
        return None
    gains = dict(zip(("query_gain", "key_gain"), (norm.gain for norm in norms), strict=True))
    written = {name: gain.tolist() for name, gain in gains.items() if gain is not None}
    return {"qk_norm": {"function": norms[0].name, "eps": norms[0].eps, **written}}


def _other_kind(norm: HeadNorm) -> HeadNorm:
    name = "l2" if norm.name == "rms" else "rms"
    return replace(norm, name=name, eps=DEFAULT_EPS[name])


def _no_gain(norm: HeadNorm) -> HeadNorm | None:
    return None if norm.gain is None else replace(norm, gain=None)


def _one_more(norm: HeadNorm) -> HeadNorm | None:
    return None if norm.gain is None else replace(norm, gain=1 + norm.gain)


def _exchanged(base: Base) -> Problem | None:
    norms = _norms(base.problem)
    if norms is None or norms[0].gain is None or norms[1].gain is None:
        return None
    same = norms[0].gain.shape == norms[1].gain.shape
    return _with(base.problem, norms[1], norms[0]) if same else None


def _over_all_heads(base: Base) -> Problem | None:
    """Return the problem whose norm is that of a token's features in all heads together."""
    problem, norms = base.problem, _norms(base.problem)
    if norms is None or (problem.heads or 1) < 2:
        return None
    types = problem.precision.norm
    values: Steps = {}
    for side, norm in zip(("q", "k"), norms, strict=True):
        x = base.step(side)
        wide = x.swapaxes(-3, -2)
        whole = replace(norm, gain=None)(wide.reshape(*wide.shape[:-2], -1), types)
        y = whole.reshape(wide.shape).swapaxes(-3, -2)
        if norm.gain is not None:
            y = types.gain.round(types.gain.round(y) * types.gain.round(norm.gain))
        values[f"{side}_normed"] = y
    return with_steps(problem, values)


def _after_rope(base: Base) -> Problem | None:
    """Return the problem that turns q and k first; a gain makes a difference then."""
    problem, norms, rope = base.problem, _norms(base.problem), base.problem.qk_transform.rope
    if norms is None or rope is None or problem.past is not None:
        return None
    if norms[0].gain is None and norms[1].gain is None:
        return None
    at, types = problem.rotated_at, problem.precision.norm
    values: Steps = {}
    for side, norm in zip(("q", "k"), norms, strict=True):
        x = base.step(side)
        turned = x.astype(np.float64)
        for lead in np.ndindex(x.shape[:-2]):
            positions = _positions(at, side, problem.entry(lead)[0], x.shape[-2])
            turned[lead] = rope(turned[lead], positions)
        values[f"{side}_rotated"] = norm(turned, types)
    return with_steps(problem, values)


def _positions(at: TokenPositions, side: str, batch: int, count: int) -> AnyArray:
    numbers = np.arange(count)
    return at.queries(batch, numbers) if side == "q" else at.keys(batch, numbers)


def _no_key(base: Base) -> Changes | None:
    return {"qk_norm": None} if in_tree(base, "qk_norm") is not None else None


def _row(name: str, sentence: str, other: Other, *sources: str, needs: str = "qk_norm") -> Variant:
    change, keys = partial(_other, other), partial(_keys, other)
    return kernel(name, sentence, change, *sources, needs=needs, keys=keys)


NORMS = (
    kernel("no-qk-norm", "the norm of q and k was left out", _off, needs="qk_norm", keys=_no_key),
    kernel(
        "norm-of-q-alone",
        "the norm of k was left out",
        partial(_off, query=False),
        needs="qk_norm",
    ),
    kernel(
        "norm-of-k-alone",
        "the norm of q was left out",
        partial(_off, key=False),
        needs="qk_norm",
    ),
    _row(
        "norm-of-other-kind",
        "the norm of q and k was l2 instead of rms, or the reverse",
        _other_kind,
        "meta-llama/llama-models#320, about the name",
    ),
    kernel(
        "norm-over-all-heads",
        "the norm of q and k was taken over the features of all heads together",
        _over_all_heads,
        "vllm-project/vllm#16311", "lablup/mlxcel#317", "Alpha-VLLM/Lumina-T2X#112",
        needs="qk_norm, and several heads",
    ),
    kernel(
        "norm-after-rope",
        "q and k were turned by rope before their norm, not after it",
        _after_rope,
        "karpathy/nanochat#743",
        needs="qk_norm with a gain, and rope",
    ),
    _row(
        "norm-without-gain",
        "the gain of the norm of q and k was left out",
        _no_gain,
        needs="qk_norm with both gains",
    ),
    _row(
        "norm-gain-plus-1",
        "the gain of the norm of q and k was 1 + g, not g",
        _one_more,
        "google-deepmind/gemma, RMSNorm",
        needs="qk_norm with both gains",
    ),
    kernel(
        "norm-gains-exchanged",
        "q had the gain of the norm of k, and k that of q",
        _exchanged,
        needs="qk_norm with both gains",
    ),
)  # fmt: skip
