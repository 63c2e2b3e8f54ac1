"""Completion scripts. One module per shell, all with one signature.

    script(program, commands) -> str

A script holds all names: on TAB the shell reads a list, and no Python starts.
"""

from __future__ import annotations

SHELLS = {name: f"attn_cli.cli.shells.{name}" for name in ("bash", "zsh", "fish")}
