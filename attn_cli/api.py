"""The Python API: the same computations as the command line's, from arrays, mappings or files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from attn_cli.dataclass import replace
from attn_cli.engine.run import run
from attn_cli.engine.threads import one_thread_of_blas
from attn_cli.lab.report.written import written
from attn_cli.language.dictionary import Dictionary, Sentence, read_dictionary
from attn_cli.language.translation import translate as translation_of
from attn_cli.maths.problem import TILE, Problem, Request
from attn_cli.origin import origin
from attn_cli.reading.resource_limits import read_threads, read_tile
from attn_cli.reading.schema import read_document, read_problem
from attn_cli.record import Record
from attn_cli.sources.matrices.document import from_mapping
from attn_cli.sources.matrices.files import Inputs
from attn_cli.sources.text.tokens import find_token


def attention(
    query: Any,
    key: Any,
    value: Any,
    score: str | Mapping[str, Any] = "scaled",
    *,
    steps: Iterable[str] | None = None,
    query_token: str | int | None = None,
    batch: int | None = None,
    head: int | None = None,
    memory_limit: int | None = None,
    threads: int = 1,
    tile: tuple[int, int] | None = None,
    **keys: Any,
) -> Record:
    """Return the record of attention over given Q, K and V.

        context = normalize(scale * score(Q, K) + mask) V

    Q (..., n_q, d_q), K (..., n_k, d_k) and V (..., n_k, d_v) are arrays or nested lists with the
    same leading axes: none, (batch,) or (batch, heads). Every other key of a problem file is a
    keyword: scale, causal, mask, normalize, dtype, weights={"output": W_o}, tokens, ... Arithmetic
    is in float64 unless dtype says otherwise, whatever the arrays hold.

    `steps`: names of the steps to compute (default: all). `query_token`: one query, by its word or
    position. `memory_limit`: the bytes that the result may take, and that may be read from a pipe
    (default: half of the machine's memory).

    `threads`: number of tiles computed at a time, if only contexts and later steps are requested.
    With more than one, NumPy's products use one thread each until the record is finished, if
    threadpoolctl is installed; without it, set OPENBLAS_NUM_THREADS=1 before NumPy is imported.
    `tile`: number of queries and keys of a tile.

    Raises AttnError for bad input, with a message that names the key at fault.

    >>> record = attention([[1, 0]], [[1, 0], [0, 1]], [[2, 3], [5, 7]], "dot", normalize="argmax")
    >>> record["output"].tolist()
    [[2.0, 3.0]]
    """
    problem = {"query": query, "key": key, "value": value, "score": score, **keys}
    return compute(
        problem,
        steps=steps,
        query_token=query_token,
        batch=batch,
        head=head,
        memory_limit=memory_limit,
        threads=threads,
        tile=tile,
    )


def compute(
    problem: str | os.PathLike[str] | Mapping[str, Any] | Problem,
    *,
    steps: Iterable[str] | None = None,
    query_token: str | int | None = None,
    batch: int | None = None,
    head: int | None = None,
    memory_limit: int | None = None,
    threads: int = 1,
    tile: tuple[int, int] | None = None,
) -> Record:
    """Return the record of a problem: the path of a file, a mapping of its keys, or a Problem.

    The other arguments are those of `attention`. Raises AttnError for bad input, with its place.

    >>> compute({"embeddings": [[1, 0], [0, 1]], "score": "dot"})["scores"].tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    text = None
    if isinstance(problem, Mapping):
        problem = read_problem(from_mapping(problem))
    elif not isinstance(problem, Problem):
        document = read_document(os.fspath(problem), Inputs(limit=memory_limit))
        problem, text = read_problem(document), written(document)
    problem = problem.named(batch)
    request = Request(
        steps=None if steps is None else (steps,) if isinstance(steps, str) else tuple(steps),
        rows=None if query_token is None else (find_token(problem.query_tokens, query_token),),
        batch=batch,
        head=head,
        asides=True,
        answer=True,
        memory=memory_limit,
        threads=read_threads(threads),
        tile=TILE if tile is None else read_tile(tile),
    )
    with one_thread_of_blas(request.threads):
        record = run(problem, request)
    return replace(record, origin=origin(problem, request, tuple(record.steps), text))


def translate(
    words: str | Iterable[str],
    dictionary: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    method: str | None = None,
    context: bool = False,
    unknown: str = "error",
    top: int = 0,
) -> Record:
    """Return the record of a translation: every step of the look-up, and the words as `answer`.

    `words` is a text or a list of words, `dictionary` the path of a file, a mapping of its keys, or
    None for the bundled French-English one; the other arguments are the options of
    `attn translate`. Raises AttnError for an unknown word, and for bad input.

    >>> translate("le chat est sous la table").text
    'the cat is under the table'
    """
    if isinstance(dictionary, Mapping):
        loaded = Dictionary(from_mapping(dictionary))
    else:
        loaded = read_dictionary(None if dictionary is None else os.fspath(dictionary), Inputs())
    parts = loaded.words([words] if isinstance(words, str) else words)
    sentence = words if isinstance(words, str) else " ".join(parts)
    (translation,) = loaded.translations(
        [Sentence(sentence, parts)], method, context=context, unknown=unknown
    )
    return translation_of(translation, top=top)
