"""attn_cli/lab."""
