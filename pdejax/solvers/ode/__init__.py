"""Ordinary differential equations by Diffrax, with records of the steps it takes."""
