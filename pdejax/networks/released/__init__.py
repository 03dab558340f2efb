"""Weights that other libraries have written."""
