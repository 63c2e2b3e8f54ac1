"""Views of sample problems: the list of all, or one of them -> text."""
