"""One step as an NPY file, in the type of the arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import chain

import numpy as np

from attn_cli.record import Record, Whole
from attn_cli.views import Style


def render(record: Record, _: Style) -> bytes:
    """Return the only step of the record."""
    (step,) = record.steps.values()
    out = BytesIO()
    np.lib.format.write_array(out, np.ascontiguousarray(step.values), allow_pickle=False)
    return out.getvalue()


def render_parts(whole: Whole, parts: Iterable[Record], _: Style) -> Iterator[bytes]:
    """Yield the header of the whole, then the numbers of each part."""
    records = iter(parts)
    first = next(records)
    dtype = first[whole.name].dtype
    head = BytesIO()
    description = np.lib.format.dtype_to_descr(dtype)
    np.lib.format.write_array_header_1_0(
        head, {"descr": description, "fortran_order": False, "shape": whole.shape}
    )
    yield head.getvalue()
    for record in chain((first,), records):
        yield np.ascontiguousarray(record[whole.name]).tobytes()
