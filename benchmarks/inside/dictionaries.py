"""A dictionary of real size for the row on `attn translate`: pairs, vectors, words to ask for."""

from __future__ import annotations

import numpy as np

DECIMALS = 4
BLOCK = 1000  # vectors drawn at a time


def write_dictionary(folder: str, pairs: int, others: int, d: int, asked: int) -> None:
    """Write pairs.csv, vectors.npy with words.txt, vectors.vec, and asked.txt.

    The vectors of the text and of the array are the same; `others` are words that have a vector
    and no pair. A word w7 is translated as t7. `asked` words are drawn from all, one per line.
    """
    rng = np.random.default_rng(pairs)
    words = [f"w{number}" for number in range(pairs + others)]
    _write(f"{folder}/pairs.csv", [f"w{number},t{number}" for number in range(pairs)])
    _write(f"{folder}/words.txt", words)
    _write(f"{folder}/asked.txt", [words[at] for at in rng.integers(len(words), size=asked)])
    unit = 10**DECIMALS
    texts = np.array([f"{number / unit:.{DECIMALS}f}" for number in range(-unit, unit + 1)])
    vectors = np.empty((len(words), d))
    with open(f"{folder}/vectors.vec", "w", encoding="utf-8") as stream:
        stream.write(f"{len(words)} {d}\n")
        for start in range(0, len(words), BLOCK):
            drawn = rng.integers(-unit, unit + 1, size=(len(words[start : start + BLOCK]), d))
            vectors[start : start + BLOCK] = drawn / unit
            for word, row in zip(words[start:], texts[drawn + unit].tolist(), strict=False):
                stream.write(f"{word} {' '.join(row)}\n")
    np.save(f"{folder}/vectors.npy", vectors)


def _write(file: str, lines: list[str]) -> None:
    with open(file, "w", encoding="utf-8") as stream:
        stream.write("\n".join(lines) + "\n")
