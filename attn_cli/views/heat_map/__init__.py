"""Views of a heat map: as text, as a picture, as JSON."""
