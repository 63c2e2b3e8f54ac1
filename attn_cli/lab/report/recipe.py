"""How the page works a cell out: the templates of `attn explain`, and where their numbers are.

A recipe is data, so that the script of the page names no step. A source says where a number is:

    7.5                      the number itself
    ["at", NAME]             of a step or a part at the place: a number, or a vector
    ["seen", NAME]           of a step of pairs, for the keys of the row that take part
    ["taken", NAME]          the same, for the keys whose values are weighed
    ["values", NAME]         of a step of keys, one dimension for the keys that are weighed
    ["concat", A, B], ["repeat", A, N], ["tile", A, N], ["apply", W, A]      vectors of vectors
    ["calc", PATTERN]        the pattern with the other slots; of vectors, for each component
    ["sum", A], ["max", A, LEAST], ["many", A], ["above0", A, B]             of vectors
    ["either", A, B]         A if it is known, else B
    ["count"]                how many keys of the row take part

and these are facts of a cell:

    ["coded", NAME, CODE]    a part has this code at the place
    ["hidden"], ["unseen"]   the key is hidden; it takes no part
    ["more", A, B]           A > B, both finite
    ["not", FACT]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attn_cli.arrays import AnyArray
from attn_cli.dataclass import dataclass
from attn_cli.lab.derivation.result import Template

Source = Any  # a number, or a list as above


@dataclass(frozen=True)
class Part:
    """Numbers beside the steps: parameters, masks, biases. Its axes are those of steps."""

    axes: tuple[str, ...]
    values: AnyArray


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one step is worked out for any cell.

    Of `templates` the first holds whose facts hold. `needs` are slots that are there only if a
    fact holds. `depth` is the number of dimensions, 0 for a step of pairs. If the numbers of the
    step are not kept: `same` is the step that a value without arithmetic repeats, `fill` the value
    of a hidden key.
    """

    step: str
    formula: str
    axes: tuple[str, ...]
    depth: int
    templates: tuple[Template, ...]
    facts: Mapping[str, Source]
    slots: Mapping[str, Source]
    needs: Mapping[str, str]
    same: str | None = None
    fill: float | None = None


@dataclass(frozen=True)
class Numbers:
    """The facts and slots of a step, before its templates are chosen."""

    always: frozenset[str] = frozenset()  # facts that hold for all cells
    facts: Mapping[str, Source] = {}
    slots: Mapping[str, Source] = {}
    needs: Mapping[str, str] = {}
    same: str | None = None
    fill: float | None = None
