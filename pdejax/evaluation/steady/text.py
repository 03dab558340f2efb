"""A steady result for the command line."""

from pdejax.evaluation.price.words import price_lines
from pdejax.evaluation.result import Result
from pdejax.evaluation.steady.rows import MAIN
from pdejax.evaluation.tables import systems_lines


def text(result: Result) -> str:
    """The main metrics of the operator and of all systems, and the price."""
    lines = systems_lines(result.document, MAIN, "s/sample")
    return "\n".join([*lines, *price_lines(result.document.get("price"))])
