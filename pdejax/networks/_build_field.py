"""Fields, functions of the coordinates of a box, by name."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pdejax.core import Key, known
from pdejax.networks.fields.gaussian_lattice import GaussianLattice
from pdejax.networks.fields.gaussians import GaussianField
from pdejax.networks.fields.mlp import SIREN, MLPField
from pdejax.networks.fields.piratenet import PirateNet

FIELDS: Mapping[str, Callable[..., Any]] = {
    "gaussians": GaussianField,
    "gaussian_lattice": GaussianLattice,
    "mlp": MLPField,
    "siren": SIREN,
    "piratenet": PirateNet,
}
# an axis' rules are objects: a plain mapping says periods and parities
_GIVEN = ("self", "channels", "box", "periodic", "parity", "rules", "key")


def field_options(kind: str) -> tuple[str, ...]:
    """Names of the options that a kind of field takes beside `kind`.

    **Raises:** `ValueError` for an unknown kind.
    """
    if kind not in FIELDS:
        raise ValueError(known("field", kind, FIELDS))
    return tuple(name for name in inspect.signature(FIELDS[kind].__init__).parameters if name not in _GIVEN)


def build_field(
    spec: Mapping[str, Any],
    *,
    channels: int,
    box: Sequence[Sequence[float]],
    periodic: Sequence[bool] | None = None,
    parity: Sequence[str] | None = None,
    key: Key,
) -> Any:
    """The field that a plain mapping describes.

    **Arguments:**

    - `spec`: `{"kind": "gaussians", ...}`, the rest being options of that field's class.
    - `channels`: of the field.
    - `box`: (low, high) of each axis.
    - `periodic`: whether the field repeats along each axis; no axis if omitted.
    - `parity`: `"none"`, `"even"` or `"odd"` about the middle of each axis; no parity if omitted.
    - `key`: random key of the parameters. (Keyword only argument.)

    **Returns:** a module `field(points) -> (point, channel)` with `field.jet(points, orders)`, for which periods and
    parities hold exactly.

    **Raises:** `ValueError` if the kind is missing or unknown, or an option is.
    """
    if "kind" not in spec:
        raise ValueError(f"a field needs a kind, got {dict(spec)}; known kinds: {', '.join(sorted(FIELDS))}")
    kind, options = spec["kind"], {name: value for name, value in spec.items() if name != "kind"}
    names = field_options(kind)
    for name in options:
        if name not in names:
            raise ValueError(known(f"option of field {kind!r}:", name, names))
    symmetry = {"periodic": periodic or False, "parity": parity or "none"}
    return FIELDS[kind](channels, box, **symmetry, **options, key=key)
