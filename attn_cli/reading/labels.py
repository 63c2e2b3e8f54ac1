"""The labels of queries and keys: words if there are any, else numbers."""

from __future__ import annotations

from attn_cli.errors import AttnError, Path, dotted, either
from attn_cli.reading.projections import Projections
from attn_cli.reading.sources import Sources
from attn_cli.record import Labels, Numbered
from attn_cli.sources.matrices.token_files import Entries

Pair = tuple[Labels, Labels]  # of queries and of keys


def read_labels(sources: Sources, n_q: int, made: Projections) -> tuple[Pair, tuple[Pair, ...]]:
    """Return the labels of the problem, and those of each batch entry if they differ.

    If they differ, the labels of the problem are numbers.
    """
    tokens, keys = sources.token_entries, sources.key_entries
    batch = made.batch[0] if made.batch else 1
    for name, entries in (("tokens", tokens), ("key_tokens", keys)):
        if len(entries) > 1 and len(entries) != batch:
            raise AttnError(
                f"{name} has {len(entries)} lists, one per batch entry, but there "
                f"{'is 1 batch entry' if batch == 1 else f'are {batch} batch entries'}",
                path=(name,),
                help="write one list per batch entry, or one for all of them",
            )
    if max(len(tokens), len(keys)) <= 1:
        return _pair(sources, n_q, made, 0), ()
    pairs = tuple(_pair(sources, n_q, made, at) for at in range(batch))
    if len(set(tokens)) <= 1 and len(set(keys)) <= 1:
        return pairs[0], ()
    return (Numbered(range(n_q)), Numbered(range(made.n_k))), pairs


def labels_of_embeddings(pair: Pair, *, of_keys: bool, past: int) -> Labels:
    """Return the labels of the rows of the embeddings, which are of the queries or of the keys.

    Of the keys, those of the past are not among them.
    """
    queries, keys = pair
    if not of_keys:
        return queries
    return Numbered(range(len(keys) - past)) if isinstance(keys, Numbered) else keys[past:]


def _entry(entries: Entries, name: str, at: int) -> tuple[tuple[str, ...] | None, Path]:
    """Return the words of a batch entry, and the path that they were read from."""
    if not entries:
        return None, (name,)
    return (entries[at], (name, at)) if len(entries) > 1 else (entries[0], (name,))


def _pair(sources: Sources, n_q: int, made: Projections, at: int) -> Pair:
    """Return the labels of queries and keys of a batch entry.

    `tokens` label the rows of embeddings if there are any, else the queries. In self-attention,
    and if there are as many keys as queries, they label both, unless `key_tokens` label the keys.
    Keys of the past have no words.
    """
    tree, n_k, X = sources.document.tree, made.value.count, made.embedded.X
    tokens, of_tokens = _entry(sources.token_entries, "tokens", at)
    words, of_words = _entry(sources.key_entries, "key_tokens", at)
    of_keys = X is not None and "query" in tree  # embeddings became keys and values
    rows = n_k if of_keys else n_q
    if tokens is not None and len(tokens) != rows:
        has = f"embeddings have {_rows(rows)}"
        if X is None:
            has = f"there are {_rows(rows)} of queries"
        raise _count(sources, of_tokens, len(tokens), has)
    if words is not None and "tokens" in sources.memory:
        raise AttnError(
            "there are both key_tokens and memory.tokens",
            path=("key_tokens",),
            at_key=True,
            help="both name the keys: keep one of the two",
        )
    if words is not None and len(words) != n_k:
        raise _count(sources, of_words, len(words), f"there are {_rows(n_k)} of keys")
    if sources.memory_tokens is not None:
        words = sources.memory_tokens
        if len(words) != n_k:
            raise _count(sources, ("memory", "tokens"), len(words), f"memory has {_rows(n_k)}")
    if words is None and (of_keys or (n_q == n_k and "memory" not in tree)):
        words = tokens
    of_queries = tokens if tokens is not None and not of_keys else Numbered(range(n_q))
    if words is not None and made.past is not None:
        words = (*(f"past {at}" for at in range(made.past.length)), *words)
    return of_queries, words or Numbered(range(made.n_k))


def _rows(count: int) -> str:
    return f"{count} {'row' if count == 1 else 'rows'}"


def _count(sources: Sources, path: Path, words: int, has: str) -> AttnError:
    """Return the error for different numbers of words and rows; explain how a text is split."""
    node = sources.document.tree.get(str(path[0]))
    advice = f"{dotted(path)} needs one word per row"
    if isinstance(node, str):
        name = "key-tokens" if path == ("key_tokens",) else "tokens"
        advice = (
            "a text is split into words at blanks and punctuation, which is left out: '[CLS] a.' "
            f"is 'CLS' and 'a'. Give a list, {path[0]}: [\"[CLS]\", a, .], or a file with one "
            "token per line: " + either(f"--{name}-file FILE", f"{path[0]}: {{file: FILE}}")
        )
    return AttnError(
        f"{dotted(path)} has {words} {'word' if words == 1 else 'words'}, but {has}",
        path=path,
        help=advice,
    )
