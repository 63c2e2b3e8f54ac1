"""Faults that are put into the package one at a time: the tests must notice each of them.

`changes/*.txt` holds the faults as data. `python -m tests.mutants` (`make mutants`) runs all tests
once, which must pass, and notes which of them call a function that has a fault. Then each fault is
put into its function in a fork of that process, and the tests that call it run, the quickest first,
until one fails. Nothing is written into the package.
"""
