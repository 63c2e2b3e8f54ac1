"""`attn identify`: what it prints and writes, and how it ends."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_cli.lab.identify.alike import differing
from attn_cli.lab.identify.candidates import candidates
from attn_cli.lab.variants import Base
from attn_cli.lab.variants.probe import probe
from attn_cli.reading.schema import read_document
from attn_cli.sources.matrices.document import from_mapping
from attn_cli.sources.matrices.files import Inputs
from tests.conftest import Attn
from tests.unit.lab.test_identify import ask_about_few, inputs, kernel

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
    assert first.startswith("output is plain.npy: bfloat16 (1, 2, 41, 16), layout bhsd; noise ")
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
    assert "\nNothing explains the observed numbers: 82 of 82 rows are off.\n" in ran.out
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


def test_names_of_files_are_text(attn: Attn, monkeypatch: pytest.MonkeyPatch) -> None:
    ask_about_few(monkeypatch)
    np.save(HOSTILE, np.load("plain.npy"))
    for format_ in ("table", "markdown", "json"):
        ran = attn("identify", "p.yaml", "--observed", f"output={HOSTILE}", "--format", format_)
        assert ran.status == 0
        assert "\u202e" not in ran.out
        assert "😀" in ran.out


def test_the_probe_is_a_problem(attn: Attn) -> None:
    made = []
    for file in ("probe.json", "probe.npz"):
        assert (attn("identify", "--probe", file).status, Path(file).exists()) == (0, True)
        assert attn("compute", file, "--only", "output", "-o", "o.npy").status == 0
        made.append(np.load("o.npy"))
    assert np.array_equal(*made)
    ran = attn("identify", "probe.json", "--observed", "output=o.npy")
    assert (ran.status, ran.err) == (0, "")
    refused = attn("identify", "--probe", "probe.txt")
    assert refused.status == 2
    assert "must end in .json or .npz" in refused.err
    assert not Path("probe.txt").exists()


def reference(
    arrays: Mapping[str, Any], *, inverted: bool = False, lengths: bool = True
) -> tuple[Any, Any]:
    """Return output and lse for the arrays of a probe; `inverted`: the mask."""
    q, k, v = (arrays[name] for name in ("query", "key", "value"))
    k, v = (each.repeat(q.shape[1] // k.shape[1], axis=1) for each in (k, v))
    seen = arrays["mask.values"] ^ inverted
    within = np.arange(k.shape[2]) < arrays["key_lengths"][:, None, None, None]
    seen = seen & (within | (not lengths))
    e = np.exp(q @ k.swapaxes(-1, -2) / np.sqrt(8)) * seen
    sums = e.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore"):
        return e / np.where(sums == 0, 1, sums) @ v, np.log(sums)[..., 0]


FAULTS: dict[str, dict[str, Any]] = {
    "": {},
    "mask-meaning-inverted": {"inverted": True},
    "no-lengths": {"lengths": False},
}


def test_a_kernel_that_ran_on_the_probe_is_identified_from_the_file(
    attn: Attn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Among a few hypotheses: test_probe has those that are separated."""
    assert attn("identify", "--probe", "probe.npz").status == 0
    with np.load("probe.npz") as file:
        arrays = dict(file)
    assert arrays["mask.true_means"] == "attend"
    of_file = candidates(Base.read(read_document("probe.npz", Inputs())))
    of_probe = candidates(Base.read(from_mapping(probe())))
    assert [each.hypotheses for each in of_file] == [each.hypotheses for each in of_probe]
    for here, there in zip(of_file, of_probe, strict=True):
        assert {*differing(here.problem, there.problem)} <= {"altered"}, here.hypotheses
        assert here.problem.altered.keys() == there.problem.altered.keys()
    ask_about_few(monkeypatch, *FAULTS)
    for name, fault in FAULTS.items():
        output, lse = reference(arrays, **fault)
        np.savez("made.npz", output=output.astype(np.float32), lse=lse.astype(np.float32))
        ran = attn(
            "identify", "probe.npz", "--observed", "output=made.npz#output",
            "--observed", "lse=made.npz#lse", "-f", "json",
        )  # fmt: skip
        document = json.loads(ran.out)
        (best,) = (each for each in document["classes"] if each["explains"])
        assert name in [each["name"] for each in best["hypotheses"]]
        assert ran.status == bool(name)
