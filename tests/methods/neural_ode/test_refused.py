"""What a neural differential equation cannot be, said in words: the constructors refuse it before anything is built."""

import pytest
import yaml
from jaxtyping import TypeCheckError

from pdejax.core import build

REFUSED = [
    "{solver: {name: Tsit}}",
    "{solver: {adjoint: BackSolve}}",
    "{solver: {fixed_steps: 2, rtol: 0.001}}",
    "{solver: {fixed_steps: 2, first_step: 0.1}}",
    "{solver: {fixed_steps: 200}, unroll: 2}",
    "{solver: {fixed_steps: 2, name: Kvaerno5}}",
    "{solver: {name: Euler}}",
    "{solver: {name: KenCarp4}}",
    "{solver: {max_steps: 0}}",
    "{solver: {fixed_steps: 2}, regularization: {kind: solver, estimate: error}}",
    "{solver: {adjoint: BacksolveAdjoint}, regularization: {kind: solver, estimate: error, scope: global}}",
    "{solver: {name: Bosh3}, regularization: {kind: solver, estimate: both}}",
    "{regularization: {kind: solvr}}",
    "{regularization: {kind: solver, step: 2.0}}",
    "{regularization: {kind: taylor, order: 0}}",
    "{regularization: {kind: end_time, width: 2.0}}",
    "{noise: {paths: 2}}",
    "{noise: {paths: 1}, solver: {name: ShARK}}",
    "{noise: {network: {kind: perceptron}}, solver: {name: ShARK}}",
    "{noise: {network: {kind: perceptron}}, solver: {name: Tsit5}}",
    "{solver: {name: SPaRK}}",
    "{noise: {}, solver: {name: SPaRK, first_step: automatic}}",
    "{noise: {}, solver: {name: SPaRK}, error: {kind: relative_l2}}",
    "{noise: {}, solver: {name: SPaRK, adjoint: BacksolveAdjoint}}",
    "{noise: {}, solver: {name: SPaRK}, regularization: {kind: taylor}}",
    "{noise: {}, solver: {name: SPaRK}, regularization: {kind: solver, step: automatic}}",
    "{latent: {kind: field, channels: 2, encoder: {kind: perceptron}}, terms: u_t = u_xx}",
    "{latent: {kind: field, channels: 0, encoder: {kind: perceptron}}}",
    "{parameters: {nu: 1.0}}",
]


@pytest.mark.parametrize("text", REFUSED)
def test_words_that_do_not_go_together_are_refused(text):
    # a word that is none of an option's is found by the type checker of the tests before the constructor can say so
    with pytest.raises((ValueError, TypeCheckError)):
        build("method", {"kind": "neural_ode", **yaml.safe_load(text)})
