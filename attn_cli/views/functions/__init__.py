"""Views of score functions and normalisers: a list, or one explained -> text."""
