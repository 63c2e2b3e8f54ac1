"""Attention with every convention, from its definition: slow, and sharing nothing with attn_cli.

Every array is nested lists of plain numbers, and every step is worked out query by query and key by
key. `oracle.attention` takes the mapping that `attn_cli.compute` takes.
"""
