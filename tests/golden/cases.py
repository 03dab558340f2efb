"""What is recorded: a name for each case and the words of the command line that make it.

Only words are here, since they outlive the classes behind them. All is tiny: what is compared is arithmetic.
"""

from collections.abc import Mapping
from typing import NamedTuple

Words = tuple[str, ...]
UPDATES = 20


def _splits(train: int, frames: int) -> str:
    sizes = {"train": train, "valid": 2, "test": 2}
    parts = ", ".join(f"{name}: {{trajectories: {n}, frames: {frames}}}" for name, n in sizes.items())
    return f"problem.splits={{{parts}}}"


def _time(points: str, *more: str, frames: int = 9, train: int = 4) -> Words:
    return (f"problem.domain.shape={points}", _splits(train, frames), "problem.space_tolerance=1e9", *more)


def _steady(points: str, *more: str) -> Words:
    sizes = (f"problem.splits.{name}.trajectories={n}" for name, n in (("train", 4), ("valid", 2), ("test", 2)))
    return (f"problem.domain.shape={points}", *sizes, "problem.space_tolerance=1e9", *more)


# every file of configs/problem; what is coarse here may be far from the truth of the equation
_COARSE = "problem.tolerance=1"
_PLANE = _time("[16,16]", "problem.solver.substeps=4", _COARSE, frames=3)
DATA: Mapping[str, Words] = {
    "advection": _time("[16]", _COARSE),
    "allen_cahn": _time("[16]", _COARSE),
    "burgers": _time("[16]", "problem.parameters.nu=0.05"),
    "burgers_fno": _time("[16]", "problem.initial.cutoff=8", "problem.solver.shape=[32]", _COARSE, frames=2),
    "diffusion": _time("[16]"),
    "fisher_kpp": _time("[16]"),
    "kdv": _time("[16]", _COARSE),
    "benjamin_ono": _time("[16]", _COARSE),
    "ks": _time("[16]", "problem.domain.lengths=[22.0]", "problem.time.burn_in=2", _COARSE),
    "ks_low_data": _time("[16]", "problem.solver.shape=[32]", "problem.time.burn_in=2", _COARSE, frames=3),
    "ks_paper": _time("[16]", "problem.time.burn_in=2", _COARSE, frames=3),
    "ks_toy": _time("[16]", "problem.solver.shape=[32]", "problem.time.burn_in=2", _COARSE, frames=3),
    "navier_stokes": _PLANE,
    "navier_stokes_forced": _PLANE,
    "navier_stokes_fno": (*_PLANE, "problem.initial.cutoff=8", "problem.solver.shape=[32,32]"),
    "kolmogorov_flow": (*_PLANE, "problem.time.burn_in=1", "problem.solver.shape=[16,16]"),
    "kolmogorov_paper": (*_PLANE, "problem.time.burn_in=1", "problem.solver.shape=[32,32]"),
    "kolmogorov_small": (*_PLANE, "problem.time.burn_in=1", "problem.solver.shape=[32,32]"),
    "wave": _time("[16,16]", frames=3),
    "schroedinger": _time("[32]", _COARSE),
    "ginzburg_landau": _time("[16]", "problem.time.burn_in=2", _COARSE, frames=3),
    "gray_scott": (*_PLANE, "problem.time.burn_in=1", "problem.solver.shape=[16,16]"),
    "darcy": _steady("[9,9]", "problem.input.cutoff=16", "problem.solver.shape=[17,17]"),
    "darcy_small": _steady("[8,8]", "problem.input.cutoff=16", "problem.solver.shape=[22,22]"),
    "poisson": _steady("[9,9]"),
    "helmholtz": _steady("[9,9]", "problem.solver.shape=[9,9]"),
    # stated by their conditions: the solution with which a field is compared
    "pig_allen_cahn": ("problem.parameters.nu=1e-2", "problem.truth.points=64", "problem.truth.steps=50",
                       "problem.truth.shape=[6,16]"),
    "pig_burgers": ("problem.parameters.nu=0.1", "problem.truth.points=64", "problem.truth.steps=50",
                    "problem.truth.shape=[6,16]"),
    "pig_cavity": ("problem.truth.points=[12,12]", "problem.truth.shape=[9,9]"),
    "pig_diffusion": ("problem.truth.points=[16,16]", "problem.truth.tolerance=1e-5", "problem.truth.shape=[4,9,9]"),
    "pig_flow_mixing": ("problem.truth.shape=[4,9,9]",),
    "pig_helmholtz": ("problem.truth.shape=[17,17]",),
    "pig_klein_gordon": ("problem.truth.shape=[4,9,9]",),
}  # fmt: skip


class Training(NamedTuple):
    """A run: on which data set, with which words, after which other run if it needs one."""

    problem: str
    words: Words
    after: str | None = None


# one line for each update, measured on validation data at the end
_LOOP = (
    "train=smoke",
    "train.devices=1",
    f"train.steps={UPDATES}",
    "train.updates_per_dispatch=1",
    "train.log_every=1",
    f"train.evaluate_every={UPDATES}",
    f"train.checkpoint_every={UPDATES}",
)
_OPERATOR = (*_LOOP, "train.batch_size=4", "evaluation.valid_steps=2")
_FNO = (*_OPERATOR, "network=fno", "network.width=4", "network.modes=4", "network.depth=1")


def _method(name: str, *more: str, problem: str = "burgers", after: str | None = None) -> Training:
    return Training(problem, (*_FNO, f"method={name}", *more), after)


def _network(name: str, *more: str, problem: str = "burgers") -> Training:
    return Training(problem, (*_OPERATOR, f"network={name}", *more))


_POINTS = ("method.points={kind: quasi_random, count: 32, face_count: 8}",)
_GRID = ("method.points={kind: grid, counts: [6, 6], jitter: false}", "method.redraw=0", "train.precision=float64")
_GAUSSIANS = ("network=gaussians", "network.count=9")
_LINEAR = (*_GAUSSIANS, "network.head=linear")


def _field(*words: str, problem: str = "pig_helmholtz") -> Training:
    return Training(problem, (*_LOOP, "train.batch_size=1", "method=physics_informed", *words))


TRAINING: Mapping[str, Training] = {
    # ---- methods, all with the same network
    "one_step": _method("one_step"),
    "input_noise": _method("input_noise"),
    "unrolled": _method("unrolled"),
    "pushforward": _method("pushforward"),
    "recurrent": _method("recurrent", "method.history=3", "method.unroll=3"),
    "sobolev": _method("sobolev"),
    "history_2": _method("history_2"),
    "map": _method("map", problem="burgers_fno"),
    "error_prediction": _method("error_prediction"),
    "error_correction": _method("error_correction"),
    "refiner": _method("refiner"),
    "refiner_released": _method("refiner_released"),
    "refiner_small": _method("refiner_small", "method.pretrain=0.5"),
    "acdm": _method("acdm"),
    "ddpm": _method("ddpm", "method.steps=4"),
    "edm": _method("edm", "method.steps=4"),
    "diffusion_cosine": _method("diffusion_cosine"),
    "diffusion_exponential": _method("diffusion_exponential"),
    "distilled": _method("distilled", "method.samples=1", after="one_step"),
    "distilled_refiner": _method("distilled", "method.samples=2", after="refiner"),
    "neural_ode": _method("neural_ode", "method.solver.rtol=1e-3"),
    "neural_ode_fixed": _method("neural_ode", "method.solver.fixed_steps=2"),
    "neural_ode_local": _method("neural_ode_local", "method.solver.rtol=1e-3"),
    "neural_ode_terms": _method("neural_ode", "method.terms='u_t = -u*u_x'", "method.solver.rtol=1e-3"),
    "neural_ode_vector": Training("burgers", (
        *_OPERATOR, "network=perceptron", "network.width=4", "network.depth=1", "method=neural_ode",
        "method.latent={kind: vector, channels: 3, encoder: {kind: perceptron, width: 4, depth: 1}, "
        "decoder: {kind: perceptron, width: 4, depth: 1}}")),
    "steady": _method("steady", problem="poisson"),
    "steady_darcy": _method("steady", problem="darcy"),
    "steady_helmholtz": _method("steady", problem="helmholtz"),
    # ---- networks, all by one step
    "fno_paper": _network("fno_paper", "network.width=4", "network.modes=4", "network.depth=2"),
    "fno_plane": Training("gray_scott", _FNO),
    "fno_vary": Training("ks_paper", _FNO),
    "lsm": _network("lsm", "network.width=4", "network.scales=2", "network.heads=2"),
    "lsm_paper": _network("lsm_paper", "network.width=4", "network.scales=2", "network.heads=2",
                          "network.projection_width=4"),
    "lsm_steady": Training("poisson", (*_OPERATOR, "network=lsm", "network.width=4", "network.scales=2",
                                       "network.heads=2", "method=steady")),
    "unet": _network("unet", "network.width=4", "network.multipliers=[1,2]"),
    "unet_paper": _network("unet_paper", "network.width=4", "network.multipliers=[1,2]", "network.depth=1"),
    "unet_plane": _network("unet", "network.width=4", "network.multipliers=[1,2]", problem="navier_stokes"),
    "dilated_resnet": _network("dilated_resnet", "network.width=4", "network.depth=1", "network.dilations=[1,2,1]"),
    "convnext_unet": _network("convnext_unet", "network.width=4", "network.stages=1"),
    "perceptron": _network("perceptron", "network.width=4", "network.depth=1"),
    # ---- fields of coordinates, and optimisers
    "gaussians": _field(*_POINTS, *_GAUSSIANS),
    "gaussians_released": _field(*_POINTS, "network=gaussians_released", "network.count=9"),
    "gaussians_dense": _field(*_POINTS, *_GAUSSIANS, "network.covariance=dense"),
    "mlp": _field(*_POINTS, "network=mlp", "network.width=4", "network.depth=2", problem="pig_burgers"),
    "siren": _field(*_POINTS, "network=siren", "network.width=4", "network.depth=2", "train.optimiser=lion"),
    "piratenet": _field(*_POINTS, "network=piratenet", "network.width=4", "network.depth=1", "train.optimiser=soap"),
    "causal": _field(*_POINTS, *_GAUSSIANS, "method.causal={chunks: 4}", problem="pig_burgers"),
    "adaptive_points": _field(*_POINTS, *_GAUSSIANS, "method.adaptive={share: 0.5}"),
    "balanced_gradient": _field(*_POINTS, *_GAUSSIANS, "train.balance={kind: gradient, every: 5}"),
    "balanced_ntk": _field(*_POINTS, *_GAUSSIANS, "train.balance={kind: ntk, every: 5}"),
    "lbfgs": _field(*_GRID, *_GAUSSIANS, "train.optimiser=lbfgs"),
    "ssbroyden": _field(*_GRID, *_GAUSSIANS, "train.optimiser=ssbroyden"),
    "gauss_newton": _field(*_GRID, *_LINEAR, "train.optimiser=gauss_newton", "train.only=[weights]"),
    "levenberg_marquardt": _field(*_GRID, *_LINEAR, "train.optimiser=levenberg_marquardt"),
    "sketched_gauss_newton": _field(*_GRID, *_LINEAR, "train.optimiser=sketched_gauss_newton"),
    "lattice_newton": _field("network=gaussian_lattice", "network.counts=[6,6]", "train=lattice", "train.steps=2",
                             "train.checkpoint_every=2"),
    "lattice_newton_slabs": _field("network=gaussian_lattice", "network.counts=[4,8]", "network.slabs=2",
                                   "network.beyond=[1,0]", "train=lattice", "train.steps=2",
                                   "train.checkpoint_every=2", problem="pig_burgers"),
    "stages": _field(*_GRID, *_LINEAR,
                     "train.stages=[{optimiser: {kind: gauss_newton, ridge: 1e-4}, only: [weights], steps: 2}, "
                     "{optimiser: {kind: gauss_newton, ridge: 1e-4}, only: [weights], steps: 2, "
                     "adapt: {move: 2, split: 1}}, {optimiser: levenberg_marquardt, steps: 6}]"),
}  # fmt: skip

# runs in former/, and the shape of what is given to them
FORMER: Mapping[str, tuple[int, ...]] = {
    "operator": (1, 16, 1),
    "two_phases": (1, 16, 1),
    "neural_ode": (1, 16, 1),
    "steady": (1, 9, 9, 1),
    "field": (8, 2),
}

# one of each kind, which every run of the tests compares
ALWAYS = {
    "data/gray_scott", "data/poisson", "training/one_step", "training/refiner", "training/gauss_newton",
    "former/operator", "former/field",
}  # fmt: skip
