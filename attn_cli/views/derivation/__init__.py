"""Views of a derivation: its lines -> text. They fill the slots of templates, and no more."""
