"""Statistics of weights: one line per head, or per query of each head."""
