"""Programs as artefacts of `jax.export`: StableHLO with the weights inside, and its derivative backwards."""

import importlib.util
from collections.abc import Sequence
from typing import Any

import jax
import jax.export

from pdejax.core import known
from pdejax.embedding.artefacts.programs import Program

PLATFORMS = ("cpu", "cuda", "tpu")
VJP_ORDER = 1
SUFFIX = ".jaxexport"


def check_platforms(platforms: Sequence[str]) -> None:
    """**Raises:** `ValueError` unless there is at least one, each of which JAX compiles for."""
    if not platforms:
        raise ValueError(f"an artefact is for at least one of the platforms {', '.join(PLATFORMS)}")
    for name in platforms:
        if name == "gpu":  # which JAX calls backends of both
            raise ValueError("unknown platform 'gpu'. Did you mean 'cuda' or 'rocm'?")
        if name not in (*PLATFORMS, "rocm"):
            raise ValueError(known("platform", name, (*PLATFORMS, "rocm")))


def serialised(program: Program, platforms: Sequence[str] = PLATFORMS) -> bytes:
    """A program's artefact: `jax.export.deserialize(it).call(...)` runs it in any process that has JAX.

    It is lowered for all platforms without having any of them, and holds the derivative backwards, once.

    **Raises:** `ValueError` without flatbuffers, or for a program that cannot be exported, with the reason.
    """
    if importlib.util.find_spec("flatbuffers") is None:
        raise ValueError("artefacts of jax.export need flatbuffers: pip install 'pdejax[export]'")
    try:
        return _serialised(program, platforms)
    except Exception as error:
        raise ValueError(_why(program, platforms, error)) from error


def _serialised(program: Program, platforms: Sequence[str]) -> bytes:
    exported = jax.export.export(jax.jit(program.function), platforms=tuple(platforms))(*specifications(program))
    return bytes(exported.serialize(vjp_order=VJP_ORDER))


def specifications(program: Program) -> list[jax.ShapeDtypeStruct]:
    """A program's inputs, whose open sizes are unknowns of one scope."""
    scope = jax.export.SymbolicScope()
    shape = lambda sizes: jax.export.symbolic_shape(", ".join(map(str, sizes)) + ",", scope=scope)
    return [jax.ShapeDtypeStruct(shape(one.shape), one.dtype) for one in program.inputs]


def _why(program: Program, platforms: Sequence[str], error: Exception) -> str:
    """One sentence about a program that could not be exported."""
    text, sizes = str(error), ", ".join(program.open_sizes)
    if "callback" in text:
        return (f"{program.name} calls Python while it runs, which no artefact can: set EQX_ON_ERROR=nan in the "
                "environment before Python starts, if it is a check of Equinox")  # fmt: skip
    if isinstance(error, jax.errors.ConcretizationTypeError | jax.errors.TracerIntegerConversionError):
        return f"{program.name} decides in Python by values of arrays: {_first_line(error)}"
    if sizes and _exports(program, platforms, sized=True):
        return (f"{program.name} depends on the number of samples ({sizes}), as solves do whose steps adapt to the "
                "whole batch: export it for one number, batch=8")  # fmt: skip
    lowered = [name for name in platforms if _exports(program, [name])]
    if lowered and len(lowered) < len(platforms):
        missing = ", ".join(name for name in platforms if name not in lowered)
        return f"{program.name} cannot be compiled for {missing}: export it for the platforms {', '.join(lowered)}"
    return f"{program.name} cannot be exported: {_first_line(error)}"


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {next(iter(str(error).strip().splitlines()), '')[:200]}"


def _exports(program: Program, platforms: Sequence[str], *, sized: bool = False) -> bool:
    """Whether a program can be lowered for these platforms, with open sizes or with one sample."""
    given: Any = program.example() if sized else specifications(program)
    try:
        jax.export.export(jax.jit(program.function), platforms=tuple(platforms))(*given)
    except Exception:
        return False
    return True


def facts(artefact: bytes) -> dict[str, Any]:
    """What an artefact tells of itself, as plain values."""
    exported = jax.export.deserialize(bytearray(artefact))
    return {
        "platforms": list(exported.platforms),
        "vjp_order": VJP_ORDER,
        "devices": exported.nr_devices,
        "calling_convention_version": exported.calling_convention_version,
    }
