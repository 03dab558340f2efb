"""The page of a comparison, which can be mailed, printed and read offline."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from pdejax.core import write_text
from pdejax.evaluation.comparison.ensemble_figures import alarm_figure, ranks_figure, spread_figure, stability_figure
from pdejax.evaluation.comparison.figures import (
    curves_figure,
    frontier_figure,
    gains_figure,
    mode_error_figure,
    spectra_figure,
)
from pdejax.evaluation.comparison.measure import SOLVER, Comparison
from pdejax.evaluation.metrics.table import METRICS
from pdejax.evaluation.page.html import escape, facts, interval, number, page, picture, seconds, table, words
from pdejax.plot import png, settle, style

MAIN_METRICS = (
    "correlation_time_0.8",
    "correlation_time_0.9",
    "correlation_time_0.8_each",
    "correlation_time_0.9_each",
    "one_step_nrmse",
    "nrmse_gmean",
    "spectrum_log_distance",
)


def percent(value: float) -> str:
    """A gain for people."""
    return f"{100 * value:+.1f} %".replace("-", "−")


def _cell(entry: Mapping[str, Any]) -> str:
    if entry["value"] is None:
        return f"n/a<small>{escape(entry['reason'])}</small>"
    bound = "≥ " if entry["censored"] else ""
    small = f"<small>{interval(*entry['interval'])}</small>" if entry["interval"] else ""
    lyapunov = (entry.get("lyapunov_times") or {}).get("value")
    return f"{bound}{number(entry['value'])}{small}" + (f"<small>{number(lyapunov)} Λ</small>" if lyapunov else "")


def _head(name: str) -> str:
    metric = METRICS[name]
    arrow = {"lower": "↓ lower is better", "higher": "↑ higher is better"}[metric.better]
    return f"{escape(metric.label)}<small>{arrow}</small>"


def _result_table(comparison: Comparison) -> str:
    rows = []
    for name in (*comparison.models(), SOLVER):
        one = comparison.system(name)
        diverged = f"{one['diverged']['count']} of {one['diverged']['of']}"
        calls = "" if one["calls"] is None else f"<small>{number(one['calls'])} network call(s) a step</small>"
        cost = f"{seconds(one['cost']['seconds_per_time'])}{calls}"
        rows.append(("", [escape(one["label"]), cost, diverged, *(_cell(one["metrics"][m]) for m in MAIN_METRICS)]))
    first = ["cost<small>of a unit of time</small>", "diverged<small>trajectories</small>"]
    return table(["", *first, *map(_head, MAIN_METRICS)], rows)


def _gain_cell(entry: Mapping[str, Any]) -> str:
    if entry["gain"] is None:
        return f"n/a<small>{escape(entry['reason'] or 'the reference is zero')}</small>"
    ends = entry["gain_interval"]
    small = f"<small>{percent(ends[0])} … {percent(ends[1])}</small>" if ends else ""
    return f"{percent(entry['gain'])}{small}" + ("<small>a bound: some never cross</small>" if entry["bound"] else "")


def _gain_table(comparison: Comparison) -> str:
    base = comparison.document["protocol"]["reference"]
    rows = []
    for name in comparison.models():
        against = comparison.system(name)["against_reference"]
        if against is not None:
            rows.append(("", [escape(name), *(_gain_cell(against[m]) for m in MAIN_METRICS)]))
    if not rows:
        return ""
    level = comparison.document["protocol"]["level"]
    text = f"Relative change against {escape(base)}, with paired {level:.0%} bootstrap intervals over trajectories."
    return f"<p>{text}</p>" + table(["", *map(_head, MAIN_METRICS)], rows)


def _frontier_table(comparison: Comparison) -> str:
    rows = []
    front = comparison.document["frontier"]
    systems = comparison.document["systems"].items()
    for name, one in sorted(systems, key=lambda item: item[1]["cost"]["seconds_per_time"]):
        cells = [escape(one["label"]), seconds(one["cost"]["seconds_per_time"])]
        for metric, names in front.items():
            cells.append(_cell(one["metrics"][metric]) + ("<small>on the frontier</small>" if name in names else ""))
        rows.append(("model" if one["kind"] == "model" else "", cells))
    return table(["", "cost<small>of a unit of time</small>", *map(_head, front)], rows)


def _stability_table(comparison: Comparison) -> str:
    rows = []
    for name in comparison.models():
        one = comparison.system(name).get("stability")
        if one is None:
            continue
        if "bounded" not in one:
            rows.append(("", [escape(name), f"n/a<small>{escape(one['reason'])}</small>", *[""] * 5]))
            continue
        distances = [
            number(one[f"{what}_{k}"]) for what in ("spectrum_distance", "mean_size") for k in ("first", "last")
        ]
        diverged = "never" if one["first_diverged_step"] is None else str(one["first_diverged_step"])
        rows.append(("", [escape(name), f"{one['bounded']:.0%} of {one['trajectories']}", diverged, *distances]))
    head = ["", "bounded<small>trajectories</small>", "first divergence<small>step</small>"]
    ends = ("first record", "last record")
    head += [f"spectrum distance<small>{x}, decades</small>" for x in ends]
    head += [f"size of the mean<small>{x}, of the truth's size</small>" for x in ends]
    return table(head, rows) if rows else ""


def _ensemble_table(comparison: Comparison) -> str:
    rows = []
    for name, one in comparison.document["ensembles"].items():
        if one["reason"]:
            rows.append(("", [escape(name), f"n/a<small>{escape(one['reason'])}</small>", *[""] * 5]))
            continue
        ratio, alarm = one["spread_over_error"], one["alarm"]
        squares = [
            f"{number(a['r_squared'])}<small>{a['trajectories'] - a['censored']} of {a['trajectories']}</small>"
            for a in alarm.values()
        ]
        cells = [escape(name), str(one["members"]), number(one["crps_relative"]["one_step"])]
        cells += [number(one["crps_relative"]["mean"]), f"{number(ratio['one_step'])}, {number(ratio['all_steps'])}"]
        rows.append(("", [*cells, *squares]))
    head = ["", "members", "CRPS, one step<small>of the truth's size</small>", "CRPS, all steps"]
    head += ["spread / error<small>one step, all steps</small>"]
    squares = (f"R², {t}<small>members' and true time</small>" for t in comparison.document["protocol"]["thresholds"])
    return table([*head, *squares], rows) if rows else ""


def _draw(comparison: Comparison) -> Iterator[tuple[str, Figure | None, str]]:
    """Name, figure and caption of every picture."""
    if len(comparison.document["times"]) > 1:
        yield "curves", curves_figure(comparison), "Means over trajectories with bootstrap bands; dotted: thresholds."
        yield "gains", gains_figure(comparison), "Paired bootstrap intervals over trajectories."
    if "truth/spectrum" in comparison.arrays:
        yield (
            "spectra",
            spectra_figure(comparison),
            "Mean energy spectra of fields and of errors, first and last frame.",
        )
        yield (
            "mode_errors",
            mode_error_figure(comparison),
            "Relative error by shell; blank where the truth is round-off.",
        )
    yield (
        "frontier",
        frontier_figure(comparison),
        "Squares: the classical solver on several grids with several steps, its best ones joined and named by points / "
        "steps per frame; open marks are lower bounds.",
    )
    yield "stability", stability_figure(comparison), "Far beyond the data: the spectrum is averaged between records."
    yield "spread", spread_figure(comparison), "Solid: error of the ensemble mean; dashed: spread. Alike if calibrated."
    yield "ranks", ranks_figure(comparison), "Rank of the truth among the members: flat if calibrated, U if too sure."
    yield "alarm", alarm_figure(comparison), "Each trajectory a point; open ones are bounds, left out of R²."


SECTIONS: Mapping[str, tuple[str, ...]] = {
    "Errors over time": ("curves",),
    "Spectra and errors by mode": ("spectra", "mode_errors"),
}


def _notes(comparison: Comparison) -> str:
    document = comparison.document
    protocol, lyapunov, dataset = (document[name] for name in ("protocol", "lyapunov", "dataset"))
    shown = {
        "data": f"{escape(dataset['name'])}, split {escape(dataset['split'])}, {dataset['trajectories']} trajectories",
        "rollouts": f"{protocol['steps']} steps of {number(dataset['step'])} from frame {protocol['start_frame']}; "
        "all systems from the same frames, with the same random key",
        "correlation times": "first frame below the threshold, of the mean correlation or (each) the mean over "
        "trajectories; ≥ where some never fall below",
        "intervals": f"{protocol['level']:.0%} bootstrap over trajectories, {protocol['resamples']} draws, paired "
        "between systems",
        "diverged": "from there on correlation is 0 and the error "
        f"{protocol['divergence_factor']:g} times the size of the data",
    }
    if lyapunov["exponent"] is not None:
        ends = f"{number(lyapunov['exponent'])} ± {number(lyapunov['standard_error'], 2)}"
        unit = f"; Λ counts Lyapunov times of {number(lyapunov['time'])}" if lyapunov["time"] else ""
        reason = f" ({escape(lyapunov['reason'])})" if lyapunov["reason"] else ""
        shown["Lyapunov exponent"] = f"{ends} per unit of time, by our solver in float64{unit}{reason}"
    shown["cost"] = "median seconds of one trajectory in a batch, compilation excluded, systems taking turns"
    environment = document["environment"]
    return facts(shown | {name: words(value) for name, value in environment.items()})


def _section(title: str, content: str) -> str:
    return f"<h2>{escape(title)}</h2>{content}" if content else ""


def write_comparison(folder: str | Path) -> Path:
    """Writes `comparison.html` and `figures/*.png` from what `Comparison.save` left in a folder.

    The page is one file without scripts or links to other places.

    **Returns:** the path of the page.

    **Raises:** `FileNotFoundError` if there is no comparison.
    """
    folder = Path(folder)
    comparison = Comparison.load(folder)
    (folder / "figures").mkdir(exist_ok=True)
    shown: dict[str, str] = {}
    with style():
        for name, made, caption in _draw(comparison):
            if made is not None:
                (folder / "figures" / f"{name}.png").write_bytes(png(settle(made)))
                shown[name] = picture(made, name, caption)
    pictures = lambda *names: "".join(shown.get(name, "") for name in names)
    dataset, models = comparison.document["dataset"], comparison.models()
    title = f"{len(models)} systems on {dataset['name']}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">{escape(", ".join(models))}</p>',
        _section("Results", _result_table(comparison) + _gain_table(comparison) + pictures("gains")),
        *(_section(name, pictures(*figures)) for name, figures in SECTIONS.items()),
        _section("Accuracy and cost", pictures("frontier") + _frontier_table(comparison)),
        _section("Stability", _stability_table(comparison) + pictures("stability")),
        _section("Ensembles", _ensemble_table(comparison) + pictures("spread", "ranks", "alarm")),
        _section("How to read the numbers", _notes(comparison)),
    ]
    path = folder / "comparison.html"
    write_text(path, page(title, parts))
    return path
