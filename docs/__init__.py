"""The documentation: pages in Markdown, and in `_make` what writes the generated parts of them."""
