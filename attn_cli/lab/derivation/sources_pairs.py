"""The numbers of the lines from q and k to the context, by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from attn_cli.arrays import Array, Bools
from attn_cli.lab.derivation import sources as of
from attn_cli.lab.derivation.place import Query
from attn_cli.lab.derivation.sources import MOST_TERMS, Found, Where, found
from attn_cli.maths.adjustments import Biases, Masking, Softcap
from attn_cli.maths.exponentials import limit
from attn_cli.maths.meeting import value_end
from attn_cli.maths.place import cells
from attn_cli.maths.scores.concat import QUERY_KEY
from attn_cli.maths.scores.cosine import directions
from attn_cli.maths.visible.base import all_of

WIDE = 8  # the most inner terms of an additive score that are written out


def _ends(query: Query, step: str, key: int) -> tuple[Array, Array]:
    """Return q and k as they meet."""
    before_q, before_k = query.specs[step].reads[:2]
    return query.at(before_q), query.at(before_k, key=key)


def _bilinear(q: Array, k: Array, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the factors of each term of q.k, or of q W k."""
    if "W" not in parameters:
        return {"q": q, "k": k}
    W = np.asarray(parameters["W"], np.float64)
    return {"q": np.repeat(q, len(k)), "W": W.ravel(), "k": np.tile(k, len(q))}


def products(query: Query, where: Where) -> Found:
    """Return the numbers of q.k, or of q W k."""
    assert where.key is not None  # lines of pairs have one
    function, parameters = query.problem.score.innermost(query.problem.parameters)
    q, k = _ends(query, "products", where.key)
    return found(f"score={function.name}", **_bilinear(q, k, parameters))


def gate(query: Query, where: Where) -> Found:
    """Return the numbers of the gate of a pair."""
    assert where.key is not None  # lines of pairs have one
    _, parameters = query.problem.score.innermost(query.problem.parameters)
    q, k = _ends(query, "gate", where.key)
    b = parameters.get("b_g")
    w = np.asarray(parameters["W_g"][0], np.float64)
    return found(w=w, x=np.concatenate([q, k]), b=None if b is None else float(b[0]))


def scores(query: Query, where: Where) -> Found:
    """Return the numbers of a score, by the score function and the place of the scale."""
    problem, key = query.problem, where.key
    assert key is not None  # lines of pairs have one
    function, parameters = problem.score.innermost(problem.parameters)
    facts, slots = _scale(query)
    facts.add(f"score={function.name}")
    if query.has("products"):
        facts.add("products")
        slots["products"] = query.at("products", key=key)
        if query.has("gate"):
            facts.add("gate")
            slots["gate"] = query.at("gate", key=key)
    elif function.name in OTHERS:
        more, others = OTHERS[function.name](query, key, parameters)
        facts |= more
        slots |= others
    elif problem.placement != "scores":
        facts.add(f"placement={problem.placement}")
        slots |= _bilinear(*_ends(query, "scores", key), parameters)
    return found(*facts, **slots)


def _scale(query: Query) -> tuple[set[str], dict[str, Any]]:
    """Return how the scale is written: 1/sqrt(d_k), a number, or not at all."""
    problem = query.problem
    function, _ = problem.score.innermost(problem.parameters)
    factor = problem.factor(query.head)
    if problem.placement == "scores" and not problem.scale_given and function.divisor is not None:
        return {"divisor"}, {"d_k": float(problem.key.depth if problem.key else 0)}
    return (set() if factor == 1 else {"scale"}), {"scale": factor}


def _additive(query: Query, key: int, p: Mapping[str, Any]) -> tuple[set[str], dict[str, Any]]:
    q, k = _ends(query, "scores", key)
    W1, W2 = (np.asarray(p[name], np.float64) for name in ("W1", "W2"))
    b = None if p.get("b") is None else np.asarray(p["b"], np.float64)
    slots: dict[str, Any] = {"v": np.asarray(p["v"], np.float64)} | ({} if b is None else {"b": b})
    if len(q) + len(k) > WIDE:
        return {"wide"}, {**slots, "a": W1 @ q + W2 @ k}
    x = np.broadcast_to(np.concatenate([q, k]), (len(W1), len(q) + len(k)))
    return set(), {**slots, "w": np.concatenate([W1, W2], axis=1), "x": x}


def _concat(query: Query, key: int, p: Mapping[str, Any]) -> tuple[set[str], dict[str, Any]]:
    q, k = _ends(query, "scores", key)
    W = np.asarray(p["W"], np.float64)
    pair = np.concatenate([q, k] if p["order"] == QUERY_KEY else [k, q])
    b = None if p.get("b") is None else np.asarray(p["b"], np.float64)
    slots: dict[str, Any] = {"v": np.asarray(p["v"], np.float64)} | ({} if b is None else {"b": b})
    if len(pair) > WIDE:
        return {"wide", f"order={p['order']}"}, {**slots, "a": W @ pair}
    return set(), {**slots, "w": W, "x": np.broadcast_to(pair, W.shape)}


def _gaussian(query: Query, key: int, p: Mapping[str, Any]) -> tuple[set[str], dict[str, Any]]:
    q, k = _ends(query, "scores", key)
    return set(), {"q": q, "k": k, "sigma": float(p["sigma"])}


def _cosine(query: Query, key: int, _: Mapping[str, Any]) -> tuple[set[str], dict[str, Any]]:
    q, k = _ends(query, "scores", key)
    (length_q,), (length_k,) = (directions(x[None])[1].ravel() for x in (q, k))
    return set(), {"q": q, "k": k, "length_q": float(length_q), "length_k": float(length_k)}


def _given(query: Query, key: int, p: Mapping[str, Any]) -> tuple[set[str], dict[str, Any]]:
    return set(), {"given": float(p["scores"][query.i, key])}


# Score functions that are not products: what their templates read.
OTHERS: Mapping[str, Callable[..., tuple[set[str], dict[str, Any]]]] = {
    "additive": _additive,
    "concat": _concat,
    "gaussian": _gaussian,
    "cosine": _cosine,
    "given": _given,
}


def _adjustment(query: Query, kind: type) -> Any:
    return next(each for each in query.problem.rules.adjustments if isinstance(each, kind))


def _before(query: Query, step: str, key: int | None) -> float:
    (before,) = query.specs[step].reads
    return float(query.at(before, key=key))


def capped(query: Query, where: Where) -> Found:
    """Return the numbers of a softcap."""
    cap = float(_adjustment(query, Softcap).cap)
    return found(before=_before(query, "capped", where.key), cap=cap)


def biased(query: Query, where: Where) -> Found:
    """Return the numbers of the biases."""
    shape, at = (1, query.problem.n_k), query.place
    biases = [
        float(np.broadcast_to(bias.values(at), shape)[0, where.key])
        for bias in _adjustment(query, Biases).biases
    ]
    return found(before=_before(query, "biased", where.key), bias=np.array(biases))


def masked(query: Query, where: Where) -> Found:
    """Return the numbers of the mask."""
    masking, key = _adjustment(query, Masking), where.key
    added = None if masking.mask is None else masking.mask.addend(query.place)
    mask = None if added is None else float(added[0, key])
    hidden = not bool(all_of(masking.hides, query.place)[0, key])
    fill = float(query.record["masked"].dtype.type(masking.fill))
    adds = hidden and masking.adds and not masking.hides_permanently
    facts = {
        "hidden": hidden,
        "adds": adds,
        "mask": mask is not None,
    }
    before = _before(query, "masked", key)
    return found(
        *(name for name, holds in facts.items() if holds), before=before, mask=mask, fill=fill
    )


def _normalised(query: Query) -> tuple[Array, float | None, tuple[float, ...] | None]:
    """Return the scores of the keys that take part, the temperature, and the sinks."""
    rules = query.problem.rules
    sinks = rules.normalizer.sinks
    parameters = rules.of_head(query.head)
    given = None if sinks is None else sinks(parameters)
    if rules.normalizer.name == "entmax" and parameters["alpha"] == 1:
        given = ()  # that is softmax
    return query.last[query.seen], rules.temperature_of(query.head), given


def largest(query: Query) -> float:
    """Return what softmax subtracts: the largest of scores / T and the sink; 0 if none is there."""
    z, T, sinks = _normalised(query)
    return float(max([*(z / (T or 1)), *(sinks or ())], default=0.0))


def exponential(query: Query) -> Found:
    """Return what all lines of exponentials have: temperature, sink, what is subtracted."""
    _, T, sinks = _normalised(query)
    if sinks is None:
        return found()
    facts, sink = {"exponential"}, sinks[0] if sinks else None
    m = largest(query)
    shift = bool(np.isfinite(m)) and abs(m) > limit(query.problem.precision, query.problem.n_k)
    facts |= {"shift"} if shift else set()
    facts |= {"sink=1"} if sink == 0 and not shift else set()
    return found(*facts, T=T, sink=sink, m=m if shift else None)


def exp_scores(query: Query, where: Where) -> Found:
    """Return the numbers of exp(score)."""
    assert where.key is not None  # lines of pairs have one
    common = exponential(query)
    if not query.seen[where.key]:
        return found("hidden")
    return Found(common.facts, {**common.slots, "s": float(query.last[where.key])})


def exp_sum(query: Query, where: Where) -> Found:  # noqa: ARG001
    """Return the numbers of the sum of a row's exponentials."""
    common = exponential(query)
    return Found(common.facts, {**common.slots, "e": query.at("exp_scores")[query.seen]})


def lse(query: Query, where: Where) -> Found:  # noqa: ARG001
    """Return the numbers of the logarithm of that sum."""
    common = exponential(query)
    if not (common.facts and float(query.at("exp_sum")) > 0):
        return found()
    z = query.last[query.seen]
    if len(z) <= MOST_TERMS:
        return Found(common.facts | {"written"}, {**common.slots, "z": z})
    return found("summed", sum=float(query.at("exp_sum")), m=common.slots.get("m"))


def weights(query: Query, where: Where) -> Found:
    """Return the numbers of a weight, by the normaliser."""
    rules, key = query.problem.rules, where.key
    assert key is not None  # lines of pairs have one
    if query.empty:
        return found(f"empty={query.empty}", n_k=float(max(query.problem.n_k, 1)))
    if not query.seen[key]:
        return found("hidden")
    z, T, sinks = _normalised(query)
    s = float(query.last[key])
    if sinks is not None:
        return _softmax(query, s, z, key)
    facts = {f"normalize={rules.normalizer.name}"} | ({"temperature"} if T is not None else set())
    slots = {"s": s, "T": T, **_parameters(query, z / (T or 1))}
    return found(*facts, **slots)


def _softmax(query: Query, s: float, z: Array, key: int) -> Found:
    common = exponential(query)
    slots = {**common.slots, "s": s}
    if len(z) > MOST_TERMS:
        more = _lse(query, z, common.slots)
        return Found(common.facts | {"long"}, {**slots, "lse": more, "keys": float(len(z))})
    slots["z"] = z
    if query.has("exp_scores"):
        slots |= {"e": float(query.at("exp_scores", key=key)), "sum": float(query.at("exp_sum"))}
    return Found(common.facts, slots)


def _lse(query: Query, z: Array, slots: Mapping[str, Any]) -> float:
    """Return the logarithm of the sum of exponentials, of the record if it has it."""
    if query.has("lse"):
        return float(query.at("lse"))
    z = z / slots.get("T", 1.0)
    return float(z.max() + np.log(np.exp(z - z.max()).sum()))


def _parameters(query: Query, z: Array) -> dict[str, Any]:
    """Return what the templates of the other normalisers read: parameters, and tau."""
    rules, row = query.problem.rules, query.at("weights")
    name, given = rules.normalizer.name, rules.of_head(query.head)
    weights = row[query.seen]
    if name == "sparsemax":
        support = weights > 0
        return {"z": query.last[query.seen][support], "k": float(support.sum())}
    if name in {"entmax15", "entmax"}:
        alpha = 1.5 if name == "entmax15" else float(given["alpha"])
        # The largest weight has the most digits: tau = (alpha - 1) s - w^(alpha - 1).
        tau = (alpha - 1) * z.max() - weights.max() ** (alpha - 1)
        return {"tau": float(tau), "alpha": alpha}
    plain = {"bias": 0.0, "divisor": 1.0}  # have no place in the arithmetic
    return {n: float(x) for n, x in given.items() if n in plain and x != plain[n]}


def row_sums(query: Query, where: Where) -> Found:  # noqa: ARG001
    """Return the numbers of the sum of a row of weights."""
    return found(w=query.at("weights")[_taken(query)])


def dropped(query: Query, where: Where) -> Found:
    """Return the numbers of a weight after dropout."""
    dropout = query.problem.rules.dropout
    assert dropout is not None  # this stage applies
    keep = float(cells(dropout.keep, query.place)[0, where.key])
    weight = float(query.at("weights", key=where.key))
    return found(weights=weight, keep=keep, p=float(dropout.p))


def _taken(query: Query) -> Bools:
    """Return the keys whose values are weighed."""
    if query.empty:
        return np.full(query.problem.n_k, query.empty != "zero")
    return query.seen


def context(query: Query, where: Where) -> Found:
    """Return the numbers of the weighted sum of the values."""
    problem, n = query.problem, where.n
    after = problem.after.output
    plain = after.weight is None and after.bias is None
    facts = {"output"} if plain and problem.gate is None and not problem.joined else set()
    if n is None:
        return found(*facts)
    taken = _taken(query)
    w = query.at("dropped" if query.has("dropped") else "weights")[taken]
    v = query.of_keys(value_end(problem), n)[taken]
    return found(*facts, w=w, v=v)


SOURCES: Mapping[str, Callable[[Query, Where], Found]] = {
    "positioned": of.positioned,
    "q": of.q,
    "k": of.k,
    "v": of.v,
    "q_normed": of.q_normed,
    "k_normed": of.k_normed,
    "present_key": of.present,
    "present_value": of.present,
    "q_rotated": of.q_rotated,
    "k_rotated": of.k_rotated,
    "products": products,
    "gate": gate,
    "scores": scores,
    "capped": capped,
    "biased": biased,
    "masked": masked,
    "exp_scores": exp_scores,
    "exp_sum": exp_sum,
    "weights": weights,
    "lse": lse,
    "row_sums": row_sums,
    "dropped": dropped,
    "context": context,
    "gated": of.gated,
    "output": of.output,
    "residual": of.residual,
    "layer_norm": of.layer_norm,
    "hidden": of.hidden,
    "feed_forward": of.feed_forward,
    "residual_2": of.residual_2,
    "layer_norm_2": of.layer_norm_2,
    "pooled": of.pooled,
    "logits": of.logits,
    "probabilities": of.probabilities,
}
