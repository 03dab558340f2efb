"""Functions of fields on grids, one kind a file."""
