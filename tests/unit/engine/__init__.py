"""attn_cli/engine."""
