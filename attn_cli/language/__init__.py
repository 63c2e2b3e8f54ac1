"""What attention is for: dictionaries, words looked up in them, alone or in their context."""
