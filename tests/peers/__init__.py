"""Comparisons with other implementations, which only `make test-peers` runs."""
