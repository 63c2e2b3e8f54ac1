"""Views of what was found about a function that computes attention."""
