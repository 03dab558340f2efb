"""Fields that are stated, with numbers that are drawn."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import sympy
from jaxtyping import Array, Float

from pdejax.core import Count, Grid, Key, Real, check_options, register
from pdejax.equations.language.evaluate import evaluate
from pdejax.equations.language.jets import AXES, COORDINATES, TIME
from pdejax.equations.language.parse import RESERVED, Parser
from pdejax.equations.laws.law import Drawn, draw_laws, read_laws, support_of


@register("sampler", "expression")
@dataclasses.dataclass(frozen=True)
class Expression:
    """A field as a text in coordinates, such as `"a*exp(-((x - 0.5)/0.1)**2)"`, whose numbers are drawn; `0` for rest.

    **Arguments:** `value`: a number or a text in the axes' letters, the words of equations and the names in `vary`;
    `vary`: names to ranges `(low, high)` of uniform distributions or to other laws, as of a `Family`; `channels`:
    fields that are all alike.
    """

    value: str | Real = "0"
    vary: Mapping[str, Drawn] = dataclasses.field(default_factory=dict, hash=False)
    channels: Count = 1

    def __post_init__(self) -> None:
        check_options(self)
        object.__setattr__(self, "vary", read_laws("vary", self.vary))
        for name in support_of(self.vary):
            if not name.isidentifier() or name in RESERVED:
                raise ValueError(f"vary.{name} is a reserved name or not a word; choose another")
        words = {str(one) for one in self._expression(len(AXES)).free_symbols}
        for name in support_of(self.vary):
            if name not in words:
                raise ValueError(f"vary.{name} has no effect: {name!r} does not occur in value={self.value!r}")

    def _expression(self, ndim: int) -> sympy.Expr:
        """The text, read.

        **Raises:** `ValueError` for a word that means nothing here.
        """
        try:
            found = Parser((), support_of(self.vary), ndim)("value", str(self.value)).flat()
        except ValueError as error:
            raise ValueError(f"value={self.value!r}: {str(error).partition(': ')[2]}") from None
        if found.has(TIME):
            raise ValueError(f"value={self.value!r} depends on t, and a state that is drawn stands at one time")
        return found

    def __call__(self, key: Key, grid: Grid) -> Float[Array, "*space channel"]:
        keys = jax.random.split(key, max(len(self.vary), 1))
        drawn = draw_laws(self.vary, dict(zip(sorted(self.vary), keys, strict=False)))
        values: dict[Any, Any] = {sympy.Symbol(name, real=True): value for name, value in drawn.items()}
        place = jnp.asarray(grid.coordinates(), jnp.result_type(float))
        values |= {COORDINATES[i]: place[..., i] for i in range(grid.ndim)}
        field = jnp.broadcast_to(jnp.asarray(evaluate(self._expression(grid.ndim), values)), grid.shape)
        return jnp.repeat(field.astype(place.dtype)[..., None], self.channels, -1)
