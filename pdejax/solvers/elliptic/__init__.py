"""Steady diffusion on boxes: finite volumes and preconditioned conjugate gradients."""
