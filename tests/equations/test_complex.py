"""A complex field is two real ones, and its equation theirs, as one writes them by hand."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import yaml

from pdejax.core import Grid, build, describe, trajectory
from pdejax.equations import COORDINATES, EQUATIONS, Equation, evaluate, jet, read_equation
from pdejax.equations._complex import pairs_of
from pdejax.solvers import spectral_stepper

PSI = {"psi": ("u", "v")}
BY_HAND = {
    "schroedinger": Equation(["u_t = -v_xx/2 - k*(u**2 + v**2)*v", "v_t = u_xx/2 + k*(u**2 + v**2)*u"], {"k": 1.0}),
    "ginzburg_landau": Equation(
        [
            "u_t = u + u_xx - b*v_xx - (u**2 + v**2)*(u - c*v)",
            "v_t = v + v_xx + b*u_xx - (u**2 + v**2)*(v + c*u)",
        ],
        {"b": 1.0, "c": -1.5},
    ),
}
U, V = np.random.default_rng(0).normal(size=(2, 7))
Z = U + 1j * V
X = np.linspace(0.2, 1.4, 7)
# the right side of psi_t, and what NumPy makes of complex numbers
POINTWISE = {
    "psi": Z,
    "i*psi": 1j * Z,
    "(2 - 3*i)*psi/(1 + i)": (2 - 3j) * Z / (1 + 1j),
    "conj(psi)": Z.conj(),
    "psi*conj(psi)": np.abs(Z) ** 2,
    "re(psi)*im(i*psi)": Z.real * (1j * Z).imag,
    "abs(psi)*psi": np.abs(Z) * Z,
    "abs(psi)**2*psi": np.abs(Z) ** 2 * Z,
    "abs(psi**2 - i)": np.abs(Z**2 - 1j),
    "psi**3 - 1/psi": Z**3 - 1 / Z,
    "psi**-2": Z**-2.0,
    "exp(i*x)*psi": np.exp(1j * X) * Z,
    "sin(psi) + cosh(i*psi)": np.sin(Z) + np.cosh(1j * Z),
    "sqrt(x)*psi + log(x)*i": np.sqrt(X) * Z + np.log(X) * 1j,
    "n*psi": np.abs(Z) ** 2 * Z,
    "turned*psi": 1j * Z * Z,
    "step(abs(psi) - 1)*psi": np.heaviside(np.abs(Z) - 1, 0.5) * Z,
    "i**2*psi": -Z,
}
DEFINED = {"n": "abs(psi)**2", "turned": "i*psi"}


def pair(psi):
    return jnp.asarray(np.stack([psi.real, psi.imag], -1))


@pytest.mark.parametrize("term", POINTWISE)
def test_arithmetic_is_that_of_complex_numbers(term):
    used = {name: text for name, text in DEFINED.items() if term == f"{name}*psi"}
    equation = Equation(f"psi_t = {term}", definitions=used, complex=PSI)
    assert equation.fields == ("u", "v")
    values = {jet("u"): U, jet("v"): V, COORDINATES[0]: X}
    real, imaginary = (evaluate(form.flat(), values) for form in equation.forms)
    np.testing.assert_allclose(real + 1j * imaginary, POINTWISE[term], rtol=1e-13)


@pytest.mark.parametrize("name", BY_HAND)
def test_the_catalogue_has_what_one_writes_by_hand(name, x64):
    """Symbol by symbol, and so bit by bit in a step."""
    one, other = EQUATIONS[name], BY_HAND[name]
    assert one.forms == other.forms
    assert one.residual.expressions == other.residual.expressions
    assert one.latex() == other.latex()
    u = jnp.asarray(np.random.default_rng(1).normal(size=(16, 2)))
    found, expected = (jax.jit(spectral_stepper(e, Grid((16,), (9.0,)), 0.01))(u) for e in (one, other))
    np.testing.assert_array_equal(found, expected)


def test_the_page_declares_it_so():
    """The example of docs/guide.md is the equation of the catalogue."""
    page = (Path(__file__).parents[2] / "docs/guide.md").read_text(encoding="utf-8")
    (block,) = (one for one in re.findall(r"```yaml\n(.*?)```", page, re.S) if "complex:" in one)
    assert read_equation(yaml.safe_load(block)["equation"]) == EQUATIONS["schroedinger"]


def test_derivatives_stay_where_they_were_written():
    """What stands within a divergence is conserved, so that a part must not be taken out of it."""
    flux = Equation("psi_t = dx(i*psi*abs(psi)**2)", complex=PSI)
    by_hand = Equation(["u_t = dx(-v*(u**2 + v**2))", "v_t = dx(u*(u**2 + v**2))"])
    assert flux.forms == by_hand.forms
    vectors = Equation("psi_t = i*div(grad(psi)) + dot(grad(psi), grad(conj(psi))) - im(lap(psi))", ndim=2, complex=PSI)
    by_hand = Equation(["u_t = -lap(v) + u_x**2 + u_y**2 + v_x**2 + v_y**2 - lap(v)", "v_t = lap(u)"], ndim=2)
    assert [f.flat() for f in vectors.forms] == [f.flat() for f in by_hand.forms]


def test_means_and_transforms_are_taken_of_both_parts():
    found = Equation("psi_t = mean(psi)*psi + i*hilbert(psi)", complex=PSI)
    by_hand = Equation(["u_t = mean(u)*u - mean(v)*v - hilbert(v)", "v_t = mean(u)*v + mean(v)*u + hilbert(u)"])
    assert found.forms == by_hand.forms


def test_complex_and_real_fields_go_together():
    """Zakharov's equations: a complex envelope and a real density."""
    terms = ["E_t = i*E_xx - i*n*E", "n_t = m", "m_t = n_xx + lap(abs(E)**2)"]
    found = Equation(terms, complex={"E": ("p", "q")})
    by_hand = Equation(["p_t = -q_xx + n*q", "q_t = p_xx - n*p", "n_t = m", "m_t = n_xx + lap(p**2 + q**2)"])
    assert found.fields == ("p", "q", "n", "m")
    assert found.forms == by_hand.forms


def test_parts_may_have_equations_of_their_own():
    assert Equation(["v_t = im(i*psi_xx)", "u_t = -v_xx"], complex=PSI).fields == ("v", "u")


def test_a_plane_wave_turns_as_it_should(x64):
    """psi = a exp(i (q x - w t)) with w = q^2/2 - k a^2."""
    equation = Equation("psi_t = i*psi_xx/2 + i*k*abs(psi)**2*psi", {"k": 0.7}, complex=PSI)
    grid, a, t = Grid((16,), (2 * np.pi,)), 0.8, 1.3
    wave = lambda t: a * np.exp(1j * (3 * grid.axes()[0] - (4.5 - 0.7 * a**2) * t))
    found = jax.jit(spectral_stepper(equation, grid, t / 200, substeps=200))(pair(wave(0.0)))
    np.testing.assert_allclose(found, pair(wave(t)), rtol=0, atol=1e-8)


def test_a_packet_in_a_lattice_keeps_its_mass_and_energy(x64):
    equation = Equation("psi_t = i*psi_xx/2 - i*lattice*psi", definitions={"lattice": "1 - cos(x)"}, complex=PSI)
    grid = Grid((32,), (2 * np.pi,))
    x, waves = grid.axes()[0], np.fft.fftfreq(32, 1 / 32)
    start = np.exp(-2 * (1 - np.cos(x - 1)) + 1j * np.sin(x))
    stepper = spectral_stepper(equation, grid, 0.005, substeps=100)
    frames = np.asarray(jax.jit(lambda u: trajectory(stepper, u, 2, include_initial=True))(pair(start)))
    psi = frames[..., 0] + 1j * frames[..., 1]
    slope = np.fft.ifft(1j * waves * np.fft.fft(psi))
    mass, energy = (np.abs(psi) ** 2).sum(1), (np.abs(slope) ** 2 / 2 + (1 - np.cos(x)) * np.abs(psi) ** 2).sum(1)
    assert np.abs(psi[1] - psi[0]).max() > 0.1
    np.testing.assert_allclose(mass, mass[0], rtol=1e-7)
    np.testing.assert_allclose(energy, energy[0], rtol=1e-7)


def test_a_description_makes_the_same_equation():
    one = Equation("psi_t = i*psi_xx - i*n*psi", definitions={"n": "abs(psi)**2"}, complex=PSI)
    assert build("equation", describe(one)) == one
    assert one.with_parameters({}) == one
    given = {
        "terms": ["psi_t = i*psi_xx - i*n*psi"],
        "definitions": {"n": "abs(psi)**2"},
        "complex": {"psi": ["u", "v"]},
    }
    assert read_equation(given) == one


def test_the_words_are_names_where_nothing_is_complex():
    found = Equation("i_t = re*i_xx - im*i", {"re": 0.1, "im": 2.0})
    assert (found.fields, set(found.parameters)) == (("i",), {"re", "im"})


REFUSED = {
    "i without a complex field": ({"terms": "u_t = i*u_xx", "complex": None}, r"complex: \{psi: \[u, v\]\}"),
    "another unit": ({"terms": "psi_t = j*psi_xx"}, r"'j' is unknown: the imaginary unit is 'i'"),
    "one name twice": ({"complex": {"psi": ("u", "u")}}, r"the name 'u' is given 2 times"),
    "two fields share one": (
        {"terms": ["psi_t = phi", "phi_t = psi"], "complex": {**PSI, "phi": ("v", "w")}}, r"the name 'v' is given 2"
    ),
    "its own part": ({"complex": {"psi": ("psi", "v")}}, r"the name 'psi' is given 2 times"),
    "one part": ({"complex": {"psi": ("u",)}}, r"'psi' has two parts, a real and an imaginary one.*got \('u',\)"),
    "a word": ({"complex": {"psi": "uv"}}, r"'psi' has two parts, a real and an imaginary one.*got uv"),
    "a reserved part": ({"complex": {"psi": ("i", "v")}}, r"complex: 'i' is reserved"),
    "no equation": ({"terms": "u_t = u"}, r"'psi' has no equation for its part 'v': write one term 'psi_t = ...'"),
    "an equation twice": ({"terms": ["psi_t = psi", "u_t = v"]}, r"field 'u' has two equations"),
    "a real field": ({"terms": ["psi_t = psi", "n_t = psi"]}, r"complex, and the field is a real one: take re"),
    "a field i": ({"terms": ["psi_t = psi", "i_t = 1"]}, r"field 'i' has a name that is taken"),
    "a parameter re": ({"terms": "psi_t = re*psi", "parameters": {"re": 1.0}}, r"parameter name 're' is reserved"),
    "a definition i": ({"definitions": {"i": "2"}}, r"definition 'i' is reserved"),
    "a complex density": (
        {"terms": "psi_t = w*psi", "definitions": {"w": "i*psi"}, "positive": ["w"]}, r"definition 'w' is complex"
    ),
    "a slope of a modulus": ({"terms": "psi_t = dx(abs(psi))"}, r"dx\(abs\(psi\)\) needs a derivative that a modulus"),
    "a curvature of one": ({"terms": "psi_t = i*lap(abs(psi)**3)"}, r"needs a derivative that a modulus"),
    "a root": ({"terms": "psi_t = sqrt(psi)"}, r"sqrt\(...\) is of real numbers, and what it is asked of is complex"),
    "an order": ({"terms": "psi_t = max(psi, 1)"}, r"max\(...\) is of real numbers"),
    "another conjugate": ({"terms": "psi_t = conjugate(psi)"}, r"Did you mean 'conj'"),
    "brackets": ({"terms": "psi_t = psi_x) + (psi"}, r"'psi_x\) \+ \(psi' is not an arithmetic expression"),
    "nothing": ({"terms": "psi_t = "}, r"is not an arithmetic expression"),
    "a misspelt derivative": ({"terms": "psi_t = psi_y"}, r"Did you mean 'psi_x'"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_told(case):
    given, sentence = REFUSED[case]
    with pytest.raises(ValueError, match=sentence):
        Equation(**{"terms": "psi_t = psi", "complex": PSI, **given})


def test_a_list_in_place_of_pairs_is_refused():
    with pytest.raises(ValueError, match=r"complex maps names of fields to those of their two parts, such as"):
        pairs_of(["psi"])


def test_even_powers_of_a_modulus_have_all_derivatives():
    found = Equation("psi_t = bilap(abs(psi)**2)*psi", complex=PSI).forms
    assert found[0].flat() == Equation(["u_t = bilap(u**2 + v**2)*u", "v_t = v"]).forms[0].flat()
