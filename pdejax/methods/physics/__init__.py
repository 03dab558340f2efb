"""Learning from an equation alone."""
