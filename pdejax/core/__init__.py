"""What every part of pdejax shares: grids, array types, the stepper protocol, scans and spectral transforms."""

from pdejax._suggest import known as known
from pdejax._suggest import suggestion as suggestion
from pdejax.core._grid import Boundary as Boundary
from pdejax.core._grid import Grid as Grid
from pdejax.core._predictor import StepperPredictor as StepperPredictor
from pdejax.core._predictor import frame_indices as frame_indices
from pdejax.core._predictor import predict_by_stepping as predict_by_stepping
from pdejax.core._scan import Repeated as Repeated
from pdejax.core._scan import nested_checkpoint_scan as nested_checkpoint_scan
from pdejax.core._scan import repeated as repeated
from pdejax.core._scan import trajectory as trajectory
from pdejax.core._selfcheck import compiler_self_check as compiler_self_check
from pdejax.core._spectral import angular_wavenumbers as angular_wavenumbers
from pdejax.core._spectral import band_indices as band_indices
from pdejax.core._spectral import inverse_transform as inverse_transform
from pdejax.core._spectral import resample as resample
from pdejax.core._spectral import transform as transform
from pdejax.core._types import Key as Key
from pdejax.core._types import Keys as Keys
from pdejax.core._types import Predictor as Predictor
from pdejax.core._types import Scalar as Scalar
from pdejax.core._types import State as State
from pdejax.core._types import Stepper as Stepper
from pdejax.core._types import TimedStepper as TimedStepper
from pdejax.core._types import Trajectory as Trajectory
from pdejax.core._types import hashed_by_identity as hashed_by_identity
