"""attn_cli/conventions."""
