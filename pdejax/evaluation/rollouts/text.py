"""A rollout's result for the command line."""

from pdejax.evaluation.metrics.table import METRICS
from pdejax.evaluation.price.words import price_lines
from pdejax.evaluation.result import Result
from pdejax.evaluation.rollouts.solves import solve_rows
from pdejax.evaluation.tables import aligned, systems_lines

SHOWN = ("correlation_time_0.8", "relative_l2", "one_step_nrmse", "nrmse_gmean", "spectrum_log_distance")


def text(result: Result) -> str:
    """The main metrics of the model and of all systems, what a solve takes where there are solves, and the price."""
    solves = solve_rows(result.document["systems"]["model"]["cost"].get("solves", []))
    own = [name for name in result.document["systems"]["model"]["metrics"] if name not in METRICS]
    lines = systems_lines(result.document, (*SHOWN, *own), "s/step")
    price = price_lines(result.document.get("price"))
    return "\n".join([*lines, *([""] if solves else []), *aligned(solves), *price])
