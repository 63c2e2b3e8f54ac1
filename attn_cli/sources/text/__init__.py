"""The user's text, character by character: YAML events, numbers, words, mappings."""
