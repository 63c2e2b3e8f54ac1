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


def of_samples(attn: Attn) -> list[str]:
    """A document of every sample, with the rules of booktabs in every second one."""
    made = []
    for at, path in enumerate(sorted(SAMPLES.glob("*.yaml"))):
        pairs = "pairs:" in path.read_text()
        dictionary = ("translate", "le", "tennis", "--unknown", "keep", "-qd", path)
        asked = dictionary if pairs else ("compute", path)
        # 28 words, and vectors of 50 numbers, are wider than a page.
        wide = ("--full",) if path.stem in {"generation", "summary"} else ()
        ran = attn(*asked, *DOCUMENT, "--verbose", *("--booktabs",)[at % 2 :], *wide)
        assert (ran.status, ran.err) == (0, ""), path
        made.append(ran.out)
    return made


def displays(formulas: list[str]) -> str:
    return "".join(f"\\[ {formula} \\]\n" for formula in formulas)


def of_hostile_words(attn: Attn) -> list[str]:
    problem = problem_of(HOSTILE)
    made = [attn("compute", "-", *DOCUMENT, *more, stdin=problem) for more in (["--booktabs"], [])]
    return [ran.out for ran in (*made, attn("explain", "-", *DOCUMENT, stdin=problem))]


def written_formulas() -> list[str]:
    return (GOLDEN / "latex.txt").read_text(encoding="utf-8").splitlines()[1::2]


def with_formulas(documents: list[str], formulas: list[str]) -> str:
    """One document of several, with formulas at its end."""
    end = displays(formulas) + "\\end{document}"
    return joined(documents).replace("\\end{document}", end)


def test_samples_formulas_and_hostile_words(attn: Attn, tmp_path: Path) -> None:
    """pdflatex takes all of it, and the characters that we say it has."""
    documents = [*of_hostile_words(attn), *of_samples(attn)]
    for name, step in (("additive", "weights"), ("two_heads", "output"), ("bank", "exp_sum")):
        documents.append(attn("explain", SAMPLES / f"{name}.yaml", "--only", step, *DOCUMENT).out)
    for document in documents:
        assert_whole(document)
        assert needed(document)[1] is False
    if not has("pdflatex", "amsmath", "geometry", "booktabs"):
        pytest.skip("pdflatex or a package is not installed")
    characters = [in_math(c) for c in sorted(PDFLATEX)]
    whole = with_formulas(documents, [*written_formulas(), *characters])
    assert "Missing character" not in compiled("pdflatex", whole, tmp_path)


def test_words_that_need_another_engine(attn: Attn, tmp_path: Path) -> None:
    """lualatex takes them, hostile words, and one formula in forty; pdflatex does not."""
    document = attn("compute", "-", *DOCUMENT, "--booktabs", stdin=problem_of(FOREIGN)).out
    assert needed(document)[1]
    if not has("lualatex", "fontspec", "amsmath", "geometry", "booktabs"):
        pytest.skip("lualatex or a package is not installed")
    whole = with_formulas([document, *of_hostile_words(attn)], written_formulas()[::40])
    compiled("lualatex", whole, tmp_path)
    plain = re.sub(r".*(fontspec|IfFont).*\n", "", document)
    with pytest.raises(AssertionError, match="Unicode character"):
        compiled("pdflatex", plain, tmp_path)
