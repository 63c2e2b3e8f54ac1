"""Attention applied to language: dictionaries, and translation of words, alone or in context."""
