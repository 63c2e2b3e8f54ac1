"""Views of the catalogue of steps: a list, or one explained -> text."""
