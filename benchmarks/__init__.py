"""`make bench`: this project beside its peers, one table, benchmarks/RESULTS.md.

`rows/` has one module for each group of rows, `inside/` the worker processes that stay alive where
a row is about the Python API, `scripts/` the peers that are whole programs. This process imports
neither NumPy nor torch: it stays small, for the peak that the system reports of a child is never
below that of the process it was forked from.
"""
