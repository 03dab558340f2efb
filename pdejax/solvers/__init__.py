"""What is the truth: classical solvers, which are Steppers like everything else."""

from pdejax.solvers._chebyshev import Chebyshev as Chebyshev
from pdejax.solvers._chebyshev import Clustered as Clustered
from pdejax.solvers._chebyshev import Fourier as Fourier
from pdejax.solvers._chebyshev import Nodes as Nodes
from pdejax.solvers._collocation import Collocated as Collocated
from pdejax.solvers._collocation import collocate as collocate
from pdejax.solvers._elliptic import EllipticSolution as EllipticSolution
from pdejax.solvers._elliptic import elliptic_operator as elliptic_operator
from pdejax.solvers._elliptic import solve_elliptic as solve_elliptic
from pdejax.solvers._etdrk import ETDRK2 as ETDRK2
from pdejax.solvers._etdrk import ETDRK4 as ETDRK4
from pdejax.solvers._etdrk import etdrk as etdrk
from pdejax.solvers._problem import problem_stepper as problem_stepper
from pdejax.solvers._steady import solve_problem as solve_problem
from pdejax.solvers._steady import steady_residual as steady_residual
from pdejax.solvers._stepper import SpectralStepper as SpectralStepper
from pdejax.solvers._stepper import spectral_stepper as spectral_stepper
from pdejax.solvers._truth import Truth as Truth
from pdejax.solvers._truth import solve_truth as solve_truth
from pdejax.solvers._truth import truth_axes as truth_axes
