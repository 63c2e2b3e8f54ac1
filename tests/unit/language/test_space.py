"""The vectors of a dictionary: those of targets in a file, and one-hot ones that are too many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from attn_cli import AttnError, translate
from attn_cli.language import space


def test_the_vectors_of_targets_are_read_from_a_file(tmp_path: Path) -> None:
    """Of the file the targets are read, which no sentence names."""
    (tmp_path / "t.txt").write_text("x 1 0 2\nunused 9 9 9\ny 0 3 1\n")
    dictionary = {
        "pairs": {"a": "x", "b": "y"},
        "embeddings": {"a": [3.0, 0.0], "b": [0.0, 3.0]},
        "target_embeddings": str(tmp_path / "t.txt"),
    }
    record = translate("a", dictionary)
    np.testing.assert_array_equal(record["v"], [[1, 0, 2], [0, 3, 1]])


def test_too_many_one_hot_targets_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys have vectors; a step of targets would be a matrix of n x n."""
    words = [f"w{at}" for at in range(40)]
    dictionary = {
        "pairs": {word: f"t{word}" for word in words},
        "embeddings": {word: [float(at), 1.0] for at, word in enumerate(words)},
    }
    monkeypatch.setattr(space, "half_of_the_machine", lambda: 40 * 40 * 8 - 1)
    with pytest.raises(AttnError, match=r"^one-hot vectors of 40 words would take 12.5 KiB"):
        translate("w3", dictionary)
    monkeypatch.setattr(space, "half_of_the_machine", lambda: 40 * 40 * 8)
    assert translate("w3", dictionary).answer == ["tw39"]  # unscaled: the longest vector wins
