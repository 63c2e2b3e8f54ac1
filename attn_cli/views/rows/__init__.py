"""The views as data, in the groups of `attn --help`: one row per format and result."""

from __future__ import annotations

from attn_cli.views.rows.ask import ASK
from attn_cli.views.rows.compute import COMPUTE
from attn_cli.views.rows.list import LIST
from attn_cli.views.rows.look import LOOK

ROWS = (*COMPUTE, *LOOK, *ASK, *LIST)

__all__ = ["ROWS"]
