"""The numbers of a steady result, and what two of them must have in common to be compared."""

from pdejax.evaluation.rollouts.rows import rows as rows
from pdejax.evaluation.rollouts.rows import subject as subject

MAIN = ("relative_l2", "vrmse", "mse")
"""The metrics that are shown first."""
