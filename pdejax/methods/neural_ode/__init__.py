"""Learning a right-hand side that a solver integrates."""
