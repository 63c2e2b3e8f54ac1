"""Bytes -> nodes and arrays: YAML, NPY, NPZ, tables, word vectors. It knows no attention."""
