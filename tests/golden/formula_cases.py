"""Problems whose formulas are golden: tests/golden/formulas.txt has every step of each of them.

A case is a sample, a named case of the oracle, or
one of `OWN`, which has each part of a formula alone and together with what it may meet.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import yaml

from attn_cli import Record, compute, translate
from attn_cli.engine.plan import make_plan
from attn_cli.engine.settings import settings
from attn_cli.formula import Formula
from attn_cli.maths.normalizers import NORMALIZERS as NORMALIZERS_THERE_ARE
from attn_cli.maths.problem import Request
from attn_cli.maths.scores import SCORES as SCORES_THERE_ARE
from attn_cli.maths.stage import StepSpec
from attn_cli.reading.schema import read_document, read_problem
from attn_cli.record import Step
from attn_cli.sources.matrices.document import from_mapping
from attn_cli.sources.matrices.files import Inputs
from attn_cli.train.learning import gradient_record
from attn_cli.train.training_reader import read_training
from tests.conformance.cases import PROBLEMS
from tests.conftest import SAMPLES
from tests.helpers.processes import ROOT

GOLDEN = ROOT / "tests" / "golden"
INF = float("inf")
# The settings that are formulas.
SETTINGS = ("positions", "qk_norm", "rope", "causal", "window", "key_lengths", "key_start",
            "documents", "mask", "stages")  # fmt: skip


def ones(*shape: int) -> Any:
    """Numbers of which only the shape matters."""
    return np.ones(shape).tolist()


Q, K, V = ones(5, 4), ones(7, 4), ones(7, 3)
GIVEN: dict[str, Any] = {"query": Q, "key": K, "value": V}
HEADS: dict[str, Any] = {
    "query": ones(2, 6, 5, 4),
    "key": ones(2, 3, 7, 4),
    "value": ones(2, 3, 7, 3),
}
PAST: dict[str, Any] = {"key": ones(2, 3, 2, 4), "value": ones(2, 3, 2, 3)}
TOKENS: dict[str, Any] = {"tokens": ["a", "b", "c_d"], "embeddings": ones(3, 4)}
PARTS: dict[str, Any] = {"query": ones(4, 4), "key": ones(4, 4), "value": ones(4, 4)}
GIVEN_COLUMNS = {"query": ones(4, 5), "key": ones(4, 7), "value": ones(3, 7)}
LAYOUTS = {"rows": GIVEN, "columns": {**GIVEN_COLUMNS, "layout": "columns"}}

_W = {"W1": ones(2, 4), "W2": ones(2, 4), "v": ones(2)}
SCORES: dict[str, Any] = {
    "dot": "dot",
    "scaled": "scaled",
    "additive": {"function": "additive", **_W},
    "additive, b": {"function": "additive", **_W, "b": ones(2)},
    "multiplicative": {"function": "multiplicative", "W": ones(4, 4)},
    "gated": {"function": "gated", "W_g": ones(1, 8)},
    "gated, b_g": {"function": "gated", "W_g": ones(1, 8), "b_g": ones(1)},
    "gaussian": {"function": "gaussian", "sigma": 0.000001},
    "cosine": "cosine",
    "concat": {"function": "concat", "W": ones(2, 8), "v": ones(2), "order": "query-key"},
    "concat, b": {"function": "concat", "W": ones(2, 8), "v": ones(2), "b": ones(2), "order": "key-query"},  # noqa: E501
    "given": {"function": "given", "scores": ones(5, 7)},
    "sparse": {"function": "sparse", "window": 1},
    "sparse, scaled": {"function": "sparse", "inside": "scaled", "top_k": 2},
    "sparse, gaussian": {"function": "sparse", "inside": {"function": "gaussian", "sigma": 2.5}, "stride": 2},  # noqa: E501
    "sparse, gated": {"function": "sparse", "inside": {"function": "gated", "W_g": ones(1, 8)}, "block": 2},  # noqa: E501
}  # fmt: skip
BILINEAR = ("dot", "scaled", "multiplicative", "sparse", "sparse, scaled")
NORMALIZERS: dict[str, Any] = {
    "softmax": "softmax",
    "softmax1": "softmax1",
    "sparsemax": "sparsemax",
    "entmax15": "entmax15",
    "entmax 1.3": {"function": "entmax", "alpha": 1.3},
    "sigmoid": "sigmoid",
    "sigmoid -2.5": {"function": "sigmoid", "bias": -2.5},
    "relu": "relu",
    "relu 0.3": {"function": "relu", "divisor": 0.3},
    "none": "none",
    "argmax": "argmax",
    "sink_logits": {"function": "sink_logits", "logits": ones(1)},
}
HIDING: dict[str, dict[str, Any]] = {
    "causal": {"causal": True},
    "offset": {"causal": True, "offset": -2},
    "offset of large numbers": {"causal": True, "offset": 1234567},
    "prefix": {"causal": True, "prefix": 3},
    "window": {"window": {"left": 2, "right": 1}},
    "window to the left": {"window": {"left": 2}},
    "window to the right": {"window": {"right": 0}},
    "window, open": {"window": {"left": -1, "right": -1}},
    "window, prefix": {"window": {"left": 1, "right": 0}, "prefix": 2},
    "window, sink_tokens": {"window": {"left": 1, "right": 0}, "sink_tokens": 2},
    "window, sink_tokens to the left": {"window": {"left": 1}, "sink_tokens": 2},
    "window, both": {"window": {"left": 0, "right": 0}, "prefix": 1, "sink_tokens": 3},
    "start": {"key_start": 2},
    "start, causal": {"key_start": 2, "causal": True},
    "length": {"key_lengths": 4},
    "documents": {"documents": {"query": [0, 0, 0, 1, 1], "key": [0, 0, 0, 0, 1, 1, 1], "alignment": "top-left"}, "causal": True},  # noqa: E501
    "mask of booleans": {"mask": {"values": [[True, False, True, True, True, True, True]], "true_means": "attend"}},  # noqa: E501
    "mask of numbers": {"mask": [[0.5, -INF, 0, 0, 0, 0, 0]]},
    "mask that only adds": {"mask": [[0.5, 0, 0, 0, 0, 0, 0]]},
    "mask that hides nothing": {"mask": [[0.0] * 7]},
}  # fmt: skip
FILLS: dict[str, Any] = {
    "-inf": -INF,
    "-1e9": -1e9,
    "-2.5, added": {"value": -2.5, "how": "add"},
    "-inf, added": {"value": -INF, "how": "add"},
    "lowest": "lowest",
    "0.7 lowest, added": {"value": "0.7 lowest", "how": "add"},
    "lowest float32": "lowest float32",
}
BIASES: dict[str, dict[str, Any]] = {
    **{f"alibi {form}": {"alibi": {"form": form}} for form in ("distance", "signed", "key", "last_key", "clamped")},  # noqa: E501
    "relative_bias": {"relative_bias": {"table": ones(8, 1)}},
    "all": {"alibi": [0.5], "relative_bias": {"table": ones(8, 1)}, "score_bias": [[0.5]]},
}  # fmt: skip
PLACES: dict[str, dict[str, Any]] = {
    "": {"offset": 0},
    "offset": {"offset": 3},
    "offset below": {"offset": -2},
    "start": {"key_start": 1, "offset": 0},
}
ROPES: dict[str, Any] = {
    "true": True,
    "interleaved": {"interleaved": True, "base": 500000},
    "dims": {"dims": 2},
    "linear": {"scaling": {"kind": "linear", "factor": 2}},
    "ntk": {"scaling": {"kind": "ntk", "factor": 1.5}},
    "yarn": {"scaling": {"kind": "yarn", "factor": 4, "original_length": 8, "truncate": False}},
    "llama3": {"scaling": {"kind": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_length": 8192}},  # noqa: E501
}  # fmt: skip
NETWORK = {"W1": ones(4, 3), "W2": ones(3, 4)}
BIASED = {**NETWORK, "b1": ones(3), "b2": ones(4)}
GAMMA, BETA = {"gamma": ones(4)}, {"beta": ones(4)}
WORDS = {"vocabulary": ["x", "y"], "weights": ones(4, 2)}
WORDS_COLUMNS = {"vocabulary": ["x", "y"], "weights": ones(2, 4)}
NETWORK_COLUMNS = {"W1": ones(3, 4), "W2": ones(4, 3), "b1": ones(3), "b2": ones(4)}
COLUMNS: dict[str, Any] = {"tokens": ["a", "b", "c"], "embeddings": ones(4, 3), "layout": "columns"}


def _own() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and keys of each problem that is neither a sample nor the oracle's."""
    for (layout, base), (name, score) in product(LAYOUTS.items(), SCORES.items()):
        for scale in (None, 3, 1, 1e-6):
            if not (layout == "columns" and name == "given"):
                scaled = {} if scale is None else {"scale": scale}
                yield f"score {name}, {layout}, scale {scale}", {**base, "score": score, **scaled}
    for (layout, base), name, where in product(LAYOUTS.items(), BILINEAR, ("query", "split")):
        for scale in (None, 0.3):
            keys = {"scale_placement": where} | ({} if scale is None else {"scale": scale})
            yield (
                f"{where} {name}, {layout}, scale {scale}",
                {**base, "score": SCORES[name], **keys},
            )
    yield "query, scale -0.5", {**GIVEN, "scale": -0.5, "scale_placement": "query"}
    for (layout, base), (name, normalize) in product(LAYOUTS.items(), NORMALIZERS.items()):
        yield f"normalize {name}, {layout}", {**base, "normalize": normalize}
        warm = {} if name == "argmax" else {"temperature": 0.5}
        yield (
            f"normalize {name}, {layout}, warm",
            {**base, "normalize": normalize, "top_k": 2, **warm},
        )
    yield from _hidden()
    yield from _met()
    yield from _embedded()
    yield from _after()


def _hidden() -> Iterator[tuple[str, dict[str, Any]]]:
    offset = {"offset": 2}
    for name, keys in HIDING.items():
        at = {} if name == "documents" else offset
        yield f"hidden by {name}", {**GIVEN, **at, **keys}
        yield f"hidden by {name}, and length", {**GIVEN, **at, **keys, "key_lengths": 5}
    for fill, value in FILLS.items():
        for name in ("mask of numbers", "mask of booleans", "window, sink_tokens"):
            yield f"{name}, filled {fill}", {**GIVEN, **offset, **HIDING[name], "mask_fill": value}
    for (name, keys), (place, at) in product(BIASES.items(), PLACES.items()):
        yield f"bias {name}, {place}", {**GIVEN, **keys, **at}
    yield "softcap", {**GIVEN, "softcap": 30}
    yield (
        "softcap, 1/3",
        {**GIVEN, "softcap": 1 / 3, "score_bias": [[0.5]], "causal": True, **offset},
    )
    one, two = {"left": 1, "right": 0}, {"left": 2, "right": 1}
    windows = [one, two, one, "none", {"keys": 3}, one]
    yield "windows", {**HEADS, "window": windows, "offset": [1, 3]}
    yield "windows, causal", {**HEADS, "window": windows, "offset": 1, "causal": True}
    yield "windows, the same", {**HEADS, "window": [one] * 6, "offset": 1}
    yield "windows, sink_tokens", {**HEADS, "window": windows, "offset": 1, "sink_tokens": 2}
    yield (
        "starts, lengths",
        {**HEADS, "key_start": [0, 1], "key_lengths": [5, 6], "causal": "top-left"},
    )


def _met() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield problems whose Q and K are normed, rotated and behind a past."""
    norms: list[Any] = [
        None,
        "rms",
        "l2",
        {"function": "rms", "eps": 1e-5, "query_gain": ones(4), "key_gain": ones(4)},
    ]
    for (at, norm), rope, past in product(enumerate(norms), (False, True), (None, False, True)):
        for where in ("scores", "query", "split"):
            keys: dict[str, Any] = {"scale_placement": where, "scale": 0.3, "offset": 2}
            if norm is not None:
                keys["qk_norm"] = norm
            if rope:
                keys["rope"] = True
            if past is not None:
                if past and not rope:
                    continue
                keys["past"] = {**PAST, **({"rotated": past} if rope else {})}
            yield f"norm {at}, rope {rope}, past {past}, {where}", {**HEADS, **keys}
    for name, rope in ROPES.items():
        yield f"rope {name}", {**GIVEN, "rope": rope, "offset": 1}
        yield f"rope {name}, multiplicative", {
            **LAYOUTS["columns"], "rope": rope, "offset": 0, "score": SCORES["multiplicative"],
        }  # fmt: skip
    yield "rope and additive", {**GIVEN, "rope": True, "offset": 0, "score": SCORES["additive"]}
    yield "rope and gated", {**GIVEN, "rope": True, "offset": 0, "score": SCORES["gated"]}


def _embedded() -> Iterator[tuple[str, dict[str, Any]]]:
    weights = {**PARTS, "output": ones(4, 4)}
    biases = {name: ones(4) for name in weights}
    for (name, base), weighed, biased in product(
        {"rows": TOKENS, "columns": COLUMNS}.items(), (False, True), (False, True)
    ):
        keys = ({"weights": weights} if weighed else {}) | ({"biases": biases} if biased else {})
        yield f"embeddings, {name}, {weighed}, {biased}", {**base, **keys}
        yield f"positions, {name}, {weighed}, {biased}", {
            **base, **keys, "positions": "sinusoidal", "residual": True,
        }  # fmt: skip
        yield f"memory, {name}, {weighed}, {biased}", {
            **base, **keys, "memory": {"embeddings": ones(4, 4)},
        }  # fmt: skip
        for heads, gate in product((None, 2), () if weighed else ("weights", "bias", "logits")):
            n = heads or 1
            matrix = ones(n, 4) if name == "columns" else ones(4, n)
            logits = ones(1, n, 1, 3) if name == "columns" else ones(1, n, 3, 1)
            given = {"logits": logits} if gate == "logits" else {"weights": matrix}
            gated: dict[str, Any] = {
                "output_gate": given | ({"bias": ones(n)} if gate == "bias" else {})
            }
            if heads:
                gated["heads"] = heads
            yield f"gate {gate}, {heads} heads, {name}, {weighed}, {biased}", {
                **base, **keys, **gated,
            }  # fmt: skip
    for where in ({"layout": "concatenated", "base": 100}, {"layout": "interleaved", "base": 0.5}):
        yield f"positions {where['layout']}", {
            **TOKENS, "positions": {"function": "sinusoidal", **where},
        }  # fmt: skip
    yield "positions learned", {**TOKENS, "positions": {"learned": ones(5, 4)}}
    yield "dropout", {**TOKENS, "dropout": {"mask": [[True] * 3] * 3, "p": 0.1}}
    yield "dropout of nothing", {**TOKENS, "dropout": {"mask": [[True] * 3] * 3, "p": 0}}


def _after() -> Iterator[tuple[str, dict[str, Any]]]:
    for activation in ("relu", "gelu", "gelu_tanh", "tanh", "identity"):
        for residual, normed in product((False, True), (False, True)):
            network = {"activation": activation, "residual": residual, "layer_norm": normed}
            yield f"network {activation}, {residual}, {normed}", {
                **TOKENS, "feed_forward": {**NETWORK, **network},
                "residual": residual, "layer_norm": normed,
            }  # fmt: skip
    for gamma, beta, eps in product((False, True), (False, True), (None, 1e-12)):
        norm = (GAMMA if gamma else {}) | (BETA if beta else {}) | ({"eps": eps} if eps else {})
        yield f"layer_norm {gamma}, {beta}, {eps}", {
            **TOKENS, "layer_norm": norm or True,
            "feed_forward": {**BIASED, "residual": True, "layer_norm": norm or True},
        }  # fmt: skip
    yield "network, columns", {**COLUMNS, "feed_forward": NETWORK_COLUMNS}
    for pool in ("mean", "last", {"token": "c_d"}):
        yield f"next word, {pool}", {**TOKENS, "next_word": {**WORDS, "pool": pool}}
    yield "next word, bias", {**TOKENS, "next_word": {**WORDS, "bias": ones(2)}, "residual": True}
    yield "next word, columns", {**COLUMNS, "next_word": {**WORDS_COLUMNS, "bias": ones(2)}}
    yield "next word, strange", {
        "tokens": ["a", "{\\%}\t"], "embeddings": ones(2, 4),
        "next_word": {**WORDS, "pool": {"token": "{\\%}\t"}},
    }  # fmt: skip


OWN = dict(_own())
PLAIN = (
    "score dot, rows, scale None",
    "score scaled, columns, scale None",
    "windows",
    "embeddings, rows, True, True",
    "embeddings, rows, False, False",
    "embeddings, columns, False, False",
)
DICTIONARY = {"embeddings": {"a": ones(3), "b": [1, 0, 0]}, "pairs": {"a": "x", "b": "y"}}
PAIRS: dict[str, dict[str, Any]] = {
    "gated": {"score": {"function": "gated", "W_g": ones(1, 6)}},
    "gaussian": {"score": {"function": "gaussian", "sigma": 2}},
    "scale": {"scale": 0.5},
    "context": {"context": {"weights": {"query": ones(3, 3), "key": ones(3, 3)}}},
}
WEIGHTED = {**TOKENS, "embeddings": {"a": ones(4), "b": ones(4), "c_d": ones(4)},
            "weights": {**PARTS, "output": ones(4, 4)}, "biases": {"query": ones(4)},
            "feed_forward": {**BIASED, "layer_norm": {**GAMMA, **BETA}}, "next_word": WORDS,
            "train": {"examples": [["a b", "x"]], "steps": 1}}  # fmt: skip


def _records() -> Iterator[tuple[str, Callable[[], Record | Planned]]]:
    """Yield the name of every case, and what makes its formulas."""
    for name in PLAIN:
        yield name, partial(compute, OWN[name])
    for path in sorted(SAMPLES.glob("*.yaml")):
        keys = yaml.safe_load(path.read_text())
        if "pairs" not in keys:
            yield f"sample {path.stem}", partial(compute, path)
        if "train" in keys:
            yield (
                f"train sample {path.stem}",
                partial(_gradients, read_document(str(path), Inputs())),
            )
    for method in ("one-hot", "embeddings", "softmax"):
        yield f"translate {method}", partial(translate, "le chat", method=method)
    for name, keys in PAIRS.items():
        words = partial(translate, "a b", {**DICTIONARY, **keys}, method="softmax")
        yield f"translate {name}", partial(words, context="context" in keys)
    yield "train", partial(_gradients, from_mapping(WEIGHTED))
    for name, problem in (PROBLEMS | OWN).items():
        if name not in PLAIN:
            yield name, partial(_planned, problem)


class Planned(NamedTuple):
    """What is shown of a problem before anything is computed: formulas and settings."""

    steps: dict[str, StepSpec]
    settings: dict[str, object]


def _planned(keys: dict[str, Any]) -> Planned:
    problem, request = read_problem(from_mapping(keys)), Request(asides=True)
    steps = make_plan(problem, request).steps
    return Planned({name: step.spec for name, step in steps.items()}, settings(problem, request))


def _gradients(document: Any) -> Record:
    return gradient_record(read_training(document))


def listed() -> Iterator[tuple[str, str, Formula]]:
    """Yield the formulas of score functions and normalisers as they are listed."""
    for kind in (SCORES_THERE_ARE, NORMALIZERS_THERE_ARE):
        for entry in kind:
            yield f"the list of {kind.kind}s", entry.name, entry.formula


def formulas() -> Iterator[Formula]:
    """Yield the formulas of all steps of all cases."""
    yield from (formula for _, _, formula in listed())
    for _, record in records():
        yield from (formula_of(step) for step in record.steps.values())


def formula_of(step: Step | StepSpec) -> Formula:
    """Return the formula of a step that is computed, or of one that is planned."""
    return step.formula if isinstance(step, StepSpec) else step.expression


@cache
def records() -> list[tuple[str, Record | Planned]]:
    """Return the record of every case, or what is planned for it."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return [(case, made()) for case, made in _records()]


def _texts() -> Iterator[tuple[str, str, str]]:
    for case, name, formula in listed():
        yield case, name, str(formula)
    for case, record in records():
        for name, step in record.steps.items():
            yield case, name, str(formula_of(step))
        for name in SETTINGS:
            found = record.settings.get(name)
            if found:
                yield case, f"settings.{name}", str(found)


def golden() -> str:
    """Return the lines of all cases: step or setting, and formula.

    What one of the plain cases has is left out of all others.
    """
    lines, plain_lines, last = [], set(), ""
    for case, name, text in _texts():
        line = f"{name}: {text}"
        if case in PLAIN:
            plain_lines.add(line)
        elif line in plain_lines:
            continue
        if case != last:
            lines += ["", f"[{case}]"]
            last = case
        lines.append(line)
    return "\n".join([*lines[1:], ""])


def golden_latex() -> str:
    """Return text and LaTeX of each formula, once."""
    found: dict[str, str] = {}
    for formula in formulas():
        if (text := str(formula)) not in found:
            found[text] = formula.latex()
    return "\n".join(f"{text}\n    {latex}" for text, latex in found.items()) + "\n"


if __name__ == "__main__":
    (GOLDEN / "formulas.txt").write_text(golden(), encoding="utf-8")
    (GOLDEN / "latex.txt").write_text(golden_latex(), encoding="utf-8")
