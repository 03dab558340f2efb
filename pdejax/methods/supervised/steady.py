"""Learning the solution operator of a steady problem from pairs of input fields and solutions."""

from typing import Annotated, Any

from jaxtyping import Array, Float

from pdejax.core import Key, Keys, Of, checked, per_channel, register
from pdejax.data import Batch
from pdejax.methods.cards import DataCard
from pdejax.methods.fitting import fitted_network
from pdejax.methods.method import AbstractMethod, only
from pdejax.methods.operators.binding import with_table
from pdejax.methods.operators.info import OperatorInfo
from pdejax.methods.operators.normalisation import Normalisation
from pdejax.methods.operators.steady import SteadyOperator
from pdejax.methods.origin import origin_of
from pdejax.methods.supervised.losses import AbstractLoss, RelativeL2, check_loss, nrmse


@register("method", "steady")
class Steady(AbstractMethod):
    """Compares the operator's solution with the true one.

    **Arguments:** `error`: distance of fields.
    """

    error: Annotated[AbstractLoss, Of("loss")] = RelativeL2()

    def __check_init__(self) -> None:
        check_loss(self.error)

    @property
    def window(self) -> int:
        return 1

    @property
    def history(self) -> int:
        """Known frames of a sample: none, its one frame is the solution."""
        return 0

    @checked
    def build(self, network: Any, card: DataCard, *, key: Key) -> SteadyOperator:
        if not card.input_names:
            raise ValueError("the method steady maps input fields, but these data step in time: take supervised, "
                             "such as method=one_step")  # fmt: skip
        self.error.check(card)
        return SteadyOperator(
            network=fitted_network(network, card, len(card.input_names), key=key),
            normalisation=Normalisation.of(card),
            info=OperatorInfo.of(card),
            origin=origin_of(self, network, card),
        )

    def trainable(self, model: SteadyOperator) -> Any:
        return only(model, lambda m: m.network)

    def loss(
        self, model: SteadyOperator, batch: Batch, keys: Keys
    ) -> tuple[Float[Array, " batch"], dict[str, Float[Array, " batch"]]]:
        model = with_table(model, batch.parameters)
        target, n = batch.states[:, 0], model.normalisation
        mean, std = per_channel(n.mean, batch.inputs), per_channel(n.std, batch.inputs)
        error = model.scaled(batch.inputs, model.condition(batch.inputs.shape[:1])) - (target - mean) / std
        return self.error(error, target / std, model.info.lengths), {"nrmse": nrmse(std * error, target)}
