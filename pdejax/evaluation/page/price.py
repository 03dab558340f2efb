"""The part of a page that tells prices: a sentence, the picture of costs and errors, the table."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pdejax.evaluation.metrics.table import metric_of
from pdejax.evaluation.page.html import escape, facts, notes, number, table
from pdejax.evaluation.page.section import Picture, Section
from pdejax.evaluation.price.envelope import envelope
from pdejax.evaluation.price.field_words import field_sentence
from pdejax.evaluation.price.words import CLOCKS, duration, first_quote, quote_rows, sentence, setting
from pdejax.plot import Look, NetworkPoint, PricePanel, SolverPoint, look_of, prices_figure

TITLE = "Price"
HEADS = ("", "error", "batch", "clock", "classical solver<small>of the same error</small>", "network",
         "speed-up<small>below 1: the network is dearer</small>", "<small>interval</small>",
         "solves that repay<small>data and training</small>", "<small>interval</small>")  # fmt: skip


def price_section_of(document: Mapping[str, Any], looks: Mapping[str, Look] | None = None) -> Section:
    """What models cost beside the best classical solver of the same error; nothing where that was not measured.

    **Arguments:** `document`; `looks`: of the models, where there are several.
    """
    price = document.get("price")
    if price is None:
        return Section.of(TITLE)
    if price["reason"]:
        return Section.of(TITLE, f"<p>There is no price: {escape(price['reason'])}.</p>")
    said = "".join(f"<p>{escape(sentence(price, name))}</p>" for name in price["networks"])
    tables = "".join(_table(price, name) for name in price["networks"])
    return Section.of(TITLE, said, _picture(price, looks or {}), tables, _set(price), notes(_notes(price)))


def solver_beside(document: Mapping[str, Any]) -> str:
    """How long the classical solver of the same error takes, for a card of the model's cost; a solver of another error
    says nothing."""
    price = document.get("price")
    if not price or price["reason"]:
        return ""
    quote = first_quote(next(iter(price["networks"].values())))
    bound = {"<=": "at most ", ">=": "at least "}.get(quote["speed_up_bound"], "")
    return f"<br>the classical solver of the same error takes {bound}{number(quote['speed_up'], 2)} × as long"


def field_price_section(document: Mapping[str, Any]) -> Section:
    """What the training of a network of coordinates took beside the classical solver of the same error."""
    price = document.get("price")
    if price is None or price["reason"]:
        why = None if price is None else f"<p>There is no price: {escape(price['reason'])}.</p>"
        return Section.of(TITLE, why)
    rows = [
        ("", [escape(setting(one["setting"])), number(one["error"]), *(duration(x) for x in one["seconds"].values())])
        for one in price["attempts"]
    ]
    heads = [f"{CLOCKS[clock]}<small>of the solve</small>" for clock in price["attempts"][0]["seconds"]]
    note = "Compilation counts, in the solves as in the training. More points are tried until a solve is as accurate."
    shown = table(["classical solver", "relative L2 error", *heads], rows)
    return Section.of(TITLE, f"<p>{escape(field_sentence(price))}</p>", shown, notes([note]))


def _table(price: Mapping[str, Any], name: str) -> str:
    head = [escape(name) if len(price["networks"]) > 1 else "", *HEADS[1:]]
    rows = [("model" if i == 0 else "", list(map(escape, row))) for i, row in enumerate(quote_rows(price, name))]
    return table(head, rows) + facts(_spent(price["networks"][name]["spent"]))


def _spent(spent: Mapping[str, Any]) -> dict[str, str]:
    told = lambda given: ", ".join(f"{duration(x)} of {CLOCKS[clock]}" for clock, x in given.items())
    rows = {"Training": told(spent["training"]) if spent["training"] else "not known"}
    rows["Trainings counted"] = str(spent["trials"])
    rows["Data"] = told(spent["data"]) if spent["data"] else "not known"
    return rows | ({"Not known": escape(spent["without"])} if spent["without"] else {})


def _notes(price: Mapping[str, Any]) -> Iterator[str]:
    counts, floor = price["set"], price["floor"]
    yield (
        f"A solve is {price['steps']} step(s) of one trajectory; errors are those of {price['trajectories']} "
        "trajectories. The cost of the classical solver at the error of a network is read off its lower envelope, "
        "interpolated between logarithms. Intervals are bootstrap intervals over trajectories and repeats."
    )
    yield (
        f"The classical set has {counts['variants']} variants in single precision. {counts['run']} were run, from the "
        "cheapest on; the others could not be on the envelope at these errors. "
        f"{counts['unstable']} left the range of the data. {counts['in_turns']} were timed in turns with the networks; "
        "open marks were timed once."
    )
    levels = ", ".join(f"{escape(metric_of(m).label)} {number(floor[m]['median'])}" for m in price["metrics"])
    yield f"The floor of the truth is {levels} (median): {escape(floor['how'])}. Errors below count as the floor."
    yield (
        "CPU time is that of all threads of the process together, what one core would need for the same work; wall "
        "time is what all cores need, and whatever else the machine was doing. Compilation is excluded."
    )


def _set(price: Mapping[str, Any]) -> str:
    """All members that were run, folded."""
    rows = []
    for one in price["solvers"]:
        errors = [_error(one, metric) for metric in price["metrics"]]
        cost = "" if one["about"] is None else duration(_cost(one, price))
        rows.append(("", [escape(setting(one["setting"])), *errors, cost]))
    heads = ["", *(f"{escape(metric_of(m).label)}<small>median</small>" for m in price["metrics"]), "a solve"]
    return f"<details><summary>The classical solvers that were run</summary>{table(heads, rows)}</details>"


def _error(one: Mapping[str, Any], metric: str) -> str:
    if not one["stable"]:
        return "unstable"
    floor = "<small>at the floor</small>" if one["at_floor"][metric]["median"] else ""
    return number(one["error"][metric]["median"]) + floor


def _cost(one: Mapping[str, Any], price: Mapping[str, Any]) -> float:
    """Seconds of a solve in the first batch by the first clock, as sure as they are."""
    timed = one["seconds"].get(str(price["batches"][0]))
    return one["about"] if timed is None else timed[price["currency"]]["value"]


# ---- the picture


def _picture(price: Mapping[str, Any], looks: Mapping[str, Look]) -> Picture:
    panels = {metric_of(metric).label: _panel(price, metric, looks) for metric in price["metrics"][::-1]}
    clock, batch = CLOCKS[price["currency"]], price["batches"][0]
    caption = (
        "Squares: the classical solver, those on its lower envelope named by points / steps / order or tolerance. "
        "Circles: networks, with the range of their costs, and a bar from the median to the 95th percentile of their "
        "errors; the dashed line leads to the solver of the same error."
    )
    made = prices_figure(panels, f"seconds of {clock} a solve, in a batch of {batch}")
    return Picture("price", made, caption)


def _panel(price: Mapping[str, Any], metric: str, looks: Mapping[str, Look]) -> PricePanel:
    batch, clock = str(price["batches"][0]), price["currency"]
    solvers = [
        SolverPoint(_cost(one, price), one["error"][metric]["median"], _short(one["setting"]), batch in one["seconds"])
        for one in price["solvers"]
        if one["stable"]
    ]
    floor = price["floor"][metric]["median"]
    errors = np.array([max(one.error, floor) for one in solvers])
    best = envelope(np.array([one.cost for one in solvers]), errors)
    networks = []
    for name, one in price["networks"].items():
        quote = next(q for q in one["quotes"] if q["metric"] == metric)  # the first one is that of the first clock
        cost, error = one["seconds"][batch][clock], one["error"][metric]
        look, label = looks.get(name, look_of("model")), name if looks else "network"
        networks.append(NetworkPoint(label, look, cost["value"], (cost["low"], cost["high"]), error["median"],
                                     error["p95"], quote["solver_seconds"]))  # fmt: skip
    return PricePanel(solvers, best, networks, floor)


def _short(given: Mapping[str, Any]) -> str:
    shown = lambda value: f"{value:g}" if isinstance(value, int | float) else str(value)
    parts = ["×".join(map(str, value)) if name == "points" else shown(value) for name, value in given.items()]
    return " / ".join(parts)
