"""Learning: which arrays of a problem can be learnt, their gradients, and the learnt file."""
