"""`attn translate`: the three methods, words beside keys, contexts, unknown words, streams."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from attn_cli import AttnError, translate
from attn_cli.language.dictionary import Dictionary, Sentence
from attn_cli.language.planned import planned
from attn_cli.language.translation import joined
from attn_cli.language.translation import translate as translate_one
from attn_cli.sources.matrices.document import from_mapping
from tests.conformance.oracle.plain import dot
from tests.conformance.oracle.single import single
from tests.conftest import SAMPLES, Attn, in_process, on_terminal

FRENCH = yaml.safe_load((SAMPLES / "french_english.yaml").read_text())
TENNIS = yaml.safe_load((SAMPLES / "tennis.yaml").read_text())


def by_loop(dictionary: dict[str, Any], words: list[str], **more: Any) -> dict[str, Any]:
    """The look-up in plain Python: softmax(Q K^T) V, then h V^T over one-hot targets."""
    vectors = dictionary["embeddings"]
    Q = more.pop("Q", [vectors[word] for word in words])
    K = [vectors[source] for source in dictionary["pairs"]]
    targets = list(dictionary["pairs"].values())
    distinct = list(dict.fromkeys(targets))
    V = [[float(target == each) for each in distinct] for target in targets]
    made: dict[str, Any] = single(Q, K, V, more.pop("score", "dot"), **more)
    made["target_scores"] = [[dot(h, v) for v in V] for h in made["context"]]
    best = [row.index(max(row)) for row in made["target_scores"]]
    return {**made, "answer": [targets[at] for at in best]}


def document(attn: Attn, *arguments: object) -> Any:
    ran = attn("translate", *arguments, "--format", "json")
    assert (ran.status, ran.err) == (0, "")
    return json.loads(ran.out)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["ci-dessous"], "under"),
        (["le", "chat", "est", "sous", "la", "table"], "the cat is under the table"),
        (["le chat est sous la table"], "the cat is under the table"),
        (["les", "chats", "sont", "dessous"], "the cat is under"),
        (["--method", "one-hot", "la", "table"], "the table"),
        (["--method", "embeddings", "tables"], "table"),
    ],
)
def test_a_pipe_gets_the_line_alone(words: list[str], line: str, attn: Attn) -> None:
    assert attn("translate", *words) == (0, f"{line}\n", "")


@pytest.mark.parametrize("sentence", ["ci-dessous", "le chat est sous la table", "chatte sont"])
def test_every_step_is_the_loop(sentence: str, attn: Attn) -> None:
    words = sentence.split()
    made, expected = document(attn, *words), by_loop(FRENCH, words)
    for name in ("scores", "weights", "context", "target_scores"):
        np.testing.assert_allclose(made["steps"][name]["values"], expected[name], rtol=1e-12)
    assert made["answer"] == expected["answer"]
    assert list(made["steps"]) == [
        "q", "k", "k_transposed", "v", "scores", "weights", "context", "target_scores",
    ]  # fmt: skip
    K = np.array([FRENCH["embeddings"][source] for source in FRENCH["pairs"]])
    np.testing.assert_array_equal(made["steps"]["k_transposed"]["values"], K.T)
    assert [choice["asked"] for choice in made["choices"]] == words
    for choice, row in zip(made["choices"], expected["target_scores"], strict=True):
        others = [
            fit
            for fit, target in zip(row, FRENCH["pairs"].values(), strict=True)
            if target != choice["answer"]
        ]
        assert choice["margin"] == pytest.approx(max(row) - max(others), rel=1e-12)


def test_one_hot_is_a_product_of_three_matrices(attn: Attn) -> None:
    made = document(attn, "--method", "one-hot", "la", "chat")
    np.testing.assert_array_equal(
        made["steps"]["q"]["values"], [[0, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, 0]]
    )
    np.testing.assert_array_equal(
        made["steps"]["context"]["values"], [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0]]
    )
    np.testing.assert_array_equal(
        made["steps"]["weights"]["values"], made["steps"]["scores"]["values"]
    )


def test_the_largest_taken(attn: Attn) -> None:
    made = document(attn, "--method", "embeddings", "chats")
    assert made["steps"]["weights"]["values"] == [[0, 1, 0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        (["--score", "scaled"], {"scale": 1 / math.sqrt(6)}),
        (["--scale", "0.25"], {"scale": 0.25}),
    ],
)
def test_another_score(option: list[str], expected: dict[str, float], attn: Attn) -> None:
    made = document(attn, "chats", *option)
    loop = by_loop(FRENCH, ["chats"], **expected)
    np.testing.assert_allclose(made["steps"]["weights"]["values"], loop["weights"], rtol=1e-12)


def test_a_gaussian_score(attn: Attn) -> None:
    assert (
        attn("translate", "--score", "{function: gaussian, sigma: 1}", "dessous").out == "under\n"
    )


CONTEXT = {
    "I love tennis": ("Je aime tennis", "J'aime le tennis"),
    "I play tennis": ("Je joue tennis", "Je joue au tennis"),
    "tennis love I": ("tennis aime Je", "le tennis aime J'"),
    "tennis": ("tennis", "tennis"),
}


@pytest.mark.parametrize("sentence", CONTEXT)
def test_with_and_without_context(sentence: str, attn: Attn) -> None:
    dictionary = ("--dictionary", SAMPLES / "tennis.yaml")
    alone, in_context = CONTEXT[sentence]
    assert attn("translate", *dictionary, sentence).out == f"{alone}\n"
    assert attn("translate", *dictionary, "--context", sentence).out == f"{in_context}\n"
    words = sentence.split()
    X = [TENNIS["embeddings"][word] for word in words]
    inner = single(X, X, X, {"function": "multiplicative", "W": TENNIS["context"]["score"]["W"]})
    expected = by_loop(TENNIS, words, Q=inner["context"])
    made = document(attn, *dictionary, "--context", sentence)
    np.testing.assert_allclose(
        made["steps"]["sentence.weights"]["values"], inner["weights"], rtol=1e-12
    )
    np.testing.assert_allclose(made["steps"]["q"]["values"], inner["context"], rtol=1e-12)
    np.testing.assert_allclose(made["steps"]["weights"]["values"], expected["weights"], rtol=1e-12)
    np.testing.assert_allclose(
        made["steps"]["alone.weights"]["values"], by_loop(TENNIS, words)["weights"], rtol=1e-12
    )
    assert made["answer"] == expected["answer"]
    assert joined([choice["alone"] for choice in made["choices"]]) == alone


def test_the_library_and_the_command_line_agree(attn: Attn) -> None:
    record = translate("I love tennis", SAMPLES / "tennis.yaml", context=True)
    made = document(attn, "-d", SAMPLES / "tennis.yaml", "--context", "I love tennis")
    assert record.answer == made["answer"] == ["J'", "aime", "le tennis"]
    assert record.text == "J'aime le tennis"
    assert record.cross  # the words attend to the keys of the dictionary
    assert list(record.steps) == list(made["steps"])
    for name, step in record.steps.items():
        np.testing.assert_array_equal(made["steps"][name]["values"], step.values)
    assert translate(["ci-dessous"]).text == "under"
    assert translate("a b", {"pairs": {"a": "x", "b": "y"}}).answer == ["x", "y"]
    with pytest.raises(AttnError, match="unknown cannot be 'drop'"):
        translate("a", {"pairs": {"a": "x"}}, unknown="drop")


def test_each_word_heeds_itself_most(attn: Attn) -> None:
    made = document(attn, "-d", SAMPLES / "tennis.yaml", "--context", "I love tennis")
    weights = np.array(made["steps"]["sentence.weights"]["values"])
    np.testing.assert_allclose(np.diag(weights), [0.7, 0.8, 0.75], atol=2e-6)
    assert made["choices"][0]["attention"][1] == ["love", pytest.approx(0.25, abs=2e-6)]


def test_a_terminal_shows_tables_and_both_sides() -> None:
    ran = on_terminal(
        "translate", "-d", "samples/tennis.yaml", "--context", "I love tennis", columns=120
    )
    lines = [line.rstrip() for line in ran.out.splitlines()]
    assert ran.status == 0
    assert "word     alone    in context   attention paid" in lines
    assert "I        Je       J'           I 0.7000, love 0.2500, tennis 0.0500" in lines
    assert "tennis   tennis   le tennis    I 0.0500, love 0.2000, tennis 0.7500" in lines
    assert lines[-1] == "J'aime le tennis"
    assert ran.err == ("note: --show all shows every table, --show q,k,k_transposed some of them\n")
    assert [line for line in ran.out.splitlines() if " x " in line] == [
        "\x1b[1mweights: alpha = softmax(z)   (query x key: 3 x 7)\x1b[0m"
    ]
    everything = ("translate", "ci-dessous", "--show", "all")
    plain = on_terminal(*everything, columns=120, env={"NO_COLOR": "1"}).out
    titles = [line.split("   ")[0] for line in plain.splitlines() if " x " in line]
    assert titles == [
        "q: Q, as given",
        "k: K, as given",
        "k_transposed: K^T",
        "v: V, as given",
        "scores: z = Q K^T",
        "weights: alpha = softmax(z)",
        "context: h = alpha V",
        "target_scores = h V^T",
    ]
    weight = by_loop(FRENCH, ["ci-dessous"])["target_scores"][0]
    margin = weight[3] - weight[2]
    assert plain.splitlines()[-1] == (
        f"ci-dessous -> under   {weight[3]:.4f}, {margin:.4f} above 'is'"
    )


def test_show_brings_the_tables_back_in_a_pipe(attn: Attn) -> None:
    out = attn("translate", "sous", "--show", "weights").out
    assert out.splitlines()[2] == "weights: alpha = softmax(z)   (query x key: 1 x 6)"
    assert attn("translate", "sous", "--only", "q", "-f", "csv").out == "0.0,0.0,0.0,3.0,0.0,0.0\n"


def test_standard_input_is_a_sentence_a_line(attn: Attn) -> None:
    lines = "le chat\n\n  la table \n"
    ran = in_process("translate", stdin=lines.encode())
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"the cat\nthe table\n", b"")
    assert attn("translate", "-", stdin=lines) == (0, "the cat\nthe table\n", "")
    found = attn("translate", "-", "--format", "json", stdin="le\nla\n").out.splitlines()
    assert [json.loads(line)["text"] for line in found] == ["the", "the"]


def test_nearest_keys(attn: Attn) -> None:
    out = attn("translate", "chats", "--top", 2, "--show", "q").out.splitlines()
    weights = by_loop(FRENCH, ["chats"])["weights"][0]
    assert out[-2] == f"  chat   {weights[1]:.4f}  {'█' * 20}"
    assert out[-1] == f"  le     {weights[0]:.4f}"


DICTIONARY = """\
pairs: {a: one, b: two, c: one}
embeddings: {a: [3, 0], b: [0, 3], c: [3, 1]}
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "d.yaml"
    path.write_text(DICTIONARY)
    return path


def test_doubts_are_said(small: Path, attn: Attn) -> None:
    small.write_text(
        "pairs: {a: one, b: two}\n"
        "embeddings: {a: [1, 0], b: [0, 1], nil: [0, 0], both: [3, 3], nearly: [3, 2.99]}\n"
    )
    cases = {
        "nil": "'nil' has a zero vector, which carries no meaning",
        "both": "'one' and 'two' fit 'both' equally well: the first was taken",
        "nearly": "'one' fits 'nearly' barely better than 'two': 0.5025 to 0.4975",
    }
    for word, doubt in cases.items():
        ran = attn("translate", "-d", small, word)
        assert (ran.status, ran.out, ran.err) == (0, "one\n", f"warning: {doubt}\n")
        assert attn("translate", "-d", small, word, "--quiet").err == ""
    assert attn("translate", "-d", small, "a").err == ""


def test_one_word_of_two_pairs_is_no_rival_of_itself(small: Path, attn: Attn) -> None:
    made = document(attn, "-d", small, "a")
    (choice,) = made["choices"]
    assert (choice["answer"], choice["runner_up"]) == ("one", "two")


def test_target_embeddings(small: Path, attn: Attn) -> None:
    small.write_text(DICTIONARY + "target_embeddings: {one: [2, 0, 1], two: [0, 3, 0]}\n")
    made = document(attn, "-d", small, "b")
    assert made["steps"]["v"]["values"] == [[2, 0, 1], [0, 3, 0], [2, 0, 1]]
    h = np.array(made["steps"]["context"]["values"])
    V = np.array(made["steps"]["v"]["values"])
    np.testing.assert_allclose(made["steps"]["target_scores"]["values"], h @ V.T, rtol=1e-14)


@pytest.mark.parametrize(("suffix", "delimiter"), [(".tsv", "\t"), (".csv", ",")])
def test_a_table_of_two_columns(suffix: str, delimiter: str, tmp_path: Path, attn: Attn) -> None:
    path = tmp_path / f"d{suffix}"
    lines = [("le", "the"), ("chat", "cat"), ("pomme de terre", "potato")]
    path.write_text("".join(f"{a}{delimiter}{b}\n" for a, b in lines))
    assert attn("translate", "-d", path, "le", "chat") == (0, "the cat\n", "")
    assert attn("translate", "-d", path, "le", "pomme de terre").out == "the potato\n"


def test_unknown_words(small: Path, attn: Attn) -> None:
    assert attn("translate", "-d", small, "a zzz b", "--unknown", "skip") == (
        0, "one two\n", "warning: 'zzz' is unknown, and left out\n",
    )  # fmt: skip
    assert attn("translate", "-d", small, "a zzz b", "--unknown", "keep") == (
        0, "one zzz two\n", "warning: 'zzz' is unknown, and kept as it is\n",
    )  # fmt: skip
    assert attn("translate", "-d", small, "zzz", "--unknown", "skip").out == "\n"
    ran = attn("translate", "-d", small, "zzz", "--unknown", "keep", "--format", "json")
    assert json.loads(ran.out)["answer"] == ["zzz"]
    shown = attn("translate", "-d", small, "a zzz", "--unknown", "keep", "--show", "q").out
    assert "zzz -> zzz   unknown, kept as it is" in shown.splitlines()


def test_vectors_from_a_file(tmp_path: Path, attn: Attn) -> None:
    vectors = tmp_path / "w.vec"
    rows = {**FRENCH["embeddings"], "dehors": [0, 0, 0, -1, 0, 0]}
    lines = [f"{word} {' '.join(map(str, row))}" for word, row in rows.items()]
    vectors.write_text(f"{len(lines)} 6\n" + "".join(f"{line}\n" for line in lines))
    pairs = tmp_path / "d.tsv"
    pairs.write_text("".join(f"{a}\t{b}\n" for a, b in FRENCH["pairs"].items()) + "rien\tnothing\n")
    ran = attn("translate", "-d", pairs, "--embeddings", vectors, "les chats")
    assert (ran.status, ran.out) == (0, "the cat\n")
    assert ran.err == (
        "note: vectors of a file are compared by their angle, score cosine with scale 20: "
        "--score scaled compares them by the dot product\n"
        "warning: 1 of 7 pairs are left out, whose source words have no vector: rien\n"
    )
    asked = ("translate", "-d", pairs, "--embeddings", vectors, "ci-dessous", "-f", "json", "-q")
    for options, expected in (
        ((), by_loop(FRENCH, ["ci-dessous"], score="cosine", scale=20)),
        (("--scale", "3"), by_loop(FRENCH, ["ci-dessous"], score="cosine", scale=3)),
        (("--score", "cosine"), by_loop(FRENCH, ["ci-dessous"], score="cosine")),
        (("--score", "dot"), by_loop(FRENCH, ["ci-dessous"])),
        (("--score", "scaled"), by_loop(FRENCH, ["ci-dessous"], score="scaled")),
    ):
        made = attn(*asked, *options)
        np.testing.assert_allclose(
            json.loads(made.out)["steps"]["weights"]["values"], expected["weights"], rtol=1e-12
        )
        assert made.err == ""
    np.save(tmp_path / "w.npy", np.array(list(rows.values()), dtype=np.float32))
    (tmp_path / "w.txt").write_text("".join(f"{word}\n" for word in rows))
    ran = attn(
        "translate", "--embeddings", tmp_path / "w.npy", "--words", tmp_path / "w.txt", "tables"
    )
    assert (ran.status, ran.out) == (0, "table\n")


LONG = """\
maison 1 2 0
voiture 9 7 2
jardin 0 1 3
home 1.1 1.9 0.1
"""


@pytest.fixture
def long(tmp_path: Path) -> tuple[Path, Path]:
    """Pairs and a file of vectors, in which one word is frequent: its vector is long."""
    (tmp_path / "v.vec").write_text(LONG, encoding="utf-8")
    (tmp_path / "p.csv").write_text("maison,house\nvoiture,car\njardin,garden\n", encoding="utf-8")
    return tmp_path / "p.csv", tmp_path / "v.vec"


def test_a_long_vector_does_not_win(long: tuple[Path, Path], attn: Attn) -> None:
    pairs, vectors = long
    asked = ("translate", "-d", pairs, "--embeddings", vectors, "home")
    assert attn(*asked).out == "house\n"
    assert attn(*asked, "--score", "scaled").out == "car\n"
    assert attn(*asked, "--score", "dot").out == "car\n"


def test_a_target_of_many_keys_does_not_win_over_the_nearest(tmp_path: Path, attn: Attn) -> None:
    """With scale 1 the three keys of `far` would weigh 3, the nearest key at most e."""
    (tmp_path / "v.vec").write_text("a 1 0\nb 1 0.1\nx 1 2\ny 1 2.1\nz 1 2.2\n")
    (tmp_path / "p.csv").write_text("b,near\nx,far\ny,far\nz,far\n")
    asked = ("translate", "-d", tmp_path / "p.csv", "--embeddings", tmp_path / "v.vec", "a")
    assert attn(*asked).out == "near\n"
    assert attn(*asked, "--scale", "1").out == "far\n"


@pytest.mark.parametrize("score", ["dot", "gated"])
def test_the_shapes_of_all_steps_are_known_before_they_are_computed(score: str) -> None:
    """Those of the look-up, of the look-up alone, and of the sentence."""
    d = len(next(iter(TENNIS["embeddings"].values())))
    gate = {"function": "gated", "W_g": [[0.5] * (2 * d)]}
    own = {} if score == "dot" else {"score": gate}
    for context in (False, True):
        loaded = Dictionary(from_mapping({**TENNIS, **own}))
        sentence = Sentence("I love", ("I", "love"))
        (made,) = loaded.translations([sentence], None, context=context, unknown="error")
        steps = translate_one(made).steps
        found = {name: (step.axes, step.shape) for name, step in planned(made).items()}
        assert found == {name: (step.axes, step.shape) for name, step in steps.items()}
        assert list(found) == list(steps)


def test_a_step_that_is_too_wide_is_refused_before_it_is_computed(
    tmp_path: Path, attn: Attn, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [f"w{at}" for at in range(17)]
    table = {word: [float(at), 1.0] for at, word in enumerate(words)}
    path = tmp_path / "d.yaml"
    path.write_text(
        yaml.safe_dump({"pairs": dict(zip(words, words, strict=True)), "embeddings": table})
    )
    asked = ("translate", "-d", path, "w1", "-f", "latex", "--show")
    assert attn(*asked, "q").status == 0

    def computed(*_: object, **__: object) -> None:
        raise AssertionError("it is computed")

    monkeypatch.setattr("attn_cli.language.translation.translate", computed)
    ran = attn(*asked, "q,weights")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("error: weights has 17 columns, and LaTeX shows 16 at most\n")
    ran = attn("translate", "-d", path, "w1", "--only", "weight")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith(
        "error: unknown step 'weight'\nhelp: did you mean 'weights'? there are"
    )
    assert "did you mean 'k'?" in attn("translate", "-d", path, "w1", "--show", "q,K").err
    with pytest.raises(AssertionError, match="it is computed"):
        attn(*asked, "q,weights", "--full")


def test_answers_of_any_format_are_the_same(long: tuple[Path, Path], attn: Attn) -> None:
    """A pipe computes no step; JSON computes all."""
    pairs, vectors = long
    for options in ((), ("--score", "scaled"), ("--method", "embeddings"), ("--scale", "-1")):
        asked = ("translate", "-d", pairs, "--embeddings", vectors, "home maison", *options, "-q")
        made = json.loads(attn(*asked, "-f", "json").out)
        assert attn(*asked, "-f", "answer").out == f"{made['text']}\n"
        shown = json.loads(attn(*asked, "-f", "json", "--show", "weights").out)
        assert shown["choices"][0]["answer"] == made["choices"][0]["answer"]
        for few, all_ in zip(shown["choices"], made["choices"], strict=True):
            assert few["value"] == pytest.approx(all_["value"], rel=1e-12)
            assert few["margin"] == pytest.approx(all_["margin"], rel=1e-12)


def test_zero_vectors_of_a_file(tmp_path: Path, attn: Attn) -> None:
    (tmp_path / "v.vec").write_text("a 1 0\nb 0 0\nc 1 1\nnil 0 0\n")
    (tmp_path / "p.csv").write_text("a,x\nb,y\nc,z\n")
    asked = ("translate", "-d", tmp_path / "p.csv", "--embeddings", tmp_path / "v.vec")
    ran = attn(*asked, "a", "-q")
    assert ran == (0, "x\n", "")
    hidden = "warning: 1 of 3 keys is a zero vector, without a direction: cosine hides it\n"
    assert attn(*asked, "a").err.endswith(hidden)
    assert attn(*asked, "a", "-f", "json").err.endswith(hidden)
    ran = attn(*asked, "-", stdin="a\nc nil\n")
    assert (ran.status, ran.out) == (2, "")
    assert "error: 'nil' has a zero vector" in ran.err
    assert "--> standard input:2" in ran.err


def test_words_that_arrive_later_are_looked_up_in_the_file(
    long: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, attn: Attn
) -> None:
    """Each line is a batch of its own; the file begins with a mark and a header."""
    pairs, vectors = long
    vectors.write_bytes(b"\xef\xbb\xbf4 3\n" + LONG.replace("\n", " \n").encode())
    monkeypatch.setattr("attn_cli.cli.arriving.MOST", 1)
    asked = ("translate", "-d", pairs, "--embeddings", vectors)
    assert attn(*asked, "-", "-q", stdin="maison\nhome\n\nvoiture home\n") == (
        0, "house\nhouse\ncar house\n", "",
    )  # fmt: skip
    ran = attn(*asked, "-", "-q", stdin="maison\nhome\n\nhom\n")
    assert (ran.status, ran.out) == (2, "house\nhouse\n")
    assert "'hom' is not in the dictionary's embeddings" in ran.err
    assert "--> standard input:4" in ran.err


@given(st.lists(st.sampled_from(["le", "chat", "J'", "l’", "eau"]), max_size=6))
def test_no_blank_follows_an_apostrophe(words: list[str]) -> None:
    line = joined(words)
    assert "' " not in line.rstrip()
    assert "’ " not in line.rstrip()
    assert line.replace(" ", "") == "".join(words)


def test_it_works_in_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attn: Attn
) -> None:
    monkeypatch.chdir(tmp_path)
    assert attn("translate", "ci-dessous") == (0, "under\n", "")


@pytest.mark.regression("overflow in the scores of targets went unseen")
def test_what_overflows_is_said() -> None:
    vectors = {"a": [1, 0], "b": [0, 1]}
    large = {"x": [1e200, 0], "y": [0, 1e200]}
    dictionary = {"pairs": {"a": "x", "b": "y"}, "embeddings": vectors, "target_embeddings": large}
    record = translate("a", dictionary, method="embeddings")
    assert record.warnings == (
        "target_scores is not finite: float64 overflows there",
        "the translation of 'a' is unknown: its scores are not finite",
    )
    wild = {"a": [1e200, 0], "b": [0, 1e200]}
    record = translate("a", {"pairs": {"a": "x", "b": "y"}, "embeddings": wild})
    assert any("is not finite" in warning for warning in record.warnings)


@pytest.mark.regression("one word in two Unicode forms was two words")
def test_words_in_two_unicode_forms() -> None:
    twice = {"pairs": {"\u00e9": "x", "e\u0301": "y"}}
    with pytest.raises(AttnError, match="appears twice, in two Unicode forms"):
        translate("x", twice)
    with pytest.raises(AttnError, match="appears twice in embeddings, in two Unicode forms"):
        translate(
            "a", {"pairs": {"a": "x"}, "embeddings": {"a": [1], "\u00e9": [1], "e\u0301": [2]}}
        )
    assert translate("e\u0301", {"pairs": {"\u00e9": "x"}}).text == "x"


@pytest.mark.regression("entries of several words were never found")
def test_entries_of_several_words() -> None:
    pairs = {"pomme de terre": "potato", "pomme": "apple"}
    assert translate(["Pomme de terre"], {"pairs": pairs, "lower": True}).text == "potato"
    vectors = {"pomme de terre": [3, 0], "pomme": [0, 3], "pommes de terre": [2, 0]}
    assert translate(["pommes de terre"], {"pairs": pairs, "embeddings": vectors}).text == "potato"


@pytest.mark.regression("a kept word shifted later choices; close large scores gave no warning")
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
    assert made.warnings == ("'x' fits 'both' barely better than 'y': 5000 to 4900",)


@pytest.mark.regression("the weights of the first head were shown for all heads")
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


@pytest.mark.regression("the gate of a gated score was missing")
def test_a_gated_score_shows_its_gate() -> None:
    dictionary = {
        "pairs": {"a": "x", "b": "y"},
        "embeddings": {"a": [3, 0], "b": [0, 3]},
        "score": {"function": "gated", "W_g": [[1, 0, 0, 1]]},
    }
    record = translate("a", dictionary)
    np.testing.assert_allclose(record["scores"], record["gate"] * record["products"], rtol=1e-14)


@pytest.mark.regression("the line of an unknown word was counted without empty lines")
def test_the_place_of_an_unknown_word_in_a_pipe(attn: Attn) -> None:
    ran = attn("translate", "-", stdin="le chat\n\nfoo\n")
    assert ran.status == 2
    assert ran.err.splitlines()[1] == "  --> standard input:3"


@pytest.mark.regression("a word with a malformed line was called unknown")
def test_a_word_whose_line_is_malformed(tmp_path: Path, attn: Attn) -> None:
    path = tmp_path / "g.txt"
    vectors = {word: FRENCH["embeddings"][word] for word in FRENCH["pairs"]}
    lines = [f"{word} {' '.join(map(str, row))}\n" for word, row in vectors.items()]
    path.write_text("".join(lines) + "bad 1 x 3 0 0 0\n")
    ran = attn("translate", "bad", "--embeddings", path)
    assert ran.status == 2
    assert "has a malformed line only, line 7: field 3 must be a number, not 'x'" in ran.err
    assert "like it: bad" not in ran.err


@pytest.mark.regression("a step was asked for while no word was known: a traceback")
def test_no_known_word_and_a_step_that_is_asked_for(attn: Attn) -> None:
    shown = attn("translate", "foo", "--unknown", "keep", "--show", "weights")
    assert (shown.status, shown.err) == (0, "warning: 'foo' is unknown, and kept as it is\n")
    ran = attn("translate", "foo", "--unknown", "skip", "--only", "weights", "-f", "csv")
    assert ran.status == 2
    assert ran.err.startswith("error: there is nothing to write as csv: no word is known\n")
