"""Two computations compared, stage by stage: noise, or a bug, and in which stage."""
