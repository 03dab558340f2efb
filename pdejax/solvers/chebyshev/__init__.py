"""Collocation on boxes: Newton's method for steady problems, the method of lines for those in time."""
