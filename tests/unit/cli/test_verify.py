"""`attn verify`, its test vectors, and `attn_cli.testing`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from inspect import getsource
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_cli.cli import main
from attn_cli.errors import AttnError
from attn_cli.lab.verifying import grid, judging
from attn_cli.lab.verifying.case import Case
from attn_cli.lab.verifying.process import InProcess
from attn_cli.testing import verify
from attn_cli.views import VIEWS, Style
from tests.conftest import Attn
from tests.helpers import faulty_kernel
from tests.helpers.faulty_kernel import kernel
from tests.helpers.verified import compute_once, fork_children

pytestmark = pytest.mark.slow

SOURCE = f"""\
{getsource(faulty_kernel)}
attention = kernel()
tiled = kernel("heads take turns")
SWITCHED = kernel("queries at the last keys")

def plain(q, k, v):
    if k.shape[1] != q.shape[1]:
        raise NotImplementedError("one key head for each query head")
    return attention(q, k, v)

def nothing(q, k, v, **options):
    raise NotImplementedError

def other(keys, values, queries, lower):
    return attention(queries, keys, values, causal=lower)

def adapter(function, q, k, v, *, causal=False):
    return function(k, v, q, causal)

"""
CASES = ("plain", "grouped", "causal", "causal-more-keys", "mask-of-all", "lse")


def chosen() -> tuple[Case, ...]:
    return tuple(case for case in grid.CASES if case.name in CASES)


def make_small(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Work in a folder, with a few cases and emulations."""
    patch.chdir(folder)
    patch.setattr(judging, "CASES", chosen())
    patch.setattr(judging, "EMULATIONS", 1)
    compute_once(patch)
    fork_children(patch)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of test vectors, written once."""
    with pytest.MonkeyPatch.context() as patch:
        make_small(patch, tmp_path_factory.mktemp("written"))
        assert main(["verify", "--like", "torch", "--write", "vectors"]) == 0
        return Path("vectors").absolute()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_small(monkeypatch, tmp_path)
    (tmp_path / "own.py").write_text(SOURCE)
    return tmp_path


def document(attn: Attn, *arguments: str) -> tuple[int, dict[str, Any]]:
    ran = attn("verify", *arguments, "-f", "json")
    return ran.status, json.loads(ran.out)


def verdicts(document: dict[str, Any]) -> dict[str, str]:
    return {each["convention"]: each["verdict"] for each in document["conventions"]}


def test_a_right_function(attn: Attn) -> None:
    status, found = document(attn, "own:attention", "--like", "torch")
    assert (status, found["agrees"]) == (0, True)
    assert (found["format"], found["command"]) == ("attn/1", "verify")
    assert set(verdicts(found).values()) == {"right"}
    assert {case["case"] for each in found["conventions"] for case in each["cases"]} == set(CASES)


def test_a_wrong_function(attn: Attn) -> None:
    status, found = document(attn, "own:tiled", "--like", "torch")
    assert (status, found["agrees"]) == (1, False)
    assert verdicts(found)["grouped heads"] == "wrong"
    assert [each for each, verdict in verdicts(found).items() if verdict == "wrong"] == [
        "grouped heads"
    ]
    (grouped,) = (each for each in found["conventions"] if each["convention"] == "grouped heads")
    assert "grouping: tile" in [each["name"] for each in grouped["explained"]]
    table = attn("verify", "own:tiled", "--like", "torch")
    assert table.status == 1
    assert table.out.startswith("own:tiled like torch (2.5 and later), NumPy arrays, float32\n")
    assert "grouping is tile (h mod G: they take turns, 0 1 0 1)" in table.out
    assert table.out.endswith("\nwrong in 1 of 6 conventions that it supports\n")


def shown(function: Any, *cases: str) -> dict[str, str]:
    """What each format shows, of a function that is called in this process."""
    asking = judging.Asking("torch", [c for c in chosen() if c.name in cases])
    verified = judging.verify(InProcess(function, "numpy"), asking, dtypes=["float32"])
    colours = Style(colours=16)
    views = VIEWS.of("Verified").items()
    return {name: str(view.render(verified, colours)) for name, view in views}


def test_a_wrong_convention_is_marked_in_every_format() -> None:
    texts = shown(kernel("heads take turns"), "plain", "grouped")
    assert "| grouped heads | 0 of 1 | wrong | grouping is tile (" in texts["markdown"]
    assert re.search(r"grouped heads +0 of 1 +\x1b\[[0-9;]+mwrong\x1b\[0m", texts["table"])
    assert json.loads(texts["json"])["agrees"] is False


def test_what_a_function_lacks(attn: Attn) -> None:
    status, found = document(attn, "own:plain", "--like", "torch")
    assert status == 0
    assert verdicts(found) == {
        "scaled dot product": "right",
        "grouped heads": "not supported",
        "causal": "not supported",
        "causal, more keys than queries": "not supported",
        "mask: true means attend": "not supported",
        "log-sum-exp": "not supported",
    }
    status, found = document(attn, "own:nothing", "--like", "torch")
    assert (status, found["agrees"]) == (3, None)
    assert attn("verify", "own:nothing", "--like", "torch").out.endswith(
        "no verdict: none of the conventions is supported\n"
    )


def test_an_adapter(attn: Attn) -> None:
    arguments = ("own:other", "--like", "torch", "--call", "own:adapter", "--dtype", "float64")
    status, found = document(attn, *arguments)
    assert (status, found["dtypes"]) == (0, ["float64"])
    assert verdicts(found)["causal, more keys than queries"] == "right"
    assert verdicts(found)["log-sum-exp"] == "not supported"
    assert attn("verify", "own:other", "--like", "torch").err.startswith(
        "error: the function is called as f(q, k, v, **options), and its signature is (keys, "
    )


def test_messages_of_exceptions_are_shown_as_text() -> None:
    def hostile(q: Any, k: Any, v: Any) -> Any:
        raise ValueError("\x1b[31m \u202e | <b> & \N{GRINNING FACE}")

    texts = shown(hostile, "plain")
    for text in texts.values():
        assert "\x1b[31m" not in text
        assert "\u202e" not in text
        assert "\N{GRINNING FACE}" in text
    assert "\\<b\\>" in texts["markdown"]


def answered(folder: Path, function: Any, names: tuple[str, ...] = ()) -> dict[str, Any]:
    """Call a function with test vectors, as the caller of another language would."""
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    for case in manifest["cases"]:
        arrays = {name: np.load(folder / place) for name, place in case["arrays"].items()}
        options = {n: tuple(v) if isinstance(v, list) else v for n, v in case["options"].items()}
        inputs = [arrays.pop(name) for name in "qkv"]
        result = function(*inputs, **arrays, **options)
        results = result if isinstance(result, tuple) else (result,)
        for place, array in zip(case["answers"].values(), results, strict=True):
            if not names or case["name"] in names:
                np.save(folder / place, array)
    return manifest


class TestVectors:
    @pytest.fixture
    def vectors(self, folder: Path, written: Path) -> Path:
        return Path(shutil.copytree(written, folder / "vectors"))

    def test_the_manifest_names_every_file(self, vectors: Path) -> None:
        manifest = answered(vectors, kernel(), names=("none",))
        named = {"manifest.json"}
        for case in manifest["cases"]:
            named |= {*case["arrays"].values(), *case["steps"].values()}
            assert set(case["tolerances"]) == set(case["types"])
            assert {"weights", "output", "scores"} <= set(case["steps"])
        assert named == {str(p.relative_to(vectors)) for p in vectors.rglob("*") if p.is_file()}
        assert (manifest["format"], manifest["like"]) == ("attn/1", "torch")

    def test_steps_are_those_of_the_formula(self, vectors: Path) -> None:
        case = json.loads((vectors / "manifest.json").read_text())["cases"][0]
        q, k, v = (np.load(vectors / case["arrays"][name]).astype(float) for name in "qkv")
        scores = np.einsum("bhqd,bhkd->bhqk", q, k) / 4
        weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
        for name, expected in {"scores": scores, "weights": weights, "output": weights @ v}.items():
            found = np.load(vectors / case["steps"][name])
            assert np.allclose(found, expected, atol=1e-6), name

    def test_faults_have_the_cases_that_find_them(self, vectors: Path) -> None:
        manifest = json.loads((vectors / "manifest.json").read_text())
        found = {each["name"]: each["cases"] for each in manifest["faults"]}
        assert found["grouping: tile"] == ["grouped"]
        assert found["causal: bottom-right"] == ["causal-more-keys"]
        assert found["no-scale"] == list(CASES)

    def test_outputs_made_elsewhere(self, attn: Attn, vectors: Path) -> None:
        status, found = document(attn, "--outputs", "vectors")
        assert (status, found["agrees"]) == (3, None)
        answered(vectors, kernel(), names=("plain", "grouped"))
        status, found = document(attn, "--outputs", "vectors")
        assert status == 0
        assert verdicts(found)["log-sum-exp"] == "not supported"
        answered(vectors, kernel("heads take turns"))
        status, found = document(attn, "--outputs", "vectors")
        assert status == 1
        assert verdicts(found)["grouped heads"] == "wrong"
        assert verdicts(found)["log-sum-exp"] == "right"
        answered(vectors, lambda *x, **y: np.float16(kernel()(*x, **y))
                 if "return_lse" not in y else kernel()(*x, **y))  # fmt: skip
        assert document(attn, "--outputs", "vectors")[0] == 1
        assert document(attn, "--outputs", "vectors", "--dtype", "float16")[0] == 0

    def test_a_folder_is_replaced_only_with_force(
        self, attn: Attn, vectors: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (vectors / "plain" / "output.npy").write_bytes(b"mine")
        again = ("verify", "--like", "torch", "--write", "vectors")
        assert attn(*again).err.startswith("error: vectors would be replaced\n")
        assert (vectors / "plain" / "output.npy").read_bytes() == b"mine"
        monkeypatch.setattr(judging, "CASES", chosen()[:1])
        assert attn(*again, "--force") == (0, "", "")
        assert not (vectors / "plain" / "output.npy").exists()
        assert sorted(p.name for p in vectors.parent.iterdir()) == ["own.py", "vectors"]

    def test_other_folders_stay(self, attn: Attn, folder: Path) -> None:
        (folder / "mine").mkdir()
        (folder / "mine" / "notes").write_text("")
        for name in ("mine", "own.py", "no/where"):
            ran = attn("verify", "--like", "torch", "--write", name, "--force")
            assert (ran.status, ran.out) == (2, "")
            assert ran.err.startswith(f"error: {name} ")
        assert (folder / "mine" / "notes").exists()

    def test_a_damaged_folder(self, attn: Attn, vectors: Path) -> None:
        manifest = (vectors / "manifest.json").read_text()

        def said(text: str) -> str:
            (vectors / "manifest.json").write_text(text)
            ran = attn("verify", "--outputs", "vectors")
            assert (ran.status, ran.out) == (2, "")
            return ran.err.splitlines()[0]

        assert said("{").startswith("error: vectors/manifest.json is not JSON: ")
        assert said("[]") == "error: vectors/manifest.json is not a manifest of attn verify"
        for old, new in {
            '"like": "torch"': '"like": "tarch"',
            '"causal/q.npy"': '"../q.npy"',
            '"q": "causal/q.npy"': '"u": "causal/q.npy"',
            '"types": [': '"types": [3,',
            '"cases": [': '"boxes": [',
            '"name": "plain"': '"name": 7',
        }.items():
            assert old in manifest
            assert "manifest" in said(manifest.replace(old, new))
        (vectors / "causal" / "q.npy").unlink()
        assert said(manifest) == "error: causal/q.npy is missing"


class TestPython:
    def test_a_right_function_gives_a_result(self) -> None:
        found = verify(kernel(), like="torch")
        assert found.agrees
        assert found.like == "torch"

    def test_a_wrong_one_raises_the_table(self) -> None:
        with pytest.raises(AssertionError, match=r"grouped heads +0 of 1 +wrong +grouping is tile"):
            verify(kernel("heads take turns"), like="torch")

    def test_nothing_supported_fails_too(self) -> None:
        def nothing(q: Any, k: Any, v: Any) -> Any:
            raise NotImplementedError

        with pytest.raises(AssertionError, match="no verdict"):
            verify(nothing, like="torch")

    def test_a_function_by_name_has_a_process_of_its_own(self) -> None:
        found = verify("own:other", like="torch", adapter="own:adapter")
        assert found.function == "own:other"

    def test_an_adapter_is_called_with_the_function(self) -> None:
        def adapter(function: Any, q: Any, k: Any, v: Any) -> Any:
            return function(k, q, v)

        assert verify(lambda k, q, v: kernel()(q, k, v), like="torch", adapter=adapter).agrees

    def test_bad_arguments(self) -> None:
        with pytest.raises(AttnError, match="unknown preset 'tarch'"):
            verify(kernel(), like="tarch")
        with pytest.raises(AttnError, match="unknown type 'float12'"):
            verify(kernel(), like="torch", dtypes=["float12"])
        with pytest.raises(TypeError, match="must be a name too"):
            verify("own:attention", like="torch", adapter=kernel())

    def test_importing_the_package_does_not_import_it(self) -> None:
        code = "import sys, attn_cli; sys.exit('attn_cli.testing' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_nothing_is_left_if_the_disk_is_full(
    attn: Attn, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.makedirs", full)
    monkeypatch.setattr(judging, "CASES", chosen()[:1])
    ran = attn("verify", "--like", "torch", "--write", "vectors")
    assert (ran.status, ran.err) == (
        2,
        "error: vectors cannot be written: No space left on device\n",
    )
    assert [path.name for path in folder.iterdir()] == ["own.py"]
