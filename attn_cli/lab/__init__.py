"""Records beside records: compared with expected values, with one another, and as graphs."""
