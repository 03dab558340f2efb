"""The equation of evolution: declared once as strings, used by solvers, losses and reports."""

import dataclasses
import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from pdejax.core import known, register
from pdejax.equations._complex import check_pairs, in_parts, pairs_of
from pdejax.equations._given import check_parameters, default_values, definition_texts, term_list
from pdejax.equations._residual import SymbolicResidual, evolution_residuals, in_streams
from pdejax.equations.language.jets import AXES, TIME, Form, jets, symbols
from pdejax.equations.language.latex import latex
from pdejax.equations.language.pairs import WORDS, is_complex
from pdejax.equations.language.parse import RESERVED, Parser, split_sides


@register("equation", "evolution")
@dataclasses.dataclass(frozen=True)
class Equation:
    """A system of evolution equations `FIELD_t = right-hand side` on a box.

    The grammar knows numbers, `+ - * / **`, parameters, `x y z t pi`, the usual functions, fields `u` with derivatives
    `u_x`, `u_xxy`, and the operators `dx(e) dy dz lap bilap grad div dot curl`; `velocity(w)` is the divergence-free
    velocity `(psi_y, -psi_x)` of a 2D vorticity `w`, with `lap(psi) = -w`, and `advect(w)` its advection
    `dot(velocity(w), grad(w))`. Pointwise are `min(a, b) max(a, b) positive(e) abs(e) sign(e) step(e)`, the last being
    1/2 where `e` is zero; `mean(e)` and `integral(e)` over the box, and in 1D `hilbert(e)` of symbol -i sign(k)
    (`hilbert(cos(x)) = sin(x)`), ask for the whole field, so that there is no `residual` at points.

    **Arguments:**

    - `terms`: one string or one per field, for example `"u_t = -u*u_x + nu*u_xx"`.
    - `parameters`: names and default values of the physical parameters.
    - `ndim`: number of space axes, one to three.
    - `definitions`: named expressions that terms and other definitions may use, such as a pressure.
    - `primitive`: names of fields and definitions, as many as fields, which determine the fields: in them states may be
        drawn, and finite volumes reconstruct.
    - `positive`: names of fields and definitions that are above zero in every state.
    - `nonnegative`: names of those that may be zero as well, such as a depth where it is dry.
    - `solenoidal`: names of the fields that are the velocity of an incompressible flow, in the order of axes: the
        gradient of the pressure that keeps their divergence zero is understood in their terms.
    - `complex`: names of complex fields, each with those of its real and imaginary part, `{"psi": ("u", "v")}`: the
        fields are these two, `psi_t = e` is kept as `u_t = re(e)` and `v_t = im(e)`, and terms and definitions may
        have `psi`, the imaginary unit `i`, `conj(e) re(e) im(e)` and the modulus `abs(e)`. Parameters stay real.

    Wherever an argument is called `parameters`, it maps names to numbers or arrays `(batch,)`, and missing names take
    their defaults.

    **Raises:** `ValueError` naming the term, the bad word and the nearest valid spelling.
    """

    terms: tuple[str, ...]
    parameters: Mapping[str, float] = dataclasses.field(default_factory=dict, hash=False)
    ndim: int = 1
    definitions: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)
    primitive: tuple[str, ...] = ()
    positive: tuple[str, ...] = ()
    solenoidal: tuple[str, ...] = ()
    nonnegative: tuple[str, ...] = ()
    complex: Mapping[str, tuple[str, str]] = dataclasses.field(default_factory=dict, hash=False)

    inputs: ClassVar[tuple[str, ...]] = ()  # fields given beside the initial state

    def __init__(
        self,
        terms: str | Sequence[str],
        parameters: Mapping[str, float] | None = None,
        ndim: int = 1,
        definitions: Mapping[str, str] | None = None,
        primitive: Sequence[str] = (),
        positive: Sequence[str] = (),
        solenoidal: Sequence[str] = (),
        nonnegative: Sequence[str] = (),
        complex: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        set_ = functools.partial(object.__setattr__, self)
        set_("complex", pairs_of(complex))
        set_("terms", in_parts(term_list(terms), self.complex))
        set_("parameters", default_values(parameters))
        set_("ndim", int(ndim) if isinstance(ndim, np.integer) else ndim)
        set_("definitions", definition_texts(definitions))
        set_("primitive", (primitive,) if isinstance(primitive, str) else tuple(primitive))
        set_("positive", (positive,) if isinstance(positive, str) else tuple(positive))
        set_("solenoidal", (solenoidal,) if isinstance(solenoidal, str) else tuple(solenoidal))
        set_("nonnegative", (nonnegative,) if isinstance(nonnegative, str) else tuple(nonnegative))
        self._check()
        self._check_used()

    def _check(self) -> None:
        if not isinstance(self.ndim, int) or not 1 <= self.ndim <= 3:
            raise ValueError(f"an Equation has one to three space axes, got ndim={self.ndim!r}")
        if not self.terms:
            raise ValueError("an Equation needs at least one term such as 'u_t = nu*u_xx', got none")
        repeated = [f for f in self.fields if self.fields.count(f) > 1]
        if repeated:
            raise ValueError(f"field {repeated[0]!r} has two equations: {self.terms}")
        check_pairs(self.complex, self.fields)
        reserved = (*RESERVED, *self.complex, *(WORDS if self.complex else ()))
        for name in self.parameters:
            if not name.isidentifier() or name in (*reserved, *self.fields):
                raise ValueError(f"parameter name {name!r} is reserved, a field, or not a word; choose another")
        for name in self.definitions:
            if not name.isidentifier() or name in (*reserved, *self.fields, *self.parameters):
                raise ValueError(f"definition {name!r} is reserved, a field, a parameter or not a word; choose another")
        self._check_variables()

    def _check_variables(self) -> None:
        """What `primitive`, `positive` and `nonnegative` name."""
        for what in ("primitive", "positive", "nonnegative"):
            for name in getattr(self, what):
                if name not in (*self.fields, *self.definitions):
                    raise ValueError(known(f"field or definition of {what}:", name, [*self.fields, *self.definitions]))
        if self.primitive and len(set(self.primitive)) != self.channels:
            raise ValueError(f"primitive should name {self.channels} different variables, as many as there are fields, "
                             f"got {list(self.primitive)}")  # fmt: skip
        for name in self.solenoidal:
            if name not in self.fields:
                raise ValueError(known("field of solenoidal:", name, self.fields))
        if self.solenoidal and (self.ndim == 1 or len(set(self.solenoidal)) != self.ndim):
            raise ValueError(f"solenoidal should name a velocity, one field for each of two or three axes, here "
                             f"{self.ndim}, got {list(self.solenoidal)}")  # fmt: skip

    def _check_used(self) -> None:
        """Reads the terms, so that mistakes are reported where they are made."""
        for name in self._declared:
            if name in self.definitions and is_complex(self.defined[name]):
                raise ValueError(
                    f"definition {name!r} is complex, and what is primitive, positive or nonnegative is real"
                )
        named = [self.defined[name] for name in self._declared if name in self.definitions]
        used = {str(s) for form in (*self.forms, *named) for e in form.parts.values() for s in symbols(e)}
        for name in self.parameters:
            if name not in used:
                raise ValueError(f"parameter {name!r} occurs in no term, so that it has no effect: {self.terms}")
        texts = " ".join([*self.terms, *self.definitions.values(), *self._declared])
        for name in self.definitions:
            if name not in _words(texts):
                raise ValueError(f"definition {name!r} occurs in no term, so that it has no effect: {self.terms}")

    @property
    def _declared(self) -> tuple[str, ...]:
        return (*self.primitive, *self.positive, *self.nonnegative)

    @functools.cached_property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields, in the order of the channels."""
        return tuple(split_sides(term)[0] for term in self.terms)

    @property
    def channels(self) -> int:
        """Number of fields."""
        return len(self.fields)

    @functools.cached_property
    def forms(self) -> tuple[Form, ...]:
        """The right-hand sides, read."""
        parser = self._parser(self.defined)
        return tuple(parser(term, split_sides(term)[1]) for term in self.terms)

    def _parser(self, definitions: Mapping[str, Form]) -> Parser:
        return Parser(
            self.fields, self.parameters, self.ndim, whole=True, definitions=definitions, complex=self.complex
        )

    @functools.cached_property
    def defined(self) -> Mapping[str, Form]:
        """The definitions, read."""
        found: dict[str, Form] = {}
        waiting = dict(self.definitions)
        while waiting:
            ready = [name for name, text in waiting.items() if not {*_words(text)} & {*waiting}]
            if not ready:
                raise ValueError(f"definitions go in a circle: {', '.join(waiting)}")
            for name in ready:
                read = self._parser(found)
                found[name] = read(f"{name} = {self.definitions[name]}", waiting.pop(name), real=False)
        return found

    @functools.cached_property
    def autonomous(self) -> bool:
        """Whether time does not occur explicitly."""
        return not any(TIME in symbols(e) for form in self.forms for e in form.parts.values())

    @functools.cached_property
    def streams(self) -> tuple[str, ...]:
        """Vorticities whose stream functions occur."""
        found = {j.field for form in self.forms for e in form.parts.values() for j in jets(e) if j.potential}
        return tuple(f for f in self.fields if f in found)

    @property
    def pointwise_fields(self) -> tuple[str, ...]:
        """What the channels of a field that `residual` is asked of mean: a vorticity's is its stream function `psi`."""
        stream = lambda f: "psi" if len(self.streams) == 1 else f"psi_{f}"
        return tuple(stream(f) if f in self.streams else f for f in self.fields)

    def with_parameters(self, parameters: Mapping[str, float]) -> "Equation":
        """The same equation with other default values; unknown names are refused."""
        self._refuse_unknown(parameters)
        return dataclasses.replace(self, parameters={**self.parameters, **parameters})

    def resolve(self, parameters: Mapping[str, Any] | None) -> dict[str, Any]:
        """All parameters, defaults filled in.

        **Raises:** `ValueError` for an unknown name, with the nearest spelling, and a value that is no finite number.
        """
        self._refuse_unknown(check_parameters(parameters))
        return {**self.parameters, **(parameters or {})}

    def _refuse_unknown(self, parameters: Mapping[str, Any]) -> None:
        for name in parameters:
            if name not in self.parameters:
                raise ValueError(known("parameter", name, self.parameters))

    @functools.cached_property
    def residual(self) -> SymbolicResidual:
        """u_t minus the right-hand side as a function of the derivatives of a field in time and place.

        Where `velocity` or `advect` of a vorticity occurs, the field is the stream function instead (see
        `pointwise_fields`).

        **Raises:** `ValueError` where a pressure is understood, which has no value at a point.
        """
        if self.solenoidal:
            raise ValueError(f"of the velocity {', '.join(self.solenoidal)} a pressure is understood, which fields at "
                             "points do not know: state it as a field, with its own equation")  # fmt: skip
        expressions = tuple(in_streams(form.flat(), self.streams) for form in self.forms)
        residuals = evolution_residuals(expressions, self.fields, self.streams)
        return SymbolicResidual(residuals, self.fields, ("t", *AXES[: self.ndim]))

    def latex(self) -> str:
        """The equations as LaTeX, one line each."""
        lines = latex(self.fields, self.forms, self.streams).split(" \\\\\n")
        for field, axis in zip(self.solenoidal, AXES, strict=False):
            lines[self.fields.index(field)] += rf" - \partial_{axis} \pi"
        if self.solenoidal:
            divergence = " + ".join(rf"\partial_{a} {f}" for f, a in zip(self.solenoidal, AXES, strict=False))
            lines.append(f"{divergence} = 0")
        return " \\\\\n".join(lines)


def _words(text: str) -> list[str]:
    return re.findall(r"[A-Za-z_]\w*", text)
