"""The table "Add a ..." of CONTRIBUTING.md: each row does what it says, and names files that exist.

Rows whose subject has tests of its own are tested there: stages in tests/unit/maths/test_stages.py,
engines in tests/conformance/test_engines.py.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_cli.api import compute
from attn_cli.conventions.examples import EXAMPLES, Example
from attn_cli.conventions.knobs import KNOBS, Answer, Knob
from attn_cli.conventions.preset import Preset
from attn_cli.conventions.presets import PRESETS
from attn_cli.errors import AttnError
from attn_cli.maths.normalizers import NORMALIZERS
from attn_cli.maths.scores import SCORES
from attn_cli.reading.conventions_reader import Conventions
from docs._make import catalogues, tables
from tests.conftest import Attn
from tests.helpers.processes import ROOT, run_to_end

Q, K, V = [[2.0, 3.0]], [[5.0, 7.0], [11.0, 13.0], [17.0, 19.0]], [[1.0], [2.0], [4.0]]
PRODUCTS = [31.0, 61.0, 91.0]  # Q K^T
GIVEN = {"query": Q, "key": K, "value": V}


@pytest.fixture
def score() -> Iterator[str]:
    SCORES.add("product_plus_one", "tests.project.added.product_plus_one")
    yield "product_plus_one"
    SCORES.remove("product_plus_one")


@pytest.fixture
def normalizer() -> Iterator[str]:
    NORMALIZERS.add("halves", "tests.project.added.halves")
    yield "halves"
    NORMALIZERS.remove("halves")


def help_with(registry: str, name: str, module: str) -> str:
    """What `attn compute --help` prints where a name is registered before the start."""
    package, registered = registry.rsplit(".", 1)
    code = (
        f"import sys; from {package} import {registered}; {registered}.add({name!r}, {module!r});"
        "from attn_cli.cli import main; sys.exit(main(['compute', '--help']))"
    )
    ran = run_to_end([sys.executable, "-c", code], cwd=ROOT)
    assert (ran.returncode, ran.stderr) == (0, b"")
    return " ".join(ran.stdout.decode().split())


def printed(*writers: Callable[[], None]) -> str:
    """What the docs print."""
    text = StringIO()
    with redirect_stdout(text):
        for write in writers:
            write()
    return text.getvalue()


def of_problem(attn: Attn, *options: str) -> dict[str, Any]:
    given = [word for key, value in GIVEN.items() for word in (f"--{key}", json.dumps(value))]
    ran = attn("compute", *given, *options, "-f", "json")
    assert ran.status == 0, ran.err
    document: dict[str, Any] = json.loads(ran.out)
    return document


def test_a_score_function_is_one_module_and_one_line(score: str, attn: Attn) -> None:
    document = of_problem(attn, "--score", score, "--show", "scores")
    assert document["steps"]["scores"]["values"] == [[each + 1 for each in PRODUCTS]]
    assert document["steps"]["scores"]["formula"] == "scores = Q K^T + 1"
    assert document["settings"]["score"] == {"function": score}
    record = compute({**GIVEN, "score": score, "layout": "columns", "query": [[2.0], [3.0]],
                      "key": np.transpose(K), "value": np.transpose(V)})  # fmt: skip
    assert record.steps["scores"].formula == "scores = K^T Q + 1"


def test_a_score_function_is_listed_explained_and_meant(score: str, attn: Attn) -> None:
    assert score in attn("scores").out
    assert attn("scores", score).out.startswith(f"{score}: q.k + 1\n")
    assert f"did you mean '{score}'?" in attn("scores", "product_plus_on").err
    shown = printed(tables.table_of_scores, catalogues.list_scores, catalogues.list_formulas)
    assert f"| [`{score}`](scores.md#{score}) | q.k + 1 |" in shown
    assert shown.count(f"### {score}\n") == 1
    assert shown.count("$$\nq \\cdot k + 1\n$$") == 2
    found = help_with("attn_cli.maths.scores.SCORES", score, "tests.project.added.product_plus_one")
    assert f", given, {score}." in found


def test_a_score_function_without_gradient_is_refused_by_train(
    score: str, attn: Attn, tmp_path: Path
) -> None:
    text = (ROOT / "samples" / "not_like.yaml").read_text(encoding="utf-8")
    (tmp_path / "p.yaml").write_text(f"{text}score: {score}\n", encoding="utf-8")
    ran = attn("train", tmp_path / "p.yaml", "--show-gradients")
    assert (ran.status, ran.out) == (2, "")
    assert score in ran.err


def test_a_normaliser_is_one_module_and_one_line(normalizer: str, attn: Attn) -> None:
    document = of_problem(attn, "--score", "dot", "--normalize", normalizer)
    assert document["steps"]["weights"]["values"] == [[each / 2 for each in PRODUCTS]]
    assert document["steps"]["weights"]["formula"] == "weights = scores / 2"
    assert document["settings"]["normalize"] == normalizer
    context = sum(each / 2 * v for each, (v,) in zip(PRODUCTS, V, strict=True))
    assert document["steps"]["context"]["values"] == [[context]]
    hidden = compute({**GIVEN, "score": "dot", "normalize": normalizer, "key_lengths": 1})
    np.testing.assert_array_equal(hidden["weights"], [[PRODUCTS[0] / 2, 0, 0]])


def test_a_normaliser_is_listed_explained_and_meant(normalizer: str, attn: Attn) -> None:
    assert normalizer in attn("normalizers").out
    assert attn("normalizers", normalizer).out.startswith(f"{normalizer}: scores / 2\n")
    assert f"did you mean '{normalizer}'?" in attn("normalizers", "halvs").err
    shown = printed(tables.table_of_normalizers, catalogues.list_normalizers)
    assert f"| [`{normalizer}`](normalizers.md#{normalizer}) | scores / 2 |" in shown
    assert "$$\n\\mathrm{weights} = \\frac{\\mathrm{scores}}{2}\n$$" in shown
    found = help_with(
        "attn_cli.maths.normalizers.NORMALIZERS", normalizer, "tests.project.added.halves"
    )
    assert f", argmax, {normalizer}." in found


ODD = Preset(
    name="odd",
    title="a system of the tests",
    version="1",
    settings={"empty_rows": "uniform", "scale_placement": "query"},
    sources=("tests/project/test_contributing.py",),
)
EMPTY = {**GIVEN, "mask": [[-np.inf, -np.inf, -np.inf]]}


def test_a_preset_is_one_row(attn: Attn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, ODD.name, ODD)
    weights = compute({**EMPTY, "like": "odd"})["weights"]
    np.testing.assert_allclose(weights, [[1 / 3] * 3], rtol=1e-15)
    assert of_problem(attn, "--like", "odd")["settings"]["conventions"]["like"] == "odd"

    assert re.search(r"^odd +a system of the tests +1$", attn("conventions").out, re.MULTILINE)
    assert attn("conventions", "odd").out.startswith("odd: a system of the tests, 1\n")
    assert "empty_rows" in attn("conventions", "odd", "torch").out
    assert "did you mean 'odd'?" in attn("conventions", "od").err
    assert "### odd\n\na system of the tests, 1." in printed(catalogues.list_presets)


PARITY = Knob(
    "parity",
    "is the test odd or even?",
    (Answer("odd", "it is odd"), Answer("even", "it is even")),
    default="even",
)


def test_a_knob_is_one_row_and_one_example(attn: Attn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its key is a row of its own in the table: of reading a knob there is `Conventions.read`."""
    monkeypatch.setitem(KNOBS, PARITY.name, PARITY)
    monkeypatch.setitem(EXAMPLES, PARITY.name, (Example(problem={**GIVEN, "score": "dot"}),))
    one, other = (
        Preset(name=name, title=name, version="1", settings={"parity": name}, sources=())
        for name in ("odd", "even")
    )
    monkeypatch.setitem(PRESETS, "odd", one)
    monkeypatch.setitem(PRESETS, "even", other)
    assert of_problem(attn)["settings"]["conventions"]["parity"] == "even"
    assert of_problem(attn, "--like", "odd")["settings"]["conventions"]["parity"] == "odd"

    assert "parity: is the test odd or even? (attn: even)\n" in attn("conventions").out
    compared = attn("conventions", "odd", "even").out
    assert re.search(r"^parity +odd +even$", compared, re.MULTILINE)
    section = "### parity\n\nIs the test odd or even? (by default `even`)"
    assert section in printed(catalogues.list_knobs)


def test_what_the_key_of_a_knob_says_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KNOBS, PARITY.name, PARITY)
    even = Preset(name="p", title="p", version="1", settings={"parity": "even"}, sources=())
    conventions = Conventions({"parity": "odd"}, even)
    assert conventions.read("parity") == "odd"
    assert conventions.notes() == ("parity is odd, as written; like p has even",)
    assert Conventions({}, even).read("parity") == "even"
    with pytest.raises(AttnError) as error:
        Conventions({"parity": "evn"}, even).read("parity")
    assert (error.value.path, error.value.help) == (("parity",), "did you mean 'even'?")


def rows() -> list[str]:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    _, _, table = text.partition("| add a |")
    return table.partition("\n\n")[0].splitlines()[2:]


def test_the_table_names_files_that_exist() -> None:
    assert [row.split("|")[1].strip() for row in rows()] == [
        "score function", "normaliser", "preset", "knob", "key", "stage", "format", "engine",
    ]  # fmt: skip
    for row in rows():
        named = re.findall(r"`((?:attn_cli|tests)/[\w/.]+)`", row)
        assert len(named) >= 2, row
        for path in named:
            assert path.endswith("/NAME.py") or (ROOT / path).exists(), path
