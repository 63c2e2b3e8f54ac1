"""The weights as a directed graph: every token points at the tokens that it attends to.

In self-attention queries and keys are the same tokens, and each is one node; in cross-attention
they are two kinds of nodes. A node is a position, so a word that appears twice is two nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from attn_cli.arrays import Array, Integers
from attn_cli.dataclass import dataclass
from attn_cli.record import Record, Step

Kind = Literal["token", "query", "key"]
LETTERS: dict[Kind, str] = {"token": "n", "query": "q", "key": "k"}


@dataclass(frozen=True)
class Node:
    """A token at a position."""

    id: str  # a letter for the kind, then the position: n0, or q0 and k0
    label: str
    position: int
    kind: Kind


@dataclass(frozen=True)
class Edge:
    """A weight: the query `source` attends to the key `target`, by their ids.

    `entry` has the place along each leading axis of the weights: {"batch": 0, "head": 3}.
    """

    source: str
    target: str
    weight: float
    entry: Mapping[str, int]


@dataclass(frozen=True)
class LeftOut:
    """The numbers of edges that are not drawn, by reason. A weight of exactly 0 is not an edge."""

    below: int  # weaker than the threshold
    beyond: int  # not below it, but not among the strongest either
    nan: int  # NaN has no strength


@dataclass(frozen=True, kw_only=True)
class Graph:
    """All tokens, and the strongest edges between them, strongest first."""

    command: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    lead: Mapping[str, Sequence[int]]  # the entries along each leading axis of the weights
    left_out: LeftOut
    hidden: int  # pairs of query and key that are hidden; 0 if the record has no marks
    threshold: float
    top: int | None  # None: as many as there are
    settings: Mapping[str, object]
    warnings: tuple[str, ...]


def graph(record: Record, *, threshold: float, top: int | None) -> Graph:
    """Return the graph of the record's weights: the `top` strongest of at least the threshold.

    None: all of them.

    The strength of an edge is |weight|. Equally strong edges come in the order of entry, query and
    key.
    """
    step = record.steps["weights"]
    weights, lead = _turned(record["weights"], step)
    places, left_out = _chosen(weights.reshape(-1), threshold, top)
    queries, keys = _nodes(record)
    return Graph(
        command=record.command,
        nodes=queries if queries is keys else (*queries, *keys),
        edges=_edges(weights, places, step, lead, (queries, keys)),
        lead={axis: step.indices(axis) for axis in lead},
        left_out=left_out,
        hidden=0 if step.hidden is None else int(np.count_nonzero(step.hidden)),
        threshold=threshold,
        top=top,
        settings={**record.settings, "threshold": threshold, "top": top},
        warnings=record.warnings,
    )


def _turned(values: Array, step: Step) -> tuple[Array, tuple[str, ...]]:
    """Return the weights with queries and keys as last two axes, and the names of the others."""
    lead = tuple(axis for axis in step.axes if axis not in {"query", "key"})
    order = [step.axes.index(axis) for axis in (*lead, "query", "key")]
    return values.transpose(order), lead


def _chosen(weights: Array, threshold: float, top: int | None) -> tuple[Integers, LeftOut]:
    """Return the places of the edges that are drawn, strongest first."""
    strength = np.abs(weights)
    with np.errstate(over="ignore"):  # in float16 a threshold may be infinite
        least = weights.dtype.type(threshold)
    edges = strength > 0  # False for NaN too
    candidates = np.flatnonzero(edges & (strength >= least))
    places = candidates[_strongest(strength[candidates], top)]
    return places, LeftOut(
        below=int(np.count_nonzero(edges)) - len(candidates),
        beyond=len(candidates) - len(places),
        nan=int(np.count_nonzero(np.isnan(weights))),
    )


def _strongest(strength: Array, top: int | None) -> Integers:
    """Return the places of the `top` largest, in descending order; of equal ones the first."""
    places = np.arange(len(strength))
    if top is not None and top < len(strength):
        last = np.partition(strength, len(strength) - top)[len(strength) - top]
        stronger, equal = np.flatnonzero(strength > last), np.flatnonzero(strength == last)
        places = np.sort(np.concatenate((stronger, equal[: top - len(stronger)])))
    return places[np.argsort(-strength[places], kind="stable")]


def _nodes(record: Record) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
    """Return the nodes of queries, and those of keys: the same ones in self-attention."""

    def nodes(labels: list[str], kind: Kind) -> tuple[Node, ...]:
        return tuple(Node(f"{LETTERS[kind]}{at}", w, at, kind) for at, w in enumerate(labels))

    queries, keys = list(record.query_tokens), list(record.key_tokens)
    if not record.cross:
        tokens = nodes(queries, "token")
        return tokens, tokens
    return nodes(queries, "query"), nodes(keys, "key")


def _edges(
    weights: Array,
    places: Integers,
    step: Step,
    lead: tuple[str, ...],
    ends: tuple[tuple[Node, ...], tuple[Node, ...]],
) -> tuple[Edge, ...]:
    """Return the edges at places in the flattened weights."""
    held = [step.indices(axis) for axis in (*lead, "query", "key")]
    at = np.unravel_index(places, weights.shape)
    edges = []
    for weight, *indices in zip(weights[at].tolist(), *(a.tolist() for a in at), strict=True):
        *entry, query, key = (along[i] for along, i in zip(held, indices, strict=True))
        queries, keys = ends
        named = dict(zip(lead, entry, strict=True))
        edges.append(Edge(queries[query].id, keys[key].id, weight, named))
    return tuple(edges)
