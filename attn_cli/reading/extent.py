"""The numbers of queries and keys, and the keys of each batch entry that are not padding."""

from __future__ import annotations

from typing import Any

from attn_cli.dataclass import dataclass
from attn_cli.errors import AttnError, Path, dotted
from attn_cli.maths.ranges import Range
from attn_cli.reading.whole_numbers import per_entry
from attn_cli.sources.matrices.document import Document


@dataclass(frozen=True)
class Extent:
    """The numbers that positions follow from."""

    n_q: int
    n_k: int  # the past included
    batch: int | None  # entries; None if there is no such axis
    past: int | None  # keys in the cache; None if there is none
    key_lengths: tuple[int, ...] | None  # one per batch entry
    key_start: tuple[int, ...] | None  # one per batch entry

    @property
    def entries(self) -> int:
        """The number of batch entries."""
        return self.batch or 1

    @property
    def counted(self) -> str:
        """The number of batch entries, for messages."""
        n = self.entries
        return "is 1 batch entry" if n == 1 else f"are {n} batch entries"

    @property
    def starts(self) -> tuple[int, ...]:
        """The first key of each batch entry that is not padding."""
        return self.key_start or (0,) * self.entries

    @property
    def stops(self) -> tuple[int, ...]:
        """The end of the keys of each batch entry that are not padding."""
        return self.key_lengths or (self.n_k,) * self.entries

    @property
    def there(self) -> tuple[Range, ...]:
        """The keys of each batch entry that are not padding."""
        return tuple(zip(self.starts, self.stops, strict=True))

    def offsets(self, alignment: str) -> tuple[int, ...]:
        """Return the offsets of an alignment: top-left, bottom-right, or end.

        bottom-right puts the last query at the last key before the padding, end at the last of all.
        """
        if alignment == "top-left":
            return (0,) * self.entries
        stops = (self.n_k,) * self.entries if alignment == "end" else self.stops
        return tuple(stop - self.n_q for stop in stops)

    @property
    def plain(self) -> bool:
        """Whether all alignments are the same without documents."""
        return self.n_q == self.n_k and self.key_lengths is None


def read_extent(
    document: Document, n_q: int, n_k: int, batch: int | None, past: int | None
) -> Extent:
    """Return the numbers of queries and keys, with `key_lengths` and `key_start` read.

    Raises AttnError, with its place, for a length or start that the keys do not have.
    """
    entries = batch or 1
    lengths = _counts(document, "key_lengths", n_k, entries, _LENGTHS)
    starts = _counts(document, "key_start", n_k, entries, _STARTS)
    if starts is not None and past is not None:
        raise AttnError(
            "key_start and past exclude each other: the keys of a past come before the new ones",
            path=("key_start",),
            at_key=True,
            help="leave out past, and give all keys as key and value",
        )
    for entry, (start, stop) in enumerate(zip(starts or (), lengths or (), strict=False)):
        if start > stop:
            raise AttnError(
                f"key_start is {start}, but key_lengths is {stop}"
                + (f" in batch entry {entry}" if batch else ""),
                path=("key_start",),
                help="both count from key 0: the keys that are not padding are key_start to "
                "key_lengths - 1",
            )
    return Extent(n_q, n_k, batch, past, lengths, starts)


_LENGTHS = "a length is the number of keys before the padding, including the past"
_STARTS = "key_start is the number of the first key that is not padding"


def _counts(
    document: Document, key: str, n_k: int, entries: int, help: str
) -> tuple[int, ...] | None:
    """Return a number of keys per batch entry, 0 .. n_k; None if the problem has no such key."""
    path: Path = (key,)
    if key not in document.tree:
        return None
    node: Any = document.tree[key]
    counts, listed = per_entry(document, node, path, entries, 0)
    for at, count in enumerate(counts):
        if count > n_k:
            place = (*path, at) if listed else path
            raise AttnError(
                f"{dotted(place)} is {count}, but there are {n_k} keys", path=place, help=help
            )
    return counts
