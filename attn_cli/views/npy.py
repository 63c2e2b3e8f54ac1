"""One step as an NPY file, in the type of the arithmetic."""

from __future__ import annotations

from io import BytesIO

import numpy as np

from attn_cli.record import Record
from attn_cli.views import Style


def render(record: Record, _: Style) -> bytes:
    """Return the only step of the record."""
    (step,) = record.steps.values()
    out = BytesIO()
    np.lib.format.write_array(out, np.ascontiguousarray(step.values), allow_pickle=False)
    return out.getvalue()
