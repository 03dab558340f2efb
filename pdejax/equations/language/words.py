"""The words of equations, and what is asked of expressions that are made of them."""

import ast
import math
from collections.abc import Callable

import sympy

from pdejax.core import Scaling
from pdejax.equations.language.jets import AXES, Form, varying

FUNCTIONS: dict[str, Callable[..., sympy.Expr]] = {
    "sin": sympy.sin,
    "cos": sympy.cos,
    "tan": sympy.tan,
    "exp": sympy.exp,
    "log": sympy.log,
    "sinh": sympy.sinh,
    "cosh": sympy.cosh,
    "tanh": sympy.tanh,
    "sqrt": sympy.sqrt,
    "abs": sympy.Abs,
    "sign": sympy.sign,
    "step": sympy.Heaviside,  # one half at zero
    "positive": lambda e: sympy.Max(e, 0),
    "min": sympy.Min,
    "max": sympy.Max,
}
DERIVATIVES = ("dx", "dy", "dz", "lap", "bilap", "grad")  # of scalars
OPERATORS = (*DERIVATIVES, "div", "dot", "curl", "velocity", "advect")
DIFFERENTIATED = (*DERIVATIVES, "div", "curl")  # take derivatives of what they are given
WHOLE = ("mean", "integral", "hilbert")  # ask for a field on the whole box
CALLS = (*FUNCTIONS, *OPERATORS, *WHOLE)
TWO = ("min", "max", "dot")  # take two arguments
RESERVED = (*AXES, "t", "pi", *Scaling.columns, *CALLS)
REFUSED = {  # of Python, as messages call it
    ast.Attribute: "attribute access",
    ast.Lambda: "lambda",
    ast.Subscript: "indexing",
    ast.Compare: "a comparison",
    ast.BoolOp: "and/or",
    ast.IfExp: "if/else",
    ast.Tuple: "a tuple",
    ast.List: "a list",
    ast.Dict: "a dictionary",
    ast.NamedExpr: "an assignment",
    ast.JoinedStr: "a string",
}

JUMPS = (
    "needs the derivative of a jump, which is no function: the first of step or sign, or the second of abs, positive, "
    "min or max"
)
CUSP = "needs a derivative that a modulus does not have where it is zero: take an even power of it such as abs(psi)**2"
ASKS_THE_BOX = (
    "asks for a field on the whole box, which only an Equation on a periodic grid has: points, steady equations and "
    "stated fields do not"
)


def jumps(form: Form) -> bool:
    """Whether a term changes by steps and signs alone."""
    for term in (term for e in form.parts.values() for term in sympy.Add.make_args(e)):
        found = [one for one in term.atoms(sympy.Heaviside, sympy.sign) if varying(one)]
        if found and not varying(term.xreplace(dict.fromkeys(found, sympy.S.One))):  # type: ignore
            return True
    return False


def terms(expression: sympy.Basic) -> int:
    """How many terms an expression has when it is multiplied out."""
    if isinstance(expression, sympy.Add):
        return sum(map(terms, expression.args))
    if isinstance(expression, sympy.Mul):
        return math.prod(map(terms, expression.args))
    if isinstance(expression, sympy.Pow) and expression.exp.is_Integer and int(expression.exp) > 1:  # type: ignore
        return math.comb(terms(expression.base) + int(expression.exp) - 1, int(expression.exp))  # type: ignore
    return max(map(terms, expression.args), default=1)
