"""What is solved and how much data of it is made: the types of the `problem` section."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, create_model

from pdejax.config._boundary_value import AXES, BoundaryValueConfig
from pdejax.config._sections import converted, fields_of, section, section_of
from pdejax.config._types import Name, Real, Section, fault
from pdejax.core import Grid
from pdejax.data import TOLERANCES, Recipe
from pdejax.equations import Drawn, Equation, Times, read_equation


def problem_type(value: Any) -> type[Section]:
    """The type of a `problem` section that holds this value: one solution, or a family with its data set."""
    if not isinstance(value, Mapping):
        return ProblemConfig
    return BoundaryValueConfig if is_stated(value) else _family_type(value)


def is_stated(value: Any) -> bool:
    """Whether a `problem` section states one solution: it has conditions, or the axes of a box or more keys of such a
    problem than of a family and its data set, so that they are what is missing.
    """
    if not isinstance(value, Mapping) or "conditions" in value:
        return isinstance(value, Mapping)
    domain = value.get("domain")
    if isinstance(domain, Mapping) and domain and {*domain} <= {*AXES}:
        return True
    stated, family = {*BoundaryValueConfig.model_fields}, {*_family_type({}).model_fields, "input"}
    return len({*value} & (stated - family)) > len({*value} & (family - stated))


class ProblemConfig(Section):
    """An equation with its domain, what is drawn, times and solver, and the data set that is made of it.

    `parameters` are values of some of the equation's, `vary` ranges or laws of those that are drawn for each
    trajectory; see `pdejax.Family` and `pdejax.data.Recipe`.
    """

    name: Name
    equation: Any
    parameters: dict[str, Real] = {}  # noqa: RUF012
    vary: dict[str, Any] = {}  # noqa: RUF012


def _family_type(value: Mapping[str, Any]) -> type[ProblemConfig]:
    domain = value.get("domain")
    shape = domain.get("shape") if isinstance(domain, Mapping) else None
    ndim = len(shape) if isinstance(shape, list | tuple) else None
    equation = _equation_of(value, ndim)
    evolves = equation is None or isinstance(equation, Equation)
    fields: dict[str, Any] = {
        "equation": (Annotated[Any, AfterValidator(lambda given: _readable(given, ndim))], ...),
        "vary": (dict[str, converted(Drawn)], {}),
        "domain": (_domain_type(domain), ...),
    }
    if evolves:
        fields["initial"] = (_draws_type(value.get("initial"), equation.fields if equation else ()), ...)
        fields["time"] = (section(Times, value.get("time")), ...)
    if equation is not None and equation.inputs:
        fields["input"] = (_draws_type(value.get("input"), equation.inputs), ...)
    fields["solver"] = (_solver_type(value.get("solver"), "etdrk" if evolves else "elliptic", ndim), {})
    sizes = {name: kind for name, kind in fields_of(Recipe, value).items() if name not in ("family", "simulator")}
    sizes["tolerance"] = (sizes["tolerance"][0], TOLERANCES[not evolves])
    return create_model("ProblemConfig", __base__=ProblemConfig, **fields, **sizes)


def _equation_of(value: Mapping[str, Any], ndim: int | None) -> Any:
    try:
        return read_equation(value.get("equation"), None, ndim)
    except (ValueError, TypeError):  # told when the section is checked
        return None


def _readable(given: Any, ndim: int | None) -> Any:
    try:
        read_equation(given, None, ndim)
    except ValueError as error:
        sentence = str(error)
        if sentence.startswith("unknown"):
            raise fault(f"is the {sentence}") from None
        of = "parameters" if sentence.startswith("parameter") else "terms"
        below = (of,) if isinstance(given, Mapping) and of in given else ()
        raise fault(f"cannot be read: {sentence}", *below) from None
    return given


def _domain_type(value: Any) -> Any:
    if isinstance(value, Mapping) and "kind" in value:
        return section_of("domain", value)
    return section(Grid, value)


def _draws_type(value: Any, names: Sequence[str]) -> Any:
    """A sampler of all fields of these names, or one by name."""
    by_name = lambda: {*value} & {*names} or any(isinstance(one, Mapping) for one in value.values())
    if isinstance(value, Mapping) and "kind" not in value and by_name():
        kinds: Any = {name: (_sampler_type(one), ...) for name, one in value.items()}
        return create_model("Draws", __base__=Section, **kinds)
    return _sampler_type(value)


def _sampler_type(value: Any) -> Any:
    if isinstance(value, Mapping | Section):
        return section_of("sampler", value)

    def refuse(given: Any) -> Any:
        plain = isinstance(given, str | int | float) and not isinstance(given, bool)
        such = f"{{kind: expression, value: {given if plain else 0}}}"
        raise fault(f"should be a sampler, such as {such}, got {given!r}")

    return Annotated[Any, BeforeValidator(refuse)]


def _solver_type(value: Any, kind: str, ndim: int | None) -> Any:
    if isinstance(value, Mapping) or value is None:
        return section_of("simulator", {"kind": kind, **(value or {})}, ndim=ndim)
    return section_of("simulator", {"kind": value}, ndim=ndim)
