"""The keys of a problem -> a validated `Problem`: one module per group of keys, one schema."""
