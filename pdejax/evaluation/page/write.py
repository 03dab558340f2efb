"""One page about a run that can be mailed, printed and read offline."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from pdejax.evaluation.metrics.table import METRICS
from pdejax.evaluation.page.html import escape, facts, formula, interval, number, page, picture, seconds, table, words
from pdejax.evaluation.rollouts.document import Evaluation
from pdejax.evaluation.rollouts.figures import error_figure, mode_error_figure, spectrum_figure, training_figure
from pdejax.evaluation.rollouts.pictures import example_title, rollout_figure
from pdejax.evaluation.rollouts.solves import solve_rows
from pdejax.evaluation.steady.figures import distribution_figure, steady_figure
from pdejax.plot import png, settle, style

MAIN_METRICS = (
    "relative_l2",
    "correlation_time_0.8",
    "correlation_time_0.9",
    "correlation_time_0.8_each",
    "one_step_nrmse",
    "nrmse_gmean",
    "spectrum_log_distance",
)
STEADY_METRICS = ("relative_l2", "vrmse", "mse")
HEADLINES = {
    "correlation_time_0.8": "time with mean correlation above 0.8",
    "one_step_nrmse": "relative error (nRMSE) after one step",
    "nrmse_gmean": "relative error, geometric mean of the first {steps} steps",
}
STEADY_HEADLINES = {
    "relative_l2": "relative L2 error, mean over samples",
    "vrmse": "error over the standard deviation of the solution (VRMSE)",
}
ARROWS = {"lower": "↓ lower is better", "higher": "↑ higher is better"}


def _cell(entry: Mapping[str, Any]) -> str:
    if entry["value"] is None:
        return f"n/a<small>{escape(entry['reason'])}</small>"
    bound = "≥ " if entry["censored"] else ""
    small = f"<small>{interval(*entry['interval'])}</small>" if entry["interval"] else ""
    return f"{bound}{number(entry['value'])}{small}"


def _head(name: str) -> str:
    metric = METRICS[name]
    unit = f" ({escape(metric.unit)})" if metric.unit and metric.unit != "time" else ""
    return f"{escape(metric.label)}{unit}<small>{ARROWS[metric.better]}</small>"


def _steady(evaluation: Evaluation) -> bool:
    return evaluation.document["dataset"]["steady"]


def _result_table(evaluation: Evaluation) -> str:
    rows, metrics = [], STEADY_METRICS if _steady(evaluation) else MAIN_METRICS
    for system in evaluation.document["systems"].values():
        diverged = f"{system['diverged']['count']} of {system['diverged']['of']}"
        cells = [escape(system["label"]), *(_cell(system["metrics"][m]) for m in metrics)]
        rows.append((system["kind"], [*cells, diverged, seconds(system["cost"]["seconds"])]))
    head = ["", *map(_head, metrics), "diverged<small>trajectories</small>"]
    what = "of one sample" if _steady(evaluation) else "of one step of one trajectory"
    return table([*head, f"cost<small>{what}</small>"], rows)


def _every_metric(evaluation: Evaluation) -> str:
    systems = evaluation.document["systems"]
    head = ["", *(escape(s["label"]) for s in systems.values())]
    rows = []
    for name, metric in METRICS.items():
        unit = f", {metric.unit}" if metric.unit else ""
        title = (
            f"{escape(metric.label)}<small>{escape(metric.meaning)} ({metric.better} is better{escape(unit)})</small>"
        )
        rows.append(("", [title, *(_cell(s["metrics"][name]) for s in systems.values())]))
    return f"<details><summary>All metrics and their definitions</summary>{table(head, rows)}</details>"


def _solves(evaluation: Evaluation) -> str:
    """What the solves of a learned differential equation take; nothing for other models."""
    rows = solve_rows(evaluation.document["systems"]["model"]["cost"].get("solves", []))
    if not rows:
        return ""
    text = "The first step is a share of the interval to the first output; automatic ones follow the slope."
    return f"<p>{text}</p>" + table([*map(escape, rows[0])], [("", [*map(escape, row)]) for row in rows[1:]])


def _card(value: str, text: str) -> str:
    return f'<div class="card"><b>{value}</b><span>{text}</span></div>'


def _headline(evaluation: Evaluation) -> str:
    systems, protocol = evaluation.document["systems"], evaluation.document["protocol"]
    model = systems["model"]
    cards = []
    headlines = STEADY_HEADLINES if _steady(evaluation) else HEADLINES
    for name in headlines:
        entry = model["metrics"][name]
        ends = f"{protocol['level']:.0%}: {interval(*entry['interval'])}" if entry["interval"] else ""
        bound = "≥ " if entry["censored"] else ""
        label = headlines[name].format(steps=protocol["gmean_steps"])
        cards.append(_card(bound + number(entry["value"]), f"{escape(label)}<br>{ends}"))
    diverged = model["diverged"]
    if not _steady(evaluation):
        cards.append(_card(f"{diverged['count']} of {diverged['of']}", "rollouts diverged"))
    text = "for one sample" if _steady(evaluation) else "for one step of one trajectory"
    if "solver" in systems:
        ratio = systems["solver"]["cost"]["seconds"] / model["cost"]["seconds"]
        solver = "the solver on this grid" if _steady(evaluation) else "the generating solver"
        text += f"<br>{solver} takes {number(ratio, 2)} × as long"
    cards.append(_card(seconds(model["cost"]["seconds"]), text))
    return f'<div class="cards">{"".join(cards)}</div>'


def _in_time(protocol: Mapping[str, Any]) -> list[str]:
    return [
        f"Rollouts start from frame {protocol['start_frame']} and cover {protocol['steps']} steps.",
        "Correlation times are those of the first frame below the threshold, without interpolation. Two definitions "
        "are in use: the crossing of the mean curve, and the mean over trajectories of their own crossings.",
        f"A rollout has diverged when it is not finite or larger than {protocol['divergence_factor']:g} times its "
        "truth. From then on its correlation counts as 0 and its error with that bound.",
    ]


def _one_shot(protocol: Mapping[str, Any]) -> list[str]:
    return [
        "The relative L2 error of a sample is the norm of its error over the norm of its true solution; the table has "
        "the mean over samples.",
        "Truth and baselines use the same input fields. The solver on the stored grid differs from the truth where the "
        "data were solved on a finer one: this is the error of the discretisation.",
    ]


def _notes(evaluation: Evaluation) -> str:
    document = evaluation.document
    systems, protocol = document["systems"], document["protocol"]
    notes = [
        f"Intervals are {protocol['level']:.0%} percentile bootstrap intervals over the "
        f"{document['dataset']['trajectories']} trajectories ({protocol['resamples']} resamples). They do not contain "
        "the spread between training runs.",
    ]
    notes += _one_shot(protocol) if _steady(evaluation) else _in_time(protocol)
    for system in systems.values():
        count, diverged = system["metrics"]["correlation_time_0.8_each"]["censored"], system["diverged"]
        label = escape(system["label"])
        if count and not _steady(evaluation):
            notes.append(
                f"{label}: {count} of {diverged['of']} trajectories never fell below 0.8; they count with the "
                "horizon, so the mean over trajectories is a lower bound."
            )
        if diverged["count"]:
            notes.append(f"{label}: {diverged['count']} rollouts diverged, the first at step {diverged['first_step']}.")
    notes += [f"Not evaluated: {escape(name)}, because {escape(why)}." for name, why in document["skipped"].items()]
    notes.append(
        f"Costs are wall-clock times on {escape(document['environment']['devices'][0])} with "
        f"{systems['model']['cost']['chunk']} trajectories at once; they include whatever else the machine was doing."
    )
    return "<ul>" + "".join(f"<li>{note}</li>" for note in notes) + "</ul>"


def _equation(dataset: Mapping[str, Any]) -> str:
    shown = [formula(line, f"equation{i}") for i, line in enumerate(dataset["latex"])]
    if not shown or None in shown:
        return "".join(f"<p><code>{escape(term)}</code></p>" for term in dataset["equation"])
    return "".join(str(one) for one in shown)


def _data_card(evaluation: Evaluation) -> str:
    dataset = evaluation.document["dataset"]
    family, recipe = dataset["family"], dataset["recipe"]
    box = " × ".join(f"{x:.6g}" for x in dataset["lengths"])
    rows = {
        "Data set": f"{escape(dataset['name'])}, split {escape(dataset['split'])}: {dataset['trajectories']} of "
        f"{dataset['available']} trajectories, {dataset['frames']} frames",
        "Grid": f"{' × '.join(map(str, dataset['shape']))} points on a box of {box}"
        + (", periodic" if dataset["periodic"] else ""),
        **({} if dataset["steady"] else {"Time between frames": number(dataset["step"], 6)}),
        "Fields": escape(", ".join(dataset["fields"])),
        "Varies between trajectories": words(family["vary"]),
        "Parameters set": words(family["equation"]["parameters"]),
        "Drawn": words(family["draws"]),
        **({} if dataset["steady"] else {"Time": words(family["times"])}),
        "Solver": words(dataset["simulator"]),
        "Splits": words(recipe.get("splits") or {}),
        "Seed": words(recipe.get("seed")),
        escape(dataset["check"].capitalize()): words(dataset["self_difference"] or {}),
        "Rejected draws": escape(dataset["rejects"]),
        "Fingerprint": f"<code>{escape(dataset['fingerprint'])}</code>",
    }
    return _equation(dataset) + facts(rows)


def _versions(evaluation: Evaluation) -> str:
    environment = evaluation.document["environment"]
    rows = {"Evaluated on": escape(environment["date"]), "Python": escape(environment["python"])}
    rows |= {name: escape(version) for name, version in environment["versions"].items()}
    rows["Devices"] = escape(", ".join(sorted(set(environment["devices"]))))
    return facts(rows)


def _metric_lines(folder: Path) -> list[dict[str, Any]]:
    path = folder / "metrics.jsonl"
    if not path.exists():
        return []
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:  # the line an interrupted run cut short
            break
    return lines


def _draw(folder: Path, evaluation: Evaluation) -> Iterator[tuple[str, Figure, str]]:
    """Name, figure and caption of everything there is something to draw of."""
    fields = evaluation.document["dataset"]["fields"]
    if _steady(evaluation):
        for channel, field in enumerate(fields):
            name = "solution" + (f"_{field}" if channel else "")
            yield name, steady_figure(evaluation, channel), f"Field {escape(field)}: the typical sample and the worst."
    else:
        yield from _draw_rollouts(evaluation)
    if len(evaluation.document["times"]) == 1:
        yield "distribution", distribution_figure(evaluation), "How the errors spread over the samples."
    training = training_figure(_metric_lines(folder))
    if training is not None:
        yield "training", training, "Optimisation."


def _draw_rollouts(evaluation: Evaluation) -> Iterator[tuple[str, Figure, str]]:
    fields = evaluation.document["dataset"]["fields"]
    for example in range(len(evaluation.arrays["example/trajectory"])):
        title = example_title(evaluation, example)
        for channel, field in enumerate(fields):
            name = "rollout" + ("_worst" if example else "") + (f"_{field}" if channel else "")
            yield name, rollout_figure(evaluation, example, channel), f"Field {escape(field)}, {escape(title)}."
    if len(evaluation.document["times"]) > 1:
        yield (
            "errors",
            error_figure(evaluation),
            "Mean over trajectories with bootstrap bands; dotted lines are the correlation thresholds.",
        )
    if "truth/spectrum" in evaluation.arrays:
        yield (
            "spectra",
            spectrum_figure(evaluation),
            "Mean energy spectra at four times. Where the error meets the truth, that mode is lost.",
        )
        yield (
            "mode_errors",
            mode_error_figure(evaluation),
            "Root of error energy over true energy by shell; left blank where the truth is round-off.",
        )


SECTIONS = {
    "Solutions": ("solution",),
    "Rollouts": ("rollout",),
    "Errors": ("distribution",),
    "Errors over time": ("errors",),
    "Spectra": ("spectra", "mode_errors"),
    "Training": ("training",),
}


def _figures(folder: Path, evaluation: Evaluation) -> dict[str, str]:
    """Writes each figure to `figures/` and returns it as HTML, by name."""
    (folder / "figures").mkdir(exist_ok=True)
    shown = {}
    with style():
        for name, made, caption in _draw(folder, evaluation):
            (folder / "figures" / f"{name}.png").write_bytes(png(settle(made)))
            shown[name] = picture(made, name, caption)
    return shown


def _section(title: str, content: str) -> str:
    return f"<h2>{escape(title)}</h2>{content}" if content else ""


def write_report(run_folder: str | Path) -> Path:
    """Writes `report.html` and `figures/*.png` from what a run folder holds.

    It reads `evaluation.json` and `evaluation.npz` (required), `metrics.jsonl` and `config.yaml` (shown if there).
    The page is one file without scripts or links to other places; `figures/rollout.png` suits a README.

    **Arguments:** `run_folder`: path of the run.

    **Returns:** the path of the page.

    **Raises:** `FileNotFoundError` if the run was not evaluated.
    """
    folder = Path(run_folder)
    evaluation = Evaluation.load(folder)
    dataset, protocol = evaluation.document["dataset"], evaluation.document["protocol"]
    shown = _figures(folder, evaluation)
    config = folder / "config.yaml"
    settings = f"<pre>{escape(config.read_text(encoding='utf-8'))}</pre>" if config.exists() else ""
    name = folder.resolve().name
    grid = " × ".join(map(str, dataset["shape"]))
    parts = [
        f"<h1>{escape(name)}</h1>",
        f'<p class="soft">{escape(dataset["name"])}, {grid} points, {dataset["trajectories"]} '
        f"{'samples' if dataset['steady'] else 'trajectories'} of split "
        f"{escape(dataset['split'])}"
        + ("" if dataset["steady"] else f", {protocol['steps']} steps of {number(dataset['step'])}")
        + "</p>",
        _headline(evaluation),
        _section("Model and baselines", _result_table(evaluation) + _every_metric(evaluation)),
        _section("What a solve takes", _solves(evaluation)),
        *(
            _section(title, "".join(part for n, part in shown.items() if n.startswith(prefixes)))
            for title, prefixes in SECTIONS.items()
        ),
        _section("How to read the numbers", _notes(evaluation)),
        _section("Data", _data_card(evaluation)),
        _section("Configuration", settings),
        _section("Versions", _versions(evaluation)),
    ]
    partial = folder / "report.tmp.html"
    partial.write_text(page(f"{name}: evaluation", parts), encoding="utf-8")
    os.replace(partial, folder / "report.html")
    return folder / "report.html"
