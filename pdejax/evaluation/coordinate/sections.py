"""The page of a network of coordinates."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pdejax.evaluation.coordinate import words
from pdejax.evaluation.page.html import escape
from pdejax.evaluation.page.price import field_price_section
from pdejax.evaluation.page.record import (
    configuration_section,
    evaluators_section,
    stages_of,
    training_section,
    versions_section,
)
from pdejax.evaluation.page.section import Page, Picture, Section
from pdejax.evaluation.result import Result
from pdejax.plot import (
    Box,
    Gaussians,
    Panel,
    Plane,
    error_in_time_figure,
    gaussians_figure,
    maps_figure,
    training_figure,
)


def sections(result: Result, folder: Path) -> Page:
    """What is shown of a network of coordinates; `folder`: of the run, whose training is shown too."""
    document, name = result.document, folder.resolve().name
    model = document["model"]
    slabs = f" in {model['slabs']} slabs" if model["slabs"] and model["slabs"] > 1 else ""
    about = f"{escape(document['problem']['name'])}, solved by a {escape(model['field'])}{slabs}"
    first = f'<h1>{escape(name)}</h1>\n<p class="soft">{about}</p>\n{words.headline(document)}'
    shown = (
        Section.of("Errors", words.error_table(document)),
        Section.of("Residuals", words.residual_table(document)),
        Section.of("Found parameters", words.found_table(document["found"])),
        field_price_section(document),
        evaluators_section(document),
        Section.of("Field", *_fields(result)),
        Section.of("Error over time", Picture("errors", time_figure(result), _IN_TIME)),
        Section.of("What the field is made of", Picture("gaussians", made_of_figure(result), _ELLIPSES)),
        training_section(folder, panels_of(document), _found(document, folder)),
        Section.of("How to read the numbers", words.how_to_read(document)),
        Section.of("Problem", words.about_problem(document)),
        Section.of("Truth", words.about_truth(document)),
        configuration_section(folder),
        versions_section(document),
    )
    return Page(f"{name}: evaluation", first, shown)


_IN_TIME = "Root mean square error over space, over the size of the truth."
_ELLIPSES = (
    "Ellipses are one standard deviation about the centre; images by periods and mirrors are not drawn. Dashed "
    "lines part slabs."
)


def panels_of(document: Mapping[str, Any]) -> dict[str, list[str]]:
    """What is shown of the training."""
    terms = ["equation", "observations", *(c["name"] for c in document["problem"]["conditions"])]
    return {
        "loss": ["loss"],
        "terms of the loss": terms,
        "validation": ["valid/*"],
        "learning rate": ["learning_rate"],
    }


def _found(document: Mapping[str, Any], folder: Path) -> Picture:
    """How unknown parameters were found, with their true values where these are known."""
    found = document["found"]
    marks = {name: entry["truth"] for name, entry in found.items() if entry["truth"] is not None}
    made = training_figure(stages_of(folder), {name: [f"found_{name}"] for name in found}, marks)
    return Picture("found", made, "How the unknown parameters were found.")


def _axes(result: Result) -> dict[str, np.ndarray]:
    return {axis: result.arrays[f"plot/axes/{axis}"] for axis in result.document["problem"]["axes"]}


def _fields(result: Result) -> Iterator[Picture]:
    problem = result.document["problem"]
    middle = " In the middle of z." if len(problem["box"]) - problem["timed"] == 3 else ""
    for channel, field in enumerate(problem["fields"]):
        caption = f"Field {escape(field)}; error and residual are absolute.{middle}"
        yield Picture("field" + (f"_{field}" if channel else ""), field_figure(result, channel), caption)


def field_figure(result: Result, channel: int = 0) -> Figure:
    """A field, its truth and error where that is known, and the residual."""
    arrays, fields = result.arrays, result.document["problem"]["fields"]
    residual, name = np.abs(arrays["plot/residual"]), fields[channel]
    paired = residual.shape[-1] == len(fields)  # then an equation is shown with the field of its number
    title = "residual" if residual.shape[-1] == 1 else f"residual of equation {channel + 1}" if paired else "residuals"
    shown = residual[..., channel] if paired else np.sqrt(np.sum(np.square(residual), -1))
    panels = [Panel(f"found {name}", arrays["plot/field"][..., channel], False)]
    if "plot/truth" in arrays:
        panels.append(Panel(f"true {name}", arrays["plot/truth"][..., channel], False))
        panels.append(Panel(f"error of {name}", np.abs(arrays["plot/error"][..., channel]), True))
    return maps_figure(_axes(result), [*panels, Panel(title, shown, True)])


def time_figure(result: Result) -> Figure | None:
    """The error at each time with the floor of the truth; none for a steady problem or an unknown solution."""
    arrays, document = result.arrays, result.document
    if "error/times" not in arrays:
        return None
    fields = document["problem"]["fields"]
    errors = {f"error of {name}": arrays[f"error/{name}"] for name in fields}
    if len(fields) > 1:
        errors["all fields"] = arrays["error/all"]
    return error_in_time_figure(
        arrays["error/times"], errors, document["truth"]["floor"], document["protocol"]["claim"]
    )


def made_of_figure(result: Result, channel: int = 0) -> Figure | None:
    """The Gaussians over the field; none for a network of another kind or of one axis."""
    arrays, problem = result.arrays, result.document["problem"]
    if "gaussians/centres" not in arrays:
        return None
    given = {name: arrays[f"gaussians/{name}"] for name in Gaussians._fields if f"gaussians/{name}" in arrays}
    box = Box(problem["axes"], problem["box"])
    return gaussians_figure(Gaussians(**given), box, _planes(result, channel), problem["fields"][channel])


def _planes(result: Result, channel: int) -> list[Plane]:
    """Where Gaussians are shown: over all axes if there are two, else over time and over space at a moment."""
    arrays, names = result.arrays, result.document["problem"]["axes"]
    axes, field = _axes(result), arrays["plot/field"][..., channel]
    centres, widths = arrays["gaussians/centres"], arrays["gaussians/widths"]
    everything = np.ones(len(centres), bool)
    near = lambda axis, x: np.abs(centres[:, axis] - x) <= widths[:, axis]
    if len(names) == 1:
        return []
    if len(names) == 2:
        return [Plane((0, 1), axes[names[0]], axes[names[1]], field, everything)]
    if names[0] != "t":
        z = float(axes["z"][0])
        return [Plane((0, 1), axes["x"], axes["y"], field[..., 0], near(2, z), f"within a width of z = {z:.3g}")]
    frame = len(axes["t"]) // 2
    time = float(axes["t"][frame])
    flat = field[frame] if field.ndim == 3 else field[frame, ..., 0]
    moment = Plane((1, 2), axes["x"], axes["y"], flat, near(0, time), f"within a width of t = {time:.3g}")
    history = arrays["history/field"][..., channel]
    along = Plane((0, 1), arrays["history/axes/t"], arrays["history/axes/x"], history, everything, "all, seen along y")
    return [moment, along]
