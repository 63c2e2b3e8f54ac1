"""Problem + Request -> Record: a plan, its steps computed by blocks or tiles, and their sink."""
