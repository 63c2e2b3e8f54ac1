"""attn_cli/language."""
