"""What several tests share: processes, terminals, runs by tiles, targets of streams."""
