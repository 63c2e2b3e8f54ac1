"""The stages after attention, read: projection, residual, layer norm, feed-forward, next word."""

from __future__ import annotations

from typing import Any

from attn_cli.arrays import Array
from attn_cli.errors import AttnError, Path, did_you_mean, dotted, printable
from attn_cli.maths.activations import ACTIVATIONS
from attn_cli.maths.after import After, FeedForward, LayerNorm
from attn_cli.maths.linear import Linear
from attn_cli.maths.next_word import NextWord
from attn_cli.maths.problem import Projection
from attn_cli.reading.keys import KEYS
from attn_cli.reading.sources import Sources
from attn_cli.record import Labels
from attn_cli.sources.text.mappings import mapping
from attn_cli.sources.text.scalars import choice, flag, positive, word
from attn_cli.sources.text.tokens import find_token, read_tokens

EPS = 1e-5


def read_after(sources: Sources, query: Projection | None, d_context: str) -> After:
    """Return the stages that the problem has; `d_context` is the symbol of their input."""
    tree = sources.document.tree
    output = sources.linear("output", d_context, "d_out")
    residual = "residual" in tree and flag(tree["residual"], ("residual",))
    if residual:
        _check_residual(sources, query)
    return After(
        output=output,
        residual=residual,
        layer_norm=_layer_norm(sources, tree, (), "d_out"),
        feed_forward=_feed_forward(sources, tree.get("feed_forward")),
    )


def _check_residual(sources: Sources, query: Projection | None) -> None:
    """Raise AttnError if X and the output cannot be added."""
    if query is None or not query.letter:
        raise AttnError(
            "residual adds the embeddings to the output, and the queries are not made from any",
            path=("residual",),
            help="give embeddings, or leave residual out",
        )
    d_model, d_out = sources.shapes.size("d_model"), sources.shapes.size("d_out")
    if d_model != d_out:
        raise AttnError(
            f"residual needs d_out = d_model, but the output has d_out = {d_out} and embeddings "
            f"have d_model = {d_model}",
            path=("residual",),
            help="give weights.output with d_model columns",
        )


def _layer_norm(sources: Sources, tree: Any, path: Path, d: str) -> LayerNorm | None:
    """Return the layer norm of a mapping that may have one; `true` is one without parameters."""
    node, path = tree.get("layer_norm"), (*path, "layer_norm")
    if node is None:
        return None
    if not isinstance(node, dict):
        return LayerNorm(None, None, EPS) if flag(node, path) else None
    keys = mapping(node, path, KEYS["layer_norm"].inner)
    return LayerNorm(
        _vector(sources, keys, path, "gamma", d),
        _vector(sources, keys, path, "beta", d),
        positive(keys["eps"], (*path, "eps")) if "eps" in keys else EPS,
    )


def _feed_forward(sources: Sources, node: Any) -> FeedForward | None:
    path: Path = ("feed_forward",)
    if node is None:
        return None
    keys = mapping(node, path, KEYS["feed_forward"].inner)
    _require(
        keys, path, ("W1", "W2"), "feed_forward needs W1 (d_out x d_ff) and W2 (d_ff x d_last)"
    )
    residual = "residual" in keys and flag(keys["residual"], (*path, "residual"))
    last = "d_out" if residual else "d_last"
    first = sources.matrix(keys["W1"], (*path, "W1"), ("d_out", "d_ff"))
    b1 = _vector(sources, keys, path, "b1", "d_ff")
    second = sources.matrix(keys["W2"], (*path, "W2"), ("d_ff", last))
    name = choice(keys.get("activation", "relu"), (*path, "activation"), tuple(ACTIVATIONS))
    return FeedForward(
        first=Linear(first, b1),
        second=Linear(second, _vector(sources, keys, path, "b2", last)),
        activation=ACTIVATIONS[name],
        residual=residual,
        layer_norm=_layer_norm(sources, keys, path, last),
    )


def _require(keys: Any, path: Path, names: tuple[str, ...], help: str) -> None:
    """Raise AttnError for the first of the names that is missing."""
    for name in names:
        if name not in keys:
            raise AttnError(f"{dotted((*path, name))} is missing", path=path, help=help)


def _vector(sources: Sources, keys: Any, path: Path, name: str, d: str) -> Array | None:
    return sources.array(keys[name], (*path, name), (d,)) if name in keys else None


def read_next_word(sources: Sources, after: After, tokens: Labels) -> NextWord | None:
    """Return the next-word head, None if the problem has none."""
    node, path = sources.document.tree.get("next_word"), ("next_word",)
    if node is None:
        return None
    keys = mapping(node, path, KEYS["next_word"].inner)
    needed = ("vocabulary", "weights")
    _require(keys, path, needed, "next_word needs vocabulary: [...] and weights (d x words)")
    vocabulary = _vocabulary(keys["vocabulary"], (*path, "vocabulary"))
    sources.shapes.fix("words", len(vocabulary), "next_word.vocabulary")
    network = after.feed_forward
    d = "d_out" if network is None or network.residual else "d_last"
    weight = sources.matrix(keys["weights"], (*path, "weights"), (d, "words"))
    row, pooling = _pool(keys.get("pool", "mean"), (*path, "pool"), tokens)
    linear = Linear(weight, _vector(sources, keys, path, "bias", "words"))
    return NextWord(vocabulary, linear, row, pooling, _end(keys, path, vocabulary))


def _end(keys: Any, path: Path, vocabulary: tuple[str, ...]) -> str | None:
    if "end" not in keys:
        return None
    path = (*path, "end")
    end = word(keys["end"], path)
    if end not in vocabulary:
        raise AttnError(
            f"'{printable(end)}' is not in the vocabulary",
            path=path,
            help=did_you_mean(end, vocabulary, what="next_word.vocabulary has"),
        )
    return end


def _vocabulary(node: Any, path: Path) -> tuple[str, ...]:
    words = read_tokens(node, path)
    for at, name in enumerate(words):
        if name in words[:at]:
            raise AttnError(
                f"'{printable(name)}' appears twice in {dotted(path)}",
                path=(*path, at),
                help="a vocabulary has every word once",
            )
    return words


def _pool(node: Any, path: Path, tokens: Labels) -> tuple[int | None, str]:
    """Return the row that is pooled, None for the mean of all, and its text in the formula."""
    if isinstance(node, dict):
        keys = mapping(node, path, ("token",))
        if "token" not in keys:
            raise AttnError(f"{dotted(path)} names no token", path=path, help=_POOLS)
        name = word(keys["token"], (*path, "token"))
        try:
            row = find_token(tokens, name, what="token")
        except AttnError as error:
            raise AttnError(error.message, path=(*path, "token"), help=error.help) from None
        return row, f"row {row} ('{printable(name)}')"
    name = choice(node, path, ("mean", "last"))
    return (None, "mean of the rows") if name == "mean" else (len(tokens) - 1, "last row")


_POOLS = "write pool: mean, pool: last or pool: {token: WORD}"
