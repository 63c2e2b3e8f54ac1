"""Every sample is a golden test, through the library and through the command line."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from attn_cli import compute, samples
from tests.conformance.oracle.normalise import softmax
from tests.conformance.oracle.plain import project
from tests.conformance.oracle.single import next_word, single
from tests.conftest import SAMPLES, Attn

EVERY = sorted(SAMPLES.glob("*.yaml"))
# Dictionaries are tried in test_translate.
FILES = [path for path in EVERY if "pairs" not in yaml.safe_load(path.read_text())]


def loaded(node: Any) -> Any:
    """A matrix of a sample as lists: what is written, or the file that is named."""
    if isinstance(node, dict):
        array = np.load(SAMPLES / node["file"])
        return (array.T if node.get("transpose") else array).tolist()
    if isinstance(node, str):
        name, _, member = node.partition("#")
        array = np.load(SAMPLES / name)
        return (array[member] if member else array).tolist()
    return node


def expected(problem: dict[str, Any]) -> dict[str, Any]:
    """The steps of a sample by the brute-force loop, in layout rows."""
    turned = problem.get("layout") == "columns"

    def matrix(node: Any) -> Any:
        rows = loaded(node)
        return [list(row) for row in zip(*rows, strict=True)] if turned and rows else rows

    X = problem.get("embeddings")
    if isinstance(X, dict):
        X = [X[token] for token in words(problem)]
    elif X is not None:
        X = matrix(X)
    if problem.get("positions") == "sinusoidal":
        X = [[x + p for x, p in zip(row, place, strict=True)] for row, place in placed(X)]
    memory = problem.get("memory", {})
    M = memory.get("embeddings", X)
    if isinstance(problem.get("embeddings"), dict) and "tokens" in memory and M is X:
        M = [problem["embeddings"][token] for token in words(memory)]
    heads = problem.get("heads", 1)
    of_head = []
    for head in range(heads):

        def projected(name: str, rows: Any, head: int = head) -> Any:
            if name in problem:
                return matrix(problem[name])
            weight = problem.get("weights", {}).get(name)
            whole = project(rows, matrix(weight) if weight else None)
            d = len(whole[0]) // heads
            return [row[head * d : (head + 1) * d] for row in whole]

        of_head.append(one_head(problem, projected, X, M))
    weights = [made["weights"] for made in of_head]
    joined = [[x for made in of_head for x in made["context"][at]] for at in range(len(weights[0]))]
    W_o = problem.get("weights", {}).get("output")
    output = project(joined, matrix(W_o) if W_o else None)
    found: dict[str, Any] = {"weights": weights if "heads" in problem else weights[0]}
    found["output"] = output
    if "next_word" in problem:
        head = problem["next_word"]
        pool = head.get("pool", "mean")
        row = words(problem).index(pool["token"]) if isinstance(pool, dict) else None
        row = len(output) - 1 if pool == "last" else row
        if problem.get("residual") and X is not None:
            output = [
                [a + b for a, b in zip(*pair, strict=True)] for pair in zip(X, output, strict=True)
            ]
        found |= next_word(output, matrix(head["weights"]), head.get("bias"), row)
    return found


def words(problem: dict[str, Any]) -> list[str]:
    """The tokens; of a text without commas and full stops."""
    tokens = problem["tokens"]
    return (
        tokens.replace(",", "").replace(".", "").split()
        if isinstance(tokens, str)
        else list(tokens)
    )


def placed(X: Any) -> Any:
    """Each row with the sines and cosines of its place."""
    d = len(X[0])
    for p, row in enumerate(X):
        angles = [p / 10000 ** (2 * (i // 2) / d) for i in range(d)]
        yield row, [math.cos(a) if i % 2 else math.sin(a) for i, a in enumerate(angles)]


def one_head(problem: dict[str, Any], projected: Any, X: Any, M: Any) -> dict[str, Any]:
    """Weights and context of one head."""
    V = projected("value", M)
    score = problem.get("score", "scaled")
    score = score if isinstance(score, dict) else {"function": score}
    p = {k: v for k, v in score.items() if k != "function"}
    if score["function"] == "given":
        weights = [softmax(row) for row in p["scores"]]
        return {"weights": weights, "context": project(weights, V)}
    if "b_g" in p:
        score = {**score, "b_g": [p["b_g"]]}
    mask = problem.get("mask", {}).get("values")
    return single(
        projected("query", X),
        projected("key", M),
        V,
        score,
        sees=lambda i, j: (
            (mask is None or bool(mask[i][j])) and (j <= i or not problem.get("causal"))
        ),
        normalize=problem.get("normalize", "softmax"),
        scale=problem.get("scale"),
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_sample(path: Path, attn: Attn) -> None:
    problem = yaml.safe_load(path.read_text())
    steps = expected(problem)
    record = compute(path)
    ran = attn("compute", path, "--format", "json")
    assert (ran.status, ran.err) == (0, "")
    document = json.loads(ran.out)
    for name, values in steps.items():
        columns = problem.get("layout") == "columns" and np.ndim(values) > 1
        turned = np.array(values).T if columns else values
        np.testing.assert_allclose(record[name], turned, rtol=1e-12, atol=1e-14)
        np.testing.assert_array_equal(document["steps"][name]["values"], record[name])


def test_love_coding_as_the_textbook_has_it() -> None:
    record = compute(SAMPLES / "love_coding.yaml")
    np.testing.assert_array_equal(record["q"], [[2, 1, 2], [0, 1, 0], [2, 2, 2]])
    np.testing.assert_array_equal(record["k"], [[0, 1, 2], [1, 0, 0], [1, 1, 2]])
    np.testing.assert_array_equal(record["v"], [[2, 3, 1], [0, 1, 0], [2, 4, 1]])
    love = compute(SAMPLES / "love_coding.yaml", query_token="love")
    np.testing.assert_array_equal(love["scores"], [[1, 0, 1]])
    e = math.e
    weights = np.array([[e, 1, e]]) / (2 * e + 1)
    np.testing.assert_allclose(love["weights"], weights, rtol=1e-15)
    np.testing.assert_allclose(love["weights"], [[0.4223188, 0.1553624, 0.4223188]], atol=5e-8)
    np.testing.assert_allclose(love["output"], [[1.68927519, 3.11159399, 0.8446376]], atol=5e-9)


def test_columns_is_love_coding_turned() -> None:
    rows, columns = compute(SAMPLES / "love_coding.yaml"), compute(SAMPLES / "columns.yaml")
    assert list(rows.steps) == list(columns.steps)
    for name, step in columns.steps.items():
        np.testing.assert_array_equal(step.values, rows[name].T)
        assert step.axes == rows.steps[name].axes[::-1]


def test_registrar_looks_up_exactly() -> None:
    np.testing.assert_array_equal(compute(SAMPLES / "registrar.yaml")["output"], [[1, 0, 0]])
    by_major = compute(SAMPLES / "registrar_by_major.yaml")
    np.testing.assert_array_equal(by_major["output"], [[1, 0, 1, 0]])


def test_salaries_are_a_kernel_regression() -> None:
    kernel = [math.exp(-((3.5 - x) ** 2) / (2 * 0.2**2)) for x in (2.8, 3.1, 3.4, 3.6, 3.9)]
    salary = math.fsum(
        w * s for w, s in zip(kernel, (41000, 46000, 52000, 58000, 71000), strict=True)
    ) / math.fsum(kernel)
    np.testing.assert_allclose(compute(SAMPLES / "salaries.yaml")["output"], [[salary]], rtol=1e-14)


def test_bank_has_one_vector_in_and_two_out() -> None:
    record = compute(SAMPLES / "bank.yaml")
    np.testing.assert_array_equal(record["embeddings"][1], record["embeddings"][3])
    np.testing.assert_allclose(record["output"][1], [1.5, 0.5, 0.5], rtol=1e-15)
    np.testing.assert_allclose(record["output"][3], [0.5, 1.5, 0.5], rtol=1e-15)


def test_list_of_samples(attn: Attn) -> None:
    lines = attn("samples").out.splitlines()
    assert [line.split()[0] for line in lines] == [path.stem for path in EVERY]
    for line, path in zip(lines, EVERY, strict=True):
        assert line.split(None, 1)[1] == path.read_text().splitlines()[0].removeprefix("# ")


@pytest.mark.parametrize("name", ["love_coding", "love_coding.yaml"])
def test_print_a_sample_and_compute_it(name: str, attn: Attn) -> None:
    printed = attn("samples", name)
    assert printed.out == (SAMPLES / "love_coding.yaml").read_text()
    from_stdin = attn("compute", "-", stdin=printed.out)
    assert from_stdin.out == attn("compute", SAMPLES / "love_coding.yaml").out


def test_a_copy_replaces_no_file_that_is_another(tmp_path: Path, attn: Attn) -> None:
    assert attn("samples", "--copy", tmp_path).status == 0
    assert attn("samples", "--copy", tmp_path).status == 0  # they are the same
    mine, gone = tmp_path / "love_coding.yaml", tmp_path / "bank.yaml"
    mine.write_text("mine: 1\n")
    gone.unlink()
    ran = attn("samples", "--copy", tmp_path)
    assert ran.status == 2
    assert ran.err == (
        f"error: {mine} would be replaced\n"
        "help: name a new folder, or add --force to replace what is there\n"
    )
    assert mine.read_text() == "mine: 1\n"
    assert not gone.exists()
    assert attn("samples", "--copy", tmp_path, "--force").status == 0
    assert mine.read_text() == (SAMPLES / "love_coding.yaml").read_text()
    assert gone.exists()


def test_copy_the_samples(tmp_path: Path, attn: Attn) -> None:
    assert attn("samples", "--copy", tmp_path / "a" / "b").status == 0
    copied = sorted(path.name for path in (tmp_path / "a" / "b").iterdir())
    assert copied == [path.name for path in samples.files()]
    ran = attn("compute", tmp_path / "a" / "b" / "from_npy.yaml")
    assert ran.out == attn("compute", SAMPLES / "from_npy.yaml").out


def test_every_score_function_has_a_sample() -> None:
    from attn_cli.maths.scores import SCORES

    shown = set()
    for path in FILES:
        score = yaml.safe_load(path.read_text()).get("score", "scaled")
        shown.add(score["function"] if isinstance(score, dict) else score)
    assert shown == set(SCORES.names)
