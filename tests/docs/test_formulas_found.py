"""Every formula is found by its name, and numbers in prose are those of the program."""

from __future__ import annotations

import math
import re

import numpy as np

import attn_cli
from attn_cli.lab.row_statistics import FIELDS
from attn_cli.lab.statistics_columns import OF_HEADS, OF_QUERIES
from attn_cli.maths.activations import ACTIVATIONS
from attn_cli.maths.bias.relative import bucket
from attn_cli.maths.catalogue import catalogue
from attn_cli.maths.normalizers import NORMALIZERS
from attn_cli.maths.positions import sinusoidal
from attn_cli.maths.rope import SCALINGS
from attn_cli.maths.scores import SCORES
from attn_cli.reading.keys import KEYS
from tests.helpers.processes import ROOT

REFERENCE = ROOT / "docs/reference"
ELSEWHERE = {"score", "normalize"}  # keys that choose a function; each function has an entry
GROUPS = ("Scores", "Which keys a query sees", "From scores to weights", "After attention")
OF_VECTORS = {"positions", "rope", "qk_norm", "heads", "kv_heads", "grouping"}


def section(page: str, anchor: str) -> str:
    """The text of a page from the heading that an anchor names to the next of its level."""
    text = (REFERENCE / page).read_text(encoding="utf-8")
    for found in re.finditer(r"^(#+) (.*)$", text, re.MULTILINE):
        if re.sub(r"[^\w\- ]", "", found[2].lower()).replace(" ", "-") == anchor:
            rest = text[found.end() :]
            return re.split(rf"^{found[1]} ", rest, flags=re.MULTILINE)[0]
    raise AssertionError(f"{page} has no section {anchor}")


def entries() -> dict[str, str]:
    """Each name in the index of formulas -> the text of the section that it leads to."""
    page = (REFERENCE / "formulas.md").read_text(encoding="utf-8")
    index = page.partition("]]] -->")[2].partition("<!-- [[[end]]]")[0]
    found: dict[str, str] = {}
    for line in index.splitlines():
        for name, target, anchor in re.findall(r"\[([^]]+)\]\(([^)#]+)#([^)]+)\)", line):
            text = section(target, anchor)
            also = line.partition("): ")[2].split(", ")  # keys and names behind a link of its own
            found |= dict.fromkeys((name, *filter(None, also)), text)
    return found


def test_each_formula_is_two_clicks_from_the_index() -> None:
    assert "](reference/formulas.md)" in (ROOT / "docs/index.md").read_text(encoding="utf-8")
    statistics = [each.name for each in OF_HEADS if each in OF_QUERIES]
    assert set(statistics) <= set(FIELDS)
    names = {
        *SCORES.names,
        *NORMALIZERS.names,
        *(step.name for step in catalogue()),
        *statistics,
        *(name for name, key in KEYS.items() if key.group in GROUPS),
        *OF_VECTORS,
        *ACTIVATIONS,
    } - ELSEWHERE
    found = entries()
    assert names <= set(found), names - set(found)
    for name in {*statistics, *ACTIVATIONS, *SCALINGS}:
        text = found[name] if name in found else found["RoPE"]
        assert re.search(rf"\b{name}\b", text), name
    assert {"RoPE", "ALiBi"} <= set(found)


def test_how_far_apart_the_two_forms_of_gelu_are() -> None:
    x = np.linspace(-6, 6, 2401)
    apart = np.abs(ACTIVATIONS["gelu"].function(x) - ACTIVATIONS["gelu_tanh"].function(x))
    assert 4e-4 < apart.max() <= 5e-4


def test_float32_puts_distances_into_the_buckets_of_t5() -> None:
    d = np.arange(1, 4096)
    for bidirectional, count in ((True, 16), (False, 32)):
        e = np.float32(count // 2)
        far = np.log(d.astype(np.float32) / e) / np.log(np.float32(128) / e) * (count - e)
        expected = np.where(d < e, d, np.minimum(e + np.floor(far), count - 1))
        np.testing.assert_array_equal(bucket(-d, 32, bidirectional, 128), expected)


def test_positions_of_odd_and_of_short_vectors() -> None:
    float64 = np.dtype(np.float64)
    odd = sinusoidal(3, 5, 10000.0, "interleaved", float64).values
    np.testing.assert_allclose(odd[:, 4], np.sin(np.arange(3) / 10000**0.8), rtol=1e-15)
    short = sinusoidal(3, 3, 10000.0, "concatenated", float64).values
    np.testing.assert_array_equal(short, [[math.sin(p), math.cos(p), 0] for p in range(3)])


def test_minus_1e9_added_to_a_score_of_float64_keeps_it_to_1e_7() -> None:
    scores = np.linspace(-3, 3, 101)[None]
    hidden = {"mask": np.full(scores.shape, -np.inf), "mask_fill": {"value": -1e9, "how": "add"}}
    given = {"score": {"function": "given", "scores": scores}, "value": scores.T, **hidden}
    masked = attn_cli.compute(given)["masked"]
    assert 0 < np.abs(masked + 1e9 - scores).max() <= 1e-7
