"""Finite volumes: conservation laws with shocks, and walls, of the flux that the text of an equation gives."""
