"""Learning from pairs of input and truth."""
