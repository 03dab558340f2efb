"""What an operator is for: plain facts about the data it was made for."""

import dataclasses
import json
from typing import Any

from pdejax.methods.cards import DataCard


@dataclasses.dataclass(frozen=True)
class OperatorInfo:
    """The description of an operator, plain values throughout.

    How many calls of the network a step takes is not here but at the operator (`calls`): another sampler changes it.

    **Arguments:** `step`: time that one call covers; `lengths`: of the domain, if it is a grid; `fields`: names of the
    channels; `inputs`: names of fields given instead of a state; `parameters`: names of physical parameters that it is
    bound to; `history`: frames a state holds; `shape`: of the grid of the data; `equation`: its source, for people;
    `periodic`: whether each axis of the grid is.
    """

    step: float
    lengths: tuple[float, ...]
    fields: tuple[str, ...]
    inputs: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    history: int = 1
    shape: tuple[int, ...] = ()
    equation: tuple[str, ...] = ()
    periodic: tuple[bool, ...] = ()

    @classmethod
    def of(cls, card: DataCard, history: int = 1) -> "OperatorInfo":
        """From what is known of the data."""
        return cls(
            step=card.step,
            lengths=card.lengths,
            fields=card.field_names,
            inputs=card.input_names,
            parameters=card.parameter_names,
            history=history,
            shape=card.shape,
            equation=card.equation,
            periodic=card.periodic,
        )

    @property
    def ndim(self) -> int:
        """Number of axes of space; the points of a cloud are one."""
        return len(self.lengths or self.shape)

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return json.loads(json.dumps(dataclasses.asdict(self)))
