"""The page of a rollout's result."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pdejax.evaluation.metrics.horizon import first_crossing
from pdejax.evaluation.page.html import card, cards, escape, interval, notes, number, seconds, table
from pdejax.evaluation.page.price import price_section_of, solver_beside
from pdejax.evaluation.page.record import configuration_section, evaluators_section, training_section, versions_section
from pdejax.evaluation.page.section import Page, Picture, Section
from pdejax.evaluation.page.tables import (
    about_intervals,
    about_systems,
    bound,
    data_section,
    every_metric,
    points_of,
    systems_table,
)
from pdejax.evaluation.result import Result
from pdejax.evaluation.rollouts.rows import MAIN
from pdejax.evaluation.rollouts.solves import solve_rows
from pdejax.plot import (
    Band,
    Look,
    Mark,
    System,
    error_figure,
    frames_figure,
    look_of,
    shell_error_figure,
    shell_errors,
    space_time_figure,
    spectrum_figure,
)

HEADLINES = {
    "correlation_time_0.8": "time with mean correlation above 0.8",
    "one_step_nrmse": "relative error (nRMSE) after one frame of the data",
    "nrmse_gmean": "relative error, geometric mean of the first {steps} steps",
}
ROLES = ("typical", "worst")


def sections(result: Result, folder: Path) -> Page:
    """What is shown of a rollout's result; `folder`: of the run, whose training is shown too."""
    document, name = result.document, folder.resolve().name
    dataset, protocol = document["dataset"], document["protocol"]
    grid = " × ".join(map(str, dataset["shape"]))
    about = (
        f"{escape(dataset['name'])}, {grid} {points_of(dataset)}, {dataset['trajectories']} trajectories of split "
        f"{escape(dataset['split'])}, {protocol['steps']} steps of {number(dataset['step'])}"
    )
    first = f'<h1>{escape(name)}</h1>\n<p class="soft">{about}</p>\n{_headline(document)}'
    shown = (
        Section.of(
            "Model and baselines",
            systems_table(document, MAIN, "of one step of one trajectory"),
            every_metric(document),
        ),
        price_section_of(document),
        evaluators_section(document),
        Section.of("What a solve takes", _solves(document)),
        Section.of("Rollouts", *_rollouts(result)),
        Section.of("Errors over time", _errors(document)),
        Section.of("Spectra", *_spectra(result)),
        training_section(folder),
        Section.of("How to read the numbers", notes(_notes(document))),
        data_section(dataset),
        configuration_section(folder),
        versions_section(document),
    )
    return Page(f"{name}: evaluation", first, shown)


def _headline(document: Mapping[str, Any]) -> str:
    systems, protocol = document["systems"], document["protocol"]
    model = systems["model"]
    shown = [headline(model["metrics"][name], protocol, text) for name, text in HEADLINES.items()]
    shown.append(card(f"{model['diverged']['count']} of {model['diverged']['of']}", "rollouts diverged"))
    text = "for one step of one trajectory"
    text += solver_beside(document)
    return cards([*shown, card(seconds(model["cost"]["seconds"]), text)])


def headline(entry: Mapping[str, Any], protocol: Mapping[str, Any], text: str) -> str:
    """A metric that is seen first, with its interval."""
    ends = f"{protocol['level']:.0%}: {interval(*entry['interval'])}" if entry["interval"] else ""
    return card(
        bound(entry) + number(entry["value"]), f"{escape(text.format(steps=protocol['gmean_steps']))}<br>{ends}"
    )


def _solves(document: Mapping[str, Any]) -> str:
    """What the solves of a learned differential equation take; nothing for other models."""
    rows = solve_rows(document["systems"]["model"]["cost"].get("solves", []))
    if not rows:
        return ""
    text = "The first step is a share of the interval to the first output; automatic ones follow the slope."
    return f"<p>{text}</p>" + table([*map(escape, rows[0])], [("", [*map(escape, row)]) for row in rows[1:]])


def _notes(document: Mapping[str, Any]) -> list[str]:
    protocol = document["protocol"]
    said = [
        about_intervals(document),
        f"Rollouts start from frame {protocol['start_frame']} and cover {protocol['steps']} steps.",
        "Correlation times are those of the first frame below the threshold, without interpolation. Two definitions "
        "are in use: the crossing of the mean curve, and the mean over trajectories of their own crossings.",
        f"A rollout has diverged when it is not finite or larger than {protocol['divergence_factor']:g} times its "
        "truth. From then on its correlation counts as 0 and its error with that bound.",
    ]
    for one in document["systems"].values():
        if count := one["metrics"]["correlation_time_0.8_each"]["censored"]:
            said.append(
                f"{escape(one['label'])}: {count} of {one['diverged']['of']} trajectories never fell below 0.8; they "
                "count with the horizon, so the mean over trajectories is a lower bound."
            )
    return said + about_systems(document)


# ---- pictures


def _title(result: Result, example: int) -> str:
    """Which trajectory an example is and why it is shown."""
    chosen, total = int(result.arrays["example/trajectory"][example]), result.document["dataset"]["trajectories"]
    if total == 1:
        return "the only trajectory"
    return f"{ROLES[example]} trajectory (number {chosen} of {total}, by mean correlation)"


def _rollouts(result: Result) -> Iterator[Picture]:
    fields, flat = result.document["dataset"]["fields"], result.arrays["example/truth"].ndim == 4
    for example in range(len(result.arrays["example/trajectory"])):
        name, title = "rollout" + ("_worst" if example else ""), escape(_title(result, example))
        for channel, field in enumerate(fields):
            made = _space_time(result, example, channel) if flat else _frames(result, example, [channel])
            yield Picture(name + (f"_{field}" if channel else ""), made, f"Field {escape(field)}, {title}.")
        for vector in () if flat else result.document["dataset"].get("vectors", ()):
            made = _frames(result, example, [fields.index(field) for field in vector])
            caption = f"Size and direction of ({escape(', '.join(vector))}), {title}; arrows of one scale."
            yield Picture(f"{name}_{'_'.join(vector)}", made, caption)


def _pair(result: Result, example: int, channel: int | list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Kept frames of the truth and of the prediction."""
    truth, model = (result.arrays[f"example/{who}"][:, example][..., channel] for who in ("truth", "model"))
    return truth, model


def _space_time(result: Result, example: int, channel: int) -> Any:
    dataset, arrays = result.document["dataset"], result.arrays
    trajectory, threshold = int(arrays["example/trajectory"][example]), result.document["protocol"]["thresholds"][0]
    time, censored = first_crossing(arrays["model/correlation"][:, trajectory], arrays["times"], threshold)
    mark = None if censored else Mark(float(time), f"correlation < {threshold} at t = {float(time):.4g}")
    truth, model = _pair(result, example, channel)
    origin = (dataset.get("domain", {}).get("origin") or [0.0])[0]
    ordered = len(dataset["lengths"]) == 1  # else the points of a cloud, by their numbers
    return space_time_figure(
        arrays["times"][arrays["example/frame"]],
        (origin, origin + dataset["lengths"][0]) if ordered else (0.0, float(dataset["shape"][0])),
        truth,
        model,
        name=dataset["fields"][channel],
        axis="x" if ordered else "number of the point",
        mark=mark,
    )


def _frames(result: Result, example: int, channels: list[int]) -> Any:
    """A field, or the size of several that are components of a vector, with arrows of those in the plane."""
    dataset, arrays = result.document["dataset"], result.arrays
    trajectory, lengths = int(arrays["example/trajectory"][example]), dataset["lengths"]
    correlation = lambda frame: round(float(arrays["model/correlation"][frame, trajectory]), 2) + 0.0  # no minus zero
    titles = [f"t = {arrays['times'][i]:.3g}\ncorr. {correlation(i):.2f}" for i in arrays["example/frame"]]
    extent = " × ".join(f"{length:.4g}" for length in lengths)
    middle = ", slice through the middle of z" if len(lengths) == 3 else ""
    names, sides = [dataset["fields"][channel] for channel in channels], sides_of(dataset, channels)
    truth, model = _pair(result, example, channels)
    caption = f"x to the right, y upwards; box of {extent}{middle}{_about_sides(sides)}"
    drawn: Any = {"caption": caption, "sides": sides}
    if len(channels) == 1:
        return frames_figure(titles, lengths, truth[..., 0], model[..., 0], name=names[0], **drawn)
    sizes = [np.linalg.norm(one, axis=-1) for one in (truth, model)]
    arrows = (truth[..., :2], model[..., :2])
    return frames_figure(titles, lengths, *sizes, name=f"|({', '.join(names)})|", arrows=arrows, **drawn)


def sides_of(dataset: Mapping[str, Any], channels: list[int]) -> list[tuple[str, str]]:
    """How the sides of the box are drawn, of each axis the low and the high one."""
    fields = [dataset["fields"][channel] for channel in channels]

    def kind(side: Any) -> str:
        ends = [side] if isinstance(side, Mapping) else [end for field, end in side if field in fields]
        found = {end["kind"] for end in ends}
        return "periodic" if "periodic" in found else "open" if found == {"outflow"} else "closed"

    return [(kind(low), kind(high)) for low, high in dataset.get("domain", {}).get("ends", ())]


def _about_sides(sides: list[tuple[str, str]]) -> str:
    found = {kind for pair in sides for kind in pair}
    said = {"closed": "lines: walls, or what is given there", "open": "dots: open sides"}
    return "".join(f"; {text}" for kind, text in said.items() if kind in found)


def band(curve: Mapping[str, Any]) -> Band:
    """A curve of the document with its interval."""
    known = lambda values: np.array([np.nan if v is None else v for v in values], float)
    return Band(*(known(curve[name]) for name in ("mean", "low", "high")))


def drawn_systems(systems: Mapping[str, Any], looks: Mapping[str, Look]) -> list[System]:
    """Those of the document that have a look, as they are drawn; models are wider."""
    return [
        System(
            one["label"],
            looks[name],
            band(one["curves"]["nrmse"]),
            band(one["curves"]["correlation"]),
            2.0 if one["kind"] == "model" else 1.3,
        )
        for name, one in systems.items()
        if name in looks
    ]


def _errors(document: Mapping[str, Any]) -> Picture | None:
    if len(document["times"]) < 2:
        return None
    systems = drawn_systems(document["systems"], {name: look_of(name) for name in document["systems"]})
    figure = error_figure(np.array(document["times"]), systems, document["protocol"]["thresholds"])
    caption = "Mean over trajectories with bootstrap bands; dotted lines are the correlation thresholds."
    return Picture("errors", figure, caption)


def _spectra(result: Result) -> Iterator[Picture]:
    if "truth/spectrum" not in result.arrays:
        return
    names = ("times", "truth/spectrum", "model/spectrum", "model/error_spectrum")
    times, truth, prediction, error = (result.arrays[name] for name in names)
    yield Picture(
        "spectra",
        spectrum_figure(times, truth, prediction, error),
        "Mean energy spectra at four times. Where the error meets the truth, that mode is lost.",
    )
    yield Picture(
        "mode_errors",
        shell_error_figure(times, {"model": shell_errors(truth, error)}),
        "Root of error energy over true energy by shell; left blank where the truth is round-off.",
    )
