"""A graph as SVG and as PNG."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_cli.errors import AttnError
from attn_cli.lab.weights_graph import Graph
from attn_cli.views import VIEWS, Style
from attn_cli.views.invisible import drawable
from attn_cli.views.pictures.resvg import check_fonts
from tests.conftest import SAMPLES, Attn
from tests.helpers.hostile import HOSTILE
from tests.helpers.pictures import Drawing, drawing, pixels
from tests.unit.lab.test_graph import as_written, graph_of

BANK = str(SAMPLES / "bank.yaml")


def drawn(of: Graph, **style: Any) -> Drawing:
    return drawing(VIEWS.of("Graph")["svg"].render(of, Style(**style)))


def ends(path: dict[str, str]) -> list[float]:
    """Where a curve begins and ends: x, y, x, y."""
    numbers = [float(n) for n in re.findall(r"-?[\d.]+", path["d"])]
    return [*numbers[:2], *numbers[-2:]]


def test_a_curve_for_each_weight_as_wide_as_the_weight() -> None:
    weights = [[0.25, 0.7501, 0], [0.009, 0, 1], [0.01, 0.5, 0.3]]
    shown = drawn(graph_of(as_written(weights, ["a", "b", "c"]), threshold=0.01, top=None))  # type: ignore[arg-type]
    curves = shown.titled("path")
    expected = {
        f"{query} → {key}: {weight:.4f}" if weight != 1 else f"{query} → {key}: 1": weight
        for query, row in zip("abc", weights, strict=True)
        for key, weight in zip("abc", row, strict=True)
        if weight >= 0.01
    }
    assert set(curves) == set(expected)
    widths = [float(curves[title]["stroke-width"]) for title in curves]
    assert widths == sorted(widths)  # the strongest lies above all others
    left, right = (
        {ends(path)[0] for path in curves.values()},
        {ends(path)[2] for path in curves.values()},
    )
    assert len(left) == len(right) == 1
    for title, weight in expected.items():
        path = curves[title]
        assert float(path["stroke-width"]) == pytest.approx(12 * weight, abs=0.005)
        assert float(path["stroke-opacity"]) == pytest.approx(0.35 + 0.5 * weight, abs=0.006)
        _, query, _, key = ends(path)
        assert (key - query) / 24 == ord(title[4]) - ord(title[0])
    assert shown.description == (
        "3 queries, 3 keys; 6 curves, 12 pixels wide for a weight of 1; left out: 1 edge below 0.01"
    )
    assert shown.texts[:8] == ["query", "a", "b", "c", "key", "a", "b", "c"]


def test_hidden_pairs_are_counted(attn: Attn) -> None:
    shown = drawing(attn("graph", BANK, "-f", "svg").out)
    assert len(shown.titled("path")) == 8
    assert "bank (1) → river: 0.5000" in shown.titled("path")  # there are two banks
    assert shown.description.endswith("; 8 pairs of query and key are hidden")
    assert (
        "hidden" not in drawing(attn("graph", BANK, "-f", "svg", "--set", "mask=null").out).source
    )


def test_all_edges_unless_top_is_given(attn: Attn, tmp_path: Path) -> None:
    asked = ("graph", SAMPLES / "dog_sentence.yaml", "--threshold", 0)
    assert len(attn(*asked).out.splitlines()) == 50 + 2
    shown = drawing(attn(*asked, "-f", "svg").out)
    assert len(shown.titled("path")) == len(attn(*asked, "--top", 1000).out.splitlines()) > 150
    out = tmp_path / "x.svg"
    assert attn(*asked, "-o", out, "--top", 3).status == 0
    shown = drawing(out.read_text())
    assert len(shown.titled("path")) == 3
    assert "beyond the first 3" in shown.description
    assert any(text.startswith("left out: ") for text in shown.texts)


def test_a_panel_for_each_head_on_one_scale(attn: Attn, tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", **{n: np.ones((2, 3, 4, 5)) for n in "qkv"})  # type: ignore[arg-type]
    shown = drawing(attn("graph", tmp_path / "p.npz", "-f", "svg", "--threshold", 0.3).out)
    titles = [text for text in shown.texts if "head" in text]
    assert titles == [f"batch {b}, head {h}" for b in range(2) for h in range(3)]  # without a curve
    assert shown.size[0] < 1300
    one = drawing(attn("graph", tmp_path / "p.npz", "-f", "svg", "--head", 2).out)
    assert [text for text in one.texts if "head" in text or "batch" in text] == [
        "batch 0, head 2",
        "batch 1, head 2",
    ]
    assert len(one.all("path")) == 2 * 16 + 4  # and the legend's


def test_negative_weights_are_dashed_in_another_colour() -> None:
    shown = drawn(graph_of(as_written([[3, -1.5]], ["a"], memory={"tokens": ["b", "c"]})))
    plus, minus = shown.titled("path")["a → b: 3"], shown.titled("path")["a → c: -1.5000"]
    assert (plus["stroke"], minus["stroke"]) == ("#7e3307", "#234993")
    assert (plus["stroke-width"], minus["stroke-width"]) == ("12", "6")
    assert minus["stroke-dasharray"] == "6 3"
    assert "stroke-dasharray" not in plus
    assert "for a weight of 3" in shown.description
    assert "blue and dashed: below 0" in shown.texts
    infinite = drawn(
        graph_of(
            as_written(
                [[float("inf"), 2.0]],
                nonfinite="allow",
                memory={"tokens": ["b", "c"]},
                tokens=["a"],
            )
        )
    )
    assert [p["stroke-width"] for p in infinite.titled("path").values()] == ["12", "12"]


def test_hostile_tokens_stay_text() -> None:
    n = len(HOSTILE)
    weights = np.full((n, n), 1 / n)
    shown = drawn(graph_of(as_written(weights.tolist(), list(HOSTILE))))
    assert len(shown.titled("path")) == n * n
    assert not shown.all("script")
    for token in HOSTILE:
        whole = drawable(token).replace("\n", "\\n")
        if len(whole) < 24:
            assert shown.texts.count(whole) == 2, token
        else:
            titles = [text.findtext("{*}title") for text in shown.all("text")]
            assert titles.count(whole) == 2, token
    assert max(map(len, shown.texts)) <= 72
    assert shown.size[0] < 700


@pytest.mark.parametrize("format", ["svg", "png"])
def test_what_is_too_large_is_refused_before_it_is_computed(
    format: str, attn: Attn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if format == "png":
        pytest.importorskip("resvg_py", reason="PNG needs resvg-py")
    monkeypatch.setattr("attn_cli.engine.run.run", None)  # nothing may call it
    for shape, said in (
        ((61, 2), "error: curves are drawn for up to 60 tokens, and there are 61 queries and 61 "
         "keys\nhelp: for more write: attn heatmap FILE -o weights.svg\n"),
        ((1, 18, 31, 2), "error: a picture has room for the curves of 17 heads of 31 x 31 tokens, "
         "and there are 18 in all batch entries\n"
         "help: choose one with --head N, and one batch entry with --batch N\n"),
        ((5, 13, 1, 2), "error: a picture has room for the curves of 64 heads of 1 x 1 tokens, "
         "and there are 65 in all batch entries\n"
         "help: choose one with --head N, and one batch entry with --batch N\n"),
    ):  # fmt: skip
        np.savez(tmp_path / "p.npz", **{n: np.ones(shape) for n in "qkv"})  # type: ignore[arg-type]
        ran = attn("graph", tmp_path / "p.npz", "-o", tmp_path / f"x.{format}")
        assert (ran.status, ran.out, ran.err) == (2, "", said)
        assert not (tmp_path / f"x.{format}").exists()
    with pytest.raises(TypeError):  # one head alone is computed
        attn("graph", tmp_path / "p.npz", "-f", format, "--head", 12, "--batch", 4)


class TestPNG:
    """PNG of the same drawing, at twice its size."""

    @pytest.fixture(autouse=True)
    def _needs_resvg(self) -> None:
        pytest.importorskip("resvg_py", reason="PNG needs resvg-py")

    def test_twice_the_size(self, attn: Attn, tmp_path: Path) -> None:
        ran = attn("graph", BANK, "-o", tmp_path / "x.png")
        assert (ran.status, ran.out, ran.err) == (0, "", "")
        width, height = drawing(attn("graph", BANK, "-f", "svg").out).size
        found = pixels((tmp_path / "x.png").read_bytes())
        assert found.shape[:2] == (2 * height, 2 * width)
        assert found[0, 0, :3].tolist() == [255, 255, 255]
        # The widest line of the legend: #1f5fc0 with opacity 0.85 on white, by default in sRGB.
        x, y = 2 * (8 + 3 * 60), 2 * (height - 16)
        mixed = [round(0.85 * part + 0.15 * 255) for part in (0x1F, 0x5F, 0xC0)]
        assert any((abs(found[..., :3].astype(int) - mixed) <= 1).all(axis=-1).ravel()), (x, y)

    def test_without_a_font(self) -> None:
        with pytest.raises(AttnError, match="PNG needs a monospaced font") as caught:
            check_fonts(skip_system_fonts=True)
        assert "install DejaVu Sans Mono" in str(caught.value)
        check_fonts()


def test_without_resvg(attn: Attn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    monkeypatch.setattr("attn_cli.engine.run.run", None)
    ran = attn("graph", BANK, "-o", tmp_path / "x.png")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == (
        "error: PNG needs resvg-py\nhelp: pip install 'attn-cli[png]', or write SVG\n"
    )
    assert not (tmp_path / "x.png").exists()
