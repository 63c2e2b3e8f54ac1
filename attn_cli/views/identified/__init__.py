"""Views of the classes of hypotheses that explain observed numbers."""
