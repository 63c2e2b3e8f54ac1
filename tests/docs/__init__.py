"""What the documentation shows: generated, and checked."""
