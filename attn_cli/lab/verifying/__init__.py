"""A function that computes attention, called with a grid of small problems and judged.

`cases` says what a case is, `grid` lists them, `calling` calls the function, in a child process
(`process`, `child`) or in this one; `expected` computes what a case should give, and `judging`
compares.
"""
