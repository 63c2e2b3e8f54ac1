"""Document -> Problem: every key read, every name, type and shape checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from attn_cli.core.normalizers import NORMALIZERS
from attn_cli.core.problem import Problem, Projection
from attn_cli.core.scores.base import ScoreFunction
from attn_cli.errors import AttnError, Path, dotted
from attn_cli.read.after import read_after, read_next_word
from attn_cli.read.document import Document
from attn_cli.read.keys import KEYS, TRAIN_KEYS, mapping
from attn_cli.read.mask import read_causal, read_mask
from attn_cli.read.projections import read_projections
from attn_cli.read.scalars import choice, finite, narrowed, word
from attn_cli.read.score import check_pairs, name_of_score, read_parameters, reads_q_and_k
from attn_cli.read.sources import Sources
from attn_cli.record import Labels, Numbered

DTYPES = ("float64", "float32", "float16")
LAYOUTS = ("rows", "columns")


def read_problem(document: Document) -> Problem:
    """Return the validated problem; raise AttnError, with its place, for the first fault."""
    try:
        return _problem(document)
    except AttnError as error:
        raise document.located(error) from None


def _problem(document: Document) -> Problem:
    tree = _keys(document)
    dtype = np.dtype(choice(_type_name(tree.get("dtype", "float64")), ("dtype",), DTYPES))
    columns = choice(tree.get("layout", "rows"), ("layout",), LAYOUTS) == "columns"
    allow = choice(tree.get("nonfinite", "refuse"), ("nonfinite",), ("refuse", "allow")) == "allow"
    score = tree.get("score", "scaled")
    function = name_of_score(score, ("score",))
    normalize = word(tree.get("normalize", "softmax"), ("normalize",))

    sources = Sources(document, dtype, columns, not allow)
    made = read_projections(sources, needed=reads_q_and_k(score, function))
    query, key, value = made.query, made.key, made.value
    after = read_after(sources, query, made.d_context)
    parameters = _parameters(sources, score, function)
    scale, scale_given = _scale(tree, function, parameters, query, key, dtype)
    n_q, n_k = query.count if query else sources.shapes.size("n_q") or 0, value.count
    mask, warnings = read_mask(document, (*made.lead, n_q, n_k), dtype, columns=columns)
    query_tokens, key_tokens = _labels(sources, n_q, n_k)
    return Problem(
        query=query,
        key=key,
        value=value,
        n_q=n_q,
        batch=made.batch,
        heads=made.heads,
        joined=made.joined,
        embeddings=sources.X,
        positions=sources.positions,
        score=function,
        parameters=parameters,
        scale=scale,
        scale_given=scale_given,
        causal=read_causal(tree.get("causal", False), ("causal",), n_q, n_k),
        mask=mask,
        normalizer=NORMALIZERS.get(normalize, path=("normalize",)),
        after=after,
        next_word=read_next_word(sources, after, query_tokens),
        token_labels=key_tokens if sources.X is not None and "query" in tree else query_tokens,
        query_tokens=query_tokens,
        key_tokens=key_tokens,
        cross="memory" in tree or n_q != n_k or ("query" in tree and sources.X is not None),
        layout="columns" if columns else "rows",
        dtype=dtype,
        nonfinite="allow" if allow else "refuse",
        warnings=(*sources.warnings, *warnings),
    )


def _keys(document: Document) -> Mapping[str, Any]:
    """Return the tree; raise AttnError where it is none of one problem."""
    if "pairs" in document.tree:
        raise AttnError(
            "this is a dictionary, not a problem",
            path=("pairs",),
            at_key=True,
            help="attn translate --dictionary FILE WORDS translates with it",
        )
    tree = mapping(document.tree, (), KEYS)
    if "sequences" in tree:
        raise AttnError(
            "this problem has several sequences, and one is wanted here",
            path=("sequences",),
            at_key=True,
            help="replace sequences by the tokens of one: --tokens 'not like'",
        )
    if not tree:
        raise AttnError(
            "there is no problem", help="give a problem file, or --query, --key, --value"
        )
    mapping(tree.get("train", {}), ("train",), TRAIN_KEYS)  # for attn train, which reads the rest
    return tree


def _parameters(sources: Sources, score: Any, function: ScoreFunction) -> dict[str, Any]:
    """Return the parameters of the score; positions in them exist."""
    parameters = read_parameters(sources, score, ("score",), function)
    if "pairs" in parameters:
        path = ("score", "pairs")
        parameters["pairs"] = check_pairs(parameters["pairs"], path, sources.shapes)
    return parameters


def _type_name(node: Any) -> Any:
    """Return the name of a dtype; from Python it may be a type."""
    return np.dtype(node).name if isinstance(node, type | np.dtype) else node


def _scale(
    tree: Any,
    function: ScoreFunction,
    parameters: Any,
    query: Projection | None,
    key: Projection | None,
    dtype: np.dtype[Any],
) -> tuple[float, bool]:
    """Return the scale and whether it was given; check that q.k can be formed where it is."""
    innermost, _ = function.innermost(parameters)
    if innermost.equal_depth and query and key and query.depth != key.depth:
        raise AttnError(
            f"{innermost.name} needs d_q = d_k, but queries have d_q = {query.depth} and keys have "
            f"d_k = {key.depth}",
            path=_depth_path(tree),
            help="project both to the same length with weights.query and weights.key, or use "
            "multiplicative or additive",
        )
    if "scale" not in tree:
        return (innermost.default_scale(key.depth) if key else 1.0), False
    if isinstance(tree["scale"], str) and tree["scale"] == "none":
        return 1.0, True
    return narrowed(finite(tree["scale"], ("scale",)), ("scale",), dtype), True


def _depth_path(tree: Any) -> Path:
    """Return the key that fixes d_k."""
    if "key" in tree:
        return ("key",)
    return ("weights", "key") if "key" in tree.get("weights", {}) else ("weights", "query")


def _labels(sources: Sources, n_q: int, n_k: int) -> tuple[Labels, Labels]:
    """Return the labels of queries and keys: words where there are some, else numbers.

    `tokens` are the rows of embeddings where there are some, else the queries; in self-attention,
    and where queries and keys are as many, they are both.
    """
    tree = sources.document.tree
    tokens, memory_tokens = sources.tokens, sources.memory_tokens
    of_keys = sources.X is not None and "query" in tree  # embeddings became keys and values
    rows = n_k if of_keys else n_q
    if tokens is not None and len(tokens) != rows:
        if sources.X is not None:
            raise _count("tokens", ("tokens",), len(tokens), f"embeddings have {_rows(rows)}")
        raise _count("tokens", ("tokens",), len(tokens), f"there are {_rows(rows)} of queries")
    if memory_tokens is not None and len(memory_tokens) != n_k:
        path = ("memory", "tokens")
        raise _count("memory.tokens", path, len(memory_tokens), f"memory has {_rows(n_k)}")
    shared = tokens if of_keys or (n_q == n_k and "memory" not in tree) else None
    return (
        tokens if tokens is not None and not of_keys else Numbered(range(n_q)),
        memory_tokens or shared or Numbered(range(n_k)),
    )


def _rows(count: int) -> str:
    return f"{count} {'row' if count == 1 else 'rows'}"


def _count(name: str, path: Path, words: int, has: str) -> AttnError:
    return AttnError(
        f"{name} has {words} {'word' if words == 1 else 'words'}, but {has}",
        path=path,
        help=f"{dotted(path)} needs one word a row",
    )
