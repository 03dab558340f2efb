"""One page about a field that was fitted to an equation, to mail, print and read offline."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from pdejax.evaluation.coordinate.figures import (
    Stage,
    field_figure,
    field_training_figure,
    found_figure,
    gaussians_figure,
    time_figure,
)
from pdejax.evaluation.coordinate.measure import FieldEvaluation
from pdejax.evaluation.page.html import escape, facts, formula, number, page, picture, seconds, table, words
from pdejax.evaluation.page.write import _card, _metric_lines, _section, _versions
from pdejax.evaluation.rollouts.document import Evaluation
from pdejax.plot import png, settle, style

LONGEST = 120  # characters of LaTeX beyond which a formula would not fit the page


# ---- numbers


def _claim(entry: Mapping[str, Any]) -> str:
    return ("&lt; " if entry["censored"] else "") + number(entry["value"])


def _place(at: Mapping[str, float] | None) -> str:
    return ", ".join(f"{axis} = {number(x)}" for axis, x in at.items()) if at else ""


def _digits(value: float | None) -> str:
    """A found parameter, with more digits than errors have."""
    return number(value, 6)


def _error_card(evaluation: FieldEvaluation) -> str:
    if evaluation.document["error"] is None:
        return _card("n/a", f"relative L2 error: {escape(evaluation.document['no_error'])}")
    entry = evaluation.error()
    floor = number(entry["floor"]) if entry["floor"] else "0, it is exact"
    return _card(_claim(entry), f"relative L2 error<br>floor of the truth: {floor}")


def _headline(evaluation: FieldEvaluation) -> str:
    document = evaluation.document
    worst = max((e["relative"] or 0.0 for e in document["residual"]["equations"]), default=0.0)
    missing = any(e["relative"] is None for e in document["residual"]["equations"])
    cards = [_error_card(evaluation), _card(number(None if missing else worst), "relative residual of the equation")]
    for name, entry in document["found"].items():
        true = "" if entry["truth"] is None else f"<br>true value {_digits(entry['truth'])}"
        cards.append(_card(_digits(entry["value"]), f"found {escape(name)}{true}"))
    cards.append(_card(seconds(document["cost"]["seconds"]), "for 10,000 points, compiled"))
    size = document["model"]
    count = f"{size['gaussians']}" if size["gaussians"] else f"{size['parameters']}"
    what = f"Gaussians<br>{size['parameters']} parameters" if size["gaussians"] else "parameters"
    cards.append(_card(count, f"{what}, {escape(size['precision'])}"))
    return f'<div class="cards">{"".join(cards)}</div>'


def _error_table(evaluation: FieldEvaluation) -> str:
    given = evaluation.document["error"]
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


def _residual_table(evaluation: FieldEvaluation) -> str:
    rows = []
    for name, entry in evaluation.residuals().items():
        reason = f"<small>{escape(entry['reason'])}</small>" if entry["reason"] else ""
        cells = [escape(name), number(entry["relative"]) + reason, number(entry["rms"]), number(entry["largest"])]
        rows.append(("", [*cells, _place(entry["at"])]))
    head = ["", "relative residual<small>↓ lower is better</small>", "root mean square", "largest", "at"]
    return table(head, rows)


def _found_table(found: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        ("", [escape(name), _digits(e["value"]), _digits(e["guess"]), _digits(e["truth"]), number(e["relative_error"])])
        for name, e in found.items()
    ]
    return table(["parameter", "found", "first guess", "true value", "relative error"], rows) if rows else ""


def _notes(evaluation: FieldEvaluation) -> str:
    document = evaluation.document
    protocol, problem = document["protocol"], document["problem"]
    notes = [
        f"Residuals are left minus right sides at {protocol['points']} quasi-random points inside the box and "
        f"{protocol['face_points']} on each face, none of which training has seen.",
        "The relative residual is the root mean square of the residual over that of the sum of the sizes of its parts: "
        "each derivative times how strongly the residual depends on it. On faces, where a field may well vanish, "
        "derivatives count with their size inside the box. A small residual is necessary for a small error, not "
        "sufficient.",
    ]
    if document["truth"] is not None:
        notes += [
            "The relative L2 error is the norm of the error over the norm of the truth, over all points of the grid of "
            "the truth and all times.",
            f"The floor is how far the truth is from a solution of about half the effort. An error below "
            f"{protocol['claim']:g} floors is not claimed: the table then has that bound with a sign “&lt;”.",
        ]
    if problem["timed"] and document["truth"] is not None:
        notes.append("Over time, the error is shown over the usual size of the truth at all times.")
    if problem["undetermined"]:
        names = escape(", ".join(problem["undetermined"]))
        notes.append(f"Only derivatives of {names} occur in this problem: a constant may be added to it. No such "
                     "constant is taken off, the error counts it.")  # fmt: skip
    notes.append(f"Times of evaluation are wall-clock times on {escape(document['environment']['devices'][0])}; they "
                 "include whatever else the machine was doing.")  # fmt: skip
    return "<ul>" + "".join(f"<li>{note}</li>" for note in notes) + "</ul>"


# ---- the problem


def _formulas(latex: list[str], terms: list[str], name: str) -> str:
    """Terms as formulas; as they were written where they are too long or matplotlib does not know a command."""
    short = latex and all(len(line) <= LONGEST for line in latex)
    shown = [formula(line, f"{name}{i}") for i, line in enumerate(latex)] if short else [None]
    if None in shown:
        return "".join(f"<p><code>{escape(term)}</code></p>" for term in terms)
    return "".join(map(str, shown))


def _conditions(problem: Mapping[str, Any]) -> str:
    parts = []
    for i, one in enumerate(problem["conditions"]):
        weight = "" if one["weight"] == 1 else f", weight {number(one['weight'])} in the loss"
        places = escape("; ".join(one["at"]))
        parts.append(f"<p>{escape(one['name'].replace('_', ' '))} <span class='soft'>(at {places}{weight})</span></p>")
        parts.append(_formulas(one["latex"], one["terms"], f"condition{i}-"))
    return "".join(parts)


def _problem(evaluation: FieldEvaluation) -> str:
    problem, found = evaluation.document["problem"], evaluation.document["found"]
    ends = zip(problem["axes"], problem["box"], problem["periodic"], strict=True)
    box = [f"{axis} from {number(a)} to {number(b)}{', periodic' if wraps else ''}" for axis, (a, b), wraps in ends]
    rows = {
        "Box": "; ".join(box),
        "Fields": escape(", ".join(problem["fields"])),
        "Parameters": words({k: v for k, v in problem["parameters"].items() if k not in found}),
        **({"To be found": escape(", ".join(found))} if found else {}),
    }
    equation = _formulas(problem["latex"], problem["equation"], "equation")
    return equation + facts(rows) + "<h3>Conditions</h3>" + _conditions(problem)


_KINDS = {
    "exact": "a formula of the solution",
    "spectral": "a Fourier pseudo-spectral solver in float64, compared with half the points and half the steps",
    "chebyshev": "Chebyshev collocation in float64, compared with three quarters of the points and ten tolerances",
}


def _truth(evaluation: FieldEvaluation) -> str:
    truth = evaluation.document["truth"]
    if truth is None:
        return f"<p>{escape(evaluation.document['no_error'].capitalize())}; residuals are all there is to judge by.</p>"
    how = dict(truth["how"])
    kind = how.pop("kind", "")
    rows = {
        "Made by": escape(_KINDS.get(kind, kind)),
        "Grid": f"{' × '.join(map(str, truth['shape']))} points",
        "Floor": number(truth["floor"]),
        **{name.replace("_", " ").capitalize(): words(value) for name, value in how.items()},
    }
    return facts(rows)


# ---- figures


def _stages(folder: Path) -> list[Stage]:
    """Names and records of all stages of the training, in their order."""
    earlier = sorted(path.parent for path in (folder / "stages").glob("*/metrics.jsonl"))
    stages: list[Stage] = [(path.name.partition("-")[2] or path.name, _metric_lines(path)) for path in earlier]
    stages.append(("last" if earlier else "", _metric_lines(folder)))
    return [(name, lines) for name, lines in stages if lines]


def _draw(folder: Path, evaluation: FieldEvaluation) -> Iterator[tuple[str, Figure | None, str]]:
    """Name, figure and caption of everything there may be something to draw of."""
    problem = evaluation.document["problem"]
    middle = " In the middle of z." if len(problem["box"]) - problem["timed"] == 3 else ""
    for channel, field in enumerate(problem["fields"]):
        name = "field" + (f"_{field}" if channel else "")
        yield (
            name,
            field_figure(evaluation, channel),
            f"Field {escape(field)}; error and residual are absolute.{middle}",
        )
    yield "errors", time_figure(evaluation), "Root mean square error over space, over the size of the truth."
    yield (
        "gaussians",
        gaussians_figure(evaluation),
        "Ellipses are one standard deviation about the centre; images by periods and mirrors are not drawn. Dashed "
        "lines part slabs.",
    )
    stages = _stages(folder)
    terms = ["equation", "observations", *(c["name"] for c in problem["conditions"])]
    yield "training", field_training_figure(stages, terms), "Optimisation; stages may weigh the terms differently."
    yield "found", found_figure(evaluation, stages), "How the unknown parameters were found."


SECTIONS = {
    "Field": ("field",),
    "Error over time": ("errors",),
    "What the field is made of": ("gaussians",),
    "Training": ("training", "found"),
}


def _figures(folder: Path, evaluation: FieldEvaluation) -> dict[str, str]:
    """Writes each figure to `figures/` and returns it as HTML, by name."""
    (folder / "figures").mkdir(exist_ok=True)
    shown = {}
    with style():
        for name, made, caption in _draw(folder, evaluation):
            if made is not None:
                made.draw_without_rendering()  # equal units need the layout twice
                (folder / "figures" / f"{name}.png").write_bytes(png(settle(made)))
                shown[name] = picture(made, name, caption)
    return shown


def write_field_report(run_folder: str | Path) -> Path:
    """Writes `report.html` and `figures/*.png` from what the run folder of a field holds.

    It reads `evaluation.json` and `evaluation.npz` (required), `metrics.jsonl`, those of earlier stages in
    `stages/*/metrics.jsonl`, and `config.yaml` (shown if there). The page is one file without scripts or links.

    **Arguments:** `run_folder`: path of the run.

    **Returns:** the path of the page.

    **Raises:** `FileNotFoundError` if the run was not evaluated; `ValueError` if it is no run of a field.
    """
    folder = Path(run_folder)
    evaluation = FieldEvaluation.load(folder)
    document, shown = evaluation.document, _figures(folder, evaluation)
    config = folder / "config.yaml"
    settings = f"<pre>{escape(config.read_text(encoding='utf-8'))}</pre>" if config.exists() else ""
    name, model = folder.resolve().name, document["model"]
    slabs = f" in {model['slabs']} slabs" if model["slabs"] and model["slabs"] > 1 else ""
    parts = [
        f"<h1>{escape(name)}</h1>",
        f'<p class="soft">{escape(document["problem"]["name"])}, solved by a {escape(model["field"])}{slabs}</p>',
        _headline(evaluation),
        _section("Errors", _error_table(evaluation)),
        _section("Residuals", _residual_table(evaluation)),
        _section("Found parameters", _found_table(document["found"])),
        *(
            _section(title, "".join(part for n, part in shown.items() if n.startswith(prefixes)))
            for title, prefixes in SECTIONS.items()
        ),
        _section("How to read the numbers", _notes(evaluation)),
        _section("Problem", _problem(evaluation)),
        _section("Truth", _truth(evaluation)),
        _section("Configuration", settings),
        _section("Versions", _versions(Evaluation(document, {}))),
    ]
    partial = folder / "report.tmp.html"
    partial.write_text(page(f"{name}: evaluation", parts), encoding="utf-8")
    os.replace(partial, folder / "report.html")
    return folder / "report.html"
