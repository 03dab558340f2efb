"""Equations for people."""

from collections.abc import Sequence

import sympy

from pdejax.equations.language.jets import AXES, HILBERT, VOLUME, ZERO, Form, Jet, jets, nonlocals


def latex(fields: Sequence[str], forms: Sequence[Form], streams: Sequence[str]) -> str:
    """One line `\\partial_t u = ...` per field; stream functions are written psi and explained."""
    lines = [rf"\partial_t {f} = {_form(form)}" for f, form in zip(fields, forms, strict=True)]
    lines += [rf"\nabla^2 {_psi(f, streams)} = -{f}" for f in streams]
    return " \\\\\n".join(lines)


def _psi(field: str, streams: Sequence[str] = ()) -> str:
    return r"\psi" if len(streams) <= 1 else rf"\psi^{{({field})}}"


def symbols(expression: sympy.Basic) -> dict[sympy.Basic, str]:
    """How the fields, derivatives, means and transforms of an expression are written."""
    names: dict[sympy.Basic, str] = {j: _jet(j) for j in jets(expression)}  # type: ignore
    names[VOLUME] = r"\left|\Omega\right|"
    for one in nonlocals(expression):  # type: ignore
        inner = sympy.latex(one.inner, symbol_names=names)
        names[one] = _transform(inner) if one.word == "hilbert" else rf"\left\langle {inner} \right\rangle"
    return names


def _transform(inner: str) -> str:
    return rf"\mathcal{{H}}\left[{inner}\right]"


def _form(form: Form) -> str:
    parts = []
    for alpha, expression in form.parts.items():
        if expression == 0:
            continue
        body = sympy.latex(expression, symbol_names=symbols(expression))
        suffix = "".join(axis * n for axis, n in zip(AXES, alpha, strict=True))
        parts.append(body if alpha == ZERO else rf"\partial_{{{suffix}}} \left({body}\right)")
    return " + ".join(parts).replace("+ -", "- ") or "0"


def _jet(jet: Jet) -> str:
    suffix = jet.name.partition("_")[2]
    name = _psi(jet.field) if jet.potential else jet.field
    derivative = f"{name}_{{{suffix}}}" if suffix else name
    return _transform(derivative) if jet.mark == HILBERT else derivative
