"""How a method runs on this machine or cluster: one loop, its state, mesh, checkpoints and records."""

from pdejax.training._checkpoint import Checkpoints as Checkpoints
from pdejax.training._loop import SAMPLES as SAMPLES
from pdejax.training._loop import WEIGHTS as WEIGHTS
from pdejax.training._loop import Evaluator as Evaluator
from pdejax.training._loop import Interrupted as Interrupted
from pdejax.training._loop import NonFiniteLoss as NonFiniteLoss
from pdejax.training._loop import TrainSettings as TrainSettings
from pdejax.training._loop import train as train
from pdejax.training._mesh import data_mesh as data_mesh
from pdejax.training._mesh import replicate as replicate
from pdejax.training._mesh import shard_batches as shard_batches
from pdejax.training._optimiser import build_optimiser as build_optimiser
from pdejax.training._optimiser import build_schedule as build_schedule
from pdejax.training._record import Record as Record
from pdejax.training._record import environment as environment
from pdejax.training._update import TrainState as TrainState
from pdejax.training._update import make_update as make_update
from pdejax.training._validation import ValidationLoss as ValidationLoss
