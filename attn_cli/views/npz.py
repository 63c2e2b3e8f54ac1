"""All steps as an NPZ archive, whose members have the names of the steps. It can be read again."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np

from attn_cli.record import Record
from attn_cli.views import Style


def render(record: Record, _: Style) -> bytes:
    """Return the archive, uncompressed; the same record gives the same bytes."""
    out = BytesIO()
    arrays: dict[str, Any] = {
        name: np.ascontiguousarray(step.values) for name, step in record.steps.items()
    }
    if record.settings.get("layout") == "columns":  # otherwise it would be read back transposed
        arrays["layout"] = np.array("columns")
    np.savez(out, **arrays)
    return out.getvalue()
