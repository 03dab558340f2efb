"""Data sets on disk: ours, and those of others."""
