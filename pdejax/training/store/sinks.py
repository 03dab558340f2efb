"""Where metrics go while training runs: objects behind one protocol."""

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pdejax.core import register, write_text
from pdejax.training.store.events import EventFile
from pdejax.training.store.record import CLOCK

Values = Mapping[str, float | None]


@runtime_checkable
class Sink(Protocol):
    """What is told of every line of metrics."""

    def open(self, folder: Path | None, step: int) -> None:
        """Begins, or goes on.

        **Arguments:** `folder`: of the run, none if it leaves nothing on disk; `step`: the update after which it goes
        on, what was told of later ones is void; -1 for a new run.
        """
        ...

    def write(self, step: int, values: Values) -> None:
        """Takes the metrics after an update; None where one was not finite."""
        ...

    def close(self) -> None:
        """Ends; nothing is lost afterwards."""
        ...


def scalars(values: Values) -> dict[str, float]:
    """The finite numbers of a line by the names that dashboards group: `train/loss`, `valid/loss`."""
    named = {name if "/" in name else f"train/{name}": value for name, value in values.items() if name not in CLOCK}
    return {name: value for name, value in named.items() if value is not None}


@register("sink", "json_lines")
class JsonLines:
    """`metrics.jsonl` of the run's folder, a line of JSON each time; every run on disk has one."""

    def open(self, folder: Path | None, step: int) -> None:
        """See `Sink`."""
        if folder is None:
            raise ValueError("sink 'json_lines' writes into the folder of a run: give fit a folder")
        self._file = (folder / "metrics.jsonl").open("a", buffering=1, encoding="utf-8")

    def write(self, step: int, values: Values) -> None:
        """See `Sink`."""
        self._file.write(json.dumps({"step": step, **values}) + "\n")

    def close(self) -> None:
        """See `Sink`."""
        self._file.close()


@register("sink", "tensorboard")
class TensorBoard:
    """Event files below `tensorboard/` of the run's folder."""

    def open(self, folder: Path | None, step: int) -> None:
        """See `Sink`."""
        if folder is None:
            raise ValueError("sink 'tensorboard' writes into the folder of a run: give fit a folder")
        self._file = EventFile(folder / "tensorboard", purge=step + 1)

    def write(self, step: int, values: Values) -> None:
        """See `Sink`."""
        self._file.write(step, scalars(values))

    def close(self) -> None:
        """See `Sink`."""
        self._file.close()


def _service(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ValueError(f"sink {module!r} needs the package {module}, which is not installed: "
                         f"pip install 'pdejax[{module}]'") from error  # fmt: skip


def _remembered(folder: Path | None, name: str, step: int) -> str | None:
    """How the service called this run when it began, so that it goes on there."""
    path = None if folder is None else folder / f"{name}.txt"
    return path.read_text(encoding="utf-8").strip() if path is not None and step >= 0 and path.exists() else None


def _remember(folder: Path | None, name: str, run: str) -> None:
    if folder is not None:
        write_text(folder / f"{name}.txt", run + "\n")


@register("sink", "wandb")
class WandB:
    """Weights & Biases; a run that goes on does so under the name it has there.

    **Arguments:** `project`; `name`: of the run, that of its folder when omitted; `mode`: `online`, `offline` or
    `disabled`.

    **Raises:** `ValueError` if the package is not installed.
    """

    def __init__(self, project: str = "pdejax", name: str | None = None, mode: str = "online") -> None:
        self.project, self.name, self.mode = project, name, mode
        self._wandb = _service("wandb")

    def open(self, folder: Path | None, step: int) -> None:
        """See `Sink`."""
        self._run = self._wandb.init(
            project=self.project,
            name=self.name or (folder.name if folder else None),
            dir=None if folder is None else str(folder),
            id=_remembered(folder, "wandb", step),
            resume="allow",
            mode=self.mode,
        )
        _remember(folder, "wandb", self._run.id)

    def write(self, step: int, values: Values) -> None:
        """See `Sink`."""
        self._run.log(scalars(values), step=step)

    def close(self) -> None:
        """See `Sink`."""
        self._run.finish()


@register("sink", "mlflow")
class MLflow:
    """MLflow, at the tracking address that its own variables name.

    **Arguments:** `experiment`; `name`: of the run, that of its folder when omitted.

    **Raises:** `ValueError` if the package is not installed.
    """

    def __init__(self, experiment: str = "pdejax", name: str | None = None) -> None:
        self.experiment, self.name = experiment, name
        self._mlflow = _service("mlflow")

    def open(self, folder: Path | None, step: int) -> None:
        """See `Sink`."""
        self._mlflow.set_experiment(self.experiment)
        name, known = self.name or (folder.name if folder else None), _remembered(folder, "mlflow", step)
        run = self._mlflow.start_run(run_id=known, run_name=None if known else name)
        _remember(folder, "mlflow", run.info.run_id)

    def write(self, step: int, values: Values) -> None:
        """See `Sink`."""
        self._mlflow.log_metrics(scalars(values), step=step)

    def close(self) -> None:
        """See `Sink`."""
        self._mlflow.end_run()


@register("sink", "trackio")
class Trackio:
    """Trackio, a tracker whose files stay on this machine.

    **Arguments:** `project`; `name`: of the run, that of its folder when omitted.

    **Raises:** `ValueError` if the package is not installed.
    """

    def __init__(self, project: str = "pdejax", name: str | None = None) -> None:
        self.project, self.name = project, name
        self._trackio = _service("trackio")

    def open(self, folder: Path | None, step: int) -> None:
        """See `Sink`."""
        name = self.name or (folder.name if folder else None)
        self._trackio.init(project=self.project, name=name, resume="allow" if step >= 0 else "never")

    def write(self, step: int, values: Values) -> None:
        """See `Sink`."""
        self._trackio.log(scalars(values), step=step)

    def close(self) -> None:
        """See `Sink`."""
        self._trackio.finish()
