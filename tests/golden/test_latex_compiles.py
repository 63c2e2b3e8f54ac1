"""All LaTeX that we write, compiled: as one document per engine, if the engine is installed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from attn_cli.views.tex import PDFLATEX, in_math
from tests.conftest import SAMPLES, Attn
from tests.golden.formula_cases import GOLDEN
from tests.helpers.latex import (
    FOREIGN,
    HOSTILE,
    assert_whole,
    compiled,
    has,
    joined,
    needed,
    problem_of,
)

pytestmark = pytest.mark.slow

DOCUMENT = ("-f", "latex", "--standalone")


def of_samples(attn: Attn, *options: str) -> list[str]:
    """A document of every sample."""
    made = []
    for path in sorted(SAMPLES.glob("*.yaml")):
        pairs = "pairs:" in path.read_text()
        dictionary = ("translate", "le", "tennis", "--unknown", "keep", "-qd", path)
        asked = dictionary if pairs else ("compute", path)
        # 28 words, and vectors of 50 numbers, are wider than a page.
        wide = ("--full",) if path.stem in {"generation", "summary"} else ()
        ran = attn(*asked, *DOCUMENT, *options, *wide)
        assert (ran.status, ran.err) == (0, ""), path
        made.append(ran.out)
    return made


def displays(formulas: list[str]) -> str:
    return "".join(f"\\[ {formula} \\]\n" for formula in formulas)


def test_samples_formulas_and_hostile_words(attn: Attn, tmp_path: Path) -> None:
    """pdflatex takes all of it, lualatex the words, and one formula in ten."""
    hostile = [
        attn("compute", "-", *DOCUMENT, *options, stdin=problem_of(HOSTILE)).out
        for options in (("--booktabs",), ())
    ]
    hostile.append(attn("explain", "-", *DOCUMENT, stdin=problem_of(HOSTILE)).out)
    documents = [*of_samples(attn, "--booktabs"), *of_samples(attn, "--verbose"), *hostile]
    for name, step in (("additive", "weights"), ("two_heads", "output"), ("bank", "exp_sum")):
        documents.append(attn("explain", SAMPLES / f"{name}.yaml", "--only", step, *DOCUMENT).out)
    for document in documents:
        assert_whole(document)
        assert needed(document)[1] is False
    lines = (GOLDEN / "latex.txt").read_text(encoding="utf-8").splitlines()[1::2]
    for engine, some, formulas in (
        ("pdflatex", documents, lines), ("lualatex", hostile, lines[::10])
    ):  # fmt: skip
        if not has(engine, "amsmath", "geometry", "booktabs"):
            pytest.skip(f"{engine} or a package is not installed")
        end = displays(formulas) + "\\end{document}"
        compiled(engine, joined(some).replace("\\end{document}", end), tmp_path)


def test_the_characters_that_pdflatex_takes(tmp_path: Path) -> None:
    if not has("pdflatex", "amsmath"):
        pytest.skip("pdflatex is not installed")
    head = "\\documentclass{article}\\usepackage{amsmath}\\begin{document}\n"
    log = compiled(
        "pdflatex",
        head + displays([in_math(c) for c in sorted(PDFLATEX)]) + "\\end{document}",
        tmp_path,
    )
    assert "Missing character" not in log


def test_words_that_need_another_engine(attn: Attn, tmp_path: Path) -> None:
    document = attn("compute", "-", *DOCUMENT, stdin=problem_of(FOREIGN)).out
    assert needed(document)[1]
    if not has("lualatex", "fontspec"):
        pytest.skip("lualatex is not installed")
    compiled("lualatex", document, tmp_path)
    plain = re.sub(r".*(fontspec|IfFont).*\n", "", document)
    with pytest.raises(AssertionError, match="Unicode character"):
        compiled("pdflatex", plain, tmp_path)
