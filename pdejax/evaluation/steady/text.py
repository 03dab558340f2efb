"""A steady result for the command line."""

from pdejax.evaluation.result import Result
from pdejax.evaluation.steady.rows import MAIN
from pdejax.evaluation.tables import systems_lines


def text(result: Result) -> str:
    """The main metrics of the operator and of all systems."""
    return "\n".join(systems_lines(result.document, MAIN, "s/sample"))
