"""Anything that can be a matrix: nested lists, files, archives, tables, word vectors."""
