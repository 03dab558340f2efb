"""The grammar of equations: strings to differential expressions, by a whitelist walk over the syntax tree.

Python's parser is used for the syntax only; nothing of a string is ever executed.
"""

import ast
import keyword
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sympy

from pdejax.core import known, nearest, suggestion
from pdejax.equations.language.jets import AXES, COORDINATES, STREAM, TIME, VOLUME, ZERO, Form, jet
from pdejax.equations.language.pairs import (
    ENTIRE,
    PARTS,
    UNIT,
    apart,
    cusps,
    is_complex,
    modulus,
    part,
    settled,
    together,
)
from pdejax.equations.language.whole import hilbert, mean
from pdejax.equations.language.words import (
    ASKS_THE_BOX,
    CALLS,
    CUSP,
    DERIVATIVES,
    DIFFERENTIATED,
    FUNCTIONS,
    JUMPS,
    REFUSED,
    RESERVED,
    TWO,
    WHOLE,
    jumps,
    terms,
)

Vector = tuple[Form, ...]
Value = Form | Vector

LARGEST_POWER = 16
LARGEST_NUMBER = 1e300
SHOWN = 200  # characters of an equation in a message
NOT_REAL = "the right-hand side divides by zero or leaves the real numbers"
COMPLEX = "the right-hand side is complex, and the field is a real one: take re(...), im(...) or abs(...) of it"
MOST_COMPARED = 8  # expressions of one min or max: all are compared with all
MOST_CHARACTERS, MOST_TERMS = 2000, 2000  # of an equation, as it is written and multiplied out

_BINARY = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)


def split_sides(term: str) -> tuple[str, str]:
    """The field name and the right-hand side of `"u_t = ..."`.

    **Raises:** `ValueError` if the string is not of this form or the name cannot be a field's.
    """
    left, equals, right = term.partition("=")
    match = re.fullmatch(r"\s*([A-Za-z][A-Za-z0-9]*)_t\s*", left)
    if not equals or "=" in right or match is None:
        letters = "" if left.isascii() else " (names are of the letters A to Z, a to z and of digits)"
        raise ValueError(f"equation {term!r}: expected 'FIELD_t = ...', for example 'u_t = -u*u_x + nu*u_xx'{letters}")
    if match[1] in RESERVED:
        raise ValueError(f"equation {term!r}: {match[1]!r} is a reserved word, choose another name for the field")
    return match[1], right.strip()


class Parser:
    """Reads right-hand sides over given fields and parameters.

    **Arguments:** `fields`, `parameters`: names that may occur; `ndim`: number of space axes; `rates`: whether
    derivatives in time such as `u_tt` may occur; `definitions`: named expressions, by their forms; `whole`: whether
    `mean`, `integral` and `hilbert` may occur, which ask for a field on the whole box; `complex`: names of complex
    fields, each with those of its two real ones.
    """

    def __init__(
        self,
        fields: Sequence[str],
        parameters: Iterable[str],
        ndim: int,
        *,
        rates: bool = False,
        definitions: Mapping[str, Form] | None = None,
        whole: bool = False,
        complex: Mapping[str, tuple[str, str]] | None = None,
    ) -> None:
        self.fields = tuple(fields)
        self.parameters = tuple(parameters)
        self.ndim = ndim
        self.rates = rates
        self.whole = whole
        self.definitions = dict(definitions or {})
        self.complex = dict(complex or {})
        self.calls = (*CALLS, *PARTS) if self.complex else CALLS
        self.term = ""

    def __call__(self, term: str, right: str, *, real: bool = True) -> Form:
        """The form of `right`, the right-hand side of `term`, which is refused if it should be real and is not.

        **Raises:** `ValueError` naming the term, the bad word and the nearest valid spelling.
        """
        self.term = term
        if len(right) > MOST_CHARACTERS:
            raise self._error(f"it has {len(right)} characters, an equation has at most {MOST_CHARACTERS}")
        if "#" in right:
            raise self._error("'#' begins no comment here: leave it out, with what follows")
        try:
            tree = ast.parse(right, mode="eval")
            value = self._walk(tree.body)
        except (SyntaxError, RecursionError, MemoryError) as error:
            if words := sorted({*re.findall(r"[A-Za-z_]+", right)} & {*keyword.kwlist}):
                raise self._error(f"{words[0]!r} cannot be a name, choose another such as {words[0][:3]!r}") from None
            reason = error.msg if isinstance(error, SyntaxError) else "nested too deeply"
            raise self._error(f"{right!r} is not an arithmetic expression ({reason})") from None
        form = self._scalar(value, "the right-hand side")
        if any(e.has(sympy.zoo, sympy.nan, sympy.oo) for e in form.parts.values()):
            raise self._error(NOT_REAL)
        form = settled(form) if self.complex else form
        if real and is_complex(form):
            raise self._error(COMPLEX if self.complex else NOT_REAL)
        if any(e.has(sympy.DiracDelta) for e in form.parts.values()):
            raise self._error(f"{right!r} {JUMPS}")
        for number in (n for e in form.parts.values() for n in e.atoms(sympy.Number)):
            if abs(number) > LARGEST_NUMBER:
                raise self._error(f"the right-hand side has a number beyond {LARGEST_NUMBER:g}")
        return form

    def _error(self, message: str) -> ValueError:
        shown = self.term if len(self.term) <= SHOWN else f"{self.term[:SHOWN]}..."
        return ValueError(f"equation {shown!r}: {message}")

    def _bounded(self, form: Form) -> Form:
        """A form that can be multiplied out in bearable time."""
        if sum(map(terms, form.parts.values())) > MOST_TERMS:
            raise self._error(f"multiplied out it has more than {MOST_TERMS} terms: too many nested derivatives, "
                              "products or powers")  # fmt: skip
        return form

    def _walk(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value=bool()):
                pass
            case ast.Constant(value=int() | float() as number):
                return Form.of(sympy.Integer(number) if isinstance(number, int) else sympy.Float(number))
            case ast.Name(id=name):
                return Form.of(self._symbol(name))
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self._walk(operand)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self._scale(Form.of(sympy.Integer(-1)), self._walk(operand))
            case ast.BinOp(op=op) if isinstance(op, _BINARY):
                return self._binary(node)
            case ast.BinOp(op=ast.BitXor()):
                raise self._error("'^' is not a power, write '**'")
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
                return self._call(name, args)
        what = REFUSED.get(type(node), "this construction")
        raise self._error(f"{what} in {ast.unparse(node)!r} is not part of the grammar of equations")

    def _symbol(self, name: str) -> sympy.Expr:
        axes = AXES[: self.ndim]
        letters = ("t", *axes) if self.rates else tuple(axes)
        field, _, suffix = name.partition("_")
        if name in self.parameters:
            return sympy.Symbol(name, real=True)
        if name in self.definitions:
            return self.definitions[name].flat()
        fields = (*self.fields, *self.complex)
        if field in fields and (name == field or (suffix and set(suffix) <= set(letters))):
            return self._derivative(field, suffix)
        if name == UNIT and self.complex:
            return sympy.I
        if name in axes:
            return COORDINATES[AXES.index(name)]
        if name in AXES:
            raise self._error(f"there is no {name!r} in {self.ndim}D, whose axes are {', '.join(axes)}")
        if name in ("t", "pi"):
            return TIME if name == "t" else sympy.pi
        derivatives = [f"{f}_{a * n}" for f in fields for a in letters for n in (1, 2, 3, 4)]
        if field in fields and suffix:
            wanted = f"derivatives of {field!r} in {self.ndim}D are written with the letters {', '.join(letters)}"
            raise self._error(f"unknown derivative {name!r}: {wanted}.{suggestion(name, derivatives)}")
        if name in ("i", "j", "I", "J"):
            raise self._error(f"{name!r} is unknown: {self._advice()}")
        named = [*fields, *self.parameters, *self.definitions]
        options = [*named, *axes, "t", "pi", *derivatives, *self.calls]
        near = suggestion(name, options) if nearest(name, options) else ""
        told = f"Fields: {', '.join(fields)}; p" if fields else "P"
        declared = f"{told}arameters: {', '.join(self.parameters) or 'none'}."
        raise self._error(f"unknown name {name!r}.{near} {declared}")

    def _derivative(self, field: str, suffix: str) -> sympy.Expr:
        alpha = (suffix.count("x"), suffix.count("y"), suffix.count("z"))
        if field not in self.complex:
            return jet(field, alpha, time=suffix.count("t"))
        real, imaginary = (jet(one, alpha, time=suffix.count("t")) for one in self.complex[field])
        return real + sympy.I * imaginary

    def _advice(self) -> str:
        """What to write in place of another name of the imaginary unit."""
        if self.complex:
            return f"the imaginary unit is {UNIT!r}"
        declare = ", or declare both as a complex one, complex: {psi: [u, v]}" if self.whole else ""
        return f"numbers are real, so write the real and the imaginary part as two fields{declare}"

    def _binary(self, node: ast.BinOp) -> Value:
        left, right = self._walk(node.left), self._walk(node.right)
        match node.op:
            case ast.Add():
                return self._add(left, right)
            case ast.Sub():
                return self._add(left, self._scale(Form.of(sympy.Integer(-1)), right))
            case ast.Mult() if isinstance(left, tuple):
                return self._scale(self._scalar(right, "a factor of a vector"), left)
            case ast.Mult():
                return self._scale(self._scalar(left, "a factor of a vector"), right)
            case ast.Div():
                divisor = self._scalar(right, "a divisor").flat()
                return self._scale(Form.of(1 / divisor), left)
        return self._power(self._scalar(left, "the base of a power"), self._scalar(right, "an exponent").flat())

    def _add(self, left: Value, right: Value) -> Value:
        if isinstance(left, Form) and isinstance(right, Form):
            return left.plus(right)
        if isinstance(left, Form) or isinstance(right, Form):
            raise self._error("a vector and a scalar cannot be added")
        self._same_length(left, right, "+")
        return tuple(a.plus(b) for a, b in zip(left, right, strict=True))

    def _scale(self, factor: Form, value: Value) -> Value:
        times = lambda form: self._bounded(factor.times(form))
        return times(value) if isinstance(value, Form) else tuple(map(times, value))

    def _power(self, base: Form, exponent: sympy.Expr) -> Form:
        if not exponent.is_Integer or abs(int(exponent)) > LARGEST_POWER:
            raise self._error(
                f"the exponent {str(exponent)!r} is not an integer between -{LARGEST_POWER} and {LARGEST_POWER}"
                " (a square root is sqrt(...))"
            )
        flat, n = base.flat(), int(exponent)
        if flat.is_number and abs(n) * abs(math.log10(float(abs(flat)) or 1)) > math.log10(LARGEST_NUMBER):
            raise self._error(f"a power of {exponent} makes a number beyond {LARGEST_NUMBER:g}")
        power: Any = flat**exponent
        if power.is_Pow and power.exp.is_Integer and abs(int(power.exp)) > LARGEST_POWER:
            raise self._error(f"powers of powers make the exponent {power.exp}, beyond {LARGEST_POWER}")
        return self._bounded(Form.of(power))

    def _call(self, name: str, args: list[ast.expr]) -> Value:
        if name not in self.calls:
            raise self._error(known("function", name, self.calls))
        wanted = 2 if name in TWO else 1
        if len(args) != wanted:
            raise self._error(f"{name}(...) takes {wanted} argument{'s' * (wanted > 1)}, got {len(args)}")
        values = [self._walk(arg) for arg in args]
        if name in FUNCTIONS:
            return self._function(name, [self._scalar(value, f"the argument of {name}").flat() for value in values])
        if name in WHOLE:
            return self._whole(name, self._scalar(values[0], f"the argument of {name}"))
        if name in PARTS and self.complex:
            return part(name, values[0]) if isinstance(values[0], Form) else tuple(part(name, v) for v in values[0])
        if name in DERIVATIVES and isinstance(values[0], Form) and jumps(values[0]):
            raise self._error(f"{name}({ast.unparse(args[0])}) {JUMPS}")
        if name in DIFFERENTIATED and self.complex and any(cusps(name, form) for form in _components(values[0])):
            raise self._error(f"{name}({ast.unparse(args[0])}) {CUSP}")
        return getattr(self, "_" + name.replace("dy", "dx").replace("dz", "dx"))(name, *values)

    def _function(self, name: str, arguments: list[sympy.Expr]) -> Form:
        arguments = [settled(Form.of(e)).flat() for e in arguments] if self.complex else arguments
        if self.complex and any(e.has(sympy.I) for e in arguments):
            if name == "abs":
                return Form.of(modulus(arguments[0]))
            if name not in ENTIRE:
                raise self._error(f"{name}(...) is of real numbers, and what it is asked of is complex: take re(...), "
                                  "im(...) or abs(...) of that")  # fmt: skip
        try:
            found = FUNCTIONS[name](*arguments)
        except ValueError:  # SymPy compares real numbers only
            raise self._error(NOT_REAL) from None
        if isinstance(found, sympy.Min | sympy.Max) and len(found.args) > MOST_COMPARED:
            raise self._error(
                f"{name}(...) compares {len(found.args)} expressions, at most {MOST_COMPARED} go together"
            )
        return Form.of(found)

    def _whole(self, name: str, form: Form) -> Form:
        if not self.whole:
            raise self._error(f"{name}(...) {ASKS_THE_BOX}")
        if is_complex(form):  # all three are linear
            return together(*(self._whole(name, one) for one in apart(form)))
        if name != "hilbert":  # derivatives have no mean
            expression = mean(form.parts.get(ZERO, sympy.S.Zero))
            return Form.of(VOLUME * expression if name == "integral" else expression)
        if self.ndim != 1:
            raise self._error(f"hilbert(...) is a transform in 1D, the equation has {self.ndim} space axes")
        return Form({alpha: hilbert(expression) for alpha, expression in form.parts.items()})

    def _scalar(self, value: Value, what: str) -> Form:
        if isinstance(value, tuple):
            raise self._error(f"{what} must be a scalar, got a vector with {len(value)} components")
        return value

    def _vector(self, value: Value, name: str) -> Vector:
        if isinstance(value, Form):
            raise self._error(f"{name}(...) takes a vector such as grad(u), got a scalar")
        return value

    def _same_length(self, a: Vector, b: Vector, name: str) -> None:
        if len(a) != len(b):
            raise self._error(f"{name}: vectors with {len(a)} and {len(b)} components do not match")

    def _dx(self, name: str, value: Value) -> Form:
        if name[1] not in AXES[: self.ndim]:
            valid = [f"d{axis}" for axis in AXES[: self.ndim]]
            raise self._error(f"{name}(...) does not exist in {self.ndim}D.{suggestion(name, valid)}")
        return self._scalar(value, f"the argument of {name}").derivative(AXES.index(name[1]))

    def _grad(self, name: str, value: Value) -> Vector:
        form = self._scalar(value, f"the argument of {name}")
        return tuple(form.derivative(axis) for axis in range(self.ndim))

    def _div(self, name: str, value: Value) -> Form:
        vector = self._vector(value, name)
        if len(vector) != self.ndim:
            raise self._error(f"div(...) takes a vector with {self.ndim} components, got {len(vector)}")
        return _total(component.derivative(axis) for axis, component in enumerate(vector))

    def _lap(self, name: str, value: Value) -> Value:
        if isinstance(value, tuple):
            return tuple(self._div("div", self._grad(name, component)) for component in value)
        return self._div("div", self._grad(name, value))

    def _bilap(self, name: str, value: Value) -> Value:
        return self._lap(name, self._lap(name, value))

    def _dot(self, name: str, left: Value, right: Value) -> Form:
        a, b = self._vector(left, name), self._vector(right, name)
        self._same_length(a, b, name)
        return _total(p.times(q) for p, q in zip(a, b, strict=True))

    def _curl(self, name: str, value: Value) -> Value:
        v = self._vector(value, name)
        if self.ndim == 1 or len(v) != self.ndim:
            raise self._error(f"curl(...) takes a vector with 2 components in 2D or 3 in 3D, got {len(v)}")
        minus = lambda i, j: v[i].derivative(j).plus(Form.of(sympy.Integer(-1)).times(v[j].derivative(i)))
        return minus(1, 0) if self.ndim == 2 else (minus(2, 1), minus(0, 2), minus(1, 0))

    def _velocity(self, name: str, value: Value) -> Vector:
        form = self._scalar(value, f"the argument of {name}")
        names = [f for f in self.fields if form == Form.of(jet(f))]
        if self.ndim != 2 or not names:
            raise self._error(f"{name}(...) takes a vorticity field of a 2D equation, one of {', '.join(self.fields)}")
        return (
            Form.of(jet(names[0], (0, 1, 0), STREAM)),
            Form.of(-jet(names[0], (1, 0, 0), STREAM)),
        )

    def _advect(self, name: str, value: Value) -> Form:
        velocity = self._velocity(name, value)
        return self._dot("dot", velocity, self._grad("grad", value))


def _components(value: Value) -> Vector:
    return (value,) if isinstance(value, Form) else value


def _total(forms: Iterable[Form]) -> Form:
    result, *rest = forms
    for form in rest:
        result = result.plus(form)
    return result
