"""Pseudo-spectral methods on periodic boxes with exponential integrators in time."""
