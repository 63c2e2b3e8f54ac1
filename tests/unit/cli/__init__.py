"""attn_cli/cli."""
