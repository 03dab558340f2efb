"""How a network is trained: the types of the `method` section."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from pdejax.config._boundary_value import PhysicsInformed
from pdejax.config._diffusion import Diffusion
from pdejax.config._loss import Loss, MeanSquared, RelativeL2
from pdejax.config._neural_ode import NeuralODE
from pdejax.config._types import Count, Flag, NotNegative, Section, fault


class Supervised(Section):
    """Comparison with true trajectories; `input_noise` is in units of the increment's root mean square."""

    kind: Literal["supervised"]
    unroll: Count = 1
    cut_gradient: Flag = False
    predict: Literal["state", "increment"] = "increment"
    history: Count = 1
    error: Loss = MeanSquared()
    input_noise: NotNegative = 0.0
    conserve_mean: Flag = False

    @model_validator(mode="after")
    def _mean(self) -> "Supervised":
        if self.conserve_mean and self.predict != "increment":
            raise fault("needs method.predict=increment: the mean of a predicted state is free", "conserve_mean")
        return self

    def spec(self) -> dict[str, Any]:
        """The plain mapping of the method."""
        return self.model_dump(mode="json")


class Steady(Section):
    """Comparison of the solution for input fields with the true one."""

    kind: Literal["steady"]
    error: Loss = RelativeL2(kind="relative_l2")

    # a sample is one frame, none of which is known
    history: ClassVar[int] = 0
    unroll: ClassVar[int] = 1

    def spec(self) -> dict[str, Any]:
        """The plain mapping of the method."""
        return self.model_dump(mode="json")


class Distilled(Section):
    """Comparison with the steps of a trained run, the `teacher`; `samples` of a stochastic one are averaged."""

    kind: Literal["distilled"]
    teacher: str
    samples: Count = 1
    predict: Literal["state", "increment"] = "increment"
    history: Count = 1
    conserve_mean: Flag = False

    # a sample is one frame after the known ones
    unroll: ClassVar[int] = 1

    def spec(self) -> dict[str, Any]:
        """The plain mapping of the method."""
        return self.model_dump(mode="json")


Method = Annotated[
    Supervised | Steady | Diffusion | Distilled | NeuralODE | PhysicsInformed, Field(discriminator="kind")
]
