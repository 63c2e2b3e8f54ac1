"""Document -> Problem: every key read, every name, type and shape checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attn_cli.errors import AttnError, Path, argument, either
from attn_cli.maths.adjustments import Adjustment, Softcap, hide_permanently
from attn_cli.maths.heads import PerHead
from attn_cli.maths.pipeline import names
from attn_cli.maths.problem import Problem
from attn_cli.maths.rules import Rules
from attn_cli.maths.scores.base import ScoreFunction
from attn_cli.reading.adjustments_reader import read_adjustments
from attn_cli.reading.after_reader import read_after, read_next_word
from attn_cli.reading.conventions_reader import Conventions
from attn_cli.reading.extent import Extent, read_extent
from attn_cli.reading.gate_reader import read_gate
from attn_cli.reading.hiding import read_schemes
from attn_cli.reading.keys import KEYS
from attn_cli.reading.labels import labels_of_embeddings, read_labels
from attn_cli.reading.mask import read_mask
from attn_cli.reading.normalize import (
    read_dropout,
    read_empty_rows,
    read_normalizer,
    read_temperature,
    read_top_k,
)
from attn_cli.reading.per_head import read_per_head
from attn_cli.reading.precision_reader import read_precision
from attn_cli.reading.projections import Projections, read_projections
from attn_cli.reading.qk_transform import note_of_rope, read_qk_transform
from attn_cli.reading.score import (
    check_factor,
    read_placement,
    read_score,
    read_score_parameters,
    reads_q_and_k,
)
from attn_cli.reading.sources import Sources
from attn_cli.reading.token_positions_reader import Placed, read_token_positions
from attn_cli.reading.unused_keys import unused_keys
from attn_cli.sources.matrices.document import Document, Known, open_document
from attn_cli.sources.matrices.files import Inputs
from attn_cli.sources.matrices.spread import ScoresShape
from attn_cli.sources.text.mappings import mapping
from attn_cli.sources.text.scalars import choice, finite, narrowed

if TYPE_CHECKING:
    from attn_cli.maths.answer import Answer
    from attn_cli.maths.next_word import NextWord
    from attn_cli.record import Labels

LAYOUTS = ("rows", "columns")


def names_of_keys() -> tuple[str, ...]:
    """Return all possible keys of a problem file and of its `train`."""
    return (*KEYS, *KEYS["train"].inner)


def read_document(file: str | None, inputs: Inputs) -> Document:
    """Return the document of a file: YAML, JSON, or an NPZ whose members are its keys."""
    return open_document(file, inputs, Known(names_of_keys(), names()))


def read_problem(document: Document) -> Problem:
    """Return the validated problem; raise AttnError, with its place, for the first fault."""
    try:
        return _problem(document)
    except AttnError as error:
        raise document.located(error) from None


def _problem(document: Document) -> Problem:
    sources = _sources(document)
    tree, conventions = document.tree, sources.conventions
    function, given = read_score(sources)
    projections = read_projections(sources, needed=reads_q_and_k(function, given))
    X = projections.embedded.X
    after = read_after(sources, projections.query, projections.d_context)
    parameters = read_score_parameters(sources, function, given)
    scale, scale_given = _scale(sources, function, parameters, projections)
    n_q = projections.query.count if projections.query else sources.shapes.size("n_q") or 0
    shape = ScoresShape(
        projections.batch[0] if projections.batch else None,
        projections.heads,
        n_q,
        projections.n_k,
        sources.columns,
    )
    past = None if projections.past is None else projections.past.length
    extent = read_extent(document, shape.n_q, shape.n_k, shape.batch, past)
    placed = read_token_positions(document, extent, conventions)
    rules, warnings = _rules(sources, shape, extent, placed)
    qk_transform = read_qk_transform(
        sources, projections.query, projections.key, extent, projections.past
    )
    warnings += note_of_rope(tree, rules, qk_transform)
    grouped = projections.heads is not None and projections.key_heads != tuple(
        range(projections.heads)
    )
    placement = read_placement(tree, function, parameters, scale, conventions)
    warnings += unused_keys(
        sources, rules, function, scale, placement, heads=projections.heads, grouped=grouped
    )
    check_factor(scale, placement, sources.precision)
    labels, entries = read_labels(sources, n_q, projections)
    of_keys = X is not None and "query" in tree  # embeddings became keys and values
    cross = "memory" in tree or n_q != projections.n_k or of_keys
    next_word = read_next_word(sources, after, labels[0])
    return Problem(
        query=projections.query,
        key=projections.key,
        value=projections.value,
        n_q=n_q,
        batch=projections.batch,
        heads=projections.heads,
        kv_heads=projections.kv_heads,
        key_heads=projections.key_heads,
        joined=projections.joined,
        heads_last=projections.heads_last,
        embeddings=X,
        positions=projections.embedded.positions,
        past=projections.past,
        qk_transform=qk_transform,
        token_positions=placed.token_positions,
        score=function,
        parameters=parameters,
        scale=scale,
        scale_given=scale_given,
        placement=placement,
        rules=rules,
        gate=read_gate(sources, projections.query, shape, projections.value.depth),
        after=after,
        next_word=next_word,
        answer=_answer(tree, labels, next_word, cross=cross),
        token_labels=labels_of_embeddings(labels, of_keys=of_keys, past=past or 0),
        query_tokens=labels[0],
        key_tokens=labels[1],
        tokens_of=entries,
        cross=cross,
        layout="columns" if sources.columns else "rows",
        nonfinite="refuse" if sources.finite else "allow",
        narrow=() if "dtype" in tree else tuple(sorted(sources.narrow)),
        conventions={"like": tree.get("like"), **conventions.resolved()},
        warnings=(*document.notes, *sources.warnings, *warnings, *conventions.notes()),
    )


def _answer(
    tree: Mapping[str, Any],
    labels: tuple[Labels, Labels],
    next_word: NextWord | None,
    *,
    cross: bool,
) -> Answer | None:
    if "answer" not in tree:
        return None
    from attn_cli.reading.answer_reader import read_answer

    return read_answer(tree["answer"], *labels, next_word, cross=cross)


def _sources(document: Document) -> Sources:
    """Return the reader of the problem's arrays, with its types and conventions."""
    tree = _keys(document)
    conventions = Conventions.of(tree)
    precision = read_precision(tree, conventions)
    columns = choice(tree.get("layout", "rows"), ("layout",), LAYOUTS) == "columns"
    allow = choice(tree.get("nonfinite", "refuse"), ("nonfinite",), ("refuse", "allow")) == "allow"
    return Sources(document, precision, conventions, columns, not allow)


def _rules(
    sources: Sources, shape: ScoresShape, extent: Extent, placed: Placed
) -> tuple[Rules, list[str]]:
    """Return the rules from scores to weights, and warnings."""
    document, tree, conventions = sources.document, sources.document.tree, sources.conventions
    schemes = read_schemes(sources, shape.heads, extent, placed)
    mask, warnings = read_mask(document, shape, sources.precision, conventions)
    adjustments = read_adjustments(sources, shape, extent, placed.token_positions, schemes, mask)
    if mask is not None and mask.hides:
        schemes = (*schemes, mask)
    normalizer, parameters = read_normalizer(sources, shape.heads)
    hides_permanently = hide_permanently(adjustments)
    if schemes and not hides_permanently and any(isinstance(s, Softcap) for s in adjustments):
        warnings += _leak(adjustments)
    rules = Rules(
        schemes=schemes,
        adjustments=adjustments,
        normalizer=normalizer,
        parameters=parameters,
        precision=sources.precision,
        top_k=read_top_k(tree),
        temperature=read_temperature(sources, shape.heads),
        empty_rows=read_empty_rows(sources, hides_permanently=hides_permanently),
        dropout=read_dropout(sources, shape),
    )
    return rules, [*warnings, *placed.warnings]


def _leak(adjustments: tuple[Adjustment, ...]) -> list[str]:
    """Return a warning if a cap makes hidden keys visible again."""
    steps = [each.step for each in adjustments]
    if steps.index("capped") < steps.index("masked"):
        return []
    return ["softcap comes after the mask: hidden keys are at -softcap then, and get some weight"]


def _keys(document: Document) -> Mapping[str, Any]:
    """Return the tree; raise AttnError if it is not that of one problem."""
    if "pairs" in document.tree:
        raise AttnError(
            "this is a dictionary, not a problem",
            path=("pairs",),
            at_key=True,
            help=either(
                "attn translate --dictionary FILE WORDS", "attn_cli.translate(words, dictionary)"
            )
            + " translates with it",
        )
    if "command" in document.tree and str(document.tree.get("format")).startswith("attn/"):
        raise AttnError(
            "this is a result in JSON, not a problem",
            path=("format",),
            at_key=True,
            help="give the problem file that it is of, or a result in NPZ"
            + either(": -o result.npz", ""),
        )
    tree = mapping(document.tree, (), KEYS)
    if "sequences" in tree:
        raise AttnError(
            "this problem has several sequences, and one is wanted here",
            path=("sequences",),
            at_key=True,
            help="replace sequences by the tokens of one: " + argument("tokens", "'not like'"),
        )
    if not tree:
        raise AttnError(
            "there is no problem",
            help="give a problem file, or "
            + either(
                "--query, --key, --value; to try one: attn samples love_coding | attn compute -",
                "query, key and value",
            ),
        )
    mapping(tree.get("train", {}), ("train",), KEYS["train"].inner)  # attn train reads the rest
    return tree


def _scale(
    sources: Sources, function: ScoreFunction, parameters: Any, made: Projections
) -> tuple[PerHead, bool]:
    """Return the scale and whether it was given; check that q and k fit if q.k is computed."""
    tree, carrier = sources.document.tree, sources.precision.accumulate.carrier
    innermost, _ = function.innermost(parameters)
    query, key = made.query, made.key
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

    def read(node: Any, path: Path) -> float:
        return narrowed(finite(node, path), path, carrier)  # it is multiplied into sums

    return read_per_head(sources, tree["scale"], ("scale",), made.heads, read), True


def _depth_path(tree: Any) -> Path:
    """Return the key that fixes d_k."""
    if "key" in tree:
        return ("key",)
    return ("weights", "key") if "key" in tree.get("weights", {}) else ("weights", "query")
