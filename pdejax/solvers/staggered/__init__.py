"""Incompressible flow between walls: velocities on the faces of cells, and a pressure for what flows out of each."""
