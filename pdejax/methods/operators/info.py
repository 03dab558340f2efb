"""What an operator is for: plain facts about the data it was made for."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from pdejax.methods.cards import DataCard

ROUNDING = 1e-5  # relative, of lengths that were written and read


@dataclasses.dataclass(frozen=True)
class OperatorInfo:
    """The description of an operator, plain values throughout.

    How many calls of the network a step takes is not here but at the operator (`calls`): another sampler changes it.

    **Arguments:** `step`: time that one call covers; `lengths`: of the domain, if it is a grid; `fields`: names of the
    channels; `inputs`: names of fields given instead of a state; `parameters`: names of physical parameters that it is
    bound to; `history`: frames a state holds; `shape`: of the grid of the data; `equation`: its source, for people;
    `periodic`: whether each axis of the grid is; `ranges`: lowest and highest value of each parameter of the training.
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
    ranges: tuple[tuple[float, float], ...] = ()

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
            ranges=card.parameter_ranges,
        )

    @property
    def ndim(self) -> int:
        """Number of axes of space; the points of a cloud are one."""
        return len(self.lengths or self.shape)

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return json.loads(json.dumps(dataclasses.asdict(self)))


def check_made_for(model: Any, data: Any, *, same_step: bool = False) -> None:
    """Whether an operator's box, its ends, step and fields are those of the data; the number of points may differ.

    **Arguments:** `model`; `data`; `same_step`: whether a multiple of the step is not allowed.

    **Raises:** `ValueError` that names both.
    """
    info = getattr(model, "info", None)
    if not isinstance(info, OperatorInfo):
        return
    made, found = info.lengths, tuple(getattr(data.domain, "lengths", ()))
    if made and found and (len(made) != len(found) or not np.allclose(made, found, rtol=ROUNDING, atol=0.0)):
        raise ValueError(f"the operator was made for a domain of the lengths {list(made)}, the data have {list(found)}")
    made, found = info.periodic, tuple(getattr(data.domain, "periodic_axes", ()))
    if made and found and made != found:
        raise ValueError(f"the operator was made for {_ends(made)}, the data have {_ends(found)}")
    if same_step and abs(data.step - info.step) > ROUNDING * info.step:
        raise ValueError(f"the operator was made for the step {info.step:g}, the data have {data.step:g}")
    if info.step and data.step and abs(data.step / info.step - max(1, round(data.step / info.step))) > ROUNDING:
        raise ValueError(f"the operator was made for the step {info.step:g}, the data have {data.step:g}, which is no "
                         "multiple of it")  # fmt: skip
    for kind, made, found in (("fields", info.fields, data.field_names), ("inputs", info.inputs, data.input_names)):
        if made and tuple(made) != tuple(found):
            raise ValueError(f"the operator was made for the {kind} {list(made)}, the data have {list(found)}")


def _ends(periodic: Sequence[bool]) -> str:
    named = ["periodic" if one else "bounded" for one in periodic]
    return f"{named[0]} ends" if len({*named}) == 1 else f"ends along its axes that are {', '.join(named)}"
