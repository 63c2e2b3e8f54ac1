"""Views of conventions: the catalogue, one preset, or several compared -> text."""
