"""ALiBi: left out, with other slopes, with another sign, added before scaling."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from attn_cli.dataclass import replace
from attn_cli.lab.variants.kernels.biasing import (
    bias_of,
    no_key,
    scales,
    with_bias,
    without,
    without_offset,
)
from attn_cli.lab.variants.kernels.making import in_tree, kernel, kernel_of_keys
from attn_cli.lab.variants.variant import Base, Changes, Variant
from attn_cli.maths.bias.alibi import FORMS, Alibi, slopes
from attn_cli.maths.problem import Problem

Other = Callable[[Problem, Alibi], "Alibi | None"]  # None: there is no such variant


def _changed(other: Other, base: Base) -> Problem | None:
    alibi = bias_of(Alibi, base.problem)
    changed = None if alibi is None else other(base.problem, alibi)
    return None if alibi is None or changed is None else with_bias(base.problem, alibi, changed)


def _keys(other: Other, base: Base) -> Changes | None:
    """Return slopes and form as keys; None without heads, where one slope is not a list."""
    problem = _changed(other, base)
    alibi = None if problem is None else bias_of(Alibi, problem)
    if alibi is None or base.problem.heads is None:
        return None
    written = {"slopes": alibi.slopes.tolist(), "form": alibi.form}
    if isinstance(in_tree(base, "alibi"), dict):
        return {f"alibi.{name}": value for name, value in written.items()}
    return {"alibi": written}


def _negative(_: Problem, alibi: Alibi) -> Alibi:
    return replace(alibi, slopes=-alibi.slopes)


def _from_head_0(_: Problem, alibi: Alibi) -> Alibi:
    """Return the slopes times 2^(8/H): 2^(-8h/H) with h from 0, not from 1."""
    return replace(alibi, slopes=alibi.slopes * 2.0 ** (8 / len(alibi.slopes)))


def _from_the_last(_: Problem, alibi: Alibi) -> Alibi | None:
    return replace(alibi, slopes=alibi.slopes[::-1]) if len(alibi.slopes) > 1 else None


def _of_first_head(_: Problem, alibi: Alibi) -> Alibi | None:
    first = np.broadcast_to(alibi.slopes[:1], alibi.slopes.shape)
    return replace(alibi, slopes=first) if len(first) > 1 else None


def _times_scale(problem: Problem, alibi: Alibi) -> Alibi | None:
    scale = scales(problem, len(alibi.slopes))
    return None if scale is None else replace(alibi, slopes=alibi.slopes * scale)


def _of_kind(kind: str, _: Problem, alibi: Alibi) -> Alibi | None:
    """Return the slopes of a formula; None if they are these."""
    made = slopes(len(alibi.slopes), kind).astype(alibi.slopes.dtype)
    return None if np.array_equal(made, alibi.slopes) else replace(alibi, slopes=made)


def _of_form(form: str, _: Problem, alibi: Alibi) -> Alibi | None:
    return replace(alibi, form=form) if alibi.form != form else None


def _offset_lost(problem: Problem, alibi: Alibi) -> Alibi | None:
    own = without_offset(alibi.own, problem)
    return None if own is None else replace(alibi, own=own)


def _added(base: Base) -> Changes | None:
    return {"alibi": True} if in_tree(base, "alibi") is None and base.problem.heads else None


def _row(
    name: str,
    sentence: str,
    other: Other,
    *sources: str,
    written: bool = True,
    needs: str = "alibi",
) -> Variant:
    keys = partial(_keys, other) if written else None
    return kernel(name, sentence, partial(_changed, other), *sources, needs=needs, keys=keys)


ALIBI = (
    kernel(
        "no-alibi",
        "ALiBi was left out",
        partial(without, Alibi),
        needs="alibi",
        keys=partial(no_key, "alibi"),
    ),
    _row("alibi-rewarding", "ALiBi had the other sign: far keys got more", _negative),
    _row(
        "alibi-slopes-from-0",
        "the slopes of ALiBi were 2^(-8h/H) with h from 0, not from 1",
        _from_head_0,
    ),
    _row(
        "alibi-slopes-reversed",
        "the slopes of ALiBi were in the reverse order of heads",
        _from_the_last,
        needs="alibi, and several heads",
    ),
    _row(
        "alibi-slope-of-first-head",
        "all heads had ALiBi's slope of the first",
        _of_first_head,
        needs="alibi, and several heads",
    ),
    _row(
        "alibi-times-scale",
        "ALiBi was multiplied by the scale: it was added before scaling",
        _times_scale,
        needs="alibi, and a scale",
    ),
    *(
        _row(
            f"alibi-slopes-{kind}",
            f"the slopes of ALiBi were {formula}",
            partial(_of_kind, kind),
            *sources,
        )
        for kind, formula, sources in (
            (
                "paper",
                "those of the paper for H that is not a power of two",
                ("ofirpress/attention_with_linear_biases",),
            ),
            (
                "plain",
                "2^(-8h/H), for any H",
                ("TransformerLensOrg/TransformerLens", "meta-pytorch/attention-gym"),
            ),
        )
    ),
    *(
        _row(
            f"alibi-form-{form}",
            f"the form of ALiBi was {form}",
            partial(_of_form, form),
            "Dao-AILab/flash-attention, README" if form == "distance" else "attn conventions",
        )
        for form in FORMS
    ),
    _row(
        "alibi-offset-lost",
        "ALiBi counted the queries from 0: their offset among the keys was lost",
        _offset_lost,
        written=False,
        needs="alibi, and queries that are not at the first key",
    ),
    kernel_of_keys(
        "alibi-added", "ALiBi was added to the scores", _added, needs="heads, and no alibi"
    ),
)
