"""The whole configuration of a run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import model_validator

from pdejax.config._boundary_value import BoundaryValueConfig
from pdejax.config._field_network import FIELDS
from pdejax.config._method import Method
from pdejax.config._networks import Network
from pdejax.config._neural_ode import NeuralODE
from pdejax.config._problem import AnyProblem
from pdejax.config._train import TrainConfig
from pdejax.config._types import Count, Flag, Name, Section, Whole, fault
from pdejax.config._yaml import read_yaml, write_yaml

# optimisers of rows, which know no weights of points
SQUARES = ("gauss_newton", "levenberg_marquardt", "sketched_gauss_newton", "lattice_newton")
# of problems that are, and are not, stated by their conditions
_NATURES = {
    True: ("is stated by its conditions", "physics_informed"),
    False: ("is a family of initial states or inputs", "one_step, or method=steady"),
}
_FUNCTIONS = {True: ("a field of coordinates", "gaussians"), False: ("an operator", "fno")}


class Evaluation(Section):
    """How a trained model is judged.

    `trajectories` and `steps` limit the test split (null: all of it), `chunk` is how many trajectories are
    predicted at once (null: all), `baselines` whether classical ones are run beside; `valid_trajectories` and
    `valid_steps` bound the rollout that is measured during training.
    """

    trajectories: Count | None = None
    steps: Count | None = None
    chunk: Count | None = None
    baselines: Flag = True
    valid_trajectories: Count = 16
    valid_steps: Count = 20


class RunConfig(Section):
    """Everything that determines a run; `to_yaml` and `from_yaml` are inverse."""

    name: Name
    seed: Whole = 0
    data_dir: Path = Path("data")
    runs_dir: Path = Path("runs")
    problem: AnyProblem
    network: Network
    method: Method
    train: TrainConfig
    evaluation: Evaluation = Evaluation()

    @property
    def data_folder(self) -> Path:
        """Where the data set is."""
        return self.data_dir / self.problem.name

    @property
    def run_folder(self) -> Path:
        """Where the run writes."""
        return self.runs_dir / self.name

    @property
    def valid_rollout(self) -> tuple[int, int]:
        """Trajectories and steps of the rollout measured during training: as wished, as far as the split goes."""
        if isinstance(self.problem, BoundaryValueConfig):
            return (0, 0)
        wanted, split = self.evaluation, self.problem.splits.valid
        steps = split.frames - self.method.history
        return min(wanted.valid_trajectories, split.trajectories), min(wanted.valid_steps, steps)

    @model_validator(mode="after")
    def _network_fits(self) -> "RunConfig":
        axes = self.problem.ndim
        for key, network in self._networks():
            for name in ("modes", "patch_size", "periodic", "counts", "overlap", "beyond"):
                value = getattr(network, name, None)  # not every kind has it
                if isinstance(value, tuple) and len(value) != axes:
                    raise fault(f"should have one entry for each of {axes} axes, got {list(value)}", *key, name)
        return self

    def _networks(self) -> Iterator[tuple[tuple[str, ...], Any]]:
        """All networks of a run, and where they stand."""
        yield ("network",), self.network
        if isinstance(self.method, NeuralODE):
            for key, network in self.method.networks():
                yield ("method", *key), network

    @model_validator(mode="after")
    def _method_fits(self) -> "RunConfig":
        kind, steady = self.method.kind, self.problem.steady
        if self.problem.stated != (kind == "physics_informed"):
            nature, other = _NATURES[self.problem.stated]
            sentence = f"is {kind!r}, but problem {self.problem.name!r} {nature}: take method={other}"
            raise fault(sentence, "method", "kind")
        if self.problem.stated != (self.network.kind in FIELDS):
            what, other = _FUNCTIONS[self.problem.stated]
            sentence = f"is {self.network.kind!r}, but method {kind!r} trains {what}: take network={other}"
            raise fault(sentence, "network", "kind")
        if isinstance(self.problem, BoundaryValueConfig):
            if getattr(self.method, "causal", None) is not None and "t" not in self.problem.domain:
                raise fault("weights times, but problem.domain has no axis t", "method", "causal")
            self._stages_fit()
            return self
        if steady != (kind == "steady"):
            nature, other = ("is steady", "method=steady") if steady else ("evolves in time", "method=one_step")
            raise fault(f"is {kind!r}, but problem {self.problem.name!r} {nature}: take {other}", "method", "kind")
        if isinstance(self.method, NeuralODE):
            self._latent_networks_fit(self.method)
        return self

    def _latent_networks_fit(self, method: NeuralODE) -> None:
        """Whether the networks of a neural differential equation are for fields, or for vectors where it has those."""
        vectors = method.latent is not None and method.latent.kind == "vector"
        for key, network in self._networks():
            if vectors and network.kind != "perceptron":
                sentence = f"is {network.kind!r}, but method.latent.kind=vector has no space axes: take perceptron"
                raise fault(sentence, *key, "kind")
            if network.kind in FIELDS:
                raise fault(f"is {network.kind!r}, a function of coordinates: take perceptron or fno", *key, "kind")

    def _stages_fit(self) -> None:
        """Whether optimisers see the loss they are given, and fields can be changed as stages want."""
        method: Any = self.method
        for part in self.train.parts():
            for key in ("causal", "adaptive"):
                if part.optimiser in SQUARES and getattr(method, key) is not None:
                    sentence = f"weighs points, but optimiser {part.optimiser!r} sees all of them alike: leave it out"
                    raise fault(sentence, "method", key)
            if part.optimiser == "lattice_newton" and method.weights:
                raise fault(
                    "is not for optimiser 'lattice_newton': set train.options.condition_weight", "method", "weights"
                )
            if part.optimiser == "lbfgs" and method.redraw:
                raise fault(
                    "should be 0 for optimiser 'lbfgs', which compares gradients of updates", "method", "redraw"
                )
        for number, stage in enumerate(self.train.stages):
            if stage.adapt is not None and self.network.kind != "gaussians":
                raise fault("is for network=gaussians", "train", "stages", number, "adapt")

    @model_validator(mode="after")
    def _windows_fit(self) -> "RunConfig":
        if isinstance(self.problem, BoundaryValueConfig):
            return self
        window, splits = self.method.history + self.method.unroll, self.problem.splits
        for name in ("train", "valid"):
            frames = getattr(splits, name).frames
            if frames < window:
                sentence = f"should be at least method.history + method.unroll = {window}, got {frames}"
                raise fault(sentence, "problem", "splits", name, "frames")
        return self

    @model_validator(mode="after")
    def _evaluation_fits(self) -> "RunConfig":
        if isinstance(self.problem, BoundaryValueConfig):
            return self
        test, wanted = self.problem.splits.test, self.evaluation
        for key, most in (("trajectories", test.trajectories), ("steps", test.frames - self.method.history)):
            value = getattr(wanted, key)
            if value is not None and value > most:
                raise fault(f"should be at most {most}, what the test split holds, got {value}", "evaluation", key)
        return self

    def to_yaml(self) -> str:
        """The configuration as text, every default written out."""
        return write_yaml(self.model_dump(mode="json"))

    @classmethod
    def from_yaml(cls, text: str) -> "RunConfig":
        """The configuration that `to_yaml` wrote.

        **Raises:** `pydantic.ValidationError`; see `read_run` for messages with file and line.
        """
        values: dict[str, Any] = read_yaml(text)[0]
        return cls.model_validate(values)
