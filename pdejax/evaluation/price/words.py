"""What a price says in words."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pdejax.evaluation.metrics.table import metric_of
from pdejax.evaluation.price.breakeven import NEVER

CLOCKS = {"cpu": "CPU time", "wall": "wall time"}
QUANTILES = {"median": "median", "p95": "95th percentile"}
NETWORK = "the network"


def first_quote(network: Mapping[str, Any]) -> Mapping[str, Any]:
    """The one told first: the median error of the whole solve, in the larger batch, by the first clock."""
    return network["quotes"][0]


def duration(seconds: float) -> str:
    """A time in the unit that suits it."""
    units = (("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 1e-3))
    unit, size = next((u for u in units if seconds >= (2 if u[1] > 1 else 1) * u[1]), ("µs", 1e-6))
    return f"{seconds / size:.3g} {unit}"


def setting(given: Mapping[str, Any]) -> str:
    """A resolution: `48 points, 2 steps, order 2`."""
    shown = []
    for name, value in given.items():
        if name == "points":
            shown.append(f"{' x '.join(map(str, value))} points")
        elif name == "steps":
            shown.append(f"{value} step{'s' if value != 1 else ''}")
        else:
            shown.append(f"{name} {value:g}" if isinstance(value, int | float) else f"{name} {value}")
    return ", ".join(shown)


def bounded(value: Any, bound: str | None = None) -> str:
    """A number that may be never, unknown or a bound."""
    if value is None:
        return "n/a"
    if value == NEVER:
        return NEVER
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{bound} {text}" if bound else text


def ends(interval: Sequence[Any] | None) -> str:
    """Both ends of an interval, which may be never."""
    if interval is None:
        return ""
    low, high = map(bounded, interval)
    return low if low == high else f"{low} to {high}"


def ratio(speed_up: float, bound: str | None = None) -> str:
    """A speed-up of a network, in times that it is cheaper or dearer."""
    if math.isclose(speed_up, 1.0, rel_tol=5e-3):
        return "as dear"
    cheaper = speed_up > 1
    times = speed_up if cheaper else 1 / speed_up
    least = bound is not None and (bound == ">=") == cheaper
    words = "" if bound is None else "at least " if least else "at most "
    text = f"{times:.2g}" if times < 100 else f"{times:,.0f}"
    return f"{words}{text} times {'cheaper' if cheaper else 'dearer'}"


def sentence(price: Mapping[str, Any], name: str) -> str:
    """What the quote told first says of a network, one price beside the other, and whether it repays.

    **Arguments:** `price`: the section, with networks; `name`: of the network.
    """
    network = price["networks"][name]
    quote, who = first_quote(network), NETWORK if len(price["networks"]) == 1 else name
    at = setting(price["solvers"][quote["solver"]]["setting"])
    error = f"{metric_of(quote['metric']).label} {quote['error']:.3g}, median"
    begin = {
        "inside": f"At the error of {who} ({error}) the classical solver, near {at}, takes",
        "cheap": f"The cheapest classical solver tested, {at}, is more accurate than {who} ({error}) and takes",
        "accurate": f"No classical solver that was tested is as accurate as {who} ({error}); the most accurate, {at}, "
                    "takes",
    }[quote["end"]]  # fmt: skip
    clock, compared = CLOCKS[price["currency"]], ratio(quote["speed_up"], quote["speed_up_bound"])
    costs = f"{duration(quote['solver_seconds'])} of {clock} a solve, {who} {duration(quote['seconds'])}: {compared}"
    floor = " The error is at the floor of the truth." if quote["at_floor"] else ""
    return f"{begin} {costs}.{floor} {repaid(network)}{shared(network)}"


def shared(network: Mapping[str, Any]) -> str:
    """What of a hybrid's price is its solver's, which a cheaper network would not change."""
    host = network.get("host")
    if host is None:
        return ""
    return (
        f" The solver in it takes {host['share']:.0%} of its time: with a network that costs nothing it would be at "
        f"most {host['limit']:.2g} times as fast."
    )


def repaid(network: Mapping[str, Any]) -> str:
    """After how many solves the training is repaid, by the quote told first."""
    quote, spent = first_quote(network), network["spent"]
    number = quote["breakeven"]
    if number is None:
        return f"When it repays its training is not known: {quote['reason']}."
    if number == NEVER:
        return "It never repays its training."
    bound = {"<=": "at most ", ">=": "at least "}.get(quote["breakeven_bound"], "")
    trials = "" if spent["trials"] == 1 else f", {spent['trials']} trainings counted"
    without = f" ({spent['without']})" if spent["without"] else ""
    return (
        f"It repays its training after {bound}{bounded(number)} solves, {duration(3600 * quote['hours'])} of "
        f"solving{trials}{without}."
    )


def price_lines(price: Mapping[str, Any] | None) -> list[str]:
    """The price for the command line: a line for each network, or why there is none."""
    if price is None:
        return []
    if price["reason"]:
        return ["", f"price: none, because {price['reason']}"]
    return ["", *(f"price: {sentence(price, name)}" for name in price["networks"])]


def quote_rows(price: Mapping[str, Any], name: str) -> list[list[str]]:
    """The quotes of a network: error, batch and clock, both costs, speed-up and breakeven number with intervals."""
    rows = []
    for one in price["networks"][name]["quotes"]:
        floor = " (at the floor)" if one["at_floor"] else ""
        rows.append([
            f"{metric_of(one['metric']).label}, {QUANTILES[one['quantile']]}", f"{one['error']:.3g}{floor}",
            str(one["batch"]), CLOCKS[one["clock"]], duration(one["solver_seconds"]), duration(one["seconds"]),
            bounded(one["speed_up"], one["speed_up_bound"]), ends(one["speed_up_interval"]),
            bounded(one["breakeven"], one["breakeven_bound"]), ends(one["breakeven_interval"]),
        ])  # fmt: skip
    return rows
