"""Names in dumps of other programs -> steps.

    attn_weights, probs                       weights
    layers.0.self_attn.q_proj_outputs         q          Hugging Face, model_addition_debugger
    /model/layers.0/attn/Softmax_output_0     weights    ONNX Runtime, ORT_DEBUG_NODE_IO_DUMP_*

A name means the first of its steps that both sides have. What has no known name is listed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping

from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError, argument, did_you_mean, printable
from attn_cli.maths.pipeline import STAGES

SINKS = "sinks"  # a parameter of softmax, not a step; compared with the logits of sink_logits
VISIBLE = "visible"  # codes, not numbers: 0, or why a key is hidden
# Names that steps do not have themselves (`Stage.aliases`), in lower case.
KNOWN: Mapping[str, tuple[str, ...]] = {
    "q_proj": ("q",),
    "query_states": ("q_rotated", "q"),
    "query_layer": ("q",),
    "k_proj": ("k",),
    "key_states": ("k_rotated", "k"),
    "key_layer": ("k",),
    "v_proj": ("v",),
    "value_states": ("v",),
    "value_layer": ("v",),
    "q_norm": ("q_normed",),
    "k_norm": ("k_normed",),
    "q_rope": ("q_rotated",),
    "q_rot": ("q_rotated",),
    "q_embed": ("q_rotated",),
    "k_rope": ("k_rotated",),
    "k_rot": ("k_rotated",),
    "k_embed": ("k_rotated",),
    "s": ("products",),
    "qkt": ("products",),
    "matmul_qk": ("products",),
    "qk_matmul_output": ("products",),
    "attn_scores": ("scores",),
    "attention_scores": ("scores",),
    "masked_scores": ("masked", "scores"),
    "attn_logits": ("masked", "scores"),
    "attn_weights": ("weights",),
    "attn_probs": ("weights",),
    "attention_probs": ("weights",),
    "attentions": ("weights",),
    "probabilities_of_keys": ("weights",),
    "softmax_output": ("weights",),
    "scores_softmax": ("weights",),
    "p": ("weights",),
    "softmax_lse": ("lse",),
    "logsumexp": ("lse",),
    "log_sum_exp": ("lse",),
    "softmax_stats": ("lse",),
    "s_aux": (SINKS,),
    "sink": (SINKS,),
    "attention_sinks": (SINKS,),
    "learnable_sink": (SINKS,),
    "o": ("output", "context"),
    "y": ("output", "context"),
    "attn_output": ("output", "context", "concat"),
    "attention_output": ("output", "context", "concat"),
    "attn_out": ("output", "context", "concat"),
    "context_layer": ("context", "concat"),
    "o_proj": ("output",),
    "out_proj": ("output",),
    "c_proj": ("output",),
}
_ENDS = re.compile(r"(_outputs?|[_/]output_\d+|_out_\d+|:\d+)$")
_APART = re.compile(r"[./\\]")


@dataclass(frozen=True, kw_only=True)
class Matched:
    """Which array of a side is which step, and the arrays that are none."""

    steps: Mapping[str, str]  # step -> array
    unmatched: tuple[str, ...]
    unclear: Mapping[str, tuple[str, ...]]  # step -> arrays that could all be it


def meanings(name: str) -> tuple[str, ...]:
    """Return the steps that a name can mean, the likeliest first; none if it is unknown.

    >>> meanings("model.layers.0.self_attn.q_proj_outputs"), meanings("/attn/Softmax_output_0")
    (('q',), ('weights',))
    >>> meanings("softmax_lse"), meanings("gamma")
    (('lse',), ())
    """
    folded = name.strip().lower()
    for text in (folded, _ENDS.sub("", folded)):
        for part in (text, _APART.split(text)[-1]):
            if part in _STEPS:
                return (part,)
            if part in KNOWN:
                return KNOWN[part]
            if part in _ALIASES:
                return _with_context(_ALIASES[part])
    return ()


def _with_context(step: str) -> tuple[str, ...]:
    """Return a step; names of the output are often those of the context of each head."""
    return ("output", "context", "concat") if step == "output" else (step,)


_STEPS = {*(stage.name for stage in STAGES), SINKS}
_ALIASES = {word: stage.name for stage in STAGES for word in stage.aliases}


def matched(
    names: Collection[str], chosen: Mapping[str, str], fits: Callable[[str, str], bool]
) -> Matched:
    """Return which array is which step; `chosen` maps arrays to steps, and comes first.

    `fits(array, step)`: whether there is such a step, of a shape that the array can have. An array
    whose name is the step's comes before others; of several others none is taken.
    """
    claims: dict[str, list[str]] = {step: [name] for name, step in chosen.items()}
    unmatched = []
    for name in names:
        if name in chosen:
            continue
        step = next((step for step in meanings(name) if fits(name, step)), None)
        if step is None or step in chosen.values():
            unmatched.append(name)
        else:
            claims.setdefault(step, []).append(name)
    steps, unclear = {}, {}
    for step, arrays in claims.items():
        own = [name for name in arrays if name.lower() == step]
        if len(arrays) == 1 or own:
            steps[step] = (own or arrays)[0]
            unmatched += [name for name in arrays if name != steps[step]]
        else:
            unclear[step] = tuple(arrays)
    return Matched(steps=steps, unmatched=tuple(unmatched), unclear=unclear)


def read_map(text: str) -> dict[str, str]:
    """Return here -> there of `here=there,...`; raise AttnError if it is malformed."""
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        here, equals, there = (side.strip() for side in part.partition("="))
        if not equals or not here or not there:
            raise AttnError(
                f"{argument('map')} cannot be '{printable(part)}'",
                help="write here=there: a name of A, then the name of B that is the same",
            )
        if here in found or there in found.values():
            raise AttnError(
                f"{argument('map')} names '{printable(here if here in found else there)}' twice"
            )
        found[here] = there
    if not found:
        raise AttnError(
            f"{argument('map')} names no step",
            help=f"write {argument('map', 'weights=attn_probs')}",
        )
    return found


def refuse_unknown(name: str, names: Collection[str], file: str) -> None:
    """Raise AttnError for a name of the option `map` that a side does not have."""
    if name not in names:
        raise AttnError(
            f"{argument('map')}: {file} has nothing named '{printable(name)}'",
            help=did_you_mean(name, list(map(printable, names)), what="it has", listed=True),
        )
