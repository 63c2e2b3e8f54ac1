"""Biases of a problem, changed or left out."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from attn_cli.arrays import Array
from attn_cli.dataclass import replace
from attn_cli.lab.variants.kernels.making import adjustment, in_tree, with_adjustment
from attn_cli.lab.variants.variant import Base, Changes
from attn_cli.maths.adjustments import Biases
from attn_cli.maths.bias.base import Bias
from attn_cli.maths.heads import of_head
from attn_cli.maths.problem import Problem
from attn_cli.maths.token_positions import TokenPositions

Kind = TypeVar("Kind", bound=Bias)


def bias_of(kind: type[Kind], problem: Problem) -> Kind | None:
    """Return the bias of a kind, if the problem has one."""
    biases = adjustment(problem, Biases)
    found = () if biases is None else biases.biases
    return next((each for each in found if isinstance(each, kind)), None)


def with_bias(problem: Problem, old: Bias, new: Bias | None) -> Problem:
    """Return the problem with one bias replaced, or left out."""
    biases = adjustment(problem, Biases)
    assert biases is not None  # one of them is `old`
    changed = (new if each is old else each for each in biases.biases)
    made = tuple(each for each in changed if each is not None)
    return with_adjustment(problem, biases, replace(biases, biases=made) if made else None)


def without(kind: type[Bias], base: Base) -> Problem | None:
    """Return the problem without its bias of a kind."""
    bias = bias_of(kind, base.problem)
    return None if bias is None else with_bias(base.problem, bias, None)


def no_key(name: str, base: Base) -> Changes | None:
    """Return the change that leaves out a key."""
    return {name: None} if in_tree(base, name) is not None else None


def scales(problem: Problem, heads: int) -> Array | None:
    """Return the scale of each head; None if all are 1."""
    found = np.array([of_head(problem.scale, head) for head in range(heads)])
    return None if (found == 1).all() else found


def without_offset(own: TokenPositions | None, problem: Problem) -> TokenPositions | None:
    """Return positions that count queries from 0; None if they do, or are not counted."""
    now = own or problem.token_positions
    if now.query is not None or set(now.offsets) == {0}:
        return None
    return replace(now, offsets=(0,))
