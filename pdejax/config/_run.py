"""The whole configuration of a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, create_model

from pdejax.config._problem import is_stated, problem_type
from pdejax.config._sections import section_of
from pdejax.config._train import TrainConfig, train_type
from pdejax.config._types import Count, Flag, MaybePlace, Name, Place, Section, Seed, fault
from pdejax.config._yaml import read_yaml, write_yaml


class Evaluation(Section):
    """How a trained model is judged.

    `trajectories` and `steps` limit the test split (null: all of it), `chunk` is how many trajectories are
    predicted at once (null: all), `baselines` whether classical ones are run beside, `price` whether it is measured
    what the model costs beside the best classical solver of the same error, `trials` how many trainings it took to find
    its settings; `valid_trajectories` and `valid_steps` bound the rollout that is measured during training.
    """

    trajectories: Count | None = None
    steps: Count | None = None
    chunk: Count | None = None
    baselines: Flag = True
    price: Flag = True
    trials: Count = 1
    valid_trajectories: Count = 16
    valid_steps: Count = 20


class RunConfig(Section):
    """Everything that determines a run; `to_yaml` and `from_yaml` are inverse.

    `from` names the folder of a run or of a saved model whose weights this one begins with. `data` names data that
    were not generated here, a file or folder that a registered reader opens; there is no `problem` then. The sections
    `problem`, `network`, `method` and `train` are of types made for what they hold, see `run_type`.
    """

    name: Name
    seed: Seed = 0
    data_dir: Place = Path("data")
    runs_dir: Place = Path("runs")
    data: MaybePlace = None
    problem: Any = None
    network: Any
    method: Any
    train: TrainConfig
    evaluation: Evaluation = Evaluation()

    @property
    def initial(self) -> Path | None:
        """What the key `from` names, a word that Python keeps for itself."""
        return getattr(self, "from", None)

    @property
    def stated(self) -> bool:
        """Whether one solution is stated by its conditions, and not a family of them."""
        return isinstance(self.problem, Section) and "conditions" in type(self.problem).model_fields

    @property
    def data_folder(self) -> Path:
        """Where the data set is: where `data` says, or else the one that is generated of the problem."""
        return self.data_dir / self.problem.name if self.data is None else self.data

    @property
    def run_folder(self) -> Path:
        """Where the run writes."""
        return self.runs_dir / self.name

    def to_yaml(self) -> str:
        """The configuration as text, every default written out."""
        return write_yaml(self.model_dump(mode="json"))

    @classmethod
    def from_yaml(cls, text: str) -> "RunConfig":
        """The configuration that `to_yaml` wrote.

        **Raises:** `pydantic.ValidationError`; see `read_run` for messages with file and line.
        """
        values: dict[str, Any] = read_yaml(text)[0]
        return run_type(values).model_validate(values)


def _nothing(value: Any) -> None:
    if value is not None:
        raise fault("is not read where data are given: leave one of them out")


Nothing = Annotated[None, BeforeValidator(_nothing)]


def run_type(values: Mapping[str, Any]) -> type[RunConfig]:
    """The type of a configuration that holds these values: the kinds they name tell the types of the sections."""
    problem, data = values.get("problem"), values.get("data")
    stated = is_stated(problem)
    ndim = _axes(problem, stated)
    sections: Any = {
        "from": (MaybePlace, None),
        "problem": (problem_type(problem), ...) if data is None else (Nothing, None),
        "network": (section_of("field" if stated else "network", values.get("network"), ndim=ndim), ...),
        "method": (section_of("method", values.get("method"), ndim=ndim), ...),
        "train": (train_type(values.get("train")), ...),
    }
    return create_model("RunConfig", __base__=RunConfig, **sections)


def _axes(problem: Any, stated: bool) -> int | None:
    """Axes that options by axis are for: all of a box, those of space of a grid."""
    domain = problem.get("domain") if isinstance(problem, Mapping) else None
    shape = domain if stated else domain.get("shape") if isinstance(domain, Mapping) else None
    return len(shape) if isinstance(shape, list | tuple | Mapping) else None
