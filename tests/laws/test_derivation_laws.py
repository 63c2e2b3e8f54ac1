"""Laws of derivations, tried on random problems: any conventions at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attn_cli import compute
from attn_cli.lab.derivation.choice import Asked
from attn_cli.lab.derivation.derive import derive
from attn_cli.lab.derivation.result import Row
from attn_cli.maths.pipeline import pipeline
from attn_cli.reading.schema import read_problem
from attn_cli.sources.matrices.document import from_mapping
from attn_cli.views import VIEWS, Style
from attn_cli.views.cells import cell_width
from tests.conformance.strategies import problems
from tests.helpers.derived import arithmetic, has_its_template, worked_out

pytestmark = pytest.mark.slow


def place_in(axes: tuple[str, ...], line: Any, index: dict[str, int], n_k: int, size: int) -> Any:
    """The place of a line in a step with these axes, of which `size` is the number of keys."""
    place = {**index, "key head": None, **line.index}
    place["key"] = place.get("key", 0) - (n_k - size)
    return tuple(place.get(axis, slice(None)) for axis in axes)


@settings(max_examples=10)
@given(problems(), st.data())
def test_each_line_gives_the_value_of_the_record(keys: dict[str, Any], data: Any) -> None:
    problem = read_problem(from_mapping(keys))
    steps = pipeline(problem)
    some = [name for name in ("lse", "exp_sum", "row_sums") if name in steps]
    step = data.draw(st.sampled_from(["weights", "weights", list(steps)[-1], *some]))
    keys_of_step = st.integers(0, problem.n_k - 1) if "key" in steps[step].axes else st.none()
    key = data.draw(st.one_of(st.none(), keys_of_step))
    query = data.draw(st.one_of(st.none(), st.integers(0, problem.n_q - 1)))
    derivation = derive(problem, Asked(query=query, key=key), step)
    record = compute(problem, steps=list(steps))
    index = dict(derivation.index)
    for line in derivation.lines:
        if isinstance(line, Row):
            continue
        found = record.steps[line.step]
        size = dict(zip(found.axes, found.shape, strict=True)).get("key", problem.n_k)
        place = place_in(found.axes, line, index, problem.n_k, size)
        if "key head" in found.axes:
            place = (*place[: len(problem.batch)], problem.key_heads[index["head"]],
                     *place[len(problem.batch) + 1 :])  # fmt: skip
        value = np.asarray(found.values[place], np.float64)
        said = f"{line.step} {dict(line.index)}: {line.template.numbers}"
        np.testing.assert_allclose(line.result, value, rtol=1e-9, atol=1e-9, err_msg=said)
        # Sums with a fill of the lowest number have lost all digits.
        usual = np.isfinite(value).all() and "lowest" not in str(keys.get("mask_fill"))
        assert has_its_template(line) or isinstance(line.result, tuple) or not usual, said
        text = arithmetic(line)
        if text and np.isfinite(value):
            assert worked_out(text) == pytest.approx(float(value), rel=1e-7, abs=1e-9), said
    for view in VIEWS.of("Derivation").values():
        shown = view.render(derivation, Style(width=70))
        assert isinstance(shown, str)
        if view.name == "text":
            assert [line for line in shown.splitlines() if cell_width(line) > 70] == []
