"""Problems with any legal combination of the conventions at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from tests.conformance.oracle.hidden import MASKING
from tests.conformance.oracle.positions import Positions, an_entry, start
from tests.conformance.strategies.hiding import hiding
from tests.conformance.strategies.positions import axes_of
from tests.conformance.strategies.sizes import Sizes, laid_out, maybe, of_heads, sizes
from tests.conformance.strategies.stages import afterwards, normalisers, stages

ARRAYS = ("query", "key", "value")
READ = ("window", "alibi", "relative_bias", "rope")


def really_hidden(keys: dict[str, Any]) -> bool:
    """Whether what is hidden takes no part: the fill is -infinity, and no softcap follows it."""
    order = keys.get("order", ["softcap", "bias", "mask"])
    capped = "softcap" in keys and order.index("softcap") > order.index("mask")
    return keys.get("mask_fill", {}).get("value", -math.inf) == -math.inf and not capped


def spoil(values: Any, wild: float, keys: dict[str, Any], z: Sizes) -> None:
    """Put a number that spoils sums into new keys, or values, that no query of an entry sees.

    Those are beyond its key length, before its start, or of a document without queries.
    """
    documents = Positions(keys, axes_of(z)).documents
    for b in range(z.batch):
        for j in range(z.past, z.n_k):
            there = start(keys, b) <= j < an_entry(keys.get("key_lengths", z.n_k), b)
            lonely = bool(documents) and documents[b].keys[j] not in documents[b].queries
            if not there or lonely:
                for rows in values[b]:
                    rows[j - z.past][j % len(rows[0])] = wild


def problem_of(
    z: Sizes, keys: dict[str, Any], spoilt: Sequence[str] = (), wild: float = 0.0
) -> dict[str, Any]:
    """Random Q, K and V of these sizes in the layout of the keys, with the keys."""
    arrays = {
        "query": z.normal(z.batch, z.heads, z.n_q, z.d_k),
        "key": z.normal(z.batch, z.kv_heads, z.new, z.d_k),
        "value": z.normal(z.batch, z.kv_heads, z.new, z.d_v),
    }
    for name in spoilt:
        spoil(arrays[name], wild, keys, z)
    layout = keys.get("axes", "bhsd")
    problem = {name: laid_out(values, z.axes, layout) for name, values in arrays.items()}
    if z.has_heads and z.axes < 4:
        problem |= {"heads": z.heads, "kv_heads": z.kv_heads}
    return {**problem, **keys}


def embedded(draw: st.DrawFn, z: Sizes, problem: dict[str, Any]) -> dict[str, Any]:
    """The problem with Q, K and V made from embeddings, K and V perhaps from those of a memory."""
    made = {name: value for name, value in problem.items() if name not in ARRAYS}
    depths = (z.heads * z.d_k, z.kv_heads * z.d_k, z.kv_heads * z.d_v)
    widths = dict(zip(ARRAYS, depths, strict=True))
    d_model = dict.fromkeys(ARRAYS, 5)
    made["embeddings"] = z.normal(z.n_q, 5)
    if z.n_q != z.new or draw(st.booleans()):
        made["memory"] = {"embeddings": z.normal(z.new, 11)}
        d_model |= {"key": 11, "value": 11}
    projected = {name: z.normal(d_model[name], width) for name, width in widths.items()}
    made["weights"] = projected | problem.get("weights", {})
    some = draw(st.sets(st.sampled_from(ARRAYS)))
    if some:
        biases = {name: z.normal(widths[name]) for name in sorted(some)}
        made["biases"] = biases | problem.get("biases", {})
    if draw(st.booleans()):
        gates = draw(st.sampled_from([z.heads, z.heads * z.d_v]))
        made["output_gate"] = {"weights": z.normal(5, gates)}
        if draw(st.booleans()):
            made["output_gate"]["bias"] = z.normal(gates)
    return made


def is_bounded(window: Any) -> bool:
    """Whether a window, or that of any head, has a bound."""
    if isinstance(window, dict):
        return any(is_bounded(bound) for bound in window.values())
    if isinstance(window, list):
        return any(is_bounded(one) for one in window)
    return window not in (-1, "none")


def reads_positions(problem: dict[str, Any], key: str) -> bool:
    """Whether the key reads the positions of the queries: it is there, and has none of its own."""
    given = problem.get(key, False)
    if key == "window" and given is not False:
        return is_bounded(given)
    if not isinstance(given, dict):
        return given is not False
    by_keys_alone = key == "alibi" and given.get("form") in ("key", "last_key")
    return not ("positions" in given or by_keys_alone)


def without_idle(problem: dict[str, Any]) -> dict[str, Any]:
    """The problem without keys that nothing in it reads: those are refused."""
    by_place = problem.get("causal") or any(reads_positions(problem, key) for key in READ)
    hides = set(MASKING) & set(problem) or problem.get("causal")
    score = problem.get("score", "scaled")
    name = score["function"] if isinstance(score, dict) else score
    biased = bool({"score_bias", "alibi", "relative_bias"} & set(problem))
    idle = {
        "offset": not by_place,
        "empty_rows": not hides and name not in ("sparse", "given"),
        "order": ("softcap" in problem) + biased + bool(hides) < 2,
        "temperature": problem.get("normalize") == "argmax",
    }
    return {key: value for key, value in problem.items() if not idle.get(key)}


@st.composite
def problems(draw: st.DrawFn) -> dict[str, Any]:
    """A problem as `attn_cli.compute` takes it."""
    z = sizes(draw)
    keys = hiding(draw, z)
    keys |= stages(draw, z, keys)
    keys |= normalisers(draw, z, keys.get("mask_fill", {}).get("value"))
    keys |= afterwards(draw, z)
    if z.axes == 4 and draw(st.booleans()):
        keys["axes"] = draw(st.sampled_from(["bhsd", "bshd"]))
    if z.heads % z.kv_heads or (z.has_heads and maybe(draw, 5)):
        keys["grouping"] = draw(of_heads(st.integers(0, z.kv_heads - 1), z))
    elif z.heads != z.kv_heads and maybe(draw):
        keys["grouping"] = draw(st.sampled_from(["interleave", "tile"]))
    spoilt: Sequence[str] = ()
    wild = 0.0
    hidden = keys.keys() & {"key_lengths", "key_start", "documents"}
    if hidden and really_hidden(keys) and maybe(draw, 2):
        spoilt = draw(st.sampled_from([("key",), ("value",), ("key", "value")]))
        # Infinity in a key is infinity or NaN in a product, as its terms are ordered.
        wild = draw(st.sampled_from([1e30, math.nan] + [math.inf] * ("key" not in spoilt)))
        keys["nonfinite"] = "refuse" if math.isfinite(wild) else "allow"
    problem = problem_of(z, keys, spoilt, wild)
    if z.axes == 2 and not spoilt and maybe(draw, 2):
        problem = embedded(draw, z, problem)
    if z.axes == 4 and maybe(draw, 5):
        problem["heads"] = z.heads
    if problem.get("kv_heads") == z.heads and draw(st.booleans()):
        del problem["kv_heads"]
    return without_idle(problem)
