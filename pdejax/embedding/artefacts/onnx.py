"""Programs as ONNX models, in real arithmetic."""

import importlib
import re
from typing import Any

import jax

from pdejax.embedding.artefacts.programs import Program

SUFFIX = ".onnx"


def converted(program: Program) -> bytes:
    """A program as an ONNX model, weights inside.

    **Arguments:** `program`: of a model whose spectral convolutions have the kernel `"dft"`, see `with_kernel`.

    **Raises:** `ValueError` without jax2onnx, or for a program that cannot be converted, with the reason.
    """
    try:
        to_onnx = importlib.import_module("jax2onnx").to_onnx
    except ImportError as error:
        raise ValueError("ONNX needs jax2onnx, which has an environment of its own: `make interop` makes it, "
                         "docs/export.md tells more") from error  # fmt: skip
    _check(program)
    try:
        return _finished(to_onnx(program.function, **_options(program)), program)
    except Exception as error:
        first = next(iter(str(error).strip().splitlines()), "")[:200]
        raise ValueError(f"{program.name} cannot be converted to ONNX: {type(error).__name__}: {first}") from error


def _check(program: Program) -> None:
    if any(one.name == "key" for one in program.inputs):
        raise ValueError(f"{program.name} draws noise, and ONNX has no random numbers that are JAX's: export it as jax")
    jaxpr = str(jax.make_jaxpr(program.function)(*program.example()))
    if re.search(r"\bc(64|128)\[", jaxpr):
        raise ValueError(f"{program.name} takes Fourier transforms beside its spectral convolutions, and ONNX has no "
                         "complex numbers: export it as jax")  # fmt: skip


def _options(program: Program) -> dict[str, Any]:
    return {
        "inputs": [one.shape for one in program.inputs],
        "model_name": program.name,
        "enable_double_precision": program.inputs[0].dtype == "float64",
        "input_names": [one.name for one in program.inputs],
        "output_names": [program.output.name],
    }


def _finished(model: Any, program: Program) -> bytes:
    """The model with the sizes of its output, of which the converter knows some only."""
    for dim, size in zip(model.graph.output[0].type.tensor_type.shape.dim, program.output.shape, strict=True):
        if isinstance(size, int):
            dim.dim_value = size
        else:
            dim.dim_param = size
    return model.SerializeToString()
