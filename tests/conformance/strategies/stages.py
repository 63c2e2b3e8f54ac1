"""Drawn keys for what is done with scores: functions, scale, stages, normalisers, and after."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.conformance.oracle.scores import BILINEAR
from tests.conformance.strategies.positions import given_positions, is_placed, sections
from tests.conformance.strategies.sizes import Sizes, broadcast, maybe, of_heads

SLOPE_FORMS = st.sampled_from(["distance", "signed", "key", "last_key", "clamped"])


def for_all_or_each(of: st.SearchStrategy[Any], z: Sizes) -> st.SearchStrategy[Any]:
    """One for all query heads, or a list of one for each."""
    return st.one_of(of, of_heads(of, z))


def scores(draw: st.DrawFn, z: Sizes) -> dict[str, Any]:
    """score, scale and scale_placement."""
    functions: dict[str, dict[str, Any]] = {
        "dot": {},
        "scaled": {},
        "multiplicative": {"W": z.normal(z.d_k, z.d_k)},
        "additive": {"W1": z.normal(5, z.d_k), "W2": z.normal(5, z.d_k), "v": z.normal(5)},
        "gated": {"W_g": z.normal(1, 2 * z.d_k)},
        "gaussian": {"sigma": 1.5},
        "concat": {"W": z.normal(5, 2 * z.d_k), "v": z.normal(5)},
        "cosine": {},
        "given": {"scores": z.normal(z.n_q, z.n_k)},
    }
    functions["additive"] |= {"b": z.normal(5)} if maybe(draw) else {}
    functions["gated"] |= {"b_g": z.normal(1)} if maybe(draw) else {}
    functions["concat"] |= {"order": draw(st.sampled_from(["query-key", "key-query"]))}
    name = draw(st.sampled_from(["scaled", *functions]))
    score: Any = {"function": name, **functions[name]}
    if maybe(draw, 5):
        pair = st.tuples(st.integers(0, z.n_q - 1), st.integers(0, z.n_k - 1))
        selections = {
            "window": st.integers(0, 3),
            "stride": st.integers(2, 4),
            "block": st.integers(2, 4),
            "global_tokens": st.integers(1, 2),
            "top_k": st.integers(1, 3),
            "pairs": st.lists(pair, min_size=1).map(lambda pairs: [list(p) for p in pairs]),
        }
        some = draw(st.sets(st.sampled_from(sorted(selections)), min_size=1))
        score = {"function": "sparse", "inside": score}
        score |= {n: draw(selections[n]) for n in sorted(some)}
    keys: dict[str, Any] = {"score": score}
    if maybe(draw):
        keys["scale"] = draw(for_all_or_each(st.sampled_from([0.3, 1.0, 1.75]), z))
    if name in BILINEAR and maybe(draw):
        keys["scale_placement"] = draw(st.sampled_from(["query", "split"]))
    return keys


def ropes(draw: st.DrawFn, z: Sizes, placed: bool, turned: int) -> Any:
    """rope, with some of its settings; `turned` is how many keys are turned."""
    if placed and z.d_k % 2 == 0 and maybe(draw):
        return True
    keys: dict[str, Any] = {"dims": draw(st.sampled_from(range(2, z.d_k + 1, 2)))}
    if draw(st.booleans()):
        keys["interleaved"] = draw(st.booleans())
    if draw(st.booleans()):
        keys["base"] = draw(st.sampled_from([100, 10000.0]))
    if draw(st.booleans()):
        factor = {"factor": draw(st.sampled_from([2, 4.5]))}
        length = {"original_length": draw(st.sampled_from([8, 64, 1024]))}
        kinds: list[dict[str, Any]] = [
            {"kind": "linear", **factor},
            {"kind": "yarn", **factor, **length},
            {"kind": "yarn", **factor, **length, "beta_fast": 4, "beta_slow": 0.5},
            {"kind": "yarn", **factor, **length, "attention_factor": 1.5},
            {"kind": "yarn", **factor, **length, "truncate": False},
            {"kind": "llama3", **factor, **length, "low_freq_factor": 1, "high_freq_factor": 4},
        ]
        if keys["dims"] > 2:
            kinds.append({"kind": "ntk", **factor})
        keys["scaling"] = draw(st.sampled_from(kinds))
    pairs = keys["dims"] // 2
    three = pairs > 2 and draw(st.booleans())
    if three:
        keys |= sections(draw, pairs)
    if three or not placed or maybe(draw):
        keys["positions"] = given_positions(draw, z, turned, three)
    return keys


def norms(draw: st.DrawFn, z: Sizes) -> Any:
    """qk_norm, with some of its settings."""
    name = draw(st.sampled_from(["rms", "l2"]))
    if draw(st.booleans()):
        return name
    keys = {"eps": 0.01, "query_gain": z.normal(z.d_k), "key_gain": z.normal(z.d_k)}
    some = draw(st.sets(st.sampled_from(sorted(keys))))
    return {"function": name, **{key: keys[key] for key in sorted(some)}}


def biases(draw: st.DrawFn, z: Sizes, placed: bool) -> dict[str, Any]:
    """score_bias, alibi and relative_bias."""
    keys: dict[str, Any] = {}
    if maybe(draw):
        keys["score_bias"] = z.normal(*broadcast(draw, z.scores))
    if maybe(draw):
        slopes = st.sampled_from(["paper", "plain", z.normal(z.heads)])
        form = st.fixed_dictionaries({}, optional={"slopes": slopes, "form": SLOPE_FORMS})
        keys["alibi"] = draw(st.one_of(st.just(True), st.just(z.normal(z.heads)), form))
    if maybe(draw):
        keys["relative_bias"] = {"table": z.normal(draw(st.sampled_from([4, 8])), z.heads)}
        some = {"bidirectional": st.booleans(), "max_distance": st.sampled_from([5, 13])}
        keys["relative_bias"] |= draw(st.fixed_dictionaries({}, optional=some))
    for name in sorted(keys.keys() & {"alibi", "relative_bias"}):
        if not placed or maybe(draw, 4):
            given = keys[name]
            if isinstance(given, list):
                given = {"slopes": given}
            own = {"positions": given_positions(draw, z, z.n_k)}
            keys[name] = own if given is True else {**given, **own}
    return keys


def stages(draw: st.DrawFn, z: Sizes, before: dict[str, Any]) -> dict[str, Any]:
    """Everything between the inputs and the normaliser."""
    placed = is_placed(before, z)
    keys = scores(draw, z)
    if maybe(draw):
        turned = z.n_k
        if z.past:
            rotated = draw(st.booleans())
            keys["past"] = before["past"] | {"rotated": rotated}
            turned = z.new if rotated else z.n_k
        keys["rope"] = ropes(draw, z, placed, turned)
    if maybe(draw):
        keys["qk_norm"] = norms(draw, z)
    if maybe(draw):
        keys["softcap"] = draw(st.sampled_from([1.0, 2.5, 30]))
    keys |= biases(draw, z, placed)
    if maybe(draw):
        keys["order"] = draw(st.permutations(["softcap", "bias", "mask"]))
    if maybe(draw, 4):
        keys["top_k"] = draw(st.integers(1, z.n_k))
    return keys


def normalisers(draw: st.DrawFn, z: Sizes, fill: Any) -> dict[str, Any]:
    """normalize and temperature, such that nothing overflows."""
    given: list[Any] = [
        *("softmax", "softmax1", "sparsemax", "entmax15", "argmax", "sigmoid", "relu"),
        {"function": "sink_logits", "logits": z.normal(z.heads)},
        {"function": "entmax", "alpha": 1},
        {"function": "entmax", "alpha": 1.2},
        {"function": "entmax", "alpha": 1.75},
        {"function": "sigmoid", "bias": -1.25},
        {"function": "relu", "divisor": 7},
    ]
    huge = isinstance(fill, str)
    keys = {"normalize": draw(st.sampled_from(given if huge else [*given, "none"]))}
    if maybe(draw):
        some = st.sampled_from([1.0, 2.5] if huge else [1.0, 2.5, 0.5])
        keys["temperature"] = draw(for_all_or_each(some, z))
    return keys


def afterwards(draw: st.DrawFn, z: Sizes) -> dict[str, Any]:
    """dropout, output_gate, and the output projection."""
    keys: dict[str, Any] = {}
    if maybe(draw, 4):
        values: list[Any] = [False, True] if draw(st.booleans()) else [0.0, 1.0]
        keys["dropout"] = {"mask": z.choices(values, *broadcast(draw, z.scores))}
        if draw(st.booleans()):
            keys["dropout"]["p"] = draw(st.sampled_from([0, 0.25]))
    if maybe(draw, 4):
        of = [*z.scores[:-1], z.d_v]
        keys["output_gate"] = {"logits": z.normal(*broadcast(draw, of))}
    if z.axes < 4 and maybe(draw, 5):
        keys["weights"] = {"output": z.normal(z.heads * z.d_v, 11)}
        if draw(st.booleans()):
            keys["biases"] = {"output": z.normal(11)}
    return keys
