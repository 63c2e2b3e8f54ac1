"""Views of judged answers, and of what an exercise can show."""
