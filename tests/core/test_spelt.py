"""Calls that do not fit are told by the name of what was called and the nearest word that it has."""

import jax
import jax.numpy as jnp
import pytest

import pdejax
from pdejax.core import as_tendency, check_key, checked, spelt


@spelt
def loose(first, second=1, *, third=2):
    return first + second + third


@checked
def strict(first: int, second: int = 1, *, third: int = 2):
    return first + second + third


@spelt
class Thing:
    def __init__(self, first, second=1, *, third=2):
        self.sum = first + second + third


@pytest.mark.parametrize("called", [loose, strict, Thing], ids=["spelt", "checked", "class"])
@pytest.mark.parametrize(
    ("arguments", "keywords", "sentence"),
    [
        ((1,), {"secnd": 2}, "unknown argument 'secnd'. Did you mean 'second'?"),
        ((), {"q": 2}, "unknown argument 'q'. Known: first, second, third."),
        ((), {"second": 2}, "the argument 'first' is missing"),
        ((1, 2, 3), {}, "2 arguments may be given without a name, got 3: name the others"),
        ((1,), {"first": 2}, "the argument 'first' is given twice"),
    ],
)
def test_a_call_that_does_not_fit_is_told_by_name(called, arguments, keywords, sentence):
    with pytest.raises(TypeError) as caught:
        called(*arguments, **keywords)
    assert str(caught.value) == f"{called.__name__}: {sentence}"


def test_a_call_that_fits_passes_and_its_own_errors_are_left_alone():
    assert loose(1, third=4) == strict(1, third=4) == Thing(1, third=4).sum == 6
    with pytest.raises(TypeError, match="unsupported operand"):
        loose(None)


OPEN = ("fit",)  # whose further words are settings, told as such
WITHOUT = ("EQUATIONS", "JsonLines", "TensorBoard", "Trajectories")  # which take no arguments, or are no calls


@pytest.mark.parametrize("name", sorted({*pdejax.__all__} - {*OPEN, *WITHOUT}))
def test_whatever_is_public_tells_a_misspelt_word(name):
    with pytest.raises(TypeError) as caught:
        getattr(pdejax, name)(**{"no such word": 1})
    assert str(caught.value).startswith(f"{name}: ")


def test_a_misspelt_name_of_the_package_is_told():
    with pytest.raises(AttributeError, match=r"no attribute 'spectral_steper'\. Did you mean 'spectral_stepper'"):
        pdejax.spectral_steper  # noqa: B018


def test_words_of_others_find_ours():
    with pytest.raises(TypeError, match=r"^Grid: unknown argument 'periodic'\. Did you mean 'ends'\?$"):
        pdejax.Grid((8,), (1.0,), periodic=True)


# ---- what is no word, but of a kind that nobody takes


GRID = pdejax.Grid((16,), (1.0,))
HEAT = pdejax.Equation("u_t = u_xx")
U = jnp.ones((16, 1))
MADE = {
    "spectral": lambda **options: pdejax.spectral_stepper(HEAT, GRID, 0.01, **options),
    "mirror": lambda **options: pdejax.mirror_stepper(HEAT, pdejax.Grid((16,), (1.0,), "slope"), 0.01, **options),
    "chebyshev": lambda **options: pdejax.chebyshev_stepper(
        HEAT, pdejax.Grid((16,), (1.0,), "slope"), 0.01, points=16, **options
    ),
    "volume": lambda **options: pdejax.volume_stepper(
        pdejax.Equation("u_t = -u_x"), pdejax.Grid((16,), (1.0,), cells=True), 0.01, **options
    ),
}


TENDENCY = r"tendency should be an array or a function of time and state, tendency\(t, u\)"


def test_what_is_no_tendency_is_told():
    for wrong, got in (("heat", "str"), ({"u": 1.0}, "dict"), (lambda t, u, v: u, r"a function of \(t, u, v\)")):
        with pytest.raises(ValueError, match=rf"^{TENDENCY}, got {got}$"):
            as_tendency(wrong)


@pytest.mark.parametrize("kind", MADE)
def test_a_scaling_and_a_tendency_are_told_by_every_stepper(kind):
    with pytest.raises(ValueError, match=r"^scaling should be a Scaling, such as pdejax\.Scaling\(length=2\.0\), got"):
        MADE[kind](scaling=2.0)
    stepper = MADE[kind]()
    with pytest.raises(ValueError, match=rf"^{TENDENCY}, got a function of \(u\)$"):
        stepper(U, tendency=lambda u: u)
    # of a state that stands still it is all that happens
    both = [stepper(U, tendency=given) for given in (jnp.ones_like(U), lambda t, u: jnp.ones_like(u))]
    for after in both:
        assert jnp.allclose(after, U + 0.01, atol=1e-5)


def test_a_scaling_refuses_its_own_factors():
    for name in ("length", "step"):
        for wrong in (-1.0, 0.0, float("nan"), [1.0, -2.0]):
            with pytest.raises(ValueError, match=rf"^scaling\.{name} should be positive and finite, got"):
                pdejax.Scaling(**{name: wrong})
    assert jax.jit(lambda x: pdejax.Scaling(length=x).length)(-1.0) == -1.0  # nobody can tell what is traced


def test_steps_that_are_traced_are_told_to_be_static():
    with pytest.raises(ValueError, match=r"^steps should be a whole number, got a traced one: mark it static"):
        jax.jit(lambda n: pdejax.trajectory(lambda u: u, U, n))(3)
    jax.jit(lambda n: pdejax.trajectory(lambda u: u, U, n), static_argnums=0)(3)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: pdejax.Average(lambda u: u), "steppers should be a sequence of Steppers, got function"),
        (lambda: pdejax.Average((3,)), "each of steppers should be a Stepper, which is a function .*, got 3"),
        (lambda: pdejax.Alternating(3, lambda u: u, 2, 0.1), "usual should be a Stepper, .*, got 3"),
        (lambda: pdejax.repeated(3, 2), "stepper should be a Stepper, .*, got 3"),
        (lambda: pdejax.trajectory("u", U, 2), "stepper should be a Stepper, .*, got 'u'"),
        (lambda: pdejax.from_channels_first(lambda u: u, 4), "ndim should be less than or equal to 3, got 4"),
        (lambda: pdejax.from_channels_first(3, 1), "step should be a function, got 3"),
        (lambda: pdejax.unroll(lambda u: u, U, 2, first_step=-2), "first_step is a whole number of steps from 0, got"),
    ],
)
def test_what_is_no_stepper_is_told(make, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}"):
        make()


@pytest.mark.parametrize("key", [3, "seed", jnp.ones(2), jnp.arange(3)], ids=str)
def test_what_is_no_random_key_is_told(key):
    with pytest.raises(ValueError, match=r"^key should be a random key \(jax\.random\.key\(0\)\) or none, got"):
        check_key(key)
    for good in (None, jax.random.key(0), jax.random.PRNGKey(0)):
        check_key(good)
