"""Whole outputs: every sample, every formula. After a wanted change, read the difference."""
