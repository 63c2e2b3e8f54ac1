"""What the user wrote, letter by letter: YAML events, numbers, words, mappings."""
