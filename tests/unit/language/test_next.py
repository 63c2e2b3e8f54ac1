"""`attn next`: the word in a pipe, steps and rivals on a terminal, phrases side by side."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from attn_cli import compute
from tests.conformance.oracle.plain import project
from tests.conformance.oracle.single import next_word, single
from tests.conftest import SAMPLES, Attn, in_process, on_terminal

FILE = SAMPLES / "not_like.yaml"
MODEL = yaml.safe_load(FILE.read_text())
ANSWERS = {"not like": "hate", "not hate": "like", "do like": "like", "do hate": "hate"}


def by_loop(phrase: str) -> dict[str, Any]:
    """The model of the sample in plain Python."""
    X = [MODEL["embeddings"][word] for word in phrase.split()]
    Q, K, V = (project(X, MODEL["weights"][name]) for name in ("query", "key", "value"))
    made: dict[str, Any] = single(Q, K, V, "scaled")
    return {**made, "v": V, **next_word(made["context"], MODEL["next_word"]["weights"])}


@pytest.mark.parametrize("phrase", ANSWERS)
def test_a_pipe_gets_the_word(phrase: str, attn: Attn) -> None:
    assert attn("next", FILE, *phrase.split()) == (0, f"{ANSWERS[phrase]}\n", "")
    assert attn("next", FILE, phrase) == (0, f"{ANSWERS[phrase]}\n", "")
    columns = SAMPLES / "not_like_columns.yaml"
    assert attn("next", columns, phrase).out == f"{ANSWERS[phrase]}\n"
    likely = by_loop(phrase)["probabilities"]
    assert MODEL["next_word"]["vocabulary"][likely.index(max(likely))] == ANSWERS[phrase]


def test_the_document(attn: Attn) -> None:
    ran = attn("next", FILE, "not like", "--format", "json")
    document, expected = json.loads(ran.out), by_loop("not like")
    assert document["answer"] == document["text"] == "hate"
    for name in ("weights", "probabilities"):
        np.testing.assert_allclose(document["steps"][name]["values"], expected[name], rtol=1e-11)
    words = MODEL["next_word"]["vocabulary"]
    likely = dict(zip(words, expected["probabilities"], strict=True))
    (choice,) = document["choices"]
    assert [word for word, _ in choice["ranking"]] == sorted(words, key=lambda w: -likely[w])
    assert choice["value"] == pytest.approx(likely["hate"], rel=1e-11)


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        (("--documents", "[0, 1]"), [[0], [1]]),
        (("--documents", "{query: [1, 1], key: [0, 1]}"), [[1], [1]]),
        (("--documents", "{cu_seqlens_q: [0, 1, 2], cu_seqlens_k: [0, 1, 2]}"), [[0], [1]]),
        (("--documents", "{cu_seqlens_q: [0, 1, 2], cu_seqlens_k: [0, 0, 2]}"), [[], [0, 1]]),
        (("--key-start", "1"), [[1], [1]]),
        (("--key-start", "1", "--causal"), [[], [1]]),
    ],
)
def test_what_documents_and_key_start_hide(
    options: tuple[str, ...], seen: list[list[int]], attn: Attn
) -> None:
    """Each word sees these words; the softmax is over the scores of those alone."""
    ran = attn("next", FILE, "not like", *options, "--format", "json")
    assert ran.status == 0, ran.err
    loop = by_loop("not like")
    weights = []
    for row, keys in zip(loop["scores"], seen, strict=True):
        e = [math.exp(s) if j in keys else 0.0 for j, s in enumerate(row)]
        weights.append([x / sum(e) if keys else 0.0 for x in e])
    context = [project([w], loop["v"])[0] for w in weights]
    expected = next_word(context, MODEL["next_word"]["weights"])["probabilities"]
    steps = json.loads(ran.out)["steps"]
    np.testing.assert_allclose(steps["weights"]["values"], weights, rtol=1e-11)
    np.testing.assert_allclose(steps["probabilities"]["values"], expected, rtol=1e-11)


def test_words_of_the_file_itself(attn: Attn) -> None:
    assert attn("next", SAMPLES / "dog_sentence.yaml").out == "happy\n"
    assert attn("next", FILE).out == "hate\n"


def test_a_sequence_a_line(attn: Attn) -> None:
    ran = in_process("next", str(FILE), "-", stdin=b"not like\n\n do  hate \n")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"hate\nhate\n", b"")
    lines = attn("next", FILE, "-", "--format", "json", stdin="not like\nnot hate\n").out
    made = [json.loads(line) for line in lines.splitlines()]
    assert [(each["title"], each["answer"]) for each in made] == [
        ("not like", "hate"),
        ("not hate", "like"),
    ]


def test_a_terminal_shows_the_weights_and_a_bar_list_and_says_what_else_there_is() -> None:
    command = ("next", str(FILE), "not", "like", "--top", "2")
    ran = on_terminal(*command, env={"NO_COLOR": "1"})
    lines = ran.out.splitlines()
    assert ran.err == "note: --show all shows every table, --show embeddings,q,k some of them\n"
    everything = on_terminal(*command, "--show", "all", env={"NO_COLOR": "1"})
    assert everything.err == ""
    titles = [line.partition(" ")[0] for line in everything.out.splitlines() if ": " in line]
    assert titles == [
        "embeddings:", "q:", "k:", "v:", "products", "scores", "weights", "context", "output",
        "pooled", "logits", "probabilities",
    ]  # fmt: skip
    likely = dict(
        zip(MODEL["next_word"]["vocabulary"], by_loop("not like")["probabilities"], strict=True)
    )
    second = max(p for word, p in likely.items() if word != "hate")
    best = likely["hate"]
    assert lines[-3:] == [
        f"not like -> hate   {best:.4f}, {best - second:.4f} above 'like'",
        f"  hate   {best:.4f}  {'█' * round(20 * best)}",
        f"  like   {second:.4f}",
    ]
    assert [line.partition(" ")[0] for line in lines if " x " in line] == ["weights"]


def test_phrases_side_by_side(attn: Attn) -> None:
    phrases = ["not like", "not hate"]
    ran = attn("next", FILE, "--compare", *phrases)
    lines = ran.out.splitlines()
    loops = [by_loop(phrase) for phrase in phrases]
    assert [part.strip() for part in lines[0].split("   ") if part.strip()] == phrases
    assert lines[2].split() == ["not", "like", "not", "hate"]
    assert lines[3].split() == ["weights", "weights"]
    for at, row in enumerate(lines[4:6]):
        expected = [f"{w:.4f}" for loop in loops for w in loop["weights"][at]]
        assert [part for part in row.split() if part[0].isdigit()] == expected
    assert lines[6].split() == ["values", "values"]
    for d, row in enumerate(lines[7:10]):
        expected = [
            part for loop in loops for part in (str(d), *(f"{v[d]:.4f}" for v in loop["v"]))
        ]
        assert row.split() == expected
    # The value column of `not` is the same in both, its weights are not.
    assert [row.split()[1] for row in lines[7:10]] == [row.split()[4] for row in lines[7:10]]
    assert lines[4].split()[1] != lines[4].split()[4]


def test_phrases_are_documents_in_json(attn: Attn) -> None:
    ran = attn("next", FILE, "--compare", "not like", "do like", "--format", "json")
    assert [json.loads(line)["answer"] for line in ran.out.splitlines()] == ["hate", "like"]


def test_phrases_of_several_heads_need_one(attn: Attn) -> None:
    heads = ("--set", "heads=1")
    ran = attn("next", FILE, "--compare", "not like", *heads)
    assert ran.status == 2
    assert ran.err.startswith("error: phrases are compared by their weights and values")
    one = attn("next", FILE, "--compare", "not like", *heads, "--head", 0)
    assert one.out == attn("next", FILE, "--compare", "not like").out


def test_a_wide_phrase_comes_in_parts() -> None:
    sentence = "When he saw his owner, the dog was ___, so he wagged his tail"
    ran = on_terminal(
        "next", "samples/dog_sentence.yaml", "--compare", sentence, "the ___", columns=70
    )
    assert ran.status == 0
    assert max(map(len, ran.out.splitlines())) <= 70
    # A label of 7 and columns of 10 cells: six tokens beside each other, 14 in three parts.
    assert sum(line.startswith("weights") for line in ran.out.splitlines()) == 3 + 1


def test_an_answer_of_nothing_finite_is_doubted(attn: Attn) -> None:
    ran = attn("next", FILE, "not like", "--scale", "1e308")
    assert "warning: the word after 'not like' is unknown" in ran.err


def test_sequences_of_the_file_are_compared(tmp_path: Path, attn: Attn) -> None:
    path = tmp_path / "s.yaml"
    text = FILE.read_text().replace("tokens: [not, like]", "sequences: [not like, do like]")
    path.write_text(text)
    assert (
        attn("next", path, "--compare").out
        == attn("next", FILE, "--compare", "not like", "do like").out
    )


def test_a_word_to_pool_moves_with_the_sentence() -> None:
    model = yaml.safe_load((SAMPLES / "dog_sentence.yaml").read_text())
    examples = model.pop("train")["examples"]
    for text, follows in examples:
        record = compute({**model, "tokens": text})
        assert record.answer == follows
        row = list(record.query_tokens).index("___")
        np.testing.assert_array_equal(record["pooled"], record["output"][row])
        assert math.isclose(record["probabilities"].sum(), 1.0)


@pytest.mark.regression("attn next showed weights of hidden keys as 0")
def test_hidden_keys_are_marked_as_in_compute(attn: Attn) -> None:
    shown = attn("next", SAMPLES / "generation.yaml", "--show", "weights").out
    computed = attn("compute", SAMPLES / "generation.yaml", "--show", "weights").out
    table = computed[: computed.index("(. hidden by: causal)")]
    assert shown.startswith(table)
    assert table.count(" .") == 15
