"""Views of the mistakes that an exercise can show, and of those that it cannot."""
