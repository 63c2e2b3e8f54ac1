"""What attention is for: words looked up in a dictionary, alone or in their context."""
