"""Colours: ramps that grow evenly, text that can be read on them, codes that terminals know."""

import re

import numpy as np
import pytest

from attn_cli.views import colour
from attn_cli.views.colour import BLACK, WHITE, contrast, ramp, shades, xterm
from attn_cli.views.view import PALETTE, TRUECOLOR

GROUNDS = [(diverging, light) for diverging in (False, True) for light in (False, True)]


def lightness(rgb: colour.RGB) -> float:
    """L of OKLab (Ottosson, 2020)."""
    linear = np.array([v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4
                       for v in (part / 255 for part in rgb)])  # fmt: skip
    cones = np.array([[0.4122214708, 0.5363325363, 0.0514459929],
                      [0.2119034982, 0.6806995451, 0.1073969566],
                      [0.0883024619, 0.2817188376, 0.6299787005]]) @ linear  # fmt: skip
    return float(np.cbrt(cones) @ [0.2104542553, 0.7936177850, -0.0040720468])


def test_black_and_white_are_as_far_apart_as_can_be() -> None:
    assert contrast(BLACK, WHITE) == pytest.approx(21)
    assert contrast(WHITE, BLACK) == pytest.approx(21)
    assert contrast((119, 119, 119), WHITE) == pytest.approx(4.48, abs=0.005)  # #777, well known


@pytest.mark.parametrize(
    ("index", "rgb"),
    [
        (16, (0, 0, 0)),
        (231, (255, 255, 255)),
        (21, (0, 0, 255)),  # the last blue of the cube
        (196, (255, 0, 0)),
        (67, (95, 135, 175)),
        (232, (8, 8, 8)),
        (255, (238, 238, 238)),
    ],
)
def test_the_256_colours_of_xterm(index: int, rgb: colour.RGB) -> None:
    assert xterm(index) == rgb


@pytest.mark.parametrize("index", [-1, 15, 256])
def test_an_index_without_a_fixed_colour_is_refused(index: int) -> None:
    with pytest.raises(ValueError, match=str(index)):
        xterm(index)


@pytest.mark.parametrize(("diverging", "light"), GROUNDS)
def test_lightness_grows_or_falls_evenly(diverging: bool, light: bool) -> None:
    chosen = ramp(diverging=diverging, light=light)
    assert len(chosen.colours) == 33
    assert len(chosen.indices) == 9
    for colours in (chosen.colours, tuple(map(xterm, chosen.indices))):
        steps = np.diff([lightness(each) for each in colours])
        halves = np.array_split(steps, 2) if diverging else [steps]
        for half in halves:
            assert (half > 0).all() or (half < 0).all()
    steps = np.abs(np.diff([lightness(each) for each in chosen.colours]))
    assert steps.max() / steps.min() < 2


@pytest.mark.parametrize(("diverging", "light"), GROUNDS)
def test_a_ramp_begins_at_its_ground(diverging: bool, light: bool) -> None:
    """0 has almost the colour of the ground; the largest values are clearly visible."""
    colours = ramp(diverging=diverging, light=light).colours
    zero = colours[16] if diverging else colours[0]
    ground = 1.0 if light else 0.0
    far = {abs(lightness(each) - ground) for each in (colours[-1], colours[0 if diverging else -1])}
    assert abs(lightness(zero) - ground) < 0.27
    assert min(far) > 0.55


@pytest.mark.parametrize("colours", [PALETTE, TRUECOLOR])
@pytest.mark.parametrize(("diverging", "light"), GROUNDS)
def test_text_can_be_read_on_every_shade(diverging: bool, light: bool, colours: int) -> None:
    made = shades(diverging=diverging, light=light, colours=colours)
    assert made is not None
    for cell, shown in zip(made.cell, made.shown, strict=True):
        if colours == PALETTE:
            found = re.fullmatch(r"\x1b\[38;5;(\d+);48;5;(\d+)m", cell)
            assert found
            ink, ground = (xterm(int(index)) for index in found.groups())
        else:
            found = re.fullmatch(r"\x1b\[38;2;(\d+);(\d+);(\d+);48;2;(\d+);(\d+);(\d+)m", cell)
            assert found
            r, g, b, *rest = map(int, found.groups())
            ink, ground = (r, g, b), (rest[0], rest[1], rest[2])
        assert ground == shown
        assert contrast(ink, ground) >= 4.5


def test_256_colours_are_spread_over_the_levels() -> None:
    made = shades(diverging=False, light=False, colours=PALETTE)
    assert made is not None
    assert made.background[0] == "\x1b[48;5;234m"
    assert made.background[16] == "\x1b[48;5;31m"  # the middle one of nine
    assert made.foreground[32] == "\x1b[38;5;222m"


@pytest.mark.parametrize("colours", [0, 8, 16])
def test_few_colours_are_no_shades(colours: int) -> None:
    assert shades(diverging=False, light=False, colours=colours) is None


def test_levels_round_ties_to_even() -> None:
    shares = np.array([0, 0.5 / 32, 1.5 / 32, 2.5 / 32, 0.5, 1, 1.7, -3, np.nan, np.inf, -np.inf])
    assert colour.levels(shares).tolist() == [0, 0, 2, 2, 16, 32, 32, 0, 0, 32, 0]


def test_colours_are_written_in_hex() -> None:
    assert colour.hex_of((14, 148, 186)) == "#0e94ba"
