"""Q, K and V: given as they are or projected, for all heads at once or with a matrix a head.

With heads everything is brought into one form: inputs (*batch, heads, n, d) or shared by all heads,
weights (heads, d_in, d). Packed matrices hold the heads side by side, head after head.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np

from attn_cli.core.arrays import Array
from attn_cli.core.linear import Linear
from attn_cli.core.problem import Projection
from attn_cli.errors import AttnError, Path, dotted
from attn_cli.read.matrix import cast
from attn_cli.read.positions import read_positions
from attn_cli.read.scalars import integer
from attn_cli.read.shapes import form
from attn_cli.read.sources import Sources

Side = Literal["query", "key", "value"]
LETTERS = {"query": "q", "key": "k", "value": "v"}
AXES = ("batch", "heads")


def read_heads(sources: Sources) -> int | None:
    """Return how many heads there are: by the key, or by the matrices that are one a head."""
    tree = sources.document.tree
    heads = integer(tree["heads"], ("heads",), 1) if "heads" in tree else None
    owner = "heads"
    for side in LETTERS:
        if side not in sources.weights:
            continue
        path, node = ("weights", side), sources.weights[side]
        if isinstance(node, list | tuple) and _depth(node) < 3:
            continue  # one matrix, written out: what is in it is read when it is used
        array = sources.natural(node, path)
        if array.ndim != 3:
            continue
        if heads is not None and len(array) != heads:
            raise AttnError(
                f"{dotted(path)} has {len(array)} matrices, one a head, but {owner} "
                f"{'is' if owner == 'heads' else 'has'} {heads}",
                path=path,
                help="give one matrix for each head, or one for all, its heads side by side",
            )
        if heads is None:
            heads, owner = len(array), dotted(path)
    if heads is not None:
        sources.shapes.fix("heads", heads, owner)
    return heads


def _depth(node: Any) -> int:
    """Return how many axes nested lists have, by their first items alone."""
    depth = 0
    while isinstance(node, list | tuple) and node:
        node, depth = node[0], depth + 1
    return depth + np.ndim(node)


class Projections(NamedTuple):
    """Where Q, K and V come from, and the leading axes that they share."""

    query: Projection | None
    key: Projection | None
    value: Projection
    heads: int | None
    joined: bool  # heads that came packed leave side by side; of four axes they stay apart

    @property
    def batch(self) -> tuple[int, ...]:
        """The sizes of the leading axes that are no heads."""
        return self.value.batch

    @property
    def lead(self) -> tuple[int, ...]:
        """The sizes of all leading axes of the scores."""
        return self.batch if self.heads is None else (*self.batch, self.heads)

    @property
    def d_context(self) -> str:
        """The symbol of what goes into the output projection."""
        return "heads d_v" if self.joined else "d_v"


def read_projections(sources: Sources, *, needed: bool) -> Projections:
    """Return where Q, K and V come from; Q and K may be missing where they are not needed."""
    tree = sources.document.tree
    heads = read_heads(sources)
    sources.read_embeddings()
    sources.positions = read_positions(sources)
    query = _projection(sources, "query", heads, needed=needed)
    key = _projection(sources, "key", heads, needed=needed)
    value = _projection(sources, "value", heads, needed=True)
    assert value is not None  # it is always needed
    sources.refuse_unused()
    if key is not None and key.count != value.count:
        raise AttnError(
            f"there are {key.count} keys but {value.count} values",
            help="every key needs one value: take both from the same place",
        )
    _refuse_different_axes(query, key, value)
    given = [sources.natural(tree[s], (s,)) for s in LETTERS if s in tree]
    apart = [array.shape[1] for array in given if array.ndim == 4]
    return Projections(query, key, value, (*apart, heads)[0], joined=bool(heads and not apart))


def _projection(
    sources: Sources, side: Side, heads: int | None, *, needed: bool
) -> Projection | None:
    """Return where Q, K or V comes from; None where it is neither given nor needed."""
    tree = sources.document.tree
    if side in tree:
        _refuse_projection(sources, side, "is given as it is")
        return _given(sources, side, heads)
    from_memory = side != "query" and "memory" in tree
    inputs, letter = (sources.M, "M") if from_memory else (sources.inputs, sources.letter)
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
    if heads is None:
        return Projection(inputs, sources.linear(side, model, d), letter)
    if side not in sources.weights:  # each head has its part of the embeddings
        inputs = _split(inputs, heads, sources.shapes.owner(model))
        sources.shapes.fix(d, inputs.shape[-1], sources.shapes.owner(model))
        return Projection(inputs, Linear(None, _bias(sources, side, d, heads)), letter, split=True)
    weight = _weight(sources, side, (model, d), heads)
    return Projection(inputs, Linear(weight, _bias(sources, side, d, heads)), letter)


def _weight(sources: Sources, side: Side, symbols: tuple[str, str], heads: int) -> Array:
    """Return the weight as (heads, d_in, d_out), from a matrix a head or one for all."""
    path, (d_in, d) = ("weights", side), symbols
    if sources.natural(sources.weights[side], path).ndim == 3:
        order = ("heads", d, d_in) if sources.columns else ("heads", d_in, d)
        weight = sources.array(sources.weights[side], path, order)
        return weight.swapaxes(-1, -2) if sources.columns else weight
    packed = sources.weight(side, d_in, f"heads {d}")
    weight = _split(packed, heads, dotted(path))
    sources.shapes.fix(d, weight.shape[-1], dotted(path))
    return weight


def _bias(sources: Sources, side: Side, d: str, heads: int) -> Array | None:
    """Return the bias as (heads, d_out), from a vector a head or one for all."""
    if side not in sources.biases:
        return None
    node, path = sources.biases[side], ("biases", side)
    if sources.natural(node, path).ndim == 2:
        return sources.array(node, path, ("heads", d))
    return sources.array(node, path, (f"heads {d}",)).reshape(heads, -1)


def _split(packed: Array, heads: int, name: str) -> Array:
    """Return (..., n, heads x d) as (..., heads, n, d), without a copy."""
    width = packed.shape[-1]
    if width % heads:
        raise AttnError(
            f"{name} has {width} features, which {heads} heads cannot share evenly",
            path=("heads",),
            help=f"choose a number of heads that divides {width}",
        )
    return packed.reshape(*packed.shape[:-1], heads, width // heads).swapaxes(-2, -3)


def _given(sources: Sources, side: Side, heads: int | None) -> Projection:
    """Return Q, K or V as given: (tokens, features), with batch and heads before them."""
    path: Path = (side,)
    rows, d = ("n_q" if side == "query" else "n_k"), f"d_{LETTERS[side]}"
    node = sources.document.tree[side]
    array = cast(sources.natural(node, path), path, sources.dtype, finite=sources.finite)
    if not 2 <= array.ndim <= 4:
        raise AttnError(
            f"{side} has {array.ndim} {'axis' if array.ndim == 1 else 'axes'}, shape "
            f"{form(array.shape)}; expected 2 to 4",
            path=path,
            help="(tokens, features), (batch, tokens, features) or "
            "(batch, heads, tokens, features)",
        )
    packed = heads is not None and array.ndim < 4
    features = f"heads {d}" if packed else d
    last = (features, rows) if sources.columns else (rows, features)
    sources.shapes.bind(path, array.shape, (*AXES[: array.ndim - 2], *last))
    if sources.columns:
        array = array.swapaxes(-1, -2)
    if packed and heads is not None:
        array = _split(array, heads, side)
        sources.shapes.fix(d, array.shape[-1], side)
    return Projection(array, split=packed or array.ndim == 4)


def _refuse_projection(sources: Sources, side: Side, because: str) -> None:
    """Raise AttnError for a weight or bias that nothing is multiplied by."""
    for group in ("weights", "biases"):
        if side in getattr(sources, group):
            raise AttnError(
                f"{group}.{side} has nothing to apply to: {side} {because}",
                path=(group, side),
                at_key=True,
                help=f"leave out {group}.{side}, or give embeddings to make {side} from",
            )


def _refuse_different_axes(*sources: Projection | None) -> None:
    """Raise AttnError where Q, K and V do not share their leading axes."""
    names = ("query", "key", "value")
    found = [(name, s) for name, s in zip(names, sources, strict=True) if s is not None]
    first, other = found[0]
    for name, source in found[1:]:
        # A matrix that all heads share has no axis of heads, and needs none.
        mine, its = _lead(source), _lead(other)
        if source.batch != other.batch or (not source.letter and not other.letter and mine != its):
            raise AttnError(
                f"{name} has {_axes(mine)}, but {first} has {_axes(its)}",
                path=(name,),
                help="query, key and value need the same leading axes",
            )


def _lead(source: Projection) -> tuple[int, ...]:
    return source.inputs.shape[:-2]


def _axes(lead: tuple[int, ...]) -> str:
    """Return leading axes as a message names them."""
    if not lead:
        return "no leading axes"
    return f"the leading axes {form(AXES[: len(lead)])} = {form(lead)}"
