"""Named equations: each a function of its parameters' values, registered in the group `equation`."""
