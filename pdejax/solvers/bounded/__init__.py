"""Spectral methods in time on boxes with ends: sines and cosines, and Chebyshev polynomials."""
