"""How a method runs on this machine or cluster: one loop, its state, mesh, checkpoints and records."""

from pdejax.training.fit import SAMPLES as SAMPLES
from pdejax.training.fit import WEIGHTS as WEIGHTS
from pdejax.training.fit import Evaluator as Evaluator
from pdejax.training.fit import Interrupted as Interrupted
from pdejax.training.fit import NonFiniteLoss as NonFiniteLoss
from pdejax.training.fit import TrainSettings as TrainSettings
from pdejax.training.fit import train as train
from pdejax.training.optimisers.build import build_optimiser as build_optimiser
from pdejax.training.optimisers.build import build_schedule as build_schedule
from pdejax.training.optimisers.lattice.newton import LatticeNewton as LatticeNewton
from pdejax.training.optimisers.lattice.newton import finished as finished
from pdejax.training.sharding import data_mesh as data_mesh
from pdejax.training.sharding import replicate as replicate
from pdejax.training.sharding import shard_batches as shard_batches
from pdejax.training.state import TrainState as TrainState
from pdejax.training.store.checkpoint import Checkpoints as Checkpoints
from pdejax.training.store.record import Record as Record
from pdejax.training.store.record import environment as environment
from pdejax.training.update import make_update as make_update
from pdejax.training.validation import ValidationLoss as ValidationLoss
