"""How a network is learned and how it steps: each method is a loss plus a predictor."""

from pdejax.methods._base import AbstractMethod as AbstractMethod
from pdejax.methods._base import DataCard as DataCard
from pdejax.methods._build import build_method as build_method
from pdejax.methods._losses import AbstractLoss as AbstractLoss
from pdejax.methods._losses import MeanSquared as MeanSquared
from pdejax.methods._losses import RelativeL2 as RelativeL2
from pdejax.methods._losses import Sobolev as Sobolev
from pdejax.methods._losses import build_loss as build_loss
from pdejax.methods._normalisation import Normalisation as Normalisation
from pdejax.methods._operator import Operator as Operator
from pdejax.methods._release import load_model as load_model
from pdejax.methods._release import save_model as save_model
from pdejax.methods._steady import Steady as Steady
from pdejax.methods._steady_operator import SteadyOperator as SteadyOperator
from pdejax.methods._supervised import Supervised as Supervised
