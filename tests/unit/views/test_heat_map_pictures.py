"""A heat map as SVG and as PNG."""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from attn_cli import compute
from attn_cli.views.colour import hex_of, ramp
from attn_cli.views.invisible import drawable
from attn_cli.views.pictures.labels import clipped, width
from attn_cli.views.pictures.palette import palette_png
from attn_cli.views.pictures.resvg import as_png
from attn_cli.views.pictures.svg import document, element
from tests.conftest import SAMPLES, Attn
from tests.helpers.hostile import HOSTILE
from tests.helpers.pictures import Drawing, drawing, pixels
from tests.helpers.processes import run_to_end
from tests.unit.lab.test_graph import as_written

BANK, DOG, HEADS, LOVE = (
    str(SAMPLES / f"{name}.yaml") for name in ("bank", "dog_sentence", "two_heads", "love_coding")
)
RAMP = [hex_of(colour) for colour in ramp(diverging=False, light=True).colours]
BOTH = [hex_of(colour) for colour in ramp(diverging=True, light=True).colours]
OUTSIDE = 33 + 1  # rectangles other than cells: the ramp of the legend, and the ground

Svg = Callable[..., Drawing]


@pytest.fixture
def svg(attn: Attn, tmp_path: Path) -> Svg:
    """Draw a problem, a file or a mapping, with options."""

    def draw(problem: Any, *options: object) -> Drawing:
        if isinstance(problem, dict):
            path = tmp_path / "problem.json"
            path.write_text(json.dumps(problem))
            problem = path
        ran = attn("heatmap", problem, "-f", "svg", *options)
        assert (ran.status, ran.err) == (0, "")
        return drawing(ran.out)

    return draw


def test_a_rectangle_for_each_cell_with_its_colour_and_title(svg: Svg) -> None:
    weights = [[0.5, 0.0, 0.1171875], [0.25, 0.015, 0.4375]]
    shown = svg(
        as_written(weights, ["a", "b"], memory={"tokens": ["x", "y", "z"]}), "--only", "weights"
    )
    cells = shown.titled("rect")
    assert {title: cell["fill"] for title, cell in cells.items()} == {
        "a → x: 0.5000": RAMP[32],
        "a → y: 0": RAMP[0],
        "a → z: 0.1172": RAMP[8],  # 7.5: ties go to even
        "b → x: 0.2500": RAMP[16],
        "b → y: 0.0150": RAMP[1],
        "b → z: 0.4375": RAMP[28],
    }
    lines = [line for line in shown.source.splitlines() if "<rect" in line]
    assert len(lines) == len(shown.all("rect")) == 6 + OUTSIDE
    assert shown.texts == [
        "a",
        "b",
        "x",
        "y",
        "z",
        "0.50",
        "0",
        "0.12",
        "0.25",
        "0.01",
        "0.44",
        "0",
        "0.5",
    ]
    assert len(shown.all("circle")) == 2
    assert shown.root.findtext("{*}title") == "weights: queries down, keys across"
    assert shown.description.endswith("; 2 queries x 3 keys; from 0 to 0.5")


def test_every_number_of_a_sample(svg: Svg) -> None:
    record = compute(DOG)
    for step, ramp_of, low in (("weights", RAMP, 0.0), ("scores", BOTH, -1.0)):
        values = np.asarray(record[step])
        share = values / np.abs(values).max()
        level = np.rint(32 * (share - low) / (1 - low)).astype(int)
        shown = svg(DOG, "--only", step)
        fills = [cell["fill"] for cell in shown.titled("rect").values()]
        assert fills == [ramp_of[at] for at in level.ravel()]
        assert len(shown.texts) == 14 + 14 + (2 if step == "weights" else 3)  # no numbers in cells


def test_hidden_cells_and_nan_have_patterns(svg: Svg, attn: Attn, tmp_path: Path) -> None:
    shown = svg(BANK)
    hidden = {
        title for title, cell in shown.titled("rect").items() if cell["fill"] == "url(#attn-hidden)"
    }
    assert len(hidden) == 8
    assert all(re.search(r": hidden \(\w+\)$", title) for title in hidden)
    assert len(shown.all("rect")) == 16 + OUTSIDE + 1
    assert shown.texts.count("0") == 1  # below the ramp: hidden cells have no number
    assert "; hidden by: " in shown.description
    assert [p.attrib["id"] for p in shown.all("pattern")] == ["attn-hidden", "attn-nan"]
    np.save(tmp_path / "w.npy", np.array([[np.nan, 0.5], [1.0, 0.0]]))
    shown = drawing(attn("heatmap", tmp_path / "w.npy", "-f", "svg").out)
    assert shown.titled("rect")["0 → 0: nan"]["fill"] == "url(#attn-nan)"
    assert shown.titled("rect")["1 → 1: 0"]["fill"] == RAMP[0]  # 0 is not hidden
    assert shown.texts.count("nan") == 2  # in the cell, and in the legend
    (text,) = (t for t in shown.all("text") if t.text == "nan" and "stroke" in t.attrib)
    assert (text.attrib["stroke"], text.attrib["paint-order"]) == ("#fff", "stroke")
    assert "hidden" not in shown.description


def test_numbers_if_there_are_few_cells_or_if_they_are_asked_for(svg: Svg) -> None:
    weights = np.full((13, 13), 0.1234567).tolist()
    cells = as_written(weights)
    assert "0.12" not in svg(cells).texts
    assert svg(cells, "--numbers").texts.count("0.12") == 13 * 13
    assert svg(cells, "--numbers", "--digits", 3).texts.count("0.123") == 13 * 13
    few = as_written([row[:12] for row in weights[:12]])
    assert svg(few).texts.count("0.12") == 144
    assert "0.12" not in svg(few, "--no-numbers").texts
    wider = as_written([[1234567.891, 0.5]], memory={"tokens": ["a", "b"]}, tokens=["c"])
    assert "1234567.89" not in svg(wider).texts
    assert "1234567.89" in svg(wider, "--numbers").texts
    wide = as_written([[123456.789, 0.5]], memory={"tokens": ["a", "b"]}, tokens=["c"])
    assert "123456.79" in svg(wide).texts
    assert [cell["width"] for cell in svg(wide).titled("rect").values()] == ["66", "66"]
    assert [cell["width"] for cell in svg(wide, "--no-numbers").titled("rect").values()] == [
        "33"
    ] * 2


def test_several_heads_on_one_scale(svg: Svg) -> None:
    shown = svg(HEADS)
    assert [text for text in shown.texts if "head" in text] == [
        "head 0", "head 1", "one scale for all heads",
    ]  # fmt: skip
    assert len(shown.all("rect")) == 2 * 16 + OUTSIDE
    assert sum(rect.attrib["fill"] == RAMP[32] for rect in shown.all("rect")) == 2 + 1
    one = svg(HEADS, "--head", 1)
    assert shown.size[1] - one.size[1] == 16  # a line of the legend
    assert "head 1" in one.texts
    assert "; head 1; " in one.description
    assert len(one.all("rect")) == 16 + OUTSIDE


@pytest.mark.parametrize(("keys", "pictures"), [(64, 0), (65, 1)])
def test_many_cells_are_a_picture(keys: int, pictures: int, svg: Svg) -> None:
    rng = np.random.default_rng(7)
    weights = rng.dirichlet(np.ones(keys), size=64)
    problem = as_written(weights.tolist(), memory={"tokens": list(map(str, range(keys)))})
    mask = np.arange(keys) > 2 + np.arange(64)[:, None]
    problem["mask"] = [["-inf" if off else 0 for off in row] for row in mask.tolist()]
    problem["normalize"] = "relu"
    shown = svg(problem, "--colours", "linear")
    images = shown.all("image")
    assert len(images) == pictures
    assert len(shown.all("rect")) == (OUTSIDE + 1 + (1 if pictures else 64 * 64))
    seen = np.where(mask, 0, weights)
    expected = np.rint(32 * seen / seen.max()).astype(int)
    if not pictures:
        fills = [cell["fill"] for cell in shown.titled("rect").values()]
        assert fills == [
            "url(#attn-hidden)" if off else RAMP[at]
            for at, off in zip(expected.ravel(), mask.ravel(), strict=True)
        ]
        return
    found = picture(images[0], 64, 65)
    assert (found[mask] == 255).all()  # the clear one: the pattern is seen through it
    for row, column in np.argwhere(~mask):
        assert hex_of(tuple(found[row, column].tolist())) == RAMP[expected[row, column]]
    assert images[0].attrib["style"] == "image-rendering:pixelated"
    assert int(images[0].attrib["width"]) == 65 * int(images[0].attrib["height"]) // 64


def picture(image: Any, rows: int, columns: int) -> NDArray[np.uint8]:
    """The colours of the cells of a picture inside an SVG, all pixels of each alike."""
    written = base64.b64decode(image.attrib["href"].removeprefix("data:image/png;base64,"))
    found = pixels(written)
    assert found.shape[:2] == (int(image.attrib["height"]), int(image.attrib["width"]))
    cells = found.reshape(rows, found.shape[0] // rows, columns, found.shape[1] // columns, 3)
    assert (cells == cells[:, :1, :, :1]).all()
    return cells[:, 0, :, 0]


def test_nan_in_a_picture(attn: Attn, tmp_path: Path) -> None:
    weights = np.full((65, 64), 0.5)
    weights[3, 5] = np.nan
    np.save(tmp_path / "w.npy", weights)
    shown = drawing(attn("heatmap", tmp_path / "w.npy", "-f", "svg").out)
    found = picture(shown.all("image")[0], 65, 64)
    assert np.argwhere((found == 0xAA).all(axis=-1)).tolist() == [[3, 5]]
    assert shown.all("rect")[-1].attrib["fill"] == "#aaa"  # the legend's
    assert len(shown.all("rect")) == OUTSIDE + 1
    assert "nan" in shown.texts


def test_more_cells_than_pixels_are_pooled(attn: Attn, tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", np.full((1, 4, 1300, 3), 0.25, np.float32))
    shown = drawing(attn("heatmap", tmp_path / "w.npy", "-f", "svg").out)
    assert "one cell is 3 x 1 tokens: keys summed, mean of queries" in shown.texts
    assert len(shown.all("image")) == 4
    assert picture(shown.all("image")[0], 434, 3).shape == (434, 3, 3)
    np.save(tmp_path / "w.npy", np.full((2, 1101), 0.25, np.float32))
    shown = drawing(attn("heatmap", tmp_path / "w.npy", "-f", "svg", "--digits", 2).out)
    titles = list(shown.titled("rect"))
    assert titles[0] == "0, key 0 to 1: 0.50"
    assert titles[-1] == "1, key 1100 to 1100: 0.25"
    assert len(titles) == 2 * 551
    np.save(tmp_path / "w.npy", np.full((1030, 3), 0.25, np.float32))
    shown = drawing(attn("heatmap", tmp_path / "w.npy", "-f", "svg").out)
    assert len(shown.titled("rect")) == 515 * 3
    assert "0.25" not in shown.texts[:-2]  # no numbers in cells of two tokens


def test_hostile_tokens_stay_text(svg: Svg) -> None:
    n = len(HOSTILE)
    shown = svg(as_written(np.full((n, n), 1 / n).tolist(), list(HOSTILE)))
    assert len(shown.titled("rect")) == n * n
    assert not shown.all("script") + shown.all("img")
    titles = [text.findtext("{*}title") for text in shown.all("text")]
    for token in HOSTILE:
        whole = drawable(token).replace("\n", "\\n")
        assert (titles if clipped(whole) != whole else shown.texts).count(whole) == 2, token
    assert shown.size[0] < 800
    assert max(width(text, 1) for text in shown.texts) < 25 * 0.61


def test_the_legend_is_never_cut_off(svg: Svg) -> None:
    tiny = svg(as_written([[1]], ["a"]))
    ramp_ends = max(float(r.attrib["x"]) + float(r.attrib["width"]) for r in tiny.all("rect")[2:])
    assert tiny.size[0] > ramp_ends > 165
    assert svg(as_written([[1]], ["a"]), "--colours", "row").size[0] >= tiny.size[0]


def test_labels_are_turned_and_thinned(svg: Svg) -> None:
    def turned(count: int, word: str) -> bool:
        tokens = [f"{word}{at}" for at in range(count)]
        shown = svg(as_written(np.eye(count).tolist(), tokens))
        texts = [t for t in shown.all("text") if t.text == tokens[-1]]
        assert len(texts) == 2
        return "rotate(-90)" in texts[1].attrib.get("transform", "")

    assert [turned(8, ""), turned(9, ""), turned(2, "word"), turned(2, "w")] == [
        False,
        True,
        True,
        False,
    ]
    shown = svg(as_written(np.eye(60).tolist()))  # 8 pixels each
    assert {cell["height"] for cell in shown.titled("rect").values()} == {"7"}
    row = svg(as_written(np.eye(60)[:1].tolist(), ["a"], memory={"tokens": ["b"] * 60}))
    assert (row.all("rect")[1].attrib["width"], row.all("rect")[1].attrib["height"]) == ("7", "11")
    tall = svg(as_written(np.eye(60)[:, :1].tolist(), memory={"tokens": ["b"]}), "--no-numbers")
    assert (tall.all("rect")[1].attrib["width"], tall.all("rect")[1].attrib["height"]) == (
        "11",
        "7",
    )
    numbers = [text for text in shown.texts if text.isdigit()]
    assert numbers == [*map(str, range(0, 60, 2))] * 2 + ["0", "1"]


def test_what_is_refused_before_it_is_computed(
    attn: Attn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attn_cli.lab.drawing.draw", None)
    np.save(tmp_path / "w.npy", np.ones((2, 129, 1, 1)))
    ran = attn("heatmap", tmp_path / "w.npy", "-o", tmp_path / "x.svg")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == (
        "error: a picture has room for 256 heads, and there are 258 in all batch entries\n"
        "help: choose some with --head 0,3 and one batch entry with --batch N\n"
    )
    np.save(tmp_path / "w.npy", np.ones((70, 70)))
    ran = attn("heatmap", tmp_path / "w.npy", "-o", tmp_path / "x.svg", "--numbers")
    assert ran.err == (
        "error: numbers are written into up to 4096 cells, and there are 4900\n"
        "help: leave out --numbers, or choose less with --head and --rows\n"
    )
    assert not (tmp_path / "x.svg").exists()


def test_the_same_bytes_whatever_the_hash_seed(attn: Attn) -> None:
    """In this process and in another; of graphs too."""
    commands = [[name, HEADS, "-f", "svg"] for name in ("heatmap", "graph")]
    program = f"from attn_cli.cli import main\nfor each in {commands!r}: assert main(each) == 0"
    other = run_to_end([sys.executable, "-c", program], env={"PYTHONHASHSEED": "97"})
    assert other.stdout.decode() == "".join(attn(*each).out for each in commands)


def test_a_palette_png() -> None:
    indices = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
    colours = ((1, 2, 3), (250, 5, 77), (9, 9, 9))
    data = palette_png(indices, colours, clear=1)
    assert pixels(data).tolist() == [[list(colours[at]) for at in row] for row in indices.tolist()]
    at = data.index(b"tRNS") + 4
    assert data[at : at + 3] == b"\xff\x00\xff"


class TestPNG:
    """PNG of the same drawing, at twice its size."""

    @pytest.fixture(autouse=True)
    def _needs_resvg(self) -> None:
        pytest.importorskip("resvg_py", reason="PNG needs resvg-py")

    def test_twice_the_size_and_the_same_colours(
        self, attn: Attn, tmp_path: Path, svg: Svg
    ) -> None:
        asked = (LOVE, "--no-numbers")  # a number would be in the middle
        ran = attn("heatmap", *asked, "-o", tmp_path / "x.png")
        assert (ran.status, ran.out, ran.err) == (0, "", "")
        shown, found = svg(*asked), pixels((tmp_path / "x.png").read_bytes())
        assert found.shape[:2] == (2 * shown.size[1], 2 * shown.size[0])
        (panel,) = (
            g for g in shown.all("g") if g.attrib.get("transform", "").startswith("translate(8 8)")
        )
        cells = [rect for rect in panel if rect.tag.endswith("rect")]
        assert len(cells) == 3 * 3
        for rect in cells:
            x, y, wide, high = (float(rect.attrib[n]) for n in ("x", "y", "width", "height"))
            middle = found[round(2 * (8 + y + high / 2)), round(2 * (8 + x + wide / 2)), :3]
            assert hex_of(tuple(middle.tolist())) == rect.attrib["fill"]

    def test_a_pixel_of_a_picture_has_its_colour(self) -> None:
        colours = ((1, 2, 3), (250, 5, 77), (9, 200, 9))
        data = base64.b64encode(palette_png(np.array([[0, 1], [2, 0]], np.uint8), colours, clear=2))
        image = element(
            "image", x=3, y=5, width=16, height=16, preserveAspectRatio="none",
            style="image-rendering:pixelated", href=f"data:image/png;base64,{data.decode()}",
        )  # fmt: skip
        found = pixels(as_png(document(30, 30, name="", description="", body=[image])))
        squares = found[10:42, 6:38, :3].reshape(2, 16, 2, 16, 3)
        white = (255, 255, 255)  # behind the clear one
        expected = np.array([[colours[0], colours[1]], [white, colours[0]]])
        assert (squares == expected[:, None, :, None]).all()


def test_without_resvg(attn: Attn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    ran = attn("heatmap", BANK, "-o", tmp_path / "x.png")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("error: PNG needs resvg-py\nhelp: pip install 'attn-cli[png]'")
    assert not (tmp_path / "x.png").exists()
