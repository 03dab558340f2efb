"""Complex numbers in the grammar: a complex field stands for `u + i v` of two real ones, of which all is made."""

import functools
from collections.abc import Iterator
from typing import Any

import sympy

from pdejax.equations.language.jets import ZERO, Form, jets

UNIT = "i"
PARTS = ("conj", "re", "im")
WORDS = (UNIT, *PARTS)  # of equations with a complex field, and of no others
ENTIRE = ("sin", "cos", "exp", "sinh", "cosh")  # functions that complex numbers go into
_X, _Y = (sympy.Dummy(name, real=True) for name in "xy")
ORDERS = {"lap": 2, "bilap": 4}  # derivatives that an operator takes; others take one


def is_complex(form: Form) -> bool:
    """Whether the imaginary unit occurs."""
    return any(e.has(sympy.I) for e in form.parts.values())


def apart(form: Form) -> tuple[Form, Form]:
    """The real and the imaginary part; derivatives are real, and stay outside."""
    both = {alpha: _apart(e) for alpha, e in form.parts.items()}
    real, imaginary = ({alpha: e[i] for alpha, e in both.items() if e[i] != 0} for i in range(2))
    return Form(real or {ZERO: sympy.S.Zero}), Form(imaginary or {ZERO: sympy.S.Zero})


def _apart(e: Any) -> tuple[Any, Any]:
    """What has no imaginary unit is real, also a root whose sign SymPy does not know."""
    if not e.has(sympy.I):
        return e, sympy.S.Zero
    if e.is_Add:
        real, imaginary = zip(*map(_apart, e.args), strict=True)
        return sympy.Add(*real), sympy.Add(*imaginary)
    if e.is_Mul:
        factors = [one for one in e.args if not one.has(sympy.I)]
        both = functools.reduce(_product, (_apart(one) for one in e.args if one.has(sympy.I)))
        return sympy.Mul(*factors, both[0]), sympy.Mul(*factors, both[1])
    if e == sympy.I:
        return sympy.S.Zero, sympy.S.One
    inner = dict(zip((_X, _Y), _apart(e.base if e.is_Pow else e.args[0]), strict=True))
    whole = (_X + sympy.I * _Y) ** e.exp if e.is_Pow else e.func(_X + sympy.I * _Y)
    real, imaginary = whole.as_real_imag()
    return real.xreplace(inner), imaginary.xreplace(inner)


def _product(a: tuple[Any, Any], b: tuple[Any, Any]) -> tuple[Any, Any]:
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


def together(real: Form, imaginary: Form) -> Form:
    """`real + i imaginary`."""
    return real.plus(Form.of(sympy.I).times(imaginary))


def part(name: str, form: Form) -> Form:
    """The conjugate, the real or the imaginary part."""
    real, imaginary = apart(form)
    if name == "conj":
        return together(real, Form.of(sympy.Integer(-1)).times(imaginary))
    return real if name == "re" else imaginary


def settled(form: Form) -> Form:
    """Without what is real after all: `psi*conj(psi)` is written without the imaginary unit."""
    if not is_complex(form):
        return form
    real, imaginary = apart(form)
    return form if any(sympy.expand(e) != 0 for e in imaginary.parts.values()) else real


def modulus(e: sympy.Expr) -> sympy.Expr:
    """The root of the sum of both squares, whose even powers are polynomials."""
    real, imaginary = _apart(e)
    return sympy.sqrt(real**2 + imaginary**2)


def cusps(name: str, form: Form) -> bool:
    """Whether the operator `name` asks for a derivative that a root of fields, such as abs(psi), lacks at zero."""
    return any(0 < p.exp < sum(alpha) + ORDERS.get(name, 1) for alpha, e in form.parts.items() for p in _roots(e))


def _roots(e: sympy.Expr) -> Iterator[sympy.Pow]:
    for p in e.atoms(sympy.Pow):
        if (
            p.exp.is_Rational
            and not p.exp.is_Integer
            and p.base.xreplace(dict.fromkeys(jets(p.base), sympy.S.Zero)) == 0
        ):
            yield p
