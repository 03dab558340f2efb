"""Our operators as modules of Flax; Flax is imported when one is asked for."""

from typing import TYPE_CHECKING, Any

from pdejax.core import spelt

if TYPE_CHECKING:
    from pdejax.embedding._flax_modules import LinenOperator, NNXOperator


@spelt
def as_nnx(operator: Any) -> "NNXOperator":
    """An operator as a module of Flax NNX.

    What the operator's method trains are `nnx.Param`s of the module, `module.weights[name]`, by their names in a saved
    model; its other arrays, such as the normalisation, are `Fixed` variables, which an optimiser of parameters leaves
    alone. `module(u)` is `operator(u)`, and `module.operator()` our operator with the weights as they are now.

    **Arguments:** `operator`: as built by a method, trained or not; bound, if it depends on physical parameters.

    **Raises:** `ValueError` for what no method has built, see `pdejax.methods.trainable`.
    """
    from pdejax.embedding._flax_modules import NNXOperator

    return NNXOperator(operator)


@spelt
def as_linen(operator: Any) -> "LinenOperator":
    """An operator as a module of Flax Linen.

    `variables = module.init(key, u)` holds the operator's own weights as parameters, by their names in a saved model,
    whatever the key; `module.apply(variables, u)` is `operator(u)`, and `module.operator(variables)` our operator with
    those weights.

    **Arguments:** `operator`: as built by a method, trained or not; bound, if it depends on physical parameters.

    **Raises:** `ValueError` for what no method has built, see `pdejax.methods.trainable`.
    """
    from pdejax.embedding._flax_modules import Held, LinenOperator

    return LinenOperator(Held(operator))
