"""What the page of a network of coordinates says in tables and words."""

from collections.abc import Mapping
from typing import Any

from pdejax.evaluation.coordinate.rows import residuals
from pdejax.evaluation.coordinate.verdict import unresolved
from pdejax.evaluation.page.html import card, cards, escape, facts, formulas, notes, number, seconds, table, words

LONGEST = 120  # characters of LaTeX beyond which a formula would not fit the page


def _claim(entry: Mapping[str, Any]) -> str:
    return ("&lt; " if entry["censored"] else "") + number(entry["value"])


def _place(at: Mapping[str, float] | None) -> str:
    return ", ".join(f"{axis} = {number(x)}" for axis, x in at.items()) if at else ""


def _digits(value: float | None) -> str:
    """A found parameter, with more digits than errors have."""
    return number(value, 6)


def _error_card(document: Mapping[str, Any]) -> str:
    if document["error"] is None:
        return card("n/a", f"relative L2 error: {escape(document['no_error'])}")
    entry = document["error"]["all"]["relative_l2"]
    floor = number(entry["floor"]) if entry["floor"] else "0, it is exact"
    return card(_claim(entry), f"relative L2 error<br>floor of the truth: {floor}")


def headline(document: Mapping[str, Any]) -> str:
    """Numbers that are seen first."""
    worst = max((e["relative"] or 0.0 for e in document["residual"]["equations"]), default=0.0)
    missing = any(e["relative"] is None for e in document["residual"]["equations"])
    shown = [_error_card(document), card(number(None if missing else worst), "relative residual of the equation")]
    for name, entry in document["found"].items():
        true = "" if entry["truth"] is None else f"<br>true value {_digits(entry['truth'])}"
        shown.append(card(_digits(entry["value"]), f"found {escape(name)}{true}"))
    shown.append(card(seconds(document["cost"]["seconds"]), "for 10,000 points, compiled"))
    size = document["model"]
    count = f"{size['gaussians']}" if size["gaussians"] else f"{size['parameters']}"
    what = f"Gaussians<br>{size['parameters']} parameters" if size["gaussians"] else "parameters"
    shown.append(card(count, f"{what}, {escape(size['precision'])}"))
    why = unresolved(document)
    warned = f'<p class="warning">Not resolved: {escape(why)}.</p>\n' if why else ""
    return warned + cards(shown)


def error_table(document: Mapping[str, Any]) -> str:
    """Errors of each field and of all together; nothing where the solution is not known."""
    given = document["error"]
    if given is None:
        return ""
    rows = []
    for name, entry in {**given["fields"], "all": given["all"]}.items():
        relative, most = entry["relative_l2"], entry["largest"]
        reason = f"<small>{escape(relative['reason'])}</small>" if relative["reason"] else ""
        largest = "not claimed" if most["value"] is None else number(most["value"])
        label = "all fields" if name == "all" else f"field {escape(name)}"
        cells = [label, _claim(relative) + reason, number(relative["floor"]), largest, _place(most["at"])]
        if name != "all" or len(given["fields"]) > 1:
            rows.append(("model" if name == "all" else "", cells))
    head = [
        "",
        "relative L2 error<small>↓ lower is better</small>",
        "floor of the truth",
        "largest absolute error",
        "at",
    ]
    return table(head, rows)


def residual_table(document: Mapping[str, Any]) -> str:
    """Residuals of the equations and of the conditions."""
    rows = []
    for name, entry in residuals(document).items():
        reason = f"<small>{escape(entry['reason'])}</small>" if entry["reason"] else ""
        cells = [escape(name), number(entry["relative"]) + reason, number(entry["rms"]), number(entry["largest"])]
        rows.append(("", [*cells, _place(entry["at"])]))
    head = ["", "relative residual<small>↓ lower is better</small>", "root mean square", "largest", "at"]
    return table(head, rows)


def found_table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Parameters that were unknown; nothing where there were none."""
    rows = [
        ("", [escape(name), _digits(e["value"]), _digits(e["guess"]), _digits(e["truth"]), number(e["relative_error"])])
        for name, e in found.items()
    ]
    return table(["parameter", "found", "first guess", "true value", "relative error"], rows) if rows else ""


def how_to_read(document: Mapping[str, Any]) -> str:
    """What the numbers mean."""
    protocol, problem = document["protocol"], document["problem"]
    said = [
        f"Residuals are left minus right sides at {protocol['points']} quasi-random points inside the box and "
        f"{protocol['face_points']} on each face, none of which training has seen.",
        "The relative residual is the root mean square of the residual over that of the sum of the sizes of its parts: "
        "each derivative times how strongly the residual depends on it. On faces, where a field may well vanish, "
        "derivatives count with their size inside the box. A small residual is necessary for a small error, not "
        "sufficient.",
    ]
    if document["truth"] is not None:
        said += [
            "The relative L2 error is the norm of the error over the norm of the truth, over all points of the grid of "
            "the truth and all times.",
            f"The floor is how far the truth is from a solution of about half the effort. An error below "
            f"{protocol['claim']:g} floors is not claimed: the table then has that bound with a sign “&lt;”.",
        ]
    if problem["timed"] and document["truth"] is not None:
        said.append("Over time, the error is shown over the usual size of the truth at all times.")
    if problem["undetermined"]:
        names = escape(", ".join(problem["undetermined"]))
        said.append(f"Only derivatives of {names} occur in this problem: a constant may be added to it. No such "
                     "constant is taken off, the error counts it.")  # fmt: skip
    said.append(f"Times of evaluation are wall-clock times on {escape(document['environment']['devices'][0])}; they "
                 "include whatever else the machine was doing.")  # fmt: skip
    return notes(said)


# ---- the problem


def _conditions(problem: Mapping[str, Any]) -> str:
    parts = []
    for i, one in enumerate(problem["conditions"]):
        weight = "" if one["weight"] == 1 else f", weight {number(one['weight'])} in the loss"
        places = escape("; ".join(one["at"]))
        parts.append(f"<p>{escape(one['name'].replace('_', ' '))} <span class='soft'>(at {places}{weight})</span></p>")
        parts.append(formulas(one["latex"], one["terms"], f"condition{i}-", LONGEST))
    return "".join(parts)


def about_problem(document: Mapping[str, Any]) -> str:
    """Equation, box and conditions."""
    problem, found = document["problem"], document["found"]
    ends = zip(problem["axes"], problem["box"], problem["periodic"], strict=True)
    box = [f"{axis} from {number(a)} to {number(b)}{', periodic' if wraps else ''}" for axis, (a, b), wraps in ends]
    rows = {
        "Box": "; ".join(box),
        "Fields": escape(", ".join(problem["fields"])),
        "Parameters": words({k: v for k, v in problem["parameters"].items() if k not in found}),
        **({"To be found": escape(", ".join(found))} if found else {}),
    }
    equation = formulas(problem["latex"], problem["equation"], "equation", LONGEST)
    return equation + facts(rows) + "<h3>Conditions</h3>" + _conditions(problem)


_KINDS = {
    "exact": "a formula of the solution",
    "spectral": "a Fourier pseudo-spectral solver in float64, compared with half the points and half the steps",
    "chebyshev": "Chebyshev collocation in float64, compared with three quarters of the points and ten tolerances",
}


def about_truth(document: Mapping[str, Any]) -> str:
    """How the truth was made."""
    truth = document["truth"]
    if truth is None:
        return f"<p>{escape(document['no_error'].capitalize())}; residuals are all there is to judge by.</p>"
    how = dict(truth["how"])
    kind = how.pop("kind", "")
    rows = {
        "Made by": escape(_KINDS.get(kind, kind)),
        "Grid": f"{' × '.join(map(str, truth['shape']))} points",
        "Floor": number(truth["floor"]),
        **{name.replace("_", " ").capitalize(): words(value) for name, value in how.items()},
    }
    return facts(rows)
