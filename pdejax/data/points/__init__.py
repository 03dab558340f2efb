"""Where points of a box lie, and where it was measured."""
