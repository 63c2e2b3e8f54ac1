"""attn_cli/train."""
