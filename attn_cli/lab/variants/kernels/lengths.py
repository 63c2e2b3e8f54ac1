"""Lengths, pages of a cache, padding on the left, and packed sequences."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import log

import numpy as np

from attn_cli.arrays import Integers
from attn_cli.lab.variants.kernels.making import at_positions, in_tree, kernel, kernel_of_keys
from attn_cli.lab.variants.variant import Base, Changes, Variant
from attn_cli.lab.variants.visibility import found, with_each
from attn_cli.maths.problem import Problem
from attn_cli.maths.visible.document import Documents
from attn_cli.maths.visible.length import KeyLengths
from attn_cli.maths.visible.start import KeyStart

Lengths = tuple[int, ...]
Other = Callable[[Lengths, int], Lengths]  # of the lengths and n_k
PAGES = (16, 32, 64, 128)  # tokens in a page of a cache, or keys in a tile


def _more(lengths: Lengths, n_k: int, *, by: int) -> Lengths:
    return tuple(min(max(n + by, 0), n_k) for n in lengths)


def _whole_pages(lengths: Lengths, n_k: int, *, page: int) -> Lengths:
    return tuple(min(-(-n // page) * page, n_k) for n in lengths)


def _of_first(lengths: Lengths, _: int) -> Lengths:
    return lengths[:1] * len(lengths)


def _of_next(lengths: Lengths, _: int) -> Lengths:
    return (*lengths[1:], lengths[0])


def _longest(lengths: Lengths, _: int) -> Lengths:
    return (max(lengths),) * len(lengths)


def _with_lengths(other: Other, base: Base) -> Problem | None:
    scheme = found(base.problem, KeyLengths)
    if scheme is None:
        return None
    lengths = other(scheme.lengths, base.problem.n_k)
    if lengths == scheme.lengths:
        return None
    changed = KeyLengths(lengths)
    return with_each(base.problem, lambda each: changed if each is scheme else each)


def _keys(other: Other, base: Base) -> Changes | None:
    """Return the lengths as a key, if no positions depend on them."""
    problem = _with_lengths(other, base)
    ordered = any(each.reason in {"causal", "window"} for each in base.problem.rules.schemes)
    if problem is None or ordered or at_positions(base):
        return None
    lengths = found(problem, KeyLengths)
    assert lengths is not None  # it has other ones
    return {"key_lengths": list(lengths.lengths)}


def _from_the_left(base: Base) -> Problem | None:
    """Return the problem that takes the last keys of each batch entry, not the first."""
    scheme, n_k = found(base.problem, KeyLengths), base.problem.n_k
    if scheme is None or all(n == n_k for n in scheme.lengths):
        return None
    starts = KeyStart(tuple(n_k - n for n in scheme.lengths))
    return with_each(base.problem, lambda each: starts if each is scheme else each)


def _no_start(base: Base) -> Problem | None:
    return with_each(base.problem, lambda each: None if isinstance(each, KeyStart) else each)


def _zeros(page: int, base: Base) -> Changes | None:
    """Return sinks of ln(m), for the m keys of 0 that fill the last page: exp(0) m."""
    missing = -base.problem.n_k % page
    if not missing or base.problem.rules.normalizer.name != "softmax":
        return None
    if base.problem.heads is None and base.problem.batch:
        return None
    logits = [log(missing)] * (base.problem.heads or 1)
    return {"normalize": {"function": "sink_logits", "logits": logits}}


def _documents_moved(by: int, base: Base) -> Problem | None:
    """Return the problem whose documents begin some tokens later, positions as they are."""
    documents = found(base.problem, Documents)
    if documents is None:
        return None
    query, key = (_rolled(ids, by) for ids in (documents.query_ids, documents.key_ids))
    changed = Documents(query, key)
    return with_each(base.problem, lambda each: changed if each is documents else each)


def _rolled(ids: Integers, by: int) -> Integers:
    """Return ids moved on; those at the end that become free keep theirs."""
    moved = np.roll(ids, by, axis=1)
    kept = slice(0, by) if by > 0 else slice(by, None)
    moved[:, kept] = ids[:, kept]
    return moved


def _no_documents(base: Base) -> Problem | None:
    return with_each(base.problem, lambda each: None if isinstance(each, Documents) else each)


def _no_key(base: Base) -> Changes | None:
    return {"documents": None} if in_tree(base, "documents") is not None else None


def _row(name: str, sentence: str, other: Other, *sources: str) -> Variant:
    change, keys = partial(_with_lengths, other), partial(_keys, other)
    return kernel(name, sentence, change, *sources, needs="key_lengths", keys=keys)


LENGTHS = (
    _row(
        "lengths-one-more", "each batch entry had one key more than its length",
        partial(_more, by=1),
    ),
    _row(
        "lengths-one-less", "each batch entry had one key less than its length",
        partial(_more, by=-1),
    ),
    _row("lengths-of-first", "all batch entries had the length of the first", _of_first),
    _row("lengths-of-next", "each batch entry had the length of the next one", _of_next),
    _row("lengths-of-longest", "all batch entries had the length of the longest", _longest),
    *(
        _row(
            f"lengths-to-page-of-{page}",
            f"keys were read up to the end of the last page of {page}, beyond the length",
            partial(_whole_pages, page=page),
            "hw-native-sys/simpler#72", "vllm-project/vllm#47305",
        )
        for page in PAGES
    ),
    kernel(
        "lengths-from-the-left",
        "padding was taken to be on the left: each batch entry had its last keys",
        _from_the_left,
        needs="key_lengths",
    ),
    kernel(
        "no-start",
        "padding on the left was seen",
        _no_start,
        needs="key_start",
    ),
    *(
        kernel_of_keys(
            f"zeros-to-page-of-{page}",
            f"keys of zeros, up to the end of the last page of {page}, were counted in the sum",
            partial(_zeros, page),
            "hw-native-sys/simpler#72", "openvinotoolkit/openvino#28681",
            needs=f"softmax, and n_k that is not a multiple of {page}",
        )
        for page in PAGES
    ),
    kernel(
        "documents-joined",
        "packed lengths were ignored: queries saw the keys of other documents",
        _no_documents,
        "Dao-AILab/flash-attention, varlen",
        needs="documents",
    ),
    kernel_of_keys(
        "no-documents",
        "packed lengths were ignored, and positions counted on from one document to the next",
        _no_key,
        needs="documents",
    ),
    kernel(
        "documents-one-later",
        "each document but the first began one token later",
        partial(_documents_moved, 1),
        needs="documents",
    ),
    kernel(
        "documents-one-earlier",
        "each document but the first began one token earlier",
        partial(_documents_moved, -1),
        needs="documents",
    ),
)  # fmt: skip
