"""Learning to denoise: refinement of a step, and ensembles of futures."""
