"""attn_cli/sources."""
