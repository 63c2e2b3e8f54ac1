"""Texts that are generated, against `attn next` word by word and against NumPy."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml

from attn_cli import compute
from tests.conftest import SAMPLES, Attn

GENERATION = SAMPLES / "generation.yaml"
LINES = (SAMPLES / "generation.txt").read_text().splitlines()


@pytest.mark.parametrize("line", LINES)
def test_the_sample_continues_each_line_that_it_learnt(line: str, attn: Attn) -> None:
    words = line.replace(".", "").split()
    ran = attn("next", GENERATION, *words[:3], "--generate", "12")
    # "In the spring" is in two lines: after it, both are right.
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.split() == words[3:]


def test_the_likeliest_word_is_that_of_attn_next(attn: Attn) -> None:
    words = ["My", "friend"]
    generated = attn("next", GENERATION, *words, "--generate", "3").out.split()
    for each in generated:
        assert attn("next", GENERATION, *words).out.strip() == each
        words.append(each)


def test_a_word_is_drawn_with_its_probability(attn: Attn) -> None:
    """The number of the generator falls into the shares of the words, the largest first."""
    temperature, top, seed = 9.0, 5, 11
    rng = np.random.default_rng(seed)
    words, expected = ["We"], []
    problem = yaml.safe_load(GENERATION.read_text())
    vocabulary = problem["next_word"]["vocabulary"]
    for _ in range(4):
        logits = compute({**problem, "tokens": words}, steps=["logits"])["logits"] / temperature
        order = sorted(range(len(logits)), key=lambda at: -logits[at])[:top]
        shares = np.exp(logits[order]) / np.exp(logits[order]).sum()
        drawn, number, total = order[-1], rng.random(), 0.0
        for at, share in zip(order, shares, strict=True):
            total += share
            if number < total:
                drawn = at
                break
        expected.append(vocabulary[drawn])
        if expected[-1] == "END":
            break
        words.append(expected[-1])
    ran = attn(
        "next", GENERATION, "We", "--generate", "4", "--sample", "9", "--sample-top", "5",
        "--seed", "11", "-f", "json",
    )  # fmt: skip
    document = json.loads(ran.out)
    assert [choice["answer"] for choice in document["choices"]] == expected
    assert document["answer"] == [word for word in expected if word != "END"]


def test_one_seed_gives_one_text_and_another_seed_another(attn: Attn) -> None:
    def text(seed: int) -> str:
        asked = ("--generate", "4", "--sample", "30", "--seed", seed)
        return attn("next", GENERATION, "I", *asked).out

    assert text(1) == text(1) != text(2)


def test_a_tiny_temperature_is_the_likeliest_word(attn: Attn) -> None:
    likeliest = attn("next", GENERATION, "I", "--generate", "3").out
    for tiny in ("1e-300", "1e-320"):  # a quotient by the second is beyond float64
        drawn = attn("next", GENERATION, "I", "--generate", "3", "--sample", tiny)
        assert (drawn.out, drawn.err) == (likeliest, ""), tiny


@pytest.mark.parametrize("chosen", [(), ("--sample", "2")])
def test_as_many_words_are_listed_as_top_says(chosen: tuple[str, ...], attn: Attn) -> None:
    asked = ("next", GENERATION, "I", "--generate", "2", "--top", "2", *chosen)
    table, document = attn(*asked).out, json.loads(attn(*asked, "-f", "json").out)
    for choice in document["choices"]:
        assert len(choice["ranking"]) == 2
        for word, _ in choice["ranking"]:
            assert f"\n  {word} " in table
