"""Functions of the coordinates of a box with their derivatives, one kind a file."""
