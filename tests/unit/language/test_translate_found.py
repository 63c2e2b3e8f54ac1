"""What breaking `attn translate` found, and slips that went unseen."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from attn_cli import AttnError, translate
from tests.conftest import Attn
from tests.unit.language.test_translate import FRENCH


def test_what_overflows_is_said() -> None:
    vectors = {"a": [1, 0], "b": [0, 1]}
    large = {"x": [1e200, 0], "y": [0, 1e200]}
    dictionary = {"pairs": {"a": "x", "b": "y"}, "embeddings": vectors, "target_embeddings": large}
    record = translate("a", dictionary, method="embeddings")
    assert record.warnings == (
        "target_scores is not finite: float64 overflows there",
        "what fits 'a' cannot be told: its scores are not finite",
    )
    wild = {"a": [1e200, 0], "b": [0, 1e200]}
    record = translate("a", {"pairs": {"a": "x", "b": "y"}, "embeddings": wild})
    assert any("is not finite" in warning for warning in record.warnings)


def test_words_in_two_unicode_forms() -> None:
    twice = {"pairs": {"\u00e9": "x", "e\u0301": "y"}}
    with pytest.raises(AttnError, match="stands twice, in two Unicode forms"):
        translate("x", twice)
    with pytest.raises(AttnError, match="stands twice in embeddings, in two Unicode forms"):
        translate(
            "a", {"pairs": {"a": "x"}, "embeddings": {"a": [1], "\u00e9": [1], "e\u0301": [2]}}
        )
    assert translate("e\u0301", {"pairs": {"\u00e9": "x"}}).text == "x"


def test_entries_of_several_words() -> None:
    pairs = {"pomme de terre": "potato", "pomme": "apple"}
    assert translate(["Pomme de terre"], {"pairs": pairs, "lower": True}).text == "potato"
    vectors = {"pomme de terre": [3, 0], "pomme": [0, 3], "pommes de terre": [2, 0]}
    assert translate(["pommes de terre"], {"pairs": pairs, "embeddings": vectors}).text == "potato"


def test_a_kept_word_before_a_known_one_and_hardly_better_by_share() -> None:
    vectors = {"a": [0.1, 0], "b": [0, 0.1], "close": [100, 99]}
    dictionary = {"pairs": {"a": "x", "b": "y"}, "embeddings": vectors}
    record = translate("zzz a", dictionary, unknown="keep")
    assert [(c.asked, c.answer) for c in record.choices] == [("zzz", "zzz"), ("a", "x")]
    targets = {"x": [100, 0], "y": [0, 99]}
    eye = {"a": [1, 0], "b": [0, 1], "both": [1, 1]}
    made = translate(
        "both", {"pairs": {"a": "x", "b": "y"}, "embeddings": eye, "target_embeddings": targets}
    )
    # 5000 to 4900.5: a margin of 99.5, and yet less than a twentieth.
    assert made.warnings == ("'x' fits 'both' hardly better than 'y': 5000 to 4900",)


def test_context_of_several_heads_and_its_warnings() -> None:
    vectors = {"a": [3, 0, 1, 0], "b": [0, 3, 0, 1]}
    dictionary = {
        "pairs": {"a": "x", "b": "y"},
        "embeddings": vectors,
        "context": {"heads": 2, "mask": [[-math.inf, -math.inf], [0, 0]], "feed_forward": {
            "W1": np.eye(4), "W2": np.eye(4),
        }},
    }  # fmt: skip
    record = translate("a b", dictionary, context=True)
    weights = record.steps["sentence.weights"].values
    for at, choice in enumerate(record.choices):
        heed = [weight for _, weight in choice.attention]
        np.testing.assert_allclose(heed, weights.mean(axis=0)[at], rtol=1e-14)
    assert any(warning.startswith("head 0, query 0 ('a')") for warning in record.warnings)
    assert {"sentence.concat", "sentence.output", "sentence.hidden"} <= record.steps.keys()


def test_a_gated_score_shows_its_gate() -> None:
    dictionary = {
        "pairs": {"a": "x", "b": "y"},
        "embeddings": {"a": [3, 0], "b": [0, 3]},
        "score": {"function": "gated", "W_g": [[1, 0, 0, 1]]},
    }
    record = translate("a", dictionary)
    np.testing.assert_allclose(record["scores"], record["gate"] * record["products"], rtol=1e-14)


def test_the_place_of_an_unknown_word_in_a_pipe(attn: Attn) -> None:
    ran = attn("translate", "-", stdin="le chat\n\nfoo\n")
    assert ran.status == 2
    assert ran.err.splitlines()[1] == "  --> standard input:3"


def test_a_word_whose_line_is_malformed(tmp_path: Path, attn: Attn) -> None:
    path = tmp_path / "g.txt"
    vectors = {word: FRENCH["embeddings"][word] for word in FRENCH["pairs"]}
    lines = [f"{word} {' '.join(map(str, row))}\n" for word, row in vectors.items()]
    path.write_text("".join(lines) + "bad 1 x 3 0 0 0\n")
    ran = attn("translate", "bad", "--embeddings", path)
    assert ran.status == 2
    assert "has a malformed line only, line 7: field 3 must be a number, not 'x'" in ran.err
    assert "like it: bad" not in ran.err


def test_no_known_word_and_a_step_that_is_asked_for(attn: Attn) -> None:
    shown = attn("translate", "foo", "--unknown", "keep", "--show", "weights")
    assert (shown.status, shown.err) == (0, "warning: 'foo' is unknown, and kept as it is\n")
    ran = attn("translate", "foo", "--unknown", "skip", "--only", "weights", "-f", "csv")
    assert ran.status == 2
    assert ran.err.startswith("error: there is nothing to write as csv: no word is known\n")
