"""Which queries and heads are looked at: all of a small problem, some of a large one."""

from __future__ import annotations

from attn_cli.lab.identify.observed import Part
from attn_cli.maths.problem import Problem

WHOLE = 1 << 18  # scores that every hypothesis in question is judged by
_ROWS, _HEADS = 12, 3  # of the first look, by which most hypotheses are dropped
_LEAST = 32  # queries of a head


def whole(problem: Problem) -> Part:
    """Return the part by which hypotheses are judged: everything, if that is not too much."""
    entries, heads = (problem.batch or (1,))[0], problem.heads or 1
    row = entries * problem.n_k
    if row * heads * problem.n_q <= WHOLE:
        return Part()
    most = max(1, WHOLE // (row * min(_LEAST, problem.n_q)))
    chosen = _spread(heads, most) if problem.heads is not None and most < heads else None
    rows = max(WHOLE // (row * len(chosen or range(heads))), min(_LEAST, problem.n_q))
    return Part(_spread(problem.n_q, rows) if rows < problem.n_q else None, chosen)


def first(problem: Problem, judged: Part) -> Part:
    """Return the part of the first look: some of those by which hypotheses are judged."""
    heads = judged.heads or tuple(range(problem.heads or 1))
    rows = judged.rows or tuple(range(problem.n_q))
    few = tuple(heads[at] for at in _spread(len(heads), _HEADS))
    return Part(tuple(rows[at] for at in _spread(len(rows), _ROWS)), few if problem.heads else None)


def _spread(count: int, most: int) -> tuple[int, ...]:
    """Return at most `most` numbers below `count`, the first and the last among them."""
    if count <= most:
        return tuple(range(count))
    if most == 1:
        return (count - 1,)
    return tuple(sorted({round(at * (count - 1) / (most - 1)) for at in range(most)}))


def said(problem: Problem, part: Part) -> str:
    """Return in words what is looked at; empty for everything."""
    parts = []
    if part.rows is not None:
        parts.append(f"{len(part.rows)} of {problem.n_q} queries")
    if part.heads is not None:
        parts.append(f"{len(part.heads)} of {problem.heads} heads")
    return " and ".join(parts)
