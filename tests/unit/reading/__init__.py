"""attn_cli/reading."""
