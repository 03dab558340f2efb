"""The numbers of a price, as rows of a result."""

from collections.abc import Mapping
from typing import Any

from pdejax.evaluation.price.words import first_quote

METRICS = {"speed_up": ("", "higher"), "breakeven": ("solves", "lower")}
"""Unit and direction; a breakeven number may be the word "never"."""


def price_rows(price: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Speed-ups and breakeven numbers: of the quote told first by their plain names, of all others with what tells them
    apart (`speed_up, one_step_nrmse, p95, batch 1, wall`), the hours of solving until the first one's, and the share
    that the solver has in a model that works with one.
    """
    if price is None:
        return []
    if price["reason"]:
        return [_row("model", name, name, {"reason": price["reason"]}) for name in METRICS]
    listed = []
    for system, network in price["networks"].items():
        first = first_quote(network)
        for quote in network["quotes"]:
            told = f", {quote['metric']}, {quote['quantile']}, batch {quote['batch']}, {quote['clock']}"
            listed += [_row(system, name + ("" if quote is first else told), name, quote) for name in METRICS]
        hours, row = first["hours"], _row(system, "breakeven_hours", "breakeven", first)
        why = first["reason"] or "it is never repaid"
        listed.append(row | {"value": hours, "interval": None, "unit": "h", "reason": why if hours is None else None})
        if host := network.get("host"):
            plain = {"interval": None, "unit": "", "better": "higher", "bound": None, "reason": None}
            listed.append(row | plain | {"metric": "host_share", "value": host["share"]})
    return listed


def _row(system: str, metric: str, kind: str, quote: Mapping[str, Any]) -> dict[str, Any]:
    unit, better = METRICS[kind]
    value = quote.get(kind)
    return {
        "system": system,
        "metric": metric,
        "value": value,
        "interval": quote.get(f"{kind}_interval"),
        "unit": unit,
        "better": better,
        "censored": None,
        "bound": quote.get(f"{kind}_bound"),
        "reason": quote["reason"] if value is None else None,
    }
