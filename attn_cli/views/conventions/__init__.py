"""Views of conventions: all there are, one preset, or several compared -> text."""
