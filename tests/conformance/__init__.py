"""Attention with every convention, from its definition, and every engine over every case.

`oracle` is slow and shares nothing with attn_cli: every array is nested lists of plain numbers,
and every step is worked out query by query and key by key. `oracle.attention` takes the mapping
that `attn_cli.compute` takes. `cases` are problems by name, `strategies` draws others; a new engine
adds no test.
"""
