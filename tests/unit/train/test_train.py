"""Learning: the samples from their seeds, what is written and what stays, and one step by hand."""

from __future__ import annotations

import io
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from attn_cli import AttnError, compute
from attn_cli.reading.schema import read_document
from attn_cli.sources.matrices.document import from_mapping
from attn_cli.sources.matrices.files import Inputs
from attn_cli.train.learning import Training, gradient_record, rounded, train
from attn_cli.train.rewrite import rewritten
from attn_cli.train.training_reader import read_training
from tests.conftest import SAMPLES, Attn, in_process

pytestmark = pytest.mark.slow

SHIPPED = (
    "not_like", "not_like_columns", "dog_sentence", "question_answering", "sentiment", "captioning",
)  # fmt: skip
LEARNT = {"weights", "next_word", "embeddings"}

SMALL: dict[str, Any] = {
    "embeddings": {"a": [1.0, 2.0], "b": [-1.0, 0.5], "c": [0.25, -2.0]},
    "weights": {"query": [[1.0, 0.5], [0.25, -1.0]], "value": [[0.5, 1.0], [1.5, -0.5]]},
    "biases": {"value": [0.5, -0.25]},
    "next_word": {"vocabulary": ["x", "y", "z"], "weights": [[1.0, 0, -1], [0.5, 2, 0]]},
}
SETTINGS: dict[str, Any] = {"examples": [["a b", "x"], ["b c a", "z"]], "steps": 3}


def training(problem: dict[str, Any] = SMALL, **settings: Any) -> Training:
    return read_training(from_mapping({**problem, "train": {**SETTINGS, **settings}}))


def answers(text: str) -> list[tuple[object, str]]:
    """What the file answers for each of its examples, and what it should."""
    problem = yaml.safe_load(text)
    found = []
    for tokens, follows in problem.pop("train")["examples"]:
        words = tokens.replace(",", "").split()
        found.append((compute({**problem, "tokens": words}).answer, follows))
    return found


@pytest.mark.parametrize("name", SHIPPED)
def test_a_sample_is_what_its_seed_gives(name: str, tmp_path: Path, attn: Attn) -> None:
    """The smallest, trained again, is the same file, to the last byte."""
    path = SAMPLES / f"{name}.yaml"
    text = path.read_text()
    ran = attn("train", path, "-o", tmp_path / "again.yaml")
    assert (ran.status, ran.out) == (0, "")
    again = (tmp_path / "again.yaml").read_text()
    for trained in {text, again}:  # on another machine they may differ in the last digit
        assert all(answer == follows for answer, follows in answers(trained))
    shipped, learnt = yaml.safe_load(text), yaml.safe_load(again)
    count = len(shipped["train"]["examples"])
    assert ran.err.endswith(f"; {count} of {count} examples right\n")
    for group in LEARNT & shipped.keys():
        for key, values in shipped[group].items():
            if key not in {"vocabulary", "pool"}:
                # Four decimals, of which another machine may round the last the other way.
                np.testing.assert_allclose(learnt[group][key], values, atol=1.1e-4)
    for key in shipped.keys() - LEARNT:
        assert learnt[key] == shipped[key]
    if name == "not_like":
        once, twice = (attn("train", "-", "-o", "-", "--steps", 5, stdin=t) for t in (text, again))
        assert once == twice
        assert yaml.safe_load(once.out)["weights"] != learnt["weights"]


def test_what_not_like_says() -> None:
    text = (SAMPLES / "not_like.yaml").read_text()
    assert answers(text) == [(w, w) for w in ("hate", "like", "like", "hate")]
    assert compute(SAMPLES / "not_like.yaml").answer == "hate"
    assert compute(SAMPLES / "dog_sentence.yaml").answer == "happy"
    weights = compute(SAMPLES / "dog_sentence.yaml").steps["weights"]
    assert weights.shape == (14, 14)
    assert weights.labels[0][8] == "___"


def test_columns_is_not_like_turned() -> None:
    rows, columns = SAMPLES / "not_like.yaml", SAMPLES / "not_like_columns.yaml"
    problem, turned = yaml.safe_load(rows.read_text()), yaml.safe_load(columns.read_text())
    for side, weight in problem["weights"].items():
        np.testing.assert_array_equal(np.transpose(turned["weights"][side]), weight)
    head, other = problem["next_word"], turned["next_word"]
    np.testing.assert_array_equal(np.transpose(other["weights"]), head["weights"])
    assert turned["train"] == problem["train"]
    here, there = compute(rows), compute(columns)
    for name, step in here.steps.items():
        got = there[name].T if step.values.ndim > 1 else there[name]
        np.testing.assert_allclose(got, step.values, rtol=1e-13)


def test_three_steps_by_hand() -> None:
    """Adam with numbers of its own: a loop over the bias of the head alone."""
    problem = {**SMALL, "next_word": {**SMALL["next_word"], "bias": [0.0, 0.0, 0.0]}}
    made = training(problem, parameters=["next_word.bias"], learning_rate=0.7)
    states = list(train(made))
    assert [state.step for state in states] == [0, 1, 2, 3]

    def logits(bias: list[float], tokens: str) -> list[float]:
        head = {**problem["next_word"], "bias": bias}
        record = compute({**problem, "tokens": tokens.split(), "next_word": head})
        return [float(z) for z in record["logits"]]

    bias, m, v = [0.0] * 3, [0.0] * 3, [0.0] * 3
    for t, state in enumerate(states, start=1):
        g, loss, right = [0.0] * 3, 0.0, 0
        for tokens, follows in SETTINGS["examples"]:
            z = logits(bias, tokens)
            target = "xyz".index(follows)
            total = math.fsum(math.exp(x) for x in z)
            loss += math.log(total) - z[target]
            right += z.index(max(z)) == target
            g = [a + math.exp(x) / total - (k == target) for k, (a, x) in enumerate(zip(g, z, strict=True))]  # fmt: skip  # noqa: E501
        g = [x / 2 for x in g]
        np.testing.assert_allclose(state.values["next_word.bias"], bias, rtol=1e-12, atol=1e-15)
        assert math.isclose(state.loss, loss / 2, rel_tol=1e-12)
        assert state.right == right
        m = [0.9 * a + 0.1 * x for a, x in zip(m, g, strict=True)]
        v = [0.999 * a + 0.001 * x * x for a, x in zip(v, g, strict=True)]
        for k in range(3):
            root = math.sqrt(v[k] / (1 - 0.999**t)) + 1e-8
            bias[k] -= 0.7 * (m[k] / (1 - 0.9**t)) / root


def test_what_is_drawn_and_in_which_order() -> None:
    problem = {
        **SMALL,
        "embeddings": {word: [*vector, 1.0] for word, vector in SMALL["embeddings"].items()},
        "weights": {"query": np.ones((3, 5)), "key": np.ones((3, 5)), "value": np.ones((3, 2))},
        "score": {
            "function": "additive", "W1": np.ones((7, 5)), "W2": np.ones((7, 5)),
            "v": np.ones(7), "b": np.ones(7),
        },
        "layer_norm": {"gamma": [5.0, 5.0], "beta": [5.0, 5.0]},
    }  # fmt: skip
    rng = np.random.default_rng(11)
    expected: dict[str, Any] = {
        "weights.query": rng.normal(size=(3, 5)) / 2,  # 2 / (3 + 5) is 1/4
        "weights.key": rng.normal(size=(3, 5)) / 2,
        "weights.value": rng.normal(size=(3, 2)) * math.sqrt(2 / 5),
        "biases.value": [0, 0],
        "score.W1": rng.normal(size=(7, 5)) * math.sqrt(2 / 12),
        "score.W2": rng.normal(size=(7, 5)) * math.sqrt(2 / 12),
        "score.v": rng.normal(size=7) / 2,
        "score.b": [0] * 7,
        "layer_norm.gamma": [1, 1],
        "layer_norm.beta": [0, 0],
        "next_word.weights": rng.normal(size=(2, 3)) * math.sqrt(2 / 5),
    }
    start = training(problem, seed=11).start
    assert list(start) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(start[name], values, rtol=1e-12)
    listed = training(problem, seed=11, parameters=["embeddings", "weights.value"]).start
    rng = np.random.default_rng(11)
    np.testing.assert_array_equal(listed["embeddings"], rng.normal(size=(3, 3)))
    np.testing.assert_allclose(
        listed["weights.value"], rng.normal(size=(3, 2)) * math.sqrt(2 / 5), rtol=1e-12
    )


def test_from_the_file_goes_on_from_the_numbers_in_it() -> None:
    made = training(start="file", parameters=["weights.value", "embeddings"])
    np.testing.assert_array_equal(made.start["weights.value"], SMALL["weights"]["value"])
    np.testing.assert_array_equal(made.start["embeddings"], list(SMALL["embeddings"].values()))


def test_arithmetic_is_in_float64_whatever_the_file_says() -> None:
    narrow = list(train(training({**SMALL, "dtype": "float16"})))[-1]
    assert narrow.loss == list(train(training()))[-1].loss


def test_sigma_stays_above_0() -> None:
    """Adam's first step is as long as the rate: from 1 to -1 or to 3, as requested."""
    score = {"function": "gaussian", "sigma": 3.0}
    ends = set()
    for follows in ("x", "y", "z"):
        made = training(
            {**SMALL, "score": score}, learning_rate=2, steps=30,
            examples=[["a b", follows]], parameters=["score.sigma"],
        )  # fmt: skip
        assert made.start["score.sigma"] == 1
        states = list(train(made))
        assert all(state.values["score.sigma"] > 0 for state in states)
        ends.add(round(float(states[1].values["score.sigma"]), 3))
    assert ends == {1, 3}


def test_a_rounded_number_is_no_zero_with_a_sign() -> None:
    made = rounded(np.array([-0.04, 0.26, -0.26]), 1)
    assert made.tolist() == [0, 0.3, -0.3]
    assert not np.signbit(made[0])


def test_learnt_positions_have_all_their_rows() -> None:
    table = np.zeros((7, 2))
    made = training({**SMALL, "positions": {"learned": table}}, parameters=["positions.learned"])
    drawn = np.random.default_rng(0).normal(size=(7, 2))
    np.testing.assert_array_equal(made.start["positions.learned"], drawn)
    turned = {
        **SMALL, "layout": "columns", "positions": {"learned": table.T},
        "weights": {k: np.transpose(w) for k, w in SMALL["weights"].items()},
        "next_word": {**SMALL["next_word"], "weights": np.transpose(SMALL["next_word"]["weights"])},
    }  # fmt: skip
    columns = training(turned, parameters=["positions.learned"])
    np.testing.assert_array_equal(columns.start["positions.learned"], drawn.T)
    last = list(train(made))[-1].values["positions.learned"]
    assert (last[:3] != drawn[:3]).all()
    np.testing.assert_array_equal(last[3:], drawn[3:])  # no example is that long


def test_digits_are_rounded_before_they_are_counted() -> None:
    made = training(digits=1, steps=5)
    *others, last = train(made)
    for value in last.values.values():
        np.testing.assert_array_equal(value, np.round(value, 1))
        assert not np.signbit(value[value == 0]).any()
    free = list(train(training(steps=5)))[-1]
    for name, value in last.values.items():
        np.testing.assert_array_equal(value, np.round(free.values[name], 1) + 0.0)
    assert last.loss != free.loss
    assert others[-1].loss == list(train(training(steps=4)))[-1].loss


# The command line.


def test_options_replace_keys(attn: Attn) -> None:
    path = SAMPLES / "not_like.yaml"
    more = attn("train", path, "-o", "-", "--steps", 1, "--seed", 3, "--learning-rate", 0.5)
    assert " in 1 step; " in more.err
    assert yaml.safe_load(more.out)["train"] == yaml.safe_load(path.read_text())["train"]
    document = read_document(str(path), Inputs())
    document.tree["train"] |= {"steps": "1", "seed": "3", "learning_rate": "0.5"}
    last = list(train(read_training(document)))[-1]
    assert more.out == rewritten(document, last.values)


def test_the_final_line_is_all_that_is_said_in_a_pipe() -> None:
    ran = in_process("train", "samples/not_like.yaml", "-o", "-", "--steps", "3")
    assert ran.returncode == 0
    assert ran.stdout.startswith(b"# Two words")
    lines = ran.stderr.decode().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("loss 1.435 -> 1.")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "drawn"), [(Terminal(), True), (io.StringIO(), False)])
def test_a_bar_on_a_terminal_and_only_there(
    stream: io.StringIO, drawn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from attn_cli.cli.progress import training as bar

    monkeypatch.setattr(sys, "stderr", stream)
    with bar() as tell:
        for state in train(training()):
            tell(state.step, 3, f"loss {state.loss:.4g}")
    assert ("training loss" in stream.getvalue()) is drawn
    assert ("100 %" in stream.getvalue()) is drawn


def test_gradients_as_tables_and_as_data(attn: Attn) -> None:
    path = SAMPLES / "not_like.yaml"
    table = attn("train", path, "--show-gradients")
    assert (table.status, table.err) == (0, "")
    titles = [line for line in table.out.splitlines() if "d loss" in line]
    assert titles == [
        "weights.query: d loss / d weights.query   (row x column: 4 x 4)",
        "weights.key: d loss / d weights.key   (row x column: 4 x 4)",
        "weights.value: d loss / d weights.value   (row x column: 4 x 3)",
        "next_word.weights: d loss / d next_word.weights   (row x column: 3 x 4)",
    ]
    document = json.loads(attn("train", path, "--show-gradients", "--format", "json").out)
    assert document["command"] == "train"
    made = read_training(read_document(str(path), Inputs()))
    first = next(train(made))
    assert document["settings"]["loss"] == first.loss
    for name, step in document["steps"].items():
        np.testing.assert_array_equal(step["values"], first.gradients[name])


def test_gradients_of_words_scalars_and_heads() -> None:
    problem = {
        **SMALL, "heads": 2, "score": {"function": "gaussian", "sigma": 2.0},
        "weights": {
            "query": np.ones((2, 2, 3)), "key": np.ones((2, 2, 3)), "value": np.ones((2, 2)),
        },
    }  # fmt: skip
    names = ["embeddings", "score.sigma", "weights.query"]
    steps = gradient_record(training(problem, parameters=names)).steps
    assert steps["embeddings"].axes == ("word", "dimension")
    assert steps["embeddings"].labels[0] == ("a", "b", "c")
    assert steps["score.sigma"].shape == (1,)
    assert steps["weights.query"].axes == ("head", "row", "column")


def test_a_loss_that_is_no_number_writes_nothing(tmp_path: Path, attn: Attn) -> None:
    target = tmp_path / "t.yaml"
    ran = attn("train", SAMPLES / "not_like.yaml", "-o", target, "--learning-rate", "1e200")
    assert ran.status == 2
    assert ran.err.startswith("error: the loss is not finite after ")
    assert "--> --learning-rate 1e200" in ran.err
    assert ran.err.endswith("help: lower the learning rate, which is 1e+200\n")
    assert not list(tmp_path.iterdir())


def test_compute_leaves_train_aside_but_for_its_names() -> None:
    problem = {**SMALL, "tokens": "a b"}
    with_train = compute({**problem, "train": {"examples": "none of its business"}})
    np.testing.assert_array_equal(with_train["output"], compute(problem)["output"])
    with pytest.raises(AttnError, match="unknown key 'exampels' in train"):
        compute({**problem, "train": {"exampels": []}})


def test_without_tokens_the_examples_have_them() -> None:
    assert len(training().examples) == 2
    assert training().examples[1].problem.n_q == 3


def test_only_what_is_followed_by_heads_is_asked_for() -> None:
    problem = {**SMALL, "heads": 2, "tokens": "a b c"}
    whole = compute(problem)
    for step in ("concat", "output", "logits"):
        np.testing.assert_array_equal(compute(problem, steps=[step])[step], whole[step])


def test_nothing_is_learnt_from_what_is_held_out(tmp_path: Path, attn: Attn) -> None:
    """The trained file is that of the other examples; the log has both losses at every step."""
    problem = yaml.safe_load((SAMPLES / "sentiment.yaml").read_text())
    examples = problem["train"]["examples"]
    order = np.random.default_rng(3).permutation(len(examples))  # of each class one is kept
    held = sorted(order[-2:].tolist())
    kept = [each for at, each in enumerate(examples) if at not in held]
    settings = {"steps": 3, "seed": 3}
    alone = {**problem["train"], **settings, "examples": kept}
    (tmp_path / "kept.yaml").write_text(yaml.safe_dump({**problem, "train": alone}))
    whole = {**problem["train"], **settings}
    (tmp_path / "all.yaml").write_text(yaml.safe_dump({**problem, "train": whole}))
    expected = attn("train", tmp_path / "kept.yaml", "-o", "-")
    log = tmp_path / "losses.csv"
    found = attn("train", tmp_path / "all.yaml", "-o", "-", "--held-out", "0.33", "--log", log)
    assert yaml.safe_load(found.out)["weights"] == yaml.safe_load(expected.out)["weights"]
    first, last = found.err.splitlines()
    assert first == expected.err.strip()
    trained = yaml.safe_load(found.out)
    del trained["train"]
    losses = []
    for tokens, answer in (examples[at] for at in held):
        words = {**trained, "tokens": tokens.split()}
        probabilities = compute(words, steps=["probabilities"])["probabilities"]
        losses.append(-np.log(probabilities[trained["next_word"]["vocabulary"].index(answer)]))
    rows = [line.split(",") for line in log.read_text().splitlines()]
    assert rows[0] == ["step", "loss", "right", "held_out_loss", "held_out_right"]
    assert [row[0] for row in rows[1:]] == ["0", "1", "2", "3"]
    assert float(rows[-1][3]) == pytest.approx(float(np.mean(losses)), rel=1e-3)  # four decimals
    assert last.startswith(f"held out: loss {float(rows[-1][3]):.4g}; ")
