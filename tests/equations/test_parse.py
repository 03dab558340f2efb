import pytest

from pdejax.equations import EQUATIONS, Equation
from pdejax.solvers import canonical

# string, number of axes, what the message must contain
WRONG = [
    ("u_t = -u*u_x + mu*u_xx", 1, ["unknown name 'mu'", "parameters: nu"]),
    ("u_t = nu*u_yy", 1, ["'u_yy'", "1D", "letters x"]),
    ("u_t = nu*u_xz", 2, ["'u_xz'", "letters x, y"]),
    ("u_t = lapl(u)", 2, ["'lapl'", "'lap'"]),
    ("u_t = sine(u)", 1, ["'sine'", "'sin'"]),
    ("u_t = dz(u)", 2, ["dz(...)", "2D", "dx"]),
    ("u_t = u^2", 1, ["'^'", "'**'"]),
    ("u_t = u**0.5", 1, ["0.5", "integer", "sqrt"]),
    ("u_t = u**nu", 1, ["'nu'", "integer"]),
    ("u_t = 9**9**9", 1, ["integer between"]),
    ("u_t = u**1000000", 1, ["1000000", "integer between"]),
    ("u_t = grad(u)", 2, ["scalar", "vector with 2"]),
    ("u_t = grad(u)*grad(u)", 2, ["scalar", "vector"]),
    ("u_t = grad(u) + u", 2, ["vector and a scalar"]),
    ("u_t = div(u)", 2, ["vector such as grad(u)"]),
    ("u_t = dot(grad(u))", 2, ["dot", "2 arguments", "got 1"]),
    ("u_t = lap(u, u)", 2, ["lap", "1 argument", "got 2"]),
    ("u_t = curl(grad(u))", 1, ["curl"]),
    ("u_t = advect(u)", 1, ["2D"]),
    ("u_t = advect(u**2)", 2, ["vorticity field"]),
    ("u_t = u/(u - u)", 1, ["divides by zero"]),
    ("u_t = sqrt(-1)*u", 1, ["real numbers"]),
    ("u_t = u +* u", 1, ["arithmetic expression"]),
    ("u_t = " + "(" * 500 + "u" + ")" * 500, 1, ["arithmetic expression"]),
    ("u = u_xx", 1, ["FIELD_t = ..."]),
    ("u_t == u_xx", 1, ["FIELD_t = ..."]),
    ("sin_t = u_xx", 1, ["reserved"]),
    ("u_t = __import__('os').system('true')", 1, ["not part of the grammar"]),
    ("u_t = __import__('os')", 1, ["'__import__'"]),
    ("u_t = u.__class__", 1, ["attribute access", "u.__class__"]),
    ("u_t = (lambda: 1)()", 1, ["not part of the grammar"]),
    ("u_t = lambda u: u", 1, ["lambda"]),
    ("u_t = [u for u in (1,)]", 1, ["not part of the grammar"]),
    ("u_t = u[0]", 1, ["indexing"]),
    ("u_t = 'u'", 1, ["not part of the grammar"]),
    ("u_t = u if u else 1", 1, ["if/else"]),
    ("u_t = sin(x=u)", 1, ["FIELD_t = ..."]),
    ("u_t = sin(**u)", 1, ["not part of the grammar"]),
    ("u_t = sin(*u)", 1, ["not part of the grammar"]),
    ("u_t = True*u", 1, ["not part of the grammar"]),
    ("u_t = 1j*u", 1, ["not part of the grammar"]),
    ("u_t = max(u)", 1, ["max(...)", "2 arguments", "got 1"]),
    (
        "u_t = " + "".join(f"max(u + {i}*u_x, " for i in range(9)) + "u_x" + ")" * 9,
        1,
        ["max(...) compares", "at most 8"],
    ),
    ("u_t = mean(u, u)", 1, ["mean(...)", "1 argument", "got 2"]),
    ("u_t = maxi(u, 0)", 1, ["'maxi'", "'max'"]),
    ("u_t = hilber(u)", 1, ["'hilber'", "'hilbert'"]),
    ("u_t = hilbert(u)", 2, ["hilbert(...)", "1D", "2 space axes"]),
    ("u_t = mean(grad(u))", 2, ["the argument of mean", "vector"]),
    ("u_t = max(1/0, u)", 1, ["divides by zero"]),
    ("u_t = step(sqrt(-1))", 1, ["real numbers"]),
    ("mean_t = u", 1, ["'mean'", "reserved"]),
]


@pytest.mark.parametrize(("term", "ndim", "words"), WRONG)
def test_wrong_strings_are_refused_with_help(term, ndim, words):
    with pytest.raises(ValueError, match="equation") as error:
        Equation(term, {"nu": 0.1}, ndim)
    assert all(word in str(error.value) for word in words), str(error.value)


def test_strings_are_never_executed(tmp_path):
    target = tmp_path / "made"
    with pytest.raises(ValueError, match="grammar"):
        Equation(f"u_t = open({str(target)!r}, 'w').write('x')")
    assert not target.exists()


def test_wrong_declarations_are_refused():
    with pytest.raises(ValueError, match="two equations"):
        Equation(["u_t = u", "u_t = u_xx"])
    with pytest.raises(ValueError, match="reserved"):
        Equation("u_t = x*u", {"x": 1.0})
    with pytest.raises(ValueError, match="one to three"):
        Equation("u_t = u", ndim=4)
    with pytest.raises(ValueError, match="Did you mean 'nu'"):
        EQUATIONS["burgers"].resolve({"n": 1.0})


def products(equation):
    return {str(p.expression) for p in canonical(equation).products}


def test_equal_spellings_give_the_same_canonical_form():
    flux, plain = Equation("u_t = -dx(u**2)/2 + u_xx"), Equation("u_t = u_xx - u*u_x")
    assert canonical(flux) == canonical(plain)
    assert canonical(EQUATIONS["navier_stokes"]) == canonical(
        Equation("w_t = -dot(velocity(w), grad(w)) + nu*(w_xx + w_yy)", {"nu": 1e-3}, ndim=2)
    )


def test_divergence_form_is_kept():
    cahn_hilliard = Equation("u_t = lap(u**3 - u - gamma*lap(u))", {"gamma": 0.01}, ndim=2)
    assert products(cahn_hilliard) == {"u**3"}
    assert {t.jet.name for t in canonical(cahn_hilliard).linear} == {"u_xx", "u_yy", "u_xxxx", "u_xxyy", "u_yyyy"}


def test_products_are_shared_between_equations():
    moving = [p for p in canonical(EQUATIONS["gray_scott"]).products if not p.static]
    assert len(moving) == 1
    assert moving[0].rows == (0, 1)


def test_equations_are_values():
    again = Equation("u_t = nu*u_xx", {"nu": 1e-2})
    assert again == EQUATIONS["diffusion"]
    assert hash(again) == hash(EQUATIONS["diffusion"])
    assert again != again.with_parameters({"nu": 1.0})
    assert again.autonomous
    assert not Equation("u_t = sin(t)*u_x").autonomous
    assert EQUATIONS["gray_scott"].fields == ("u", "v")
    assert EQUATIONS["navier_stokes"].pointwise_fields == ("psi",)


def test_latex():
    assert EQUATIONS["diffusion"].latex() == r"\partial_t u = \nu u_{xx}"
    assert EQUATIONS["navier_stokes"].latex().endswith(r"\nabla^2 \psi = -w")
    assert r"\nu" in EQUATIONS["navier_stokes"].latex()


def test_a_parameter_that_occurs_nowhere_is_refused():
    with pytest.raises(ValueError, match="parameter 'mu' occurs in no term, so that it has no effect"):
        Equation("u_t = nu*u_xx", {"nu": 1.0, "mu": 2.0})


def test_numbers_that_are_none():
    with pytest.raises(ValueError, match="parameter 'nu' should be a finite number, got 1000"):
        Equation("u_t = nu*u_xx", {"nu": 10**400})
