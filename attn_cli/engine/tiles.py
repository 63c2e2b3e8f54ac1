r"""The engine that computes contexts by tiles, and holds neither scores nor weights.

    context_i = sum_j exp(s_ij) V_j / (sum_j exp(s_ij) + sum_sinks exp(sink))
    lse_i     = log(sum_j exp(s_ij) + sum_sinks exp(sink))

`maths.block` is the definition; these numbers differ from it by rounding, and by weights below the
normal numbers, which may count 0. A tile is some queries against some keys, few enough that
their scores stay in the cache: Dao et al. 2022 (arXiv 2205.14135).

                 keys j ->
                +--------+--------+--------+--------------------
    queries i   |  tile  |  tile  |  tile  |\    not computed      <- subtile
    of one      |        |        |        | \                     <- subtile
    part        |        |        |        |  \                    <- subtile
                +--------+--------+--------+---+----------------
                  open range                edge   beyond reach

    block       queries whose contexts are held at once: several parts, shared among threads
    part        the queries of a tile: one thread sums them over all their keys, tile after tile
    open range  the keys that every query of the part sees: no mask is needed
    edge        the keys that only some of them see: computed and masked, subtile by subtile
    subtile     a few queries of the part, which have an open range and a reach of their own
    reach       the keys that at least one of them sees: the others are not computed
    pass        one way through all queries and keys. There is one, unless sparse attention selects
                by a stride: then one for the keys nearby, and one for those afar, in which a part
                has every stride-th query, and a tile every stride-th key:

                    i  0 . . 3 . . 6 . .     against     j  0 . . 3 . . 6 . .
                       . 1 . . 4 . . 7 .     against        . 1 . . 4 . . 7 .

The scale is multiplied into Q once. If only softmax follows the product, and queries have many
keys, the product subtracts the maximum m too: s - m = [A, -m] [K, 1]^T; see `engine.online`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from attn_cli.arrays import Array, some
from attn_cli.dataclass import dataclass
from attn_cli.engine.blocks import ARRAYS_PER_BLOCK, run_blocks
from attn_cli.engine.definition import DefinedBlocks
from attn_cli.engine.kernel import Cuts, Kernel, KeyHead, Trace
from attn_cli.engine.plan import Plan, not_contexts_alone
from attn_cli.engine.threads import Workers
from attn_cli.engine.watch import Watch
from attn_cli.errors import AttnError, argument
from attn_cli.maths.block import Entry, StepValues
from attn_cli.maths.problem import TILE, Problem
from attn_cli.maths.rules import KINDS
from attn_cli.memory import in_units

if TYPE_CHECKING:
    from attn_cli.engine.estimate import Estimate


@dataclass(frozen=True)
class Tiles:
    """Contexts and later steps, with the scores of at most one tile per thread in memory.

    subtile   queries whose keys are looked up again if not all of a tile see the same
    aligned   keys: ranges are cut at multiples of it, for products like round numbers
    trace     is called with events: ("by tiles", rows), ("left to the definition", rows)
              and those of `Kernel`
    """

    subtile: int = 256
    aligned: int = 16
    trace: Trace | None = None
    name: str = "tiles"
    tolerance: float = 1e-12

    def refuses(self, problem: Problem, plan: Plan) -> str | None:
        """Return why the contexts of a problem cannot be computed by tiles; None if they can."""
        return not_contexts_alone(plan) or next(_reasons(problem), None)

    def run(self, problem: Problem, plan: Plan, out: Watch, workers: Workers) -> None:
        """Compute the steps of a plan; raise AttnError if its tiles exceed the memory allowed."""
        _refuse_large(problem, plan)
        defined = DefinedBlocks(problem, plan, out)
        cuts = Cuts(plan.tile, self.subtile, self.aligned)
        held: list[KeyHead] = []  # the last one, which the next query head may share

        def blocks_of(entry: Entry) -> Callable[[slice], Array]:
            if not held or held[0].K is not entry.K or held[0].V is not entry.V:
                held[:] = [KeyHead(entry.K, entry.V)]
            kernel = Kernel(entry, held[0], cuts, workers, self.trace)

            def context(rows: slice) -> Array:
                found = kernel.contexts(rows)
                if self.trace is not None:
                    left = found is None
                    self.trace("left to the definition" if left else "by tiles", rows)
                if found is None:
                    return defined.in_blocks(entry, rows)
                i, context = entry.queries(rows), found.context
                kinds = problem.rules.kinds(found.empty, entry.place(rows, slice(0, 0)))
                if some(kinds):
                    context[kinds == KINDS.index("nan")] = np.nan
                for made in (
                    StepValues("empty", kinds),
                    StepValues("lse", found.lse),
                    StepValues("context", context),
                ):
                    out.put(entry.lead, made, i)
                return context

            return context

        run_blocks(problem, plan, out, workers, _height(problem, plan), blocks_of)

    def estimate(self, problem: Problem, plan: Plan) -> Estimate:
        """Return the estimate for a plan: tiles follow a stride, on all threads."""
        from attn_cli.engine.estimate import estimated

        return estimated(problem, plan, at_once=plan.threads, follows_strides=True)


def _reasons(problem: Problem) -> Iterator[str]:
    """Yield the reasons why a problem cannot be computed by tiles.

    Weights must be exponentials over their sum, hidden keys must be hidden permanently, all steps
    except the output must be of one type, and no rule may need a whole row or its weights.
    """
    rules, precision, chosen = problem.rules, problem.precision, problem.score.selection
    if problem.altered:
        yield f"values of steps are replaced: {', '.join(problem.altered)}"
    if rules.normalizer.sinks is None:
        yield f"weights are not exponentials over their sum, but {rules.normalizer.name}"
    if rules.top_k is not None:
        yield "top_k needs whole rows of scores"
    if chosen is not None and chosen(problem.parameters).top_k is not None:
        yield "top_k of sparse needs whole rows of scores"
    if rules.dropout is not None:
        yield "dropout needs the weights"
    if rules.looks_everywhere:
        yield "keys that are hidden count: by a finite fill, or by empty_rows: uniform"
    kinds = ("dtype", "accumulate", "scores", "softmax", "weighted_sum")
    types = {getattr(precision, kind).name for kind in kinds}
    if types not in ({"float64"}, {"float32"}):
        yield f"types are not float64 or float32 throughout, but {', '.join(sorted(types))}"


def _height(problem: Problem, plan: Plan) -> int:
    """Return the number of query rows of a block: as many contexts as its memory holds."""
    memory = min(plan.block_bytes, plan.memory // 2)
    row = problem.d_context * problem.dtype.itemsize * ARRAYS_PER_BLOCK
    tile = plan.tile[0]  # whole tiles, as ranges of visible keys often begin at round numbers
    return max(tile * plan.threads, memory // row // tile * tile)


def _refuse_large(problem: Problem, plan: Plan) -> None:
    """Raise AttnError if tiles of a requested size exceed the allowed memory.

    Tiles of the default size take only a few MB.
    """
    tile, threads = plan.tile, plan.threads
    height, width = min(tile[0], len(plan.computed)), min(tile[1], problem.n_k)
    size = height * width * problem.dtype.itemsize * threads
    if tile != TILE and size > plan.memory:
        raise AttnError(
            f"tiles of {tile[0]} x {tile[1]} on {threads} threads would take {in_units(size)}, "
            f"more than the {in_units(plan.memory)} allowed",
            help=f"make them smaller, such as {argument('tile', '512x512')}, or allow more: "
            f"{argument('memory')}",
        )


ENGINE = Tiles()
