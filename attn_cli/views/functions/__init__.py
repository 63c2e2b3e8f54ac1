"""Views of score functions and of normalisers: all of them, or one explained -> text."""
