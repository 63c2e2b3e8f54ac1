"""Heat maps as text and as JSON: what is in the cells, the colours, the legend, and the width."""

from __future__ import annotations

import json
import re
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from rich.cells import cell_len

from attn_cli.lab.drawing import Chosen, draw
from attn_cli.lab.heat_map import Axis, HeatMap, Panel
from attn_cli.lab.problem_drawing import of_problem
from attn_cli.maths.problem import Request
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import from_mapping
from attn_cli.views import Style
from attn_cli.views.colour import ramp
from attn_cli.views.heat_map import legend, text
from attn_cli.views.view import TRUECOLOR
from tests.conftest import SAMPLES, Attn, on_terminal
from tests.helpers.hostile import HOSTILE

CODE = re.compile(r"\x1b\[([0-9;]*)m")
DIM = (2,)
HIDDEN = 3  # a code, and its place in the legend
LEGEND = ("visible", "causal", "window", "length")


class Cell(NamedTuple):
    """A character of a terminal, with the codes that are on."""

    character: str
    codes: tuple[int, ...]


def seen(line: str) -> list[Cell]:
    """The characters of a line; every run of colour is ended within it."""
    cells: list[Cell] = []
    codes: tuple[int, ...] = ()
    end = 0
    for match in CODE.finditer(line):
        cells += [Cell(c, codes) for c in line[end : match.start()]]
        numbers = tuple(map(int, match[1].split(";")))
        codes, end = (() if numbers == (0,) else codes + numbers), match.end()
    assert codes == ()
    return cells + [Cell(c, ()) for c in line[end:]]


def background(cell: Cell) -> tuple[int, ...] | None:
    """The background of a character, as three numbers or one of 256."""
    at = cell.codes.index(48) if 48 in cell.codes else None
    if at is None:
        return None
    return cell.codes[at + 2 : at + (5 if cell.codes[at + 1] == 2 else 3)]


def plain(shown: str) -> list[str]:
    return CODE.sub("", shown).split("\n")


def heat_map(
    values: Any, hidden: Any = None, *, tokens: Any = None, keys: Any = None, **changes: Any
) -> HeatMap:
    """A heat map of the weights in these panels, without a computation."""
    panels = np.asarray(values, dtype=np.float64)
    panels = panels if panels.ndim == 3 else panels[None]
    codes = np.zeros(panels.shape, np.uint8) if hidden is None else np.asarray(hidden)
    codes = codes.astype(np.uint8).reshape(panels.shape)
    n_q, n_k = panels.shape[1:]
    axes = [
        Axis(
            name=name,
            count=n,
            starts=tuple(range(n)),
            labels=tuple(map(str, range(n))) if words is None else tuple(words),
        )
        for name, n, words in (("query", n_q, tokens), ("key", n_k, keys))
    ]
    given: dict[str, Any] = {
        "scale": "linear",
        "low": 0.0,
        "high": 1.0,
        "diverging": False,
        "pool": None,
        "role": "weight",
    }
    return HeatMap(
        command="heatmap",
        step="weights",
        formula="weights = softmax(scores)",
        panels=tuple(
            Panel(
                title=f"head {at}" if len(panels) > 1 else "",
                values=panel,
                hidden=code,
                largest=np.zeros(panel.shape, np.bool_),
            )
            for at, (panel, code) in enumerate(zip(panels, codes, strict=True))
        ),
        queries=axes[0],
        keys=axes[1],
        cross=keys is not None,
        legend=LEGEND,
        settings={},
        **{**given, **changes},
    )


def rows_of(heat: HeatMap, **style: Any) -> list[list[Cell]]:
    """The rows of the only panel, whose queries have no words, each from its first cell on."""
    lines = text.render(heat, Style(**style)).split("\n")[2:]
    label = len(str(heat.queries.starts[-1]))
    return [seen(line)[label + 1 :] for line in lines[: lines.index("")]]


class TestInAPipe:
    def test_there_are_no_codes_and_the_cells_are_those_of_tables(self, attn: Attn) -> None:
        path = SAMPLES / "two_heads.yaml"
        ran = attn("heatmap", path)
        assert (ran.status, ran.err) == (0, "")
        assert "\x1b" not in ran.out
        table = attn("compute", path, "--only", "weights", "--digits", 2).out
        number = re.compile(r"\d\.\d\d\*?")
        of_heads = [number.findall(part) for part in table.split("head 1")]
        lines = [number.findall(line) for line in ran.out.split("\n")]
        lines = [line for line in lines if line]
        assert [c for line in lines for c in line[:4]] == of_heads[0]
        assert [c for line in lines for c in line[4:]] == of_heads[1]

    def test_digits_are_tenths_of_the_range(self) -> None:
        values = [[0.0, 0.099, 0.1, 0.55, 0.99, 1.0]]
        assert "".join(c.character for c in rows_of(heat_map(values), numbers=False)[0]) == "001599"
        heat = heat_map(np.array([[-1, -0.55, -0.05, 0, 0.05, 0.3]]) * 8, low=-8.0, high=8.0,
                        diverging=True)  # fmt: skip
        shown = "".join(c.character for c in rows_of(heat, numbers=False)[0])
        assert shown == "-9-5 0 0 0 3"
        assert plain(text.render(heat, Style(numbers=False)))[-2] == "(-9 = -8, 9 = 8)"

    @pytest.mark.parametrize("ascii", [False, True])
    def test_what_is_hidden_and_what_is_nan(self, ascii: bool) -> None:
        heat = heat_map([[0.5, np.nan, 0.0], [1.0, 1.0, 0.0]], [[0, 0, HIDDEN], [0, 0, 0]])
        dot, cross = (".", "x") if ascii else ("·", "×")
        style = Style(numbers=False, ascii=ascii)
        rows = ["".join(c.character for c in row) for row in rows_of(heat, numbers=False,
                                                                      ascii=ascii)]  # fmt: skip
        assert rows == [f"5{cross}{dot}", "990"]
        assert plain(text.render(heat, style))[-2] == (
            f"(0 = 0, 9 = 1; {dot} hidden by: length; {cross} nan)"
        )
        numbers = text.render(heat, Style(ascii=ascii)).split("\n")
        assert numbers[2].split() == ["0", "0.50", "nan", dot]
        assert not ascii or text.render(heat, style).isascii()


class TestColours:
    def test_backgrounds_are_levels_of_the_ramp_and_hidden_cells_have_none(
        self, attn: Attn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLORTERM", "truecolor")
        ran = attn("heatmap", SAMPLES / "bank.yaml", "--width", 80)
        lines = ran.out.split("\n")
        assert max(map(cell_len, plain(ran.out))) <= 80
        ground = [background(cell) for cell in seen(lines[2])[6:]]
        colours = ramp(diverging=False, light=False).colours
        assert ground[:6] == [colours[32]] * 6  # river to river: the largest
        assert set(ground[6:12]) == {colours[round(32 * 0.17692)]}
        assert set(ground[12:]) == {None}
        assert next(c for c in seen(lines[2]) if c.character == "·").codes == DIM

    @pytest.mark.parametrize("light", [False, True])
    @pytest.mark.parametrize("diverging", [False, True])
    def test_blocks_are_two_columns_of_their_level(self, light: bool, diverging: bool) -> None:
        values = np.linspace(-1 if diverging else 0, 1, 7)[None]
        heat = heat_map(values, low=values.min(), diverging=diverging)
        cells = rows_of(heat, colours=TRUECOLOR, numbers=False, light=light)[0]
        colours = ramp(diverging=diverging, light=light).colours
        expected = [colours[round(32 * at / 6)] for at in range(7) for _ in range(2)]
        assert [background(cell) for cell in cells] == expected
        assert "".join(c.character for c in cells) == " " * 14

    def test_halves_are_two_queries_per_line(self) -> None:
        """▀ has the first query in its foreground and the second in its background."""
        n = 40  # too many for blocks in 80 columns
        values, hidden = np.zeros((3, n)), np.zeros((3, n))
        values[0, :4], values[1, :4] = (1, 1, 0, 0), (1, 0, 1, 0)
        hidden[0, 4:6], hidden[1, 5:7] = HIDDEN, HIDDEN
        values[:2, 7] = np.nan
        rows = rows_of(heat_map(values, hidden), colours=256)
        assert len(rows) == 2
        first, last = 234, 222  # of the ramp in 256 colours on a dark ground
        up, down = (38, 5), (48, 5)
        assert [tuple(cell) for cell in rows[0][:8]] == [
            ("▀", (*up, last, *down, last)), ("▀", (*up, last, *down, first)),
            ("▀", (*up, first, *down, last)), ("▀", (*up, first, *down, first)),
            ("▄", (*up, first)), ("·", DIM), ("▀", (*up, first)), ("×", DIM),
        ]  # fmt: skip
        assert {tuple(cell) for cell in rows[1]} == {("▀", (*up, first))}

    @pytest.mark.parametrize("colours", [0, 16])
    def test_a_terminal_without_256_colours_gets_no_code(self, colours: int) -> None:
        for columns in (3, 40):
            shown = text.render(heat_map(np.eye(columns)), Style(colours=colours))
            assert "\x1b" not in shown


class TestLegend:
    def test_ticks_are_numbers_of_the_scale(self) -> None:
        assert legend.ticks(heat_map(np.eye(2), high=0.50523)) == ["0", "0.5052"]
        scores = heat_map(np.eye(2), low=-3.5, high=3.5, diverging=True)
        assert legend.ticks(scores) == ["-3.5", "0", "3.5"]
        log = heat_map(np.eye(2), low=1 / 512, high=1.0, scale="log")
        assert legend.ticks(log) == ["0.001953", "0.01562", "0.125", "1"]

    def test_without_room_for_a_ramp_there_are_the_ends(self) -> None:
        heat = heat_map(np.eye(2), low=-123456.0, high=123456.0, diverging=True)
        for width, shown in (
            (20, "(-1.235e+05 to\n 1.235e+05)"),
            (26, "(-1.235e+05     1.235e+05)"),
        ):
            lines = "\n".join(
                plain(text.render(heat, Style(width=width, colours=256)))[
                    -len(shown.split("\n")) - 1 :
                ]
            )
            assert lines == f"{shown}\n"

    def test_it_says_what_a_cell_is(self, tmp_path: Path, attn: Attn) -> None:
        np.save(tmp_path / "w.npy", np.full((512, 512), 1 / 512, np.float32))
        out = attn("heatmap", tmp_path / "w.npy", "--width", 100).out
        assert "one cell is 6 x 6 tokens: keys summed, mean of queries" in out
        out = attn("heatmap", tmp_path / "w.npy", "--width", 100, "--pool", "max").out
        assert "one cell is 6 x 6 tokens: the largest of them" in out

    def test_of_several_heads_sampled_and_logarithmic(self) -> None:
        x = np.random.default_rng(0).normal(size=(1, 2, 70, 2)) * 5
        problem = {"query": x, "key": x, "value": x, "causal": True}
        drawing = of_problem(
            read_problem(from_mapping(problem)), Request(steps=("weights",)), Chosen()
        )
        heat = draw(drawing, (5, 5), many=0)
        assert legend.notes(heat, hidden="#") == [
            "one scale for all heads", "log scale from 1/70", "# hidden by: causal",
            "one cell is 16 x 16 tokens: keys summed, mean of queries", "every 4th query",
        ]  # fmt: skip


class TestWidth:
    @pytest.mark.parametrize("width", [20, 40, 80, 131])
    def test_no_line_is_wider_or_ends_in_a_blank(self, width: int) -> None:
        rng = np.random.default_rng(width)
        x = rng.normal(size=(1, 3, 71, 2))
        for n, step in (
            (1, "weights"),
            (4, "masked"),
            (13, "weights"),
            (37, "masked"),
            (71, "weights"),
        ):
            keys = dict.fromkeys(("query", "key", "value"), x[:, :, :n])
            tokens = [HOSTILE[at % len(HOSTILE)] for at in range(n)]
            problem = read_problem(from_mapping({**keys, "tokens": tokens, "causal": True}))
            drawing = of_problem(problem, Request(steps=(step,)), Chosen())
            for colours in (0, 256):
                style = Style(width=width, colours=colours)
                shown = text.render(draw(drawing, text.fit(drawing.outline, style)), style)
                for line, bare in zip(shown.split("\n"), plain(shown), strict=True):
                    assert cell_len(bare) <= width, (n, step, colours, bare)
                    assert line == line.rstrip()
                    assert bare.isprintable()
                    seen(line)

    def test_a_terminal_of_40_columns(self) -> None:
        ran = on_terminal("heatmap", "samples/dog_sentence.yaml", columns=40)
        assert (ran.status, ran.err) == (0, "")
        assert "\x1b[" in ran.out
        assert max(map(cell_len, plain(ran.out))) <= 40

    def test_wide_and_hostile_tokens_shift_no_column(self) -> None:
        n = len(HOSTILE)
        for columns in (5, 60):  # numbers and digits
            heat = heat_map(np.ones((n, columns)), tokens=HOSTILE)
            shown = text.render(heat, Style(width=150)).split("\n")[2 : 2 + n]
            room = columns * (5 if columns == 5 else 1)
            assert {line[-room:] for line in shown} == {shown[0][-room:]}
            assert len({cell_len(line[:-room]) for line in shown}) == 1
        assert r"a\nb\tc\r" in text.render(heat_map(np.ones((n, 2)), tokens=HOSTILE), Style())
        escaped = heat_map(np.ones((1, 1)), tokens=["a\x1b[31mb"])
        assert r"a\x1b[31mb" in text.render(escaped, Style(colours=256))

    def test_a_word_is_not_cut_within_an_escape(self) -> None:
        heat = heat_map(np.ones((2, 2)), tokens=["ab\x1b[31m" + "c" * 40, "\u202e" * 9])
        for numbers, width in product((True, False), range(20, 60)):
            shown = text.render(heat, Style(width=width, numbers=numbers))
            assert re.findall(r"\\(?!x1b|u202e)", shown) == []  # each that begins is whole
            assert "ab" in shown
            assert "…" in shown

    def test_chosen_heads_and_batch_entries_are_named(self, attn: Attn, tmp_path: Path) -> None:
        ones = np.ones((2, 3, 2, 5))
        np.savez(tmp_path / "p.npz", query=ones, key=ones, value=ones)
        for step in ("weights", "q"):  # computed for the map, and drawn from a record
            for options, titles in (
                (("--batch", 1, "--head", 2), "batch 1, head 2"),
                (("--batch", 1, "--head", "0,2"), "batch 1, head 0 batch 1, head 2"),
                (("--head", 1), "batch 0, head 1 batch 1, head 1"),
            ):
                ran = attn("heatmap", tmp_path / "p.npz", "--only", step, "--width", 60, *options)
                assert " ".join(ran.out.split("\n")[1].split()) == titles
        ran = attn("heatmap", tmp_path / "p.npz", "--batch", 1, "--no-numbers")
        assert "one scale for all heads" in ran.out

    def test_a_chosen_scale_is_that_of_digits(self, attn: Attn, tmp_path: Path) -> None:
        np.save(tmp_path / "w.npy", np.array([[0.5, 0.25], [0.0625, 0.125]]))
        ran = attn("heatmap", tmp_path / "w.npy", "--colours", "row")
        assert [line.split()[-1] for line in ran.out.split("\n")[2:4]] == ["95", "59"]
        assert ran.out.endswith("\n(0 = 0, 9 = largest; each row by its own largest)\n")
        numbers = attn("heatmap", tmp_path / "w.npy", "--colours", "row", "--numbers").out
        assert numbers.endswith("no shades: the scale changes no number)\n")
        shades = text.render(heat_map(np.eye(3), scale="row"), Style(colours=256))
        assert "1" in plain(shades)[1]
        assert "no shades" not in shades

    def test_panels_are_side_by_side_as_many_as_fit(self) -> None:
        titles = {80: [3, 1], 40: [1] * 4, 200: [4]}  # a panel of 20 columns, and gaps of 3
        heat = heat_map(np.ones((4, 3, 3)), tokens=["a", "b", "c"])
        for width, expected in titles.items():
            shown = text.render(heat, Style(width=width))
            found = [line.count("head") for line in shown.split("\n") if line.startswith("head")]
            width_of_panel = 1 + 1 + 3 * 5
            assert sum(found) == 4
            assert found[0] == min(4, (width + 3) // (width_of_panel + 3)), expected

    def test_two_heads_are_side_by_side_if_pooled_ones_are_large_enough(self) -> None:
        x = np.random.default_rng(0).normal(size=(1, 2, 64, 2))
        problem = read_problem(from_mapping({"query": x, "key": x, "value": x}))
        drawing = of_problem(problem, Request(steps=("weights",)), Chosen())
        for width, most in ((110, 50), (50, 47)):  # labels of 2 columns and a blank
            style = Style(width=width, colours=256)
            assert text.fit(drawing.outline, style)[1] == most
            shown = plain(text.render(draw(drawing, text.fit(drawing.outline, style)), style))
            assert ("head 1" in shown[1]) is (width == 110)

    def test_several_panels_are_halves_if_only_these_are_side_by_side(self) -> None:
        for panels, width, line in ((1, 90, "  "), (2, 90, "▀"), (2, 80, "  ")):
            shown = text.render(heat_map(np.eye(36)[None].repeat(panels, 0)),
                                Style(width=width, colours=256))  # fmt: skip
            cells = seen(shown.split("\n")[2 + (panels > 1)])[3:5]
            assert "".join(cell.character for cell in cells) == line * (2 if line == "▀" else 1)

    def test_numbers_are_for_up_to_16_keys(self) -> None:
        for columns, first in ((16, "1"), (17, "90000000000000000")):
            shown = text.render(heat_map(np.eye(columns)), Style(width=200)).split("\n")[2]
            assert shown.split()[1] == first

    def test_weights_that_are_negative_after_all_have_room_for_signs(
        self, tmp_path: Path, attn: Attn
    ) -> None:
        np.save(tmp_path / "w.npy", -np.eye(1031))  # read by rows, not looked through before
        ran = attn("heatmap", tmp_path / "w.npy")
        assert ran.err.endswith("if they are scores, name that step\n")
        assert 70 < max(map(cell_len, plain(ran.out))) <= 80
        assert "-9" in ran.out

    def test_numbers_that_have_no_room_are_refused(self, attn: Attn, tmp_path: Path) -> None:
        np.save(tmp_path / "w.npy", np.eye(20))
        ran = attn("heatmap", tmp_path / "w.npy", "--numbers")
        assert ran.status == 2
        needed = re.search(r"need a width of about (\d+)", ran.err)
        assert needed is not None
        assert f"write --width {needed[1]}" in ran.err
        wide = attn("heatmap", tmp_path / "w.npy", "--numbers", "--width", needed[1])
        assert wide.status == 0
        assert len(wide.out.split("\n")[5].split()) == 21


class TestKeys:
    def test_other_tokens_are_listed_if_columns_have_no_words(self) -> None:
        heat = heat_map(np.eye(3), tokens=["a", "b", "c"], keys=["le", "petit", "chat"])
        assert "keys: 0 le  1 petit  2 chat\n" in text.render(heat, Style(numbers=False))
        assert "keys:" not in text.render(heat, Style())
        same = heat_map(np.eye(3), tokens=["a", "b", "c"], keys=["a", "b", "c"])
        assert "keys:" not in text.render(same, Style(numbers=False))

    def test_columns_are_counted(self) -> None:
        blocks = plain(text.render(heat_map(np.eye(12)), Style(numbers=False, colours=256)))
        assert blocks[1] == "   0         5         10"
        digits = plain(text.render(heat_map(np.eye(12)), Style(numbers=False)))
        assert digits[1] == "   0         10"


class TestJson:
    def test_it_has_the_cells_and_how_they_are_drawn(self, attn: Attn) -> None:
        ran = attn("heatmap", SAMPLES / "bank.yaml", "-f", "json")
        document = json.loads(ran.out)
        assert list(document)[:3] == ["format", "command", "step"]
        assert (document["format"], document["command"]) == ("attn/1", "heatmap")
        (panel,) = document["panels"]
        weights = json.loads(attn("compute", SAMPLES / "bank.yaml", "-f", "json").out)
        values = weights["steps"]["weights"]["values"]
        codes = weights["steps"]["visible"]["values"]
        for row, code, shown in zip(values, codes, panel["values"], strict=True):
            assert shown == [None if c else v for v, c in zip(row, code, strict=True)]
        assert panel["hidden"] == codes
        assert document["queries"]["labels"] == ["river", "bank", "money", "bank"]
        assert document["scale"]["high"] == max(map(max, values))
        assert document["settings"]["score"]["function"] == "scaled"

    def test_width_pools_it_and_digits_round_it(self, attn: Attn) -> None:
        path = SAMPLES / "dog_sentence.yaml"
        ran = attn("heatmap", path, "-f", "json", "--width", 20, "--digits", 2)
        assert json.loads(ran.out)["pool"] is None
        values = json.loads(ran.out)["panels"][0]["values"]
        assert values == [[round(v, 2) for v in row] for row in values]

    def test_too_many_numbers_are_refused_before_they_are_computed(
        self, attn: Attn, tmp_path: Path
    ) -> None:
        n = 3001
        np.save(tmp_path / "x.npy", np.ones((n, 1)))
        names = [f"--{name}={tmp_path / 'x.npy'}" for name in ("query", "key", "value")]
        ran = attn("heatmap", *names, "-f", "json")
        assert ran.status == 2
        message = json.loads(ran.out)["error"]["message"]
        assert message.startswith(f"weights has {n} x {n} numbers, more than the 4194304")
        pooled = json.loads(attn("heatmap", *names, "-f", "json", "--width", 20).out)
        assert (pooled["pool"], len(pooled["panels"][0]["values"])) == ("mass", 20)
