"""Distributions of fields: coefficients are drawn, never grid noise, so that a finer grid shows the same field."""
