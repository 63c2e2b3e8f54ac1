"""Usual mistakes after the weighted sum: a stage that was left out, or done in another way."""

from __future__ import annotations

import numpy as np

from attn_cli.dataclass import replace
from attn_cli.lab.altered import with_steps
from attn_cli.lab.variants.variant import Base, Variant
from attn_cli.maths.after import After
from attn_cli.maths.linear import Linear
from attn_cli.maths.problem import Problem


def _after(base: Base, after: After) -> Problem:
    return replace(base.problem, after=after)


def _no_residual(base: Base) -> Problem | None:
    after = base.problem.after
    if not after.residual:
        return None
    embeddings = base.step("output")
    return with_steps(base.problem, {"residual": embeddings})


def _no_projection(base: Base) -> Problem | None:
    output = base.problem.after.output
    if output.weight is None or output.weight.shape[0] != output.weight.shape[1]:
        return None
    return _after(base, replace(base.problem.after, output=Linear(None, output.bias)))


def _projection_transposed(base: Base) -> Problem | None:
    output = base.problem.after.output
    if output.weight is None or output.weight.shape[0] != output.weight.shape[1]:
        return None
    turned = Linear(output.weight.T, output.bias)
    return _after(base, replace(base.problem.after, output=turned))


def _no_output_bias(base: Base) -> Problem | None:
    output = base.problem.after.output
    if output.bias is None:
        return None
    return _after(base, replace(base.problem.after, output=Linear(output.weight)))


def _no_layer_norm(base: Base) -> Problem | None:
    if "layer_norm" not in base.specs:
        return None
    (before,) = base.specs["layer_norm"].reads
    return with_steps(base.problem, {"layer_norm": base.step(before)})


def _unbiased_variance(base: Base) -> Problem | None:
    """Return the problem whose layer norm divides by n - 1 instead of n."""
    norm = base.problem.after.layer_norm
    if norm is None or "layer_norm" not in base.specs:
        return None
    (before,) = base.specs["layer_norm"].reads
    x = base.step(before).astype(np.float64)
    if x.shape[-1] < 2:
        return None
    centred = x - x.mean(axis=-1, keepdims=True)
    y = centred / np.sqrt(x.var(axis=-1, keepdims=True, ddof=1) + norm.eps)
    y = y if norm.gamma is None else y * norm.gamma
    y = y if norm.beta is None else y + norm.beta
    return with_steps(base.problem, {"layer_norm": y})


FINISHING = (
    Variant("no-residual", "the embeddings were not added to the output", _no_residual),
    Variant("no-W_o", "the output projection was left out", _no_projection),
    Variant("W_o-transposed", "W_o was transposed", _projection_transposed),
    Variant("no-b_o", "the bias of the output was left out", _no_output_bias),
    Variant("no-layer-norm", "the layer norm was left out", _no_layer_norm),
    Variant(
        "unbiased-variance",
        "the layer norm divided the variance by d - 1 instead of d",
        _unbiased_variance,
    ),
)
