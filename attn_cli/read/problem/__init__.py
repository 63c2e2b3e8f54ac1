"""The keys of a problem, one module a group of keys, and the schema that joins them."""
