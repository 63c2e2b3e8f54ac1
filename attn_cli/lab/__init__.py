"""Records compared with expected values or with each other, and as graphs."""
