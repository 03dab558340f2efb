"""What is solved: equations, their catalogue, initial conditions, and whole problems."""

from pdejax.equations._arrays import Imaginary as Imaginary
from pdejax.equations._arrays import batch_axis as batch_axis
from pdejax.equations._arrays import compose as compose
from pdejax.equations._arrays import expand_rank as expand_rank
from pdejax.equations._arrays import lift as lift
from pdejax.equations._arrays import scale as scale
from pdejax.equations._arrays import traced as traced
from pdejax.equations._arrays import working as working
from pdejax.equations._catalogue import EQUATIONS as EQUATIONS
from pdejax.equations._equation import Equation as Equation
from pdejax.equations._initial import INITIAL as INITIAL
from pdejax.equations._initial import GaussianBlobs as GaussianBlobs
from pdejax.equations._initial import GaussianRandomField as GaussianRandomField
from pdejax.equations._initial import InitialSampler as InitialSampler
from pdejax.equations._initial import Matern as Matern
from pdejax.equations._initial import SumOfSines as SumOfSines
from pdejax.equations._initial import TruncatedFourier as TruncatedFourier
from pdejax.equations._initial import build_initial as build_initial
from pdejax.equations._problem import Problem as Problem
from pdejax.equations._random_field import NeumannRandomField as NeumannRandomField
from pdejax.equations._spectral import SpectralForm as SpectralForm
from pdejax.equations._steady import STEADY_EQUATIONS as STEADY_EQUATIONS
from pdejax.equations._steady import SteadyEquation as SteadyEquation
from pdejax.equations._steady_problem import SteadyProblem as SteadyProblem
from pdejax.equations._steady_problem import build_problem as build_problem
