"""Writes and checks the generated parts of README.md and docs: `make docs`, `make docs-check`.

`shell` runs the commands that pages show, `shown` is what the cog blocks of pages call, `tables`
and `catalogues` print the registries of the package, `pages` has the pages that are generated as a
whole.
"""
