"""`python -m attn_cli`."""

from attn_cli.cli import entry

if __name__ == "__main__":
    entry()
