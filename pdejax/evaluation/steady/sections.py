"""The page of a steady result."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pdejax.evaluation.page.html import card, cards, escape, notes, seconds
from pdejax.evaluation.page.price import price_section_of, solver_beside
from pdejax.evaluation.page.record import configuration_section, evaluators_section, training_section, versions_section
from pdejax.evaluation.page.section import Page, Picture, Section
from pdejax.evaluation.page.tables import about_intervals, about_systems, data_section, every_metric, systems_table
from pdejax.evaluation.result import Result
from pdejax.evaluation.rollouts.sections import ROLES, headline
from pdejax.evaluation.steady.rows import MAIN
from pdejax.plot import distribution_figure, look_of, solutions_figure

HEADLINES = {
    "relative_l2": "relative L2 error, mean over samples",
    "vrmse": "error over the standard deviation of the solution (VRMSE)",
}


def sections(result: Result, folder: Path) -> Page:
    """What is shown of a steady result; `folder`: of the run, whose training is shown too."""
    document, name = result.document, folder.resolve().name
    dataset = document["dataset"]
    grid = " × ".join(map(str, dataset["shape"]))
    count = f"{dataset['trajectories']} samples of split {escape(dataset['split'])}"
    about = f"{escape(dataset['name'])}, {grid} points, {count}"
    first = f'<h1>{escape(name)}</h1>\n<p class="soft">{about}</p>\n{_headline(document)}'
    shown = (
        Section.of("Model and baselines", systems_table(document, MAIN, "of one sample"), every_metric(document)),
        price_section_of(document),
        evaluators_section(document),
        Section.of("Solutions", *_solutions(result)),
        Section.of("Errors", _distribution(result)),
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
    text = "for one sample"
    text += solver_beside(document)
    return cards([*shown, card(seconds(model["cost"]["seconds"]), text)])


def _notes(document: Mapping[str, Any]) -> list[str]:
    return [
        about_intervals(document),
        "The relative L2 error of a sample is the norm of its error over the norm of its true solution; the table has "
        "the mean over samples.",
        "Truth and baselines use the same input fields. The solver on the stored grid differs from the truth where the "
        "data were solved on a finer one: this is the error of the discretisation.",
        *about_systems(document),
    ]


def _solutions(result: Result) -> Iterator[Picture]:
    dataset, arrays = result.document["dataset"], result.arrays
    labels = [f"{role}, sample {int(i)}" for role, i in zip(ROLES, arrays["example/trajectory"], strict=False)]
    inputs = {name: arrays["example/input"][..., i] for i, name in enumerate(dataset["inputs"])}
    lengths = dataset["lengths"] or [1.0] * len(dataset["shape"])
    for channel, field in enumerate(dataset["fields"]):
        truth, model = (arrays[f"example/{who}"][0, ..., channel] for who in ("truth", "model"))
        name = "solution" + (f"_{field}" if channel else "")
        made = solutions_figure(lengths, inputs, truth, model, labels)
        yield Picture(name, made, f"Field {escape(field)}: the typical sample and the worst.")


def _distribution(result: Result) -> Picture:
    systems = result.document["systems"]
    errors = {one["label"]: (look_of(name), result.arrays[f"{name}/nrmse"][-1]) for name, one in systems.items()}
    return Picture("distribution", distribution_figure(errors), "How the errors spread over the samples.")
