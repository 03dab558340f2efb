"""Data sets made by classical solvers: deterministic, sharded, resumable."""
