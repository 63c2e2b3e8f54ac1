"""Every engine over every case: a new engine adds no test."""
