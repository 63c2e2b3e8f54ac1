"""attn_cli/views."""
