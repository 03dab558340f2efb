"""The pictures of a comparison, each none where what it shows was not measured."""

from collections.abc import Iterator

import numpy as np

from pdejax.evaluation.metrics.horizon import first_crossing
from pdejax.evaluation.page.section import Picture
from pdejax.evaluation.result import Result
from pdejax.evaluation.rollouts.sections import drawn_systems
from pdejax.plot import (
    Alarm,
    Gain,
    LongRun,
    Look,
    Spread,
    alarm_figure,
    distribution_figure,
    error_figure,
    error_in_time_figure,
    gains_figure,
    look_of,
    looks_of,
    ranks_figure,
    shell_error_figure,
    shell_errors,
    spectra_figure,
    spread_figure,
    stability_figure,
)


def looks(result: Result) -> dict[str, Look]:
    """Looks of every model, then of the ensembles of several models."""
    return looks_of([*result.models(), *result.document.get("ensembles", {})])


def curves(result: Result) -> Picture | None:
    """nRMSE and correlation over time of the models and the generating solver."""
    document = result.document
    if len(document.get("times", ())) < 2:
        return None
    drawn = {name: look for name, look in looks(result).items() if name in document["systems"]}
    if "solver" in document["systems"]:
        drawn["solver"] = look_of("solver")
    systems = drawn_systems(document["systems"], drawn)
    unit = document.get("lyapunov", {}).get("time")
    made = error_figure(np.array(document["times"]), systems, document["protocol"]["thresholds"], unit)
    return Picture("curves", made, "Means over trajectories with bootstrap bands; dotted: thresholds.")


def errors_in_time(result: Result) -> Picture | None:
    """Errors of networks of coordinates at each time."""
    errors = {n: result.arrays[f"{n}/error/all"] for n in result.models() if f"{n}/error/all" in result.arrays}
    if not errors:
        return None
    times = result.arrays[f"{next(iter(errors))}/error/times"]
    floor, claim = result.document["truth"]["floor"], result.document["protocol"]["claim"]
    made = error_in_time_figure(times, errors, floor, claim)
    return Picture("errors", made, "Root mean square error over space, over the size of the truth.")


def distribution(result: Result) -> Picture | None:
    """How the errors of steady solutions spread over the samples."""
    if result.document.get("of") != "steady":
        return None
    own = looks(result)
    errors = {
        one["label"]: (own.get(name) or look_of(name), result.arrays[f"{name}/nrmse"][-1])
        for name, one in result.document["systems"].items()
    }
    return Picture("distribution", distribution_figure(errors), "How the errors spread over the samples.")


def gains(result: Result) -> Picture | None:
    """Relative gain in correlation time over the reference, with paired intervals; none with a single model."""
    document, drawn = result.document, looks(result)
    base = document["protocol"]["reference"]
    thresholds = document["protocol"].get("thresholds", ())
    rivals = [name for name in result.models() if name != base]
    if document.get("of", "rollout") != "rollout" or not rivals:
        return None
    panels: dict[str, list[Gain]] = {}
    for title, each in (("of the mean", ""), ("mean of each", "_each")):
        panels[title] = []
        for name in rivals:
            for threshold in thresholds:
                entry = result.system(name)["against_reference"][f"correlation_time_{threshold}{each}"]
                panels[title].append(Gain(f"{name}, {threshold}", drawn[name], entry["gain"], entry["gain_interval"]))
    made = gains_figure(panels, f"gain in high-correlation time over {base}")
    return Picture("gains", made, "Paired bootstrap intervals over trajectories.")


def spectra(result: Result) -> Iterator[Picture]:
    """Energy spectra of fields and of errors, and errors by shell."""
    arrays, models = result.arrays, result.models()
    if "truth/spectrum" not in arrays or result.document.get("of", "rollout") != "rollout":
        return
    times, truth = np.asarray(arrays["times"], float), np.asarray(arrays["truth/spectrum"], float)
    fields = {name: arrays[f"{name}/spectrum"] for name in models}
    errors = {name: arrays[f"{name}/error_spectrum"] for name in models}
    made = spectra_figure(times, truth, fields, errors, looks(result))
    yield Picture("spectra", made, "Mean energy spectra of fields and of errors, first and last frame.")
    relative = {name: shell_errors(truth, error) for name, error in errors.items()}
    made = shell_error_figure(times, relative)
    yield Picture("mode_errors", made, "Relative error by shell; blank where the truth is round-off.")


def stability(result: Result) -> Picture:
    """Very long rollouts."""
    arrays, drawn = result.arrays, looks(result)
    runs = {
        name: LongRun(drawn[name], arrays[f"{name}/long_step"], arrays[f"{name}/long_diverged_step"],
                      arrays.get(f"{name}/long_distance"))
        for name in result.models()
        if f"{name}/long_step" in arrays
    }  # fmt: skip
    caption = "Far beyond the data: the spectrum is averaged between records."
    return Picture("stability", stability_figure(runs), caption)


def ensembles(result: Result) -> Iterator[Picture]:
    """Spread against error, ranks, and whether members tell when they lose the truth."""
    arrays, drawn = result.arrays, looks(result)
    names = [name for name in result.document.get("ensembles", {}) if f"{name}/ensemble_crps" in arrays]
    if not names:
        return
    times = np.asarray(arrays["times"], float)
    spreads = {name: _spread(result, name, drawn[name]) for name in names}
    caption = "Solid: error of the ensemble mean; dashed: spread. Alike if calibrated."
    yield Picture("spread", spread_figure(times, spreads), caption)
    ranks = {name: (drawn[name], np.asarray(arrays[f"{name}/ensemble_ranks"], float)) for name in names}
    caption = "Rank of the truth among the members: flat if calibrated, U if too sure."
    yield Picture("ranks", ranks_figure(times, ranks), caption)
    thresholds = result.document["protocol"]["thresholds"]
    alarms = {f"correlation below {t}": [_alarm(result, n, drawn[n], t) for n in names] for t in thresholds}
    yield Picture("alarm", alarm_figure(alarms), "Each trajectory a point; open ones are bounds, left out of R².")


def _spread(result: Result, name: str, look: Look) -> Spread:
    own = {
        k.removeprefix(f"{name}/ensemble_"): x for k, x in result.arrays.items() if k.startswith(f"{name}/ensemble_")
    }
    keys = {"spread": "spread_spectrum", "error": "mean_error_spectrum", "truth": "truth_spectrum"}
    shells = {k: own[key] for k, key in keys.items()} if "spread_spectrum" in own else None
    return Spread(look, own["mean_error"], own["spread"], shells)


def _alarm(result: Result, name: str, look: Look, threshold: float) -> Alarm:
    times = result.arrays["times"]
    told, told_open = first_crossing(result.arrays[f"{name}/ensemble_cross_correlation"], times, threshold)
    true, true_open = first_crossing(result.arrays[f"{name}/ensemble_member_correlation"], times, threshold)
    found = result.document["ensembles"][name]["alarm"][str(threshold)]["r_squared"]
    return Alarm(name if found is None else f"{name}, R² = {found:.2f}", look, told, true, told_open | true_open)
