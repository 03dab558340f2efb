"""Convolutions in Fourier space, by transforms or by dense matrices, and the neural spectral block."""
