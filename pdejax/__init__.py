"""pdejax: neural PDE solvers in JAX. Declare an equation once; solver, data, loss and operator follow."""

import importlib
from typing import TYPE_CHECKING, Any

from pdejax._suggest import nearest, suggestion

if TYPE_CHECKING:
    from pdejax.core import Alternating as Alternating
    from pdejax.core import Average as Average
    from pdejax.core import Grid as Grid
    from pdejax.core import Mixed as Mixed
    from pdejax.core import Outflow as Outflow
    from pdejax.core import Periodic as Periodic
    from pdejax.core import PointCloud as PointCloud
    from pdejax.core import Scaling as Scaling
    from pdejax.core import Slope as Slope
    from pdejax.core import Value as Value
    from pdejax.core import Wall as Wall
    from pdejax.core import converted as converted
    from pdejax.core import from_channels_first as from_channels_first
    from pdejax.core import per_sample as per_sample
    from pdejax.core import register as register
    from pdejax.core import registered as registered
    from pdejax.core import repeated as repeated
    from pdejax.core import to_channels_first as to_channels_first
    from pdejax.core import trajectory as trajectory
    from pdejax.core import unroll as unroll
    from pdejax.data import ArrayFeed as ArrayFeed
    from pdejax.data import Arrays as Arrays
    from pdejax.data import Dataset as Dataset
    from pdejax.data import OutsideFeed as OutsideFeed
    from pdejax.data import PoolFeed as PoolFeed
    from pdejax.data import Simulated as Simulated
    from pdejax.data import StreamFeed as StreamFeed
    from pdejax.data import Trajectories as Trajectories
    from pdejax.data import convert as convert
    from pdejax.data import generate as generate
    from pdejax.data import open_data as open_data
    from pdejax.embedding import as_linen as as_linen
    from pdejax.embedding import as_nnx as as_nnx
    from pdejax.embedding import export as export
    from pdejax.embedding import load as load
    from pdejax.embedding import save as save
    from pdejax.embedding import sharded as sharded
    from pdejax.embedding import trainable as trainable
    from pdejax.embedding import why_unsaved as why_unsaved
    from pdejax.equations import EQUATIONS as EQUATIONS
    from pdejax.equations import BoundaryValueProblem as BoundaryValueProblem
    from pdejax.equations import Equation as Equation
    from pdejax.equations import Family as Family
    from pdejax.equations import SteadyEquation as SteadyEquation
    from pdejax.equations import Times as Times
    from pdejax.evaluation import Result as Result
    from pdejax.evaluation import compare as compare
    from pdejax.evaluation import evaluate as evaluate
    from pdejax.methods import Closure as Closure
    from pdejax.methods import Correct as Correct
    from pdejax.methods import DataCard as DataCard
    from pdejax.methods import Diffusion as Diffusion
    from pdejax.methods import Distilled as Distilled
    from pdejax.methods import NeuralODE as NeuralODE
    from pdejax.methods import PhysicsInformed as PhysicsInformed
    from pdejax.methods import ProblemCard as ProblemCard
    from pdejax.methods import SolverBase as SolverBase
    from pdejax.methods import Steady as Steady
    from pdejax.methods import Supervised as Supervised
    from pdejax.methods import Tendency as Tendency
    from pdejax.networks import FNO as FNO
    from pdejax.networks import LSM as LSM
    from pdejax.networks import SIREN as SIREN
    from pdejax.networks import ConvNeXtUNet as ConvNeXtUNet
    from pdejax.networks import DilatedResNet as DilatedResNet
    from pdejax.networks import GaussianField as GaussianField
    from pdejax.networks import GaussianLattice as GaussianLattice
    from pdejax.networks import MLPField as MLPField
    from pdejax.networks import Perceptron as Perceptron
    from pdejax.networks import PirateNet as PirateNet
    from pdejax.networks import UNet as UNet
    from pdejax.solvers import ETDRK as ETDRK
    from pdejax.solvers import Bounded as Bounded
    from pdejax.solvers import Elliptic as Elliptic
    from pdejax.solvers import FiniteVolume as FiniteVolume
    from pdejax.solvers import Function as Function
    from pdejax.solvers import Staggered as Staggered
    from pdejax.solvers import chebyshev_stepper as chebyshev_stepper
    from pdejax.solvers import grid_residual as grid_residual
    from pdejax.solvers import mirror_stepper as mirror_stepper
    from pdejax.solvers import solve_elliptic as solve_elliptic
    from pdejax.solvers import spectral_stepper as spectral_stepper
    from pdejax.solvers import staggered_stepper as staggered_stepper
    from pdejax.solvers import volume_stepper as volume_stepper
    from pdejax.training import EarlyStopping as EarlyStopping
    from pdejax.training import JsonLines as JsonLines
    from pdejax.training import Layout as Layout
    from pdejax.training import Plan as Plan
    from pdejax.training import Stage as Stage
    from pdejax.training import TensorBoard as TensorBoard
    from pdejax.training import advance as advance
    from pdejax.training import fit as fit
    from pdejax.training import start as start

__version__ = "0.1.0"

# resolved on first use, so that the command line answers --help without importing JAX
_NAMES = {
    "core": (
        "Alternating Average Grid Mixed Periodic Value Slope Outflow "
        "Wall PointCloud Scaling register registered converted from_channels_first per_sample repeated "
        "to_channels_first trajectory unroll"
    ),
    "equations": "BoundaryValueProblem EQUATIONS Equation Family SteadyEquation Times",
    "solvers": (
        "Bounded ETDRK Elliptic FiniteVolume Function Staggered chebyshev_stepper grid_residual mirror_stepper "
        "solve_elliptic spectral_stepper staggered_stepper volume_stepper"
    ),
    "data": (
        "ArrayFeed Arrays Dataset OutsideFeed PoolFeed Simulated StreamFeed Trajectories convert generate open_data"
    ),
    "networks": (
        "ConvNeXtUNet DilatedResNet FNO GaussianField GaussianLattice LSM MLPField Perceptron PirateNet SIREN UNet"
    ),
    "methods": (
        "Closure Correct DataCard Diffusion Distilled NeuralODE PhysicsInformed ProblemCard SolverBase Steady "
        "Supervised Tendency"
    ),
    "training": "EarlyStopping JsonLines Layout Plan Stage TensorBoard advance fit start",
    "evaluation": "Result compare evaluate",
    "embedding": "as_linen as_nnx export load save sharded trainable why_unsaved",
}
_HOME = {name: package for package, names in _NAMES.items() for name in names.split()}
__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        near = "" if name.startswith("__") else suggestion(name, nearest(name, _HOME))
        raise AttributeError(f"module 'pdejax' has no attribute {name!r}.{near}")
    return getattr(importlib.import_module(f"pdejax.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
