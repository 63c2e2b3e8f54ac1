"""Rotary positions: left out, of another layout, other features, other angles or positions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from attn_cli.arrays import Integers
from attn_cli.conventions.knobs import text
from attn_cli.dataclass import dataclass, replace
from attn_cli.lab.variants.kernels.making import in_tree, kernel, kernel_of_keys
from attn_cli.lab.variants.variant import Base, Changes, Variant
from attn_cli.maths.problem import Problem, QKTransform
from attn_cli.maths.rope import Rope
from attn_cli.maths.token_positions import TokenPositions

BASES = (1e4, 5e5, 1e6)
Positions = tuple[Integers, Integers]  # of queries (entries, n_q), and of keys that are turned
Moved = Callable[[Problem, Integers, Integers], "Positions | None"]
Other = Callable[[Rope, int], "Rope | None"]  # of the rope and d; None: there is no such variant


@dataclass(frozen=True)
class LastFeatures(Rope):
    """A rope that turns the features from `first` on."""

    first: int = 0

    def _pairs(self) -> tuple[slice, slice]:
        """Return the features that are first in a pair, and those that are second."""
        one, two = (slice(s.start or 0, s.stop, s.step) for s in super()._pairs())
        moved = [slice(s.start + self.first, s.stop + self.first, s.step) for s in (one, two)]
        return moved[0], moved[1]


def _with(problem: Problem, **changed: object) -> Problem:
    transform: QKTransform = replace(problem.qk_transform, **changed)  # type: ignore[arg-type]
    return replace(problem, qk_transform=transform)


def _depth(problem: Problem) -> int:
    assert problem.query is not None  # rope turns it
    assert problem.key is not None
    return min(problem.query.depth, problem.key.depth)


def _turned(other: Other, base: Base) -> Problem | None:
    """Return the problem with another rope for both sides."""
    rope = base.problem.qk_transform.rope
    changed = None if rope is None else other(rope, _depth(base.problem))
    return None if changed is None or changed == rope else _with(base.problem, rope=changed)


def _keys(names: tuple[str, ...], other: Other, base: Base) -> Changes | None:
    """Return the changed keys of rope; those that become None are left out of the problem."""
    problem = _turned(other, base)
    rope = None if problem is None else problem.qk_transform.rope
    if rope is None:
        return None
    return _in_rope(base, {name: getattr(rope, name) for name in names})


def _in_rope(base: Base, changed: Changes) -> Changes:
    if isinstance(in_tree(base, "rope"), dict):
        return {f"rope.{name}": value for name, value in changed.items()}
    return {"rope": {name: value for name, value in changed.items() if value is not None}}


def _other_layout(rope: Rope, _: int) -> Rope:
    return replace(rope, interleaved=not rope.interleaved)


def _mixed(base: Base, *, of_keys: bool) -> Problem | None:
    """Return the problem with the other layout for k alone, or for q alone."""
    rope = base.problem.qk_transform.rope
    if rope is None:
        return None
    other = _other_layout(rope, 0)
    queries, keys = (rope, other) if of_keys else (other, rope)
    return _with(base.problem, rope=queries, key_rope=keys)


def _all_features(rope: Rope, d: int) -> Rope | None:
    return replace(rope, dims=d - d % 2) if rope.sections is None else None


def _half_of_features(rope: Rope, _: int) -> Rope | None:
    half = rope.dims // 2
    return replace(rope, dims=half) if half % 2 == 0 and half and rope.sections is None else None


def _last_features(rope: Rope, d: int) -> Rope | None:
    return LastFeatures(**vars(rope), first=d - rope.dims) if rope.dims < d else None


def _frequencies_of_all(rope: Rope, d: int) -> Rope | None:
    """Return the rope whose pair m turns by base^(-2m/d), not base^(-2m/dims)."""
    changed = replace(rope, base=rope.base ** (rope.dims / d))
    return changed if rope.dims < d and changed.base > 1 else None


def _of_base(number: float, rope: Rope, _: int) -> Rope:
    return replace(rope, base=number)


def _no_scaling(rope: Rope, _: int) -> Rope:
    return replace(rope, scaling=None)


def _no_factor(rope: Rope, _: int) -> Rope | None:
    """Return the rope whose scaling has no factor on cos and sin."""
    if rope.scaling is None or rope.scaling.kind != "yarn":
        return None
    parameters = {**rope.scaling.parameters, "attention_factor": 1.0}
    return replace(rope, scaling=replace(rope.scaling, parameters=parameters))


def _off(base: Base) -> Problem | None:
    problem = base.problem
    if problem.qk_transform.rope is None:
        return None
    past = None if problem.past is None else replace(problem.past, rotated=False)
    return _with(replace(problem, past=past), rope=None, positions=None)


def _no_key(base: Base) -> Changes | None:
    if _off(base) is None:
        return None
    return {"rope": None, **({} if base.problem.past is None else {"past.rotated": None})}


def _repositioned(move: Moved, base: Base) -> Problem | None:
    """Return the problem whose rope has other positions; none for those of three rows."""
    problem, rope = base.problem, base.problem.qk_transform.rope
    if rope is None or rope.sections is not None:
        return None
    now = _positions(problem)
    made = move(problem, *now)
    if made is None or all(np.array_equal(*each) for each in zip(made, now, strict=True)):
        return None
    return _with(problem, positions=TokenPositions(query=made[0], key=made[1]))


def _positions(problem: Problem) -> Positions:
    """Return the positions of queries, and of the keys that rope turns, of each batch entry."""
    at, entries = problem.rotated_at, (problem.batch or (1,))[0]
    behind = problem.past is not None and problem.past.rotated
    count = problem.value.count if behind else problem.n_k
    first = 0 if problem.qk_transform.positions is not None else problem.n_k - count
    i, j = np.arange(problem.n_q), np.arange(first, first + count)
    query = np.stack([at.queries(batch, i) for batch in range(entries)])
    return query, np.stack([at.keys(batch, j) for batch in range(entries)])


def _written(move: Moved, base: Base) -> Changes | None:
    problem = _repositioned(move, base)
    own = None if problem is None else problem.qk_transform.positions
    if own is None:
        return None
    sides = {"query": own.query, "key": own.key}
    lists = {
        name: (x[0] if len(x) == 1 else x).tolist() for name, x in sides.items() if x is not None
    }
    return _in_rope(base, {"positions": lists})


def _plain(problem: Problem) -> bool:
    """Return whether position 0 leaves a row as it is: no factor on cos and sin."""
    rope = problem.qk_transform.rope
    return rope is not None and rope.factor == 1


def _keys_not(problem: Problem, q: Integers, k: Integers) -> Positions | None:
    return (q, np.zeros_like(k)) if _plain(problem) else None


def _queries_not(problem: Problem, q: Integers, k: Integers) -> Positions | None:
    return (np.zeros_like(q), k) if _plain(problem) else None


def _keys_twice(_: Problem, q: Integers, k: Integers) -> Positions:
    return q, 2 * k


def _both_twice(_: Problem, q: Integers, k: Integers) -> Positions:
    return 2 * q, 2 * k


def _queries_one_more(_: Problem, q: Integers, k: Integers) -> Positions:
    return q + 1, k


def _keys_one_more(_: Problem, q: Integers, k: Integers) -> Positions:
    return q, k + 1


def _offset_lost(_: Problem, q: Integers, k: Integers) -> Positions:
    return q - q[:, :1], k


def _offset_twice(_: Problem, q: Integers, k: Integers) -> Positions:
    return q + q[:, :1], k


def _new_keys_from_0(problem: Problem, q: Integers, k: Integers) -> Positions | None:
    return (q - q[:, :1], k - k[:, :1]) if problem.past is not None else None


def _counted_on(problem: Problem, q: Integers, k: Integers) -> Positions | None:
    """Return the numbers of rows: padding and documents are counted."""
    positions = problem.token_positions
    if problem.past is not None or positions.counted:
        return None
    offset = positions.offsets[0] if positions.query is None else 0
    i, j = np.arange(q.shape[1]) + offset, np.arange(k.shape[1])
    return np.broadcast_to(i, q.shape), np.broadcast_to(j, k.shape)


def _added(base: Base, *, interleaved: bool) -> Changes | None:
    if in_tree(base, "rope") is not None or base.problem.query is None:
        return None
    return {"rope": {"interleaved": interleaved}}


def _row(
    name: str, sentence: str, other: Other, *sources: str, keys: str = "", needs: str = "rope"
) -> Variant:
    change = partial(_turned, other)
    written = partial(_keys, tuple(keys.split()), other) if keys else None
    return kernel(name, sentence, change, *sources, needs=needs, keys=written)


def _at(name: str, sentence: str, move: Moved, *sources: str, needs: str = "rope") -> Variant:
    change, keys = partial(_repositioned, move), partial(_written, move)
    return kernel(name, sentence, change, *sources, needs=needs, keys=keys)


ROPE = (
    kernel(
        "no-rope", "neither queries nor keys were turned by rope", _off,
        needs="rope", keys=_no_key,
    ),
    _row(
        "rope-other-layout",
        "rope turned the other pairs: halves for neighbours, or the reverse",
        _other_layout,
        "huggingface/transformers#39687", "karpathy/nanochat#264",
        keys="interleaved",
    ),
    kernel(
        "rope-other-layout-of-keys",
        "rope turned the other pairs of the keys alone: halves for neighbours, or the reverse",
        partial(_mixed, of_keys=True),
        "huggingface/transformers#39687",
        needs="rope",
    ),
    kernel(
        "rope-other-layout-of-queries",
        "rope turned the other pairs of the queries alone: halves for neighbours, or the reverse",
        partial(_mixed, of_keys=False),
        "huggingface/transformers#39687",
        needs="rope",
    ),
    _row(
        "rope-all-features", "rope turned all features", _all_features,
        "vllm-project/vllm#41185",
        keys="dims", needs="rope with dims below d_k",
    ),
    _row(
        "rope-half-of-features",
        "rope turned half as many features: a partial factor was taken twice",
        _half_of_features,
        "vllm-project/vllm#30384", "vllm-project/vllm#41185",
        keys="dims", needs="rope with dims that are a multiple of 4",
    ),
    _row(
        "rope-last-features",
        "rope turned the last features instead of the first",
        _last_features,
        needs="rope with dims below d_k",
    ),
    _row(
        "rope-frequencies-of-d_k",
        "the frequencies of rope were base^(-2m/d_k), not base^(-2m/dims)",
        _frequencies_of_all,
        "pie-project/pie#603",
        keys="base", needs="rope with dims below d_k",
    ),
    *(
        _row(
            f"rope-base-{text(number)}", f"the base of rope was {text(number)}",
            partial(_of_base, number),
            keys="base",
        )
        for number in BASES
    ),
    _row(
        "rope-without-scaling", "the scaling of rope was left out", _no_scaling,
        keys="scaling", needs="rope with a scaling",
    ),
    _row(
        "rope-without-factor",
        "cosines and sines of rope were not multiplied by the factor of yarn",
        _no_factor,
        needs="rope with yarn",
    ),
    _at(
        "rope-not-for-keys", "the keys were not turned by rope", _keys_not,
        needs="rope without a factor on cosines and sines",
    ),
    _at(
        "rope-not-for-queries", "the queries were not turned by rope", _queries_not,
        needs="rope without a factor on cosines and sines",
    ),
    _at("rope-keys-twice", "the keys were turned by rope twice", _keys_twice),
    _at("rope-twice", "queries and keys were turned by rope twice", _both_twice),
    _at(
        "rope-queries-one-further",
        "rope turned each query by the position after its own",
        _queries_one_more,
    ),
    _at(
        "rope-keys-one-further",
        "rope turned each key by the position after its own",
        _keys_one_more,
    ),
    _at(
        "rope-offset-lost",
        "rope counted the queries from 0: their offset among the keys was lost",
        _offset_lost,
        "onnx/onnx#7297",
        needs="rope, and queries that are not at the first key",
    ),
    _at(
        "rope-offset-twice",
        "rope counted the offset of the queries twice",
        _offset_twice,
        needs="rope, and queries that are not at the first key",
    ),
    _at(
        "rope-new-keys-from-0",
        "rope counted new queries and keys from 0: the length of the past was lost",
        _new_keys_from_0,
        needs="rope and a past",
    ),
    _at(
        "rope-rows-counted",
        "rope counted rows on, over padding and from one document to the next",
        _counted_on,
        needs="rope, and padding on the left or documents",
    ),
    *(
        kernel_of_keys(
            f"rope-{name}-added",
            f"queries and keys were turned by rope, {pairs} together",
            partial(_added, interleaved=interleaved),
            needs="neither rope nor an odd d_k",
        )
        for name, pairs, interleaved in (
            ("halves", "m and m + d/2", False), ("neighbours", "2m and 2m + 1", True),
        )
    ),
)  # fmt: skip
