"""Layouts: every order of axes gives the step back, of arrays in memory and of rows in a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from attn_cli.lab.layouts import arranged, fitting, same
from attn_cli.sources.matrices.document import Document
from attn_cli.sources.matrices.files import Inputs, ReadSizes
from attn_cli.sources.matrices.matrix import read_array_by_rows

AXES = ("batch", "head", "query", "dimension")
STEP = np.arange(2 * 3 * 5 * 7.0).reshape(2, 3, 5, 7)
FILES = {
    "bhsd": STEP,
    "bshd": STEP.transpose(0, 2, 1, 3),
    "sbhd": STEP.transpose(2, 0, 1, 3),
    "bs(hd)": STEP.transpose(0, 2, 1, 3).reshape(2, 5, 21),
    "sb(hd)": STEP.transpose(2, 0, 1, 3).reshape(5, 2, 21),
    "(bs)hd": STEP.transpose(0, 2, 1, 3).reshape(10, 3, 7),
    "(bh)sd": STEP.reshape(6, 5, 7),
    "bhds": STEP.transpose(0, 1, 3, 2),
}


@pytest.mark.parametrize("name", FILES)
def test_a_layout_gives_the_step_back(name: str, tmp_path: Path) -> None:
    (layout,) = fitting(AXES, STEP.shape, FILES[name].shape)
    assert layout.name == name
    assert np.array_equal(np.asarray(arranged(FILES[name], layout, AXES)), STEP)
    np.save(tmp_path / "step.npy", FILES[name])
    inputs = Inputs(sizes=ReadSizes(by_rows_from=1))
    stored = read_array_by_rows(Document({}, inputs=inputs), str(tmp_path / "step.npy"), ())
    assert not isinstance(stored, np.ndarray)
    found = arranged(stored, layout, AXES)
    assert found.shape == STEP.shape
    assert np.array_equal(found[1, 2][np.array([0, 3])], STEP[1, 2, [0, 3]])


def test_axes_of_one_entry_can_be_missing() -> None:
    (layout,) = fitting(AXES, (1, 1, 5, 7), (5, 7))
    assert arranged(STEP[0, 0], layout, AXES).shape == (1, 1, 5, 7)
    (lse,) = fitting(("head", "query"), (3, 5), (1, 3, 5, 1))
    assert lse.name == "bhs1"
    assert arranged(STEP[:1, :, :, :1], lse, ("head", "query")).shape == (3, 5)


def test_equal_sizes_leave_several_layouts_and_other_shapes_none() -> None:
    names = [each.name for each in fitting(AXES, (2, 5, 5, 7), (2, 5, 5, 7))]
    assert names == ["bhsd", "bshd"]
    assert not fitting(AXES, STEP.shape, (3, 2, 7, 5, 1))
    (one,) = fitting(AXES, (2, 1, 5, 7), (2, 1, 5, 7))
    (other,) = fitting(AXES, (2, 1, 5, 7), (2, 5, 1, 7))
    assert (one.name, other.name) == ("bhsd", "bshd")
    assert same(one, other)
