"""Views of the catalogue of steps: all of them, or one explained -> text."""
