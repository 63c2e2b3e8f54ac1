"""Tests: expected values from formulas or from the brute-force loop of `tests.oracle`."""
