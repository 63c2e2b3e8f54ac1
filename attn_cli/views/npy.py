"""One step as an NPY file, in the type of the arithmetic."""

from __future__ import annotations

from io import BytesIO

import numpy as np

from attn_cli.arrays import AnyArray
from attn_cli.record import Record, Whole
from attn_cli.views import Encoding, Style


def render(record: Record, _: Style) -> bytes:
    """Return the only step of the record."""
    (step,) = record.steps.values()
    out = BytesIO()
    np.lib.format.write_array(out, np.ascontiguousarray(step.values), allow_pickle=False)
    return out.getvalue()


def encoding(whole: Whole, _: Style) -> Encoding:
    """Return the encoding: the header, then the values as they are in memory."""
    head = BytesIO()
    description = np.lib.format.dtype_to_descr(whole.dtype)
    np.lib.format.write_array_header_1_0(
        head, {"descr": description, "fortran_order": False, "shape": whole.shape}
    )
    return Encoding(head.getvalue(), whole.dtype.itemsize, _bytes)


def _bytes(_start: int, values: AnyArray) -> memoryview:
    return values.reshape(-1).view(np.uint8).data
