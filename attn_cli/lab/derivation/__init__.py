"""Derivations: how one number, or one row, of a computation comes about, as lines of arithmetic."""
