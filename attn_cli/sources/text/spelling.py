"""The words with the spelling closest to another, among millions of them."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from difflib import SequenceMatcher

CUTOFF = 0.6  # of difflib's ratio, as difflib itself has it


def most_alike(word: str, known: Iterable[str], n: int) -> list[str]:
    """Return the n known words with the spelling closest to `word`, the closest first.

    Similarity is difflib's ratio 2 M / T, for M matching letters of the T in both words, at least
    0.6, ignoring case. Of equally similar words the earlier comes first: published files begin
    with the most frequent. Only n words are held in memory.
    """
    if n < 1:
        return []
    folded = word.casefold()
    matcher = SequenceMatcher(None, "", folded, autojunk=False)
    has = set(folded).__contains__
    best: list[tuple[float, int, str]] = []
    least = CUTOFF
    for at, candidate in enumerate(known):
        text = candidate.casefold()
        total = len(folded) + len(text)
        needed = least * total / 2  # letters that must match
        # two cheap bounds on M; nine words in ten stop here
        if len(text) < needed or len(folded) < needed or sum(map(has, text)) < needed:
            continue
        matcher.set_seq1(text)
        if matcher.quick_ratio() < least or (ratio := matcher.ratio()) < least:
            continue
        if any(candidate == kept for _, _, kept in best):
            continue
        if len(best) < n:
            heapq.heappush(best, (ratio, -at, candidate))
        elif ratio > best[0][0]:
            heapq.heapreplace(best, (ratio, -at, candidate))
        if len(best) == n:
            least = best[0][0]
    return [candidate for _, _, candidate in sorted(best, reverse=True)]
