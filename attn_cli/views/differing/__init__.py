"""Views of two computations compared stage by stage."""
