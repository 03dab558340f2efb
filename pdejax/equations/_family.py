"""A family: many solutions of one equation. It says nothing of how they are found."""

import dataclasses
import re
import zlib
from collections.abc import Mapping
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import (
    Domain,
    Grid,
    Of,
    Positive,
    Scaling,
    Whole,
    build,
    check_fields,
    check_options,
    known,
    register,
    spelt,
)
from pdejax.equations._equation import Equation
from pdejax.equations._steady_equation import SteadyEquation
from pdejax.equations._variables import fields_in_primitive, values_at, variable
from pdejax.equations.language.evaluate import evaluate
from pdejax.equations.laws.law import draw_laws, read_laws, split_names, support_of


@spelt
@dataclasses.dataclass(frozen=True)
class Times:
    """Times at which frames are wanted.

    **Arguments:** `step`: time between frames; `burn_in`: frames from the initial state to the first one.
    """

    step: Positive
    burn_in: Whole = 0

    def __post_init__(self) -> None:
        check_options(self)

    def frames(self, count: int) -> np.ndarray:
        """Times of the first `count` frames, `(frame,)`."""
        return (self.burn_in + np.arange(count)) * self.step


@register("problem", "family")
@dataclasses.dataclass(frozen=True)
class Family:
    """Many solutions of one equation on one domain.

    **Arguments:**

    - `name`: what it is called; files are.
    - `equation`: an `Equation` in time or a `SteadyEquation`.
    - `domain`: where solutions are stored.
    - `draws`: what is drawn: names of initial fields and of inputs to their `Sampler` (or what `describe` makes of
        one); several names with commas between them, as in `"u, v"`, share one sampler of so many channels. The
        primitive variables of an equation may be drawn in place of its fields.
    - `vary`: names of parameters that differ between solutions to the range `(low, high)` of a uniform distribution, or
        to a `Law` (or what `describe` makes of one); several names with commas between them share a law of so many
        numbers. The further names `length`, a factor on the lengths of the domain (what is drawn is stretched with
        it), and `step`, a factor on the time between frames, are those of a `Scaling`.
    - `times`: of the frames; none for a steady equation.

    **Raises:** `ValueError` if these do not fit together.
    """

    name: str
    equation: Annotated[Equation | SteadyEquation, Of("equation")]
    domain: Annotated[Domain, Of("domain")]
    draws: Mapping[str, Any] = dataclasses.field(hash=False)
    vary: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)
    times: Times | None = None

    def __post_init__(self) -> None:
        set_ = lambda name, value: object.__setattr__(self, name, value)
        if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._=+-]*", self.name) is None:
            raise ValueError(f"name of a family should be letters, digits and . _ = + -, got {self.name!r}")
        built = lambda names, given: build("sampler", given, channels=len(split_names(names)))
        set_("draws", {names: built(names, given) for names, given in self.draws.items()})
        self._check_equation()
        self._check_draws()
        self._check_varying()
        laws = read_laws("vary", self.vary, Scaling.columns)
        set_("vary", {key: tuple(map(float, law)) if isinstance(law, tuple) else law for key, law in laws.items()})

    def _error(self, sentence: str) -> ValueError:
        return ValueError(f"problem {self.name!r}: {sentence}")

    def _check_equation(self) -> None:
        if self.equation.ndim != self.domain.dimension:
            raise self._error(f"domain.shape {list(self.domain.shape)} has {self.domain.dimension} axes, "
                              f"its equation {self.equation.ndim}")  # fmt: skip
        if self.steady != isinstance(self.equation, SteadyEquation):
            nature = "is steady and has no times" if self.times else "evolves in time, times=Times(step=...) is missing"
            raise self._error(f"the equation {list(self.equation.terms)} {nature}")
        try:
            check_fields(self.domain.ends if isinstance(self.domain, Grid) else (), self.fields, "domain.ends")
        except ValueError as error:
            raise self._error(str(error)) from None

    def _check_draws(self) -> None:
        wanted, drawn = self._drawn, [name for names in self.draws for name in split_names(names)]
        for name in drawn:
            if name not in wanted:
                raise self._error(known("field to draw:", name, wanted))
        for name in wanted:
            if drawn.count(name) != 1:
                what = "input" if name in self.inputs else "field"
                raise self._error(f"draws has {drawn.count(name) or 'no'} samplers of the {what} {name!r}, "
                                  f"expected one for each of {', '.join(wanted)}")  # fmt: skip
        for names, sampler in self.draws.items():
            if not callable(sampler):
                raise self._error(f"draws.{names} should be a sampler, sampler(key, grid) -> (*space, channel), "
                                  f"got {type(sampler).__name__}")  # fmt: skip
            if (channels := getattr(sampler, "channels", 1)) != len(split_names(names)):
                raise self._error(f"draws.{names} has {len(split_names(names))} names, its sampler {channels} channels")

    def _check_varying(self) -> None:
        options = [*self.parameters, *(Scaling.columns if self.times else ())]
        for key in self.vary:
            for name in (names := split_names(key)):
                if name not in options:
                    where = f"vary of {key!r}: " if len(names) > 1 else ""
                    raise ValueError(where + known("varying parameter", name, options))

    @property
    def _drawn(self) -> tuple[str, ...]:
        return (*(() if self.steady else self._initial), *self.inputs)

    @property
    def _initial(self) -> tuple[str, ...]:
        """Names of what the initial state is drawn in: the primitive variables if one beside the fields is named."""
        primitive = getattr(self.equation, "primitive", ())
        named = {name for names in self.draws for name in split_names(names)}
        return primitive if named & ({*primitive} - {*self.fields}) else self.fields

    @property
    def steady(self) -> bool:
        """Whether there is no time."""
        return self.times is None

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of what is solved for, in the order of channels."""
        return self.equation.fields

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the fields that are given beside the initial state."""
        return self.equation.inputs

    @property
    def parameters(self) -> Mapping[str, float]:
        """All parameters of the equation and their values where they do not vary."""
        return self.equation.parameters

    @property
    def constants(self) -> dict[str, float]:
        """Parameters that are the same for all solutions."""
        return {name: value for name, value in self.parameters.items() if name not in self.support}

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Sorted names of what varies."""
        return tuple(sorted(self.support))

    @property
    def support(self) -> dict[str, tuple[float, float]]:
        """Smallest and largest value of each parameter that varies."""
        return support_of(self.vary)

    @property
    def step(self) -> float:
        """Time between frames (before the factor of a `Scaling`); zero if steady."""
        return self.times.step if self.times else 0.0

    @property
    def latex(self) -> str:
        """The equation as LaTeX, one line per field."""
        return self.equation.latex()

    def draw(
        self, seed: Any, index: Any, domain: Domain | None = None, *, parameters: Any = None
    ) -> tuple[dict[str, Float[Array, "*space"]], dict[str, Float[Array, ""]]]:
        """What is drawn for solution `index`: fields by name, and values of what varies; no other number matters.

        Random numbers are drawn in float32 whatever the precision, so that float64 and float32 see the same. May be
        vmapped over `index`.

        **Arguments:** `seed`; `index`; `domain`: where the fields are wanted, that of the family when omitted;
        `parameters`: values of what varies in place of drawn ones, which fields in primitive variables depend on.
        """
        key, fields = sample_key(seed, index), {}
        for names, sampler in self.draws.items():
            own = split_names(names)
            # by its place among the names, so that the order in which samplers are given does not matter
            values = sampler(jax.random.fold_in(key, self._drawn.index(own[0])), domain or self.domain)
            fields |= {name: values[..., i] for i, name in enumerate(own)}
        parameters = _draw_parameters(key, self.vary) if parameters is None else parameters
        if not self.steady and self._initial != self.fields:
            fields |= self._fields_of(fields, parameters, domain or self.domain)
            fields = {name: fields[name] for name in (*self.fields, *self.inputs)}
        return fields, parameters

    def draw_parameters(self, seed: Any, index: Any) -> dict[str, Float[Array, ""]]:
        """Values of what varies of solution `index`, as `draw` draws them."""
        return _draw_parameters(sample_key(seed, index), self.vary)

    def _fields_of(self, drawn: Mapping[str, Any], parameters: Mapping[str, Any], domain: Domain) -> dict[str, Any]:
        """The fields of primitive variables."""
        assert isinstance(self.equation, Equation)
        values = values_at(self.equation, parameters, domain) | {variable(n): drawn[n] for n in self._initial}
        found = [evaluate(e, values) for e in fields_in_primitive(self.equation)]
        return {name: jnp.broadcast_to(f, domain.shape) for name, f in zip(self.fields, found, strict=True)}


def sample_key(seed: Any, index: Any) -> Any:
    """The random key of sample `index`, the same on every machine."""
    return jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), index)


def _draw_parameters(key: Any, vary: Mapping[str, Any]) -> dict[str, Any]:
    """Values of what varies; float32 numbers, so that storage in float32 is exact."""
    return draw_laws(vary, {name: jax.random.fold_in(key, zlib.crc32(name.encode())) for name in vary})
