"""Bytes -> nodes and arrays: YAML, NPY, NPZ, tables, word vectors. Independent of attention."""
