"""Problem + Request -> Record: what is planned, computed block by block or by tiles, and kept."""
