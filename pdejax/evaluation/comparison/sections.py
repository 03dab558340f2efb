"""The page of a comparison; what was not measured has no section."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pdejax.evaluation.comparison import pictures
from pdejax.evaluation.comparison.rows import main_metrics
from pdejax.evaluation.page.html import escape, facts, interval, number, seconds, table, words
from pdejax.evaluation.page.price import price_section_of
from pdejax.evaluation.page.section import Page, Section
from pdejax.evaluation.page.tables import cell, diverged, head
from pdejax.evaluation.result import Result


def sections(result: Result, folder: Path) -> Page:
    """What is shown of a comparison."""
    document, models = result.document, result.models()
    about = document.get("dataset") or document["problem"]
    title = f"{len(models)} systems on {about['name']}"
    first = f'<h1>{escape(title)}</h1>\n<p class="soft">{escape(", ".join(models))}</p>'
    shown = (
        Section.of("Results", _results(document), _gains(result), pictures.gains(result)),
        Section.of("Over seeds", _seeds(document)),
        Section.of("Errors over time", pictures.curves(result), pictures.errors_in_time(result)),
        Section.of("Errors", pictures.distribution(result)),
        Section.of("Spectra and errors by mode", *pictures.spectra(result)),
        price_section_of(document, pictures.looks(result)),
        Section.of("Stability", _stability(result), pictures.stability(result)),
        Section.of("Ensembles", _ensembles(document), *pictures.ensembles(result)),
        Section.of("How to read the numbers", _notes(document)),
    )
    return Page(title, first, shown)


def percent(value: float) -> str:
    """A gain for people."""
    return f"{100 * value:+.1f} %".replace("-", "−")


def _results(document: Mapping[str, Any]) -> str:
    metrics, rows, heads = main_metrics(document), [], {}
    for name, one in document["systems"].items():
        if one["kind"] == "solver" and name != "solver":
            continue  # of former comparisons, whose frontier had other resolutions
        more = _more(one)
        heads |= dict.fromkeys(more)
        rows.append(("", [escape(one["label"]), *more.values(), *(cell(one["metrics"][m]) for m in metrics)]))
    return table(["", *heads, *map(head, metrics)], rows)


def _more(one: Mapping[str, Any]) -> dict[str, str]:
    """Cost and divergence by the heads of their columns; of what has neither nothing."""
    if "diverged" not in one:
        return {}
    count = {"diverged<small>trajectories</small>": diverged(one)}
    if "calls" not in one:
        return {"cost<small>of one step or sample</small>": seconds(one["cost"]["seconds"])} | count
    calls = "" if one["calls"] is None else f"<small>{number(one['calls'])} network call(s) a step</small>"
    return {"cost<small>of a unit of time</small>": f"{seconds(one['cost']['seconds_per_time'])}{calls}"} | count


def _gain_cell(entry: Mapping[str, Any]) -> str:
    if entry["gain"] is None:
        return f"n/a<small>{escape(entry['reason'] or 'the reference is zero')}</small>"
    ends = entry["gain_interval"]
    small = f"<small>{percent(ends[0])} … {percent(ends[1])}</small>" if ends else ""
    return f"{percent(entry['gain'])}{small}" + ("<small>only a bound</small>" if entry["bound"] else "")


def _gains(result: Result) -> str:
    document, metrics = result.document, main_metrics(result.document)
    rows = []
    for name in result.models():
        against = result.system(name)["against_reference"]
        if against is not None:
            rows.append(("", [escape(name), *(_gain_cell(against[m]) for m in metrics)]))
    if not rows:
        return ""
    level = document["protocol"].get("level")
    paired = f", with paired {level:.0%} bootstrap intervals over trajectories" if level else ""
    text = f"Relative change against {escape(document['protocol']['reference'])}{paired}."
    return f"<p>{text}</p>" + table(["", *map(head, metrics)], rows)


def _seeds(document: Mapping[str, Any]) -> str:
    """Mean and spread of groups of models that differ by their seed."""
    metrics, rows = main_metrics(document), []
    for group, entries in document.get("seeds", {}).items():
        members = max(entry["count"] for entry in entries.values())
        rows.append(("", [f"{escape(group)}<small>{members} models</small>", *(_spread(entries[m]) for m in metrics)]))
    text = "Mean and standard deviation over models that differ by their seed; below, the extreme ones."
    return f"<p>{text}</p>" + table(["", *map(head, metrics)], rows) if rows else ""


def _spread(entry: Mapping[str, Any]) -> str:
    if entry["mean"] is None:
        return "n/a"
    if entry["spread"] is None:
        return number(entry["mean"])
    ends = f"<small>{interval(entry['low'], entry['high'])}</small>"
    return f"{number(entry['mean'])} ± {number(entry['spread'], 2)}{ends}"


def _stability(result: Result) -> str:
    rows = []
    for name in result.models():
        one = result.system(name).get("stability")
        if one is None:
            continue
        if "bounded" not in one:
            rows.append(("", [escape(name), f"n/a<small>{escape(one['reason'])}</small>", *[""] * 5]))
            continue
        distances = [
            number(one[f"{what}_{k}"]) for what in ("spectrum_distance", "mean_size") for k in ("first", "last")
        ]
        first = "never" if one["first_diverged_step"] is None else str(one["first_diverged_step"])
        rows.append(("", [escape(name), f"{one['bounded']:.0%} of {one['trajectories']}", first, *distances]))
    heads = ["", "bounded<small>trajectories</small>", "first divergence<small>step</small>"]
    ends = ("first record", "last record")
    heads += [f"spectrum distance<small>{x}, decades</small>" for x in ends]
    heads += [f"size of the mean<small>{x}, of the truth's size</small>" for x in ends]
    return table(heads, rows) if rows else ""


def _ensembles(document: Mapping[str, Any]) -> str:
    rows = []
    for name, one in document.get("ensembles", {}).items():
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
    heads = ["", "members", "CRPS, one step<small>of the truth's size</small>", "CRPS, all steps"]
    heads += ["spread / error<small>one step, all steps</small>"]
    squares = (f"R², {t}<small>members' and true time</small>" for t in document["protocol"].get("thresholds", ()))
    return table([*heads, *squares], rows) if rows else ""


def _notes(document: Mapping[str, Any]) -> str:
    protocol, dataset = document["protocol"], document.get("dataset")
    shown: dict[str, str] = {}
    if dataset is not None:
        count = f"{dataset['trajectories']} trajectories"
        shown["data"] = f"{escape(dataset['name'])}, split {escape(dataset['split'])}, {count}"
        draws = f"{protocol['resamples']} draws, paired between systems"
        shown["intervals"] = f"{protocol['level']:.0%} bootstrap over trajectories, {draws}"
    if dataset is not None and document.get("of", "rollout") == "rollout":
        shown["rollouts"] = (
            f"{protocol['steps']} steps of {number(dataset['step'])} from frame {protocol['start_frame']}; "
            "all systems from the same frames, with the same random key"
        )
        shown["correlation times"] = (
            "first frame below the threshold, of the mean correlation or (each) the mean over trajectories; ≥ where "
            "some never fall below"
        )
        shown["diverged"] = (
            f"from there on correlation is 0 and the error {protocol['divergence_factor']:g} times the size of the data"
        )
    shown |= _about_lyapunov(document.get("lyapunov"))
    shown |= {f"without {name}": escape(why) for name, why in document.get("skipped", {}).items()}
    costs = [one["cost"] for one in document["systems"].values() if "seconds_per_time" in one.get("cost", {})]
    if costs:
        turns = "systems taking turns" if "range" in costs[0] else "of the rollouts themselves, one after the other"
        shown["cost"] = f"median seconds of one trajectory in a batch, compilation excluded, {turns}"
    return facts(shown | {name: words(value) for name, value in document["environment"].items()})


def _about_lyapunov(lyapunov: Mapping[str, Any] | None) -> dict[str, str]:
    if lyapunov is None or lyapunov["exponent"] is None:
        return {}
    ends = f"{number(lyapunov['exponent'])} ± {number(lyapunov['standard_error'], 2)}"
    unit = f"; Λ counts Lyapunov times of {number(lyapunov['time'])}" if lyapunov["time"] else ""
    reason = f" ({escape(lyapunov['reason'])})" if lyapunov["reason"] else ""
    return {"Lyapunov exponent": f"{ends} per unit of time, by our solver in float64{unit}{reason}"}
