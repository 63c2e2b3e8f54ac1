"""Q, K and V: projected, with one matrix for all heads or one per head; or given (`given_reader`).

With heads everything is converted to one form: inputs (*batch, heads, n, d) or shared by all heads,
weights (heads, d_in, d). Packed matrices have the heads concatenated along the features.
"""

from __future__ import annotations

from attn_cli.arrays import Array
from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError, dotted
from attn_cli.maths.linear import Linear
from attn_cli.maths.problem import Past, Projection
from attn_cli.reading.embedded import Embedded, read_embedded, refuse_unused
from attn_cli.reading.given_reader import (
    read_axes,
    read_given,
    read_past,
    refuse_different_axes,
    split,
)
from attn_cli.reading.heads_reader import read_heads, read_key_heads
from attn_cli.reading.sides import LETTERS, Heads, Side
from attn_cli.reading.sources import Sources


@dataclass(frozen=True)
class Projections:
    """The projections of Q, K and V, and the leading axes that they share."""

    embedded: Embedded
    query: Projection | None
    key: Projection | None
    value: Projection
    past: Past | None
    heads: int | None
    kv_heads: int | None
    key_heads: tuple[int, ...]  # of each query head, the head of K and V that it reads
    joined: bool  # whether heads are concatenated in the output: those of packed inputs are
    heads_last: bool  # whether the head axis of the output follows the tokens, as in the input

    @property
    def batch(self) -> tuple[int, ...]:
        """The sizes of the leading axes other than heads."""
        return self.value.batch

    @property
    def n_k(self) -> int:
        """The number of keys, including the past."""
        return self.value.count + (self.past.length if self.past else 0)

    @property
    def d_context(self) -> str:
        """The symbol of the length of the output projection's input."""
        return "heads d_v" if self.joined else "d_v"


def read_projections(sources: Sources, *, needed: bool) -> Projections:
    """Return the projections of Q, K and V; Q and K may be missing if they are not needed."""
    heads = read_heads(sources)
    embedded = read_embedded(sources)
    query = _projection(sources, embedded, "query", heads, needed=needed)
    key = _projection(sources, embedded, "key", heads, needed=needed)
    value = _projection(sources, embedded, "value", heads, needed=True)
    assert value is not None  # it is always needed
    refuse_unused(sources, embedded)
    if key is not None and key.count != value.count:
        raise AttnError(
            f"there are {key.count} keys but {value.count} values",
            help="every key needs one value: take both from the same place",
        )
    refuse_different_axes(query, key, value)
    apart = sources.given_four_axes
    count = sources.shapes.size("heads") if apart else heads.query
    kv_count = (sources.shapes.size("kv_heads") if apart else heads.key) or count
    key_heads = read_key_heads(sources, count, kv_count)
    heads_last = read_axes(sources) == "bshd"
    past = read_past(
        sources, value.batch, kv_count, with_keys=key is not None, heads_last=heads_last
    )
    if past is not None:
        sources.shapes.fix("n_k", value.count + past.length, "past.value and value")
    joined = bool(count) and (not apart or _fits_joined(sources, count))
    return Projections(
        embedded, query, key, value, past, count, kv_count, key_heads, joined, heads_last
    )


def _fits_joined(sources: Sources, heads: int | None) -> bool:
    """Return whether weights.output fits only the concatenated contexts of all heads."""
    if "output" not in sources.weights or heads is None:
        return False
    shape = sources.read_array(sources.weights["output"], ("weights", "output")).shape
    d_in = shape[1 if sources.columns else 0] if len(shape) == 2 else None
    d_v = sources.shapes.size("d_v")
    return d_v is not None and d_in == heads * d_v != d_v


def _projection(
    sources: Sources, embedded: Embedded, side: Side, heads: Heads, *, needed: bool
) -> Projection | None:
    """Return the projection of Q, K or V; None if it is neither given nor needed."""
    tree = sources.document.tree
    if side in tree:
        _refuse_projection(sources, side, "is given as it is")
        return read_given(sources, side, heads)
    from_memory = side != "query" and "memory" in tree
    inputs, letter = (embedded.M, "M") if from_memory else (embedded.inputs, embedded.letter)
    if inputs is None:
        if not needed:
            _refuse_projection(sources, side, "is not read by this score function")
            return None
        source = "memory.embeddings" if from_memory else "embeddings"
        raise AttnError(
            f"there is no {side}: neither {side} nor {source} to make it from",
            path=("memory",) if from_memory else (),
            help=f"give {source}, or query, key and value as they are",
        )
    model = "d_memory" if from_memory and sources.shapes.size("d_memory") else "d_model"
    d = f"d_{LETTERS[side]}"
    count, symbol = heads.of(side), heads.symbol(side)
    if count is None:
        return Projection(inputs, sources.linear(side, model, d), letter)
    if side not in sources.weights:  # each head has its part of the embeddings
        inputs = split(inputs, count, sources.shapes.owner(model))
        sources.shapes.fix(d, inputs.shape[-1], sources.shapes.owner(model))
        bias = _bias(sources, side, d, count, symbol)
        return Projection(inputs, Linear(None, bias), letter, split=True)
    weight = _weight(sources, side, (model, d), count, symbol)
    return Projection(inputs, Linear(weight, _bias(sources, side, d, count, symbol)), letter)


def _weight(
    sources: Sources, side: Side, symbols: tuple[str, str], count: int, heads: str
) -> Array:
    """Return the weight as (heads, d_in, d_out), from one matrix per head or one for all."""
    path, (d_in, d) = ("weights", side), symbols
    if sources.read_array(sources.weights[side], path).ndim == 3:
        order = (heads, d, d_in) if sources.columns else (heads, d_in, d)
        weight = sources.array(sources.weights[side], path, order)
        return weight.swapaxes(-1, -2) if sources.columns else weight
    packed = sources.weight(side, d_in, f"{heads} {d}")
    weight = split(packed, count, dotted(path))
    sources.shapes.fix(d, weight.shape[-1], dotted(path))
    return weight


def _bias(sources: Sources, side: Side, d: str, count: int, heads: str) -> Array | None:
    """Return the bias as (heads, d_out), from one vector per head or one for all."""
    if side not in sources.biases:
        return None
    node, path = sources.biases[side], ("biases", side)
    if sources.read_array(node, path).ndim == 2:
        return sources.array(node, path, (heads, d))
    return sources.array(node, path, (f"{heads} {d}",)).reshape(count, -1)


def _refuse_projection(sources: Sources, side: Side, because: str) -> None:
    """Raise AttnError for a weight or bias that is not applied to anything."""
    for group in ("weights", "biases"):
        if side in getattr(sources, group):
            raise AttnError(
                f"{group}.{side} has nothing to apply to: {side} {because}",
                path=(group, side),
                at_key=True,
                help=f"leave out {group}.{side}, or give embeddings to make {side} from",
            )
