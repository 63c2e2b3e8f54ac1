"""PNG whose pixels are numbers, decoded again."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from numpy.typing import NDArray

from attn_cli.views.pictures.grey import grey_png
from tests.helpers.pictures import pixels


def decoded(data: bytes) -> tuple[NDArray[np.uint8], int | None]:
    """Return the levels of an image of one byte per pixel, and which of them is transparent."""
    _, there, rest = data.partition(b"tRNS")
    return pixels(data)[..., 0], struct.unpack(">H", rest[:2])[0] if there else None


def test_every_number_is_its_level_if_none_is_hidden() -> None:
    shares = np.linspace(0, 1, 3 * 257).reshape(3, 257)
    levels, clear = decoded(grey_png(shares))
    assert clear is None
    np.testing.assert_array_equal(levels, np.rint(shares * 255))


@pytest.mark.parametrize("rare", [1, 7, 254])
def test_a_level_that_no_pixel_has_is_transparent(rare: int) -> None:
    numbers = np.delete(np.arange(256), rare) / 255
    levels, clear = decoded(grey_png(np.stack([numbers, np.full(255, np.nan)])))
    assert clear == rare
    np.testing.assert_array_equal(levels[0], np.delete(np.arange(256), rare))
    assert (levels[1] == rare).all()


def test_else_that_which_the_fewest_have_and_these_get_the_nearest() -> None:
    few = np.array([99.6, 100.4]) / 255
    others = np.delete(np.arange(256), 100) / 255
    shares = np.concatenate([np.tile(others, 3), few, [np.nan]])
    levels, clear = decoded(grey_png(shares[None]))
    assert clear == 100
    seen = ~np.isnan(shares)
    assert (levels[0][~seen] == 100).all()
    assert (levels[0][seen] != 100).all()
    assert np.abs(levels[0][seen] - shares[seen] * 255).max() <= 1
    assert levels[0][np.isin(shares, few)].tolist() == [99, 101]


def test_a_picture_of_hidden_pixels_alone() -> None:
    levels, clear = decoded(grey_png(np.full((2, 3), np.nan)))
    assert (levels == clear).all()
