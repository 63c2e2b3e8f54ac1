"""The templates of all lines, as data: of the rows of a step, the first whose facts hold.

The facts are found with the numbers, in `sources`. A step without a row has its value and its
formula: no arithmetic is invented.
"""

from __future__ import annotations

from collections.abc import Collection

from attn_cli.lab.derivation.result import Template
from attn_cli.lab.derivation.templates_pairs import NORMALISED, PAIR_TEX, SCORES, S, Z, rows

Q_TEX, K_TEX, V_TEX = "q_{<query>, <n>}", "k_{<key>, <n>}", "v_{<key>, <n>}"
ROW_TEX = r"\mathrm{<step>}_{<query>, <n>}"


def _projection(step: str, label: str, tex: str, symbols: str) -> tuple[Template, ...]:
    """Return the rows of x W + b; `symbols` are the names of x, W and b."""
    x, W, b = symbols.split()
    return (
        Template(step=step, when=("given",), kind="value", label=label, symbols="given", tex=tex),
        Template(
            step=step,
            when=("weighed",),
            kind="product",
            label=label,
            symbols=f"{x} {W}[<b?> + {b}]",
            tex=tex,
            numbers="<terms>[ + <b>]",
            term="<x>*<W>",
        ),
        Template(
            step=step,
            when=("shifted",),
            kind="plus",
            label=label,
            symbols=f"{x} + {b}",
            tex=tex,
            numbers="<x> + <b>",
        ),
        Template(step=step, kind="value", label=label, symbols=x, tex=tex),
    )


def _side(letter: str, of: str) -> tuple[Template, ...]:
    """Return the rows of the queries, or of the keys, after their projection."""
    label, tex = f"{letter}(<{of}>)", f"{letter}_{{<{of}>, <n>}}"
    normed, turned = f"{letter}_normed", f"{letter}_rotated"
    of_norm = {"kind": "function", "label": label, "tex": tex, "symbols": "normed"}
    of_turn = {"kind": "plus", "label": label, "tex": tex, "symbols": "turned"}
    cos, sin = "[<factor>*]cos(<angle>)", "[<factor>*]sin(<angle>)"
    return (
        Template(
            step=normed,
            when=("norm=rms",),
            numbers="<x> / sqrt((<terms>) / <d> + <eps>)[ * <gain>]",
            term="<y>^2",
            **of_norm,
        ),
        Template(
            step=normed,
            when=("norm=l2",),
            numbers="<x> / max(sqrt(<terms>), <eps>)[ * <gain>]",
            term="<y>^2",
            **of_norm,
        ),
        Template(step=turned, when=("first",), numbers=f"<x>*{cos} - <y>*{sin}", **of_turn),
        Template(step=turned, when=("second",), numbers=f"<y>*{sin} + <x>*{cos}", **of_turn),
        Template(
            step=turned, kind="value", label=label, symbols="turned", tex=tex, note="not turned"
        ),
    )


def _present(step: str, label: str, tex: str) -> tuple[Template, ...]:
    return (
        Template(
            step=step, when=("past",), kind="value", label=label, symbols="from the cache", tex=tex
        ),
        Template(step=step, kind="value", label=label, symbols="new", tex=tex),
    )


TEMPLATES: tuple[Template, ...] = (
    *(
        Template(
            step=step,
            kind="value",
            label=f"{letter}(<token>)",
            symbols=step,
            tex=f"{letter}_{{<token>, <n>}}",
        )
        for step, letter in (("embeddings", "x"), ("positions", "p"))
    ),
    Template(
        step="positioned",
        kind="plus",
        label="x(<token>)",
        symbols="x + p",
        tex="x_{<token>, <n>}",
        numbers="<x> + <p>",
    ),
    *_projection("q", "q(<query>)", Q_TEX, "x W_q b_q"),
    *_projection("k", "k(<key>)", K_TEX, "x W_k b_k"),
    *_projection("v", "v(<key>)", V_TEX, "x W_v b_v"),
    *_side("q", "query"),
    *_side("k", "key"),
    *_present("present_key", "k(<key>)", K_TEX),
    *_present("present_value", "v(<key>)", V_TEX),
    Template(
        step="products",
        when=("score=multiplicative",),
        kind="dot",
        label="product",
        symbols="q W k",
        tex=r"q_{<query>}^{\top} W k_{<key>}",
        numbers="<terms>",
        term="<q>*<W>*<k>",
    ),
    Template(
        step="products",
        kind="dot",
        label="product",
        symbols="q.k",
        tex=r"q_{<query>} \cdot k_{<key>}",
        numbers="<terms>",
        term="<q>*<k>",
    ),
    Template(
        step="gate",
        kind="function",
        label="gate",
        symbols="W_g (q, k)[<b?> + b_g]",
        tex="g_{<query>, <key>}",
        numbers="sigmoid(<terms>[ + <b>])",
        term="<w>*<x>",
    ),
    *SCORES,
    Template(
        step="capped",
        kind="function",
        label="capped",
        tex=PAIR_TEX,
        numbers="<cap>*tanh(<before> / <cap>)",
    ),
    Template(
        step="biased",
        kind="plus",
        label="biased",
        tex=PAIR_TEX,
        symbols="score + bias",
        numbers="<before> + <terms>",
        term="<bias>",
    ),
    *rows(
        "masked",
        {"when": ("hidden", "adds"), "kind": "plus", "numbers": "<before>[ + <mask>] + <fill>",
         "note": "hidden by: <reason>"},
        {"when": ("hidden",), "kind": "hidden", "note": "hidden by: <reason>"},
        {"when": ("mask",), "kind": "plus", "symbols": "score + mask",
         "numbers": "<before> + <mask>"},
        {"kind": "value", "symbols": "visible"},
        label="masked",
        tex=PAIR_TEX,
    ),
    Template(
        step="exp_scores",
        when=("hidden",),
        kind="hidden",
        label="exp(score)",
        tex=r"e_{<query>, <key>}",
        note="hidden by: <reason>",
    ),
    Template(
        step="exp_scores",
        when=("exponential",),
        kind="function",
        label="exp(score)",
        tex=r"e_{<query>, <key>}",
        numbers=f"exp({S}[ - <m>])",
    ),
    Template(
        step="exp_sum",
        when=("sink=1",),
        kind="plus",
        label="sum",
        tex=r"\Sigma_{<query>}",
        numbers="<terms> + 1",
        term="<e>",
    ),
    Template(
        step="exp_sum",
        kind="plus",
        label="sum",
        tex=r"\Sigma_{<query>}",
        numbers="<terms>[ + exp(<sink>[ - <m>])]",
        term="<e>",
    ),
    *NORMALISED,
    *rows(
        "lse",
        {"when": ("written", "sink=1"), "numbers": "log(<terms> + 1)", "term": f"exp({Z})"},
        {"when": ("written",), "numbers": "[<m> + ]log(<terms>[ + exp(<sink>[ - <m>])])",
         "term": f"exp({Z}[ - <m>])"},
        {"when": ("summed",), "numbers": "[<m> + ]log(<sum>)"},
        kind="function",
        label="lse",
        tex=r"\mathrm{lse}_{<query>}",
    ),
    Template(
        step="row_sums",
        kind="plus",
        label="sum",
        tex=r"\textstyle\sum_j w_{<query>, j}",
        numbers="<terms>",
        term="<w>",
    ),
    Template(
        step="dropped",
        kind="times",
        label="dropped",
        tex=PAIR_TEX,
        numbers="<weights>*<keep> / (1 - <p>)",
    ),
    Template(
        step="context",
        when=("output",),
        kind="weighted_sum",
        label="to output",
        tex=r"o_{<query>, <n>}",
        numbers="<terms>",
        term="<w>*<v>",
    ),
    Template(
        step="context",
        kind="weighted_sum",
        label="to context",
        tex=r"c_{<query>, <n>}",
        numbers="<terms>",
        term="<w>*<v>",
    ),
    Template(
        step="gated",
        when=("logits",),
        kind="function",
        label="gated",
        tex=ROW_TEX,
        numbers="<context>*sigmoid(<logit>)",
    ),
    Template(
        step="gated",
        kind="function",
        label="gated",
        symbols="context sigmoid(x W_g[<b?> + b_g])",
        tex=ROW_TEX,
        numbers="<context>*sigmoid(<terms>[ + <b>])",
        term="<x>*<W>",
    ),
    Template(step="concat", kind="value", label="concat", symbols="all heads", tex=ROW_TEX),
    *_projection("output", "output", r"o_{<query>, <n>}", "context W_o b_o"),
    Template(
        step="residual",
        kind="plus",
        label="residual",
        symbols="x + output",
        tex=ROW_TEX,
        numbers="<x> + <y>",
    ),
    *(
        Template(
            step=step,
            kind="function",
            label=step.replace("_", " "),
            tex=ROW_TEX,
            numbers="[<gamma>*](<x> - <mean>) / sqrt(<var> + <eps>)[ + <beta>]",
            note="mean <mean>, variance <var>",
        )
        for step in ("layer_norm", "layer_norm_2")
    ),
    *rows(
        "hidden",
        {"when": ("activation=relu",), "numbers": "max(<terms>[ + <b>], 0)",
         "symbols": "relu(x W1[<b?> + b1])"},
        *({"when": (f"activation={name}",), "numbers": f"{name}(<terms>[ + <b>])",
           "symbols": f"{name}(x W1[<b?> + b1])"} for name in ("gelu", "gelu_tanh", "tanh")),
        {"when": ("activation=identity",), "numbers": "<terms>[ + <b>]",
         "symbols": "x W1[<b?> + b1]"},
        kind="function",
        label="hidden",
        tex=ROW_TEX,
        term="<x>*<W>",
    ),
    *_projection("feed_forward", "feed forward", ROW_TEX, "hidden W2 b2"),
    Template(
        step="residual_2",
        kind="plus",
        label="residual",
        symbols="x + feed forward",
        tex=ROW_TEX,
        numbers="<x> + <y>",
    ),
    Template(
        step="pooled",
        when=("mean",),
        kind="plus",
        label="pooled",
        symbols="mean",
        tex=r"\mathrm{pooled}_{<n>}",
        numbers="(<terms>) / <count>",
        term="<x>",
    ),
    Template(
        step="pooled", kind="value", label="pooled", symbols="one row",
        tex=r"\mathrm{pooled}_{<n>}",
    ),
    *_projection("logits", "logit(<word>)", r"z_{<word>}", "pooled W b"),
    Template(
        step="probabilities",
        when=("long",),
        kind="softmax",
        label="p(<word>)",
        tex=r"p_{<word>}",
        numbers="exp(<s> - <lse>)",
        note="<lse> is the logarithm of the sum of exp over <words> words",
    ),
    Template(
        step="probabilities",
        kind="softmax",
        label="p(<word>)",
        tex=r"p_{<word>}",
        numbers="exp(<s>) / (<terms>)",
        term="exp(<z>)",
    ),
)  # fmt: skip

# Columns of a row's table by step, and what the sum of each line is.
COLUMNS = {
    "products": "product",
    "gate": "gate",
    "scores": "score",
    "capped": "capped",
    "biased": "biased",
    "masked": "masked",
    "exp_scores": "exp(score)",
    "weights": "weight",
    "dropped": "dropped",
}
TOTALS = {"exp_scores": "exp_sum", "weights": "row_sums"}
ROW = Template(
    step="weights",
    kind="row",
    label="<normalize>",
    symbols="over the row of <query>",
    note="<largest>, the largest[<sink?>, sink included], is subtracted from all scores[<T?> / T] "
    "before exp: no overflow, and the same weights",
)


def template_of(step: str, facts: Collection[str]) -> Template:
    """Return the first template of a step whose facts hold; else one of its value alone."""
    for each in TEMPLATES:
        if each.step == step and set(each.when) <= set(facts):
            return each
    label = step.replace("_", " ")
    return Template(step=step, kind="value", label=label, tex=r"\mathrm{<step>}")
