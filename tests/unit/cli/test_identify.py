"""`attn identify`: what it prints and writes, and how it ends."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Attn
from tests.unit.lab.test_identify import inputs, kernel

HOSTILE = "o'&\u202e😀.npy"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    arrays = inputs()
    for name, values in arrays.items():
        np.save(f"{name}.npy", values.astype(np.float32))
    Path("p.yaml").write_text("query: query.npy\nkey: key.npy\nvalue: value.npy\nscore: scaled\n")
    for name, output in {
        "plain": kernel(arrays)[0],
        "causal": kernel(arrays, causal=True)[0],
        "odd": np.roll(kernel(arrays)[0], 5, axis=-1),
    }.items():
        np.save(f"{name}.npy", output.astype(np.float32))


def test_what_is_believed(attn: Attn) -> None:
    ran = attn("identify", "p.yaml", "--observed", "output=plain.npy")
    assert (ran.status, ran.err) == (0, "")
    first, _, itself, *_ = ran.out.splitlines()
    assert first.startswith("output is plain.npy: bfloat16 (1, 3, 41, 16), layout bhsd; noise ")
    assert itself == "1  the problem as it is"
    assert "\nThe problem explains the observed numbers: the rest is noise.\n" in ran.out


def test_another_convention(attn: Attn) -> None:
    ran = attn("identify", "p.yaml", "--causal", "--observed", "output=plain.npy")
    assert (ran.status, ran.err) == (1, "")
    assert "1  no-causal\n     causal order was left out\n     explains it: " in ran.out
    assert "The problem does not, but no-causal explains the observed numbers" in ran.out


def test_nothing_explains_it(attn: Attn) -> None:
    ran = attn("identify", "p.yaml", "--observed", "output=odd.npy", "--format", "markdown")
    assert ran.status == 3
    assert "\nNothing explains the observed numbers: 123 of 123 rows are off.\n" in ran.out
    rows = [line for line in ran.out.splitlines() if line.startswith("| ")]
    assert all(line.endswith("| no |") for line in rows[1:])


def test_without_a_problem_one_class_is_enough(attn: Attn) -> None:
    arrays = ["--query", "query.npy", "--key", "key.npy", "--value", "value.npy"]
    ran = attn("identify", *arrays, "--causal", "--observed", "output=plain.npy")
    assert ran.status == 0
    assert "\nno-causal explains the observed numbers: the rest is noise.\n" in ran.out


def test_changes_are_those_that_compute_takes(attn: Attn) -> None:
    np.save("scaled.npy", kernel(inputs(), scale=48**-0.5)[0])
    ran = attn(
        "identify", "p.yaml", "--scale", "0.5", "--observed", "output=scaled.npy", "-f", "json"
    )
    document = json.loads(ran.out)
    assert (document["format"], document["command"]) == ("attn/1", "identify")
    assert (ran.status, document["status"], document["verdict"]) == (1, 1, "other")
    (best,) = (each for each in document["classes"] if each["explains"])
    assert best["c"] == pytest.approx(1, abs=0.01)
    changes = next(each["changes"] for each in best["hypotheses"] if each["changes"])
    sets = [x for key, value in changes.items() for x in ("--set", f"{key}={json.dumps(value)}")]
    done = attn("compute", "p.yaml", *sets, "--only", "output", "-f", "json")
    here = np.array(json.loads(done.out)["steps"]["output"]["values"])
    assert here == pytest.approx(np.load("scaled.npy"), abs=0.05)


def test_names_of_files_are_text(attn: Attn) -> None:
    np.save(HOSTILE, np.load("plain.npy"))
    for format_ in ("table", "markdown", "json"):
        ran = attn("identify", "p.yaml", "--observed", f"output={HOSTILE}", "--format", format_)
        assert ran.status == 0
        assert "\u202e" not in ran.out
        assert "😀" in ran.out


def test_the_probe_is_a_problem(attn: Attn) -> None:
    assert (attn("identify", "--probe", "probe.json").status, Path("probe.json").exists()) == (
        0,
        True,
    )
    assert attn("identify", "--probe", "probe.npz").status == 0
    arrays = np.load("probe.npz")
    assert arrays["query"].shape == (2, 6, 5, 8)
    assert arrays["key_lengths"].tolist() == [7, 1]
    assert attn("compute", "probe.json", "--only", "output", "-o", "o.npy").status == 0
    ran = attn("identify", "probe.json", "--observed", "output=o.npy")
    assert (ran.status, ran.err) == (0, "")
    refused = attn("identify", "--probe", "probe.txt")
    assert refused.status == 2
    assert "must end in .json or .npz" in refused.err
    assert not Path("probe.txt").exists()
