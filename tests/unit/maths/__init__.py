"""attn_cli/maths."""
