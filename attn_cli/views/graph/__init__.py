"""Views of a graph: a graph -> text."""
