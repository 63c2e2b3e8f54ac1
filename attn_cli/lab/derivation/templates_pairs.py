"""The templates of scores and of weights, which have one for each function and normaliser."""

from __future__ import annotations

from collections.abc import Mapping

from attn_cli.lab.derivation.result import Template

PAIR_TEX = r"\mathrm{<step>}_{<query>, <key>}"
S = "<s>[ / <T>]"  # a score as it is normalised
Z = "<z>[ / <T>]"  # the same of each key


def rows(step: str, *each: Mapping[str, object], **common: object) -> tuple[Template, ...]:
    """Return the templates of a step, with what they have in common."""
    return tuple(Template(step=step, **{**common, **row}) for row in each)  # type: ignore[arg-type]


SCORES = rows(
    "scores",
    {"when": ("not selected",), "kind": "hidden", "note": "hidden by: sparse"},
    {"when": ("products", "gate", "scale"), "kind": "times",
     "numbers": "<scale>*<gate>*<products>"},
    {"when": ("products", "gate"), "kind": "times", "numbers": "<gate>*<products>"},
    {"when": ("products", "divisor"), "kind": "times", "numbers": "<products> / sqrt(<d_k>)"},
    {"when": ("products", "scale"), "kind": "times", "numbers": "<scale>*<products>"},
    {"when": ("products",), "kind": "value", "symbols": "the product"},
    {"when": ("placement=query", "score=multiplicative"), "kind": "dot",
     "symbols": "(scale q) W k", "numbers": "<terms>", "term": "<scale>*<q>*<W>*<k>"},
    {"when": ("placement=split", "score=multiplicative"), "kind": "dot",
     "symbols": "(root q) W (root k)", "numbers": "<terms>",
     "term": "<scale>*<q>*<W>*<scale>*<k>"},
    {"when": ("placement=query",), "kind": "dot", "symbols": "(scale q).k", "numbers": "<terms>",
     "term": "<scale>*<q>*<k>"},
    {"when": ("placement=split",), "kind": "dot", "symbols": "(root q).(root k)",
     "numbers": "<terms>", "term": "<scale>*<q>*<scale>*<k>"},
    {"when": ("score=additive", "wide", "scale"), "kind": "function",
     "numbers": "<scale>*(<terms>)", "term": "<v>*tanh(<a>[ + <b>])"},
    {"when": ("score=additive", "wide"), "kind": "function", "numbers": "<terms>",
     "term": "<v>*tanh(<a>[ + <b>])", "symbols": "v . tanh(W1 q + W2 k[<b?> + b])"},
    {"when": ("score=additive", "scale"), "kind": "function", "numbers": "<scale>*(<terms>)",
     "term": "<v>*tanh(<inner>[ + <b>])", "inner": "<w>*<x>"},
    {"when": ("score=additive",), "kind": "function", "numbers": "<terms>",
     "term": "<v>*tanh(<inner>[ + <b>])", "inner": "<w>*<x>"},
    {"when": ("score=concat", "wide", "scale"), "kind": "function",
     "numbers": "<scale>*(<terms>)", "term": "<v>*tanh(<a>[ + <b>])"},
    {"when": ("score=concat", "wide", "order=key-query"), "kind": "function", "numbers": "<terms>",
     "term": "<v>*tanh(<a>[ + <b>])", "symbols": "v . tanh(W [k; q][<b?> + b])"},
    {"when": ("score=concat", "wide"), "kind": "function", "numbers": "<terms>",
     "term": "<v>*tanh(<a>[ + <b>])", "symbols": "v . tanh(W [q; k][<b?> + b])"},
    {"when": ("score=concat", "scale"), "kind": "function", "numbers": "<scale>*(<terms>)",
     "term": "<v>*tanh(<inner>[ + <b>])", "inner": "<w>*<x>"},
    {"when": ("score=concat",), "kind": "function", "numbers": "<terms>",
     "term": "<v>*tanh(<inner>[ + <b>])", "inner": "<w>*<x>"},
    {"when": ("score=gaussian", "scale"), "kind": "function",
     "numbers": "<scale>*(-(<terms>) / (2*<sigma>^2))", "term": "(<q> - <k>)^2"},
    {"when": ("score=gaussian",), "kind": "function", "numbers": "-(<terms>) / (2*<sigma>^2)",
     "term": "(<q> - <k>)^2"},
    {"when": ("score=cosine", "scale"), "kind": "function",
     "numbers": "<scale>*(<terms>) / (<length_q>*<length_k>)", "term": "<q>*<k>"},
    {"when": ("score=cosine",), "kind": "function",
     "numbers": "(<terms>) / (<length_q>*<length_k>)", "term": "<q>*<k>"},
    {"when": ("score=given", "scale"), "kind": "times", "numbers": "<scale>*<given>"},
    {"when": ("score=given",), "kind": "value", "symbols": "as given"},
    label="score",
    tex="s_{<query>, <key>}",
)  # fmt: skip

NORMALISED = rows(
    "weights",
    {"when": ("empty=zero",), "kind": "hidden",
     "note": "<query> sees no key: weights are 0 (empty_rows: zero)"},
    {"when": ("empty=nan",), "kind": "hidden",
     "note": "<query> sees no key: weights are NaN (empty_rows: nan)"},
    {"when": ("empty=uniform",), "kind": "times", "numbers": "1 / <n_k>",
     "note": "<query> sees no key: all weights are equal (empty_rows: uniform)"},
    {"when": ("hidden",), "kind": "hidden", "note": "hidden by: <reason>"},
    {"when": ("exponential", "long"), "kind": "softmax", "numbers": f"exp({S} - <lse>)",
     "note": "<lse> is the logarithm of the sum of exp over <keys> keys"},
    {"when": ("exponential", "shift"), "kind": "softmax",
     "numbers": f"exp({S} - <m>) / (<terms>[ + exp(<sink> - <m>)])", "term": f"exp({Z} - <m>)",
     "then": "<e> / <sum>"},
    {"when": ("exponential", "sink=1"), "kind": "softmax", "numbers": f"exp({S}) / (<terms> + 1)",
     "term": f"exp({Z})", "then": "<e> / <sum>"},
    {"when": ("exponential",), "kind": "softmax",
     "numbers": f"exp({S}) / (<terms>[ + exp(<sink>)])", "term": f"exp({Z})",
     "then": "<e> / <sum>"},
    {"when": ("normalize=sparsemax",), "kind": "normalise", "symbols": "max(s - tau, 0)",
     "numbers": f"max({S} - (<terms> - 1) / <k>, 0)", "term": Z},
    {"when": ("normalize=entmax15",), "kind": "normalise", "symbols": "max(s / 2 - tau, 0)^2",
     "numbers": f"max({S} / 2 - <tau>, 0)^2"},
    {"when": ("normalize=entmax",), "kind": "normalise",
     "symbols": "max((alpha - 1) s - tau, 0)^(1 / (alpha - 1))",
     "numbers": f"max((<alpha> - 1)*{S} - <tau>, 0)^(1 / (<alpha> - 1))"},
    {"when": ("normalize=sigmoid",), "kind": "normalise", "symbols": "sigmoid(s[<bias?> + bias])",
     "numbers": f"1 / (1 + exp(-({S}[ + <bias>])))"},
    {"when": ("normalize=relu",), "kind": "normalise", "symbols": "max(s, 0)",
     "numbers": f"max({S}, 0)[ / <divisor>]"},
    {"when": ("normalize=none", "temperature"), "kind": "normalise", "numbers": S},
    {"when": ("normalize=none",), "kind": "value", "symbols": "the score"},
    {"when": ("normalize=argmax",), "kind": "value",
     "symbols": "1 for the largest score of the row, the first on a tie"},
    label="weight",
    tex="w_{<query>, <key>}",
)  # fmt: skip
