"""Distributions of numbers: parameters of an equation, factors and levels of fields."""
