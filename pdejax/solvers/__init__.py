"""What is the truth: classical solvers, which are Steppers like everything else."""

from pdejax.solvers._etdrk import ETDRK2 as ETDRK2
from pdejax.solvers._etdrk import ETDRK4 as ETDRK4
from pdejax.solvers._etdrk import etdrk as etdrk
from pdejax.solvers._problem import problem_stepper as problem_stepper
from pdejax.solvers._stepper import SpectralStepper as SpectralStepper
from pdejax.solvers._stepper import spectral_stepper as spectral_stepper
