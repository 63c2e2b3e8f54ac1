"""Which convention made an output: hypotheses judged against the noise of its type."""
