"""Inputs by chance: words, files, folders and arguments, each made from a valid one by one change or a few.

Every maker takes a source of random numbers, that of `random` or of Hypothesis, and gives a `Case`.
"""

import json
import math
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.robustness.grade import Case, Silent
from pdejax.cli import main
from pdejax.config import packaged_folder, resolve
from pdejax.core import Grid, Scaling, as_state, build, trajectory
from pdejax.data import open_data, read_observations
from pdejax.embedding import load
from pdejax.equations import EQUATIONS, Equation
from pdejax.evaluation import Result
from pdejax.evaluation.metrics import errors
from pdejax.solvers import grid_residual, rhs, spectral_stepper

Maker = Callable[[Random], Case]

NUMBERS = ("0", "-1", "1", "2", "3.7", "1e-9", "1e300", "-1e300", ".nan", ".inf", "-.inf", "1e9",
           "12345678901234567890")  # fmt: skip
TEXTS = ("", "null", "true", "[]", "{}", "[1,2]", "a", "fno", "ks", "'é'", '""', "[[[]]]", "{a: 1}", "$x",
         "{kind: fno}", "${oc.env:HOME}", "../../x", "/etc/passwd", "1_000", "0x10", "?" * 3, "-", "a b", "\\", "'",
         "x" * 5000)  # fmt: skip
KEYS = (
    "network.width", "network.modes", "network.depth", "network.kind", "network.periodic", "network.activation",
    "method.kind", "method.unroll", "method.history", "method.base", "method.error", "method.error.kind",
    "method.input_noise", "train.steps", "train.batch_size", "train.learning_rate", "train.optimiser", "train.schedule",
    "train.warmup", "train.ema", "train.devices", "train.precision", "train.clip", "train.weight_decay",
    "train.monitor",
    "train.evaluate_every", "train.checkpoint_every", "train.updates_per_dispatch", "train.sinks", "train.stages",
    "problem.domain.shape", "problem.domain.lengths", "problem.domain.ends", "problem.domain.origin",
    "problem.time.step", "problem.time.burn_in", "problem.splits.train.trajectories", "problem.splits.train.frames",
    "problem.splits", "problem.equation", "problem.equation.terms", "problem.parameters.nu", "problem.vary.nu",
    "problem.vary", "problem.initial.kind", "problem.initial.cutoff", "problem.solver.substeps", "problem.solver.order",
    "problem.solver.shape", "problem.tolerance", "problem.seed", "problem.shard_size", "problem.batch_size",
    "evaluation.steps", "evaluation.trajectories", "evaluation.baselines", "evaluation.valid_steps", "seed", "name",
    "data_dir", "runs_dir", "data", "networks.width", "network.widht", "foo", "train.step", "problem", "network",
    "method",
    "train", "experiment", "hydra.run.dir", "from", "method.noise.kind", "network.condition", "problem.name",
)  # fmt: skip
BASES = (("problem=burgers",), ("problem=ks",), ("experiment=ks_demo",), ("problem=darcy", "method=steady"),
         ("problem=burgers", "network=unet"), ("problem=kolmogorov_flow",), ("experiment=refiner_toy",))  # fmt: skip


def _below(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values[part]
    return values


def words(random: Random) -> Case:
    """Words of a command line: valid ones and some by chance. A number that is taken stands in the configuration."""
    base = random.choice(BASES)
    pairs = [(random.choice(KEYS), random.choice(NUMBERS + TEXTS)) for _ in range(random.randint(1, 2))]
    if random.random() < 0.2:  # a list of numbers, as axes have
        pairs[0] = (pairs[0][0], f"[{','.join(random.choice(NUMBERS) for _ in range(random.randint(1, 3)))}]")
    given = [*base, *(f"{key}={value}" for key, value in pairs)]

    def call() -> None:
        plain = resolve(given).model_dump(mode="json")
        for key, value in dict(pairs).items():
            if value in NUMBERS and not math.isnan(float(value.replace(".nan", "nan").replace(".inf", "inf"))):
                found, wanted = _below(plain, key), float(value.replace(".inf", "inf"))
                if isinstance(found, int | float) and float(found) != wanted:
                    raise Silent(f"{key}={value} became {found!r}")

    return Case("words", " ".join(given)[:300], call)


def _edited(text: str, random: Random) -> str:
    """A text with one of the changes that hands, editors and disks make."""
    at = random.randint(0, max(len(text) - 1, 0))
    lines = text.splitlines(keepends=True) or [""]
    line = random.randrange(len(lines))
    return random.choice([
        lambda: text[:at],
        lambda: text[:at] + random.choice("\x00\t:{}[]'\"#&*!|>%@`\x1b\ufeffé") + text[at:],
        lambda: text[:at] + text[at + random.randint(1, 9):],
        lambda: "".join([*lines[:line], *lines[line + 1:]]),
        lambda: "".join([*lines[:line], lines[line], *lines[line:]]),
        lambda: "".join([*lines[:line], " " + lines[line], *lines[line + 1:]]),
        lambda: text.replace(random.choice("0123456789"), random.choice(NUMBERS)),
        lambda: "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
            f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(9)) + text,
        lambda: "",
        lambda: text * 50,
    ])()  # fmt: skip


def files(folder: Path) -> Maker:
    """Configuration files that were edited; `folder` is for them."""
    known = [
        path for group in ("problem", "network", "method", "train") for path in (packaged_folder() / group).glob("*")
    ]
    shipped = sorted(path for path in known if path.suffix == ".yaml")

    def make(random: Random) -> Case:
        path = random.choice(shipped)
        text = _edited(path.read_text(encoding="utf-8"), random)
        own = folder / path.parent.name / "edited.yaml"

        def call() -> None:
            own.parent.mkdir(parents=True, exist_ok=True)
            own.write_bytes(text.encode("utf-8", "surrogatepass"))
            try:
                other = {"problem": ["problem=burgers"]}.get(path.parent.name, [])
                resolve([*([] if other else ["problem=burgers"]), f"{path.parent.name}=edited"], folder)
            finally:
                own.unlink()

        return Case("files", f"{path.parent.name}/{path.name}: {text[:200]!r}", call)

    return make


def _damage(path: Path, random: Random) -> str:
    """Changes a file as disks, copies and people do; says how."""
    content = path.read_bytes()
    at = random.randrange(max(len(content), 1))
    kind = random.choice(("cut", "empty", "flip", "zeros", "gone", "folder", "pipe", "text", "longer", "link", "latin"))
    if kind in ("gone", "folder", "pipe", "link"):
        path.unlink()
    match kind:
        case "cut":
            path.write_bytes(content[:at])
        case "empty":
            path.write_bytes(b"")
        case "flip":
            path.write_bytes(content[:at] + bytes([content[at] ^ (1 << random.randrange(8))]) + content[at + 1 :])
        case "zeros":
            path.write_bytes(content[:at] + b"\0" * min(64, len(content) - at) + content[at + 64 :])
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "text":
            path.write_text(random.choice(("{}", "[]", "null", "1", '{"a": 1}', "\x1b[31m", "{" * 2000)))
        case "longer":
            path.write_bytes(content + b"\n\0\xff")
        case "link":
            path.symlink_to(path.parent / "nowhere")
        case "latin":
            path.write_bytes(content[:at] + b"\xe4" + content[at:])
    return f"{path.name} {kind}"


def _altered(path: Path, random: Random) -> str:
    """Changes an entry of a JSON file, which stays one."""
    document = json.loads(path.read_text(encoding="utf-8"))
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key in list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
            places.append((node, key))
            walk(node[key])

    walk(document)
    node, key = random.choice(places)
    value = random.choice((None, -1, 0, 1e300, "x", "\x1b[2J<script>", [], {}, [1, 2], True, "delete"))
    if value == "delete":
        del node[key]
    else:
        node[key] = value
    path.write_text(json.dumps(document))
    return f"{path.name}: {key} -> {value!r}"


def _changed(root: Path, random: Random) -> str:
    path = random.choice(sorted(path for path in root.rglob("*") if path.is_file() and path.name != ".lock"))
    return _altered(path, random) if path.suffix == ".json" and random.random() < 0.5 else _damage(path, random)


def data_folders(whole: Path, folder: Path) -> Maker:
    """A data set of ours in which a file was changed: what is read from it is what was written, or it is refused."""
    data = open_data(whole)
    windows = lambda data: [data.split(name).window(i, 0, 2).states for name in data.split_names for i in (0, 1)]
    expected = windows(data)

    def make(random: Random) -> Case:
        copy = folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(whole, copy)
        what = _changed(copy, random)

        def call() -> None:
            opened = open_data(copy)
            found = windows(opened)
            if len(found) != len(expected) or not all(map(np.array_equal, found, expected)):
                raise Silent("other numbers than were written")
            if not all(np.array_equal(opened.statistics[name], x) for name, x in data.statistics.items()):
                raise Silent("other statistics than were written")

        return Case("data", what, call)

    return make


def run_folders(whole: Path, folder: Path) -> Maker:
    """A run in which a file was changed: its model and its result are what was saved, or it is refused; others in the
    same folder are listed all the same.
    """
    arrays = lambda model: [np.asarray(x) for x in jax.tree.leaves(model) if hasattr(x, "shape")]
    expected, result = arrays(load(whole)), Result.load(whole)

    def make(random: Random) -> Case:
        copy = folder / "runs" / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(whole, copy)
        what, action = _changed(copy, random), random.choice(("load", "result", "list", "inspect"))

        def call() -> None:
            match action:
                case "load":
                    if not all(map(np.array_equal, arrays(load(copy)), expected)):
                        raise Silent("another model than was saved")
                case "result":
                    found = Result.load(copy)
                    if found.document["systems"] != result.document["systems"]:
                        raise Silent("another result than was saved")
                case "list":
                    if main(["list", "--runs-dir", str(copy.parent), "--data-dir", str(folder / "nowhere")]):
                        raise Silent("the list ended with an error")
                case "inspect":
                    answer(["inspect", str(copy)])

        return Case("runs", f"{action}: {what}", call)

    return make


def answer(words: list[str]) -> None:
    """A command that may refuse: what it said becomes the error that is graded."""
    import contextlib
    import io

    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        code = main(words)
    if "a fault of pdejax" in said.getvalue() or "Traceback" in said.getvalue():
        raise AssertionError(said.getvalue())
    if code == 0 and said.getvalue():
        raise Silent(f"exit code 0 with {said.getvalue()!r}")


COLUMNS = ("t", "x", "u", "T", "v", "", "u", "#x", "t x")
CELLS = ("0", "0.5", "1", "7", "-1", "nan", "inf", "", "1e400", "1_0", "0,5", "a", " 0.5 ", "\u0661", "1e-3", '"')


def tables(folder: Path) -> Maker:
    """Files of measured values. What is taken is in the domain, and each row is one that was written."""

    def make(random: Random) -> Case:
        head = ["t", "x", "u"] if random.random() < 0.6 else [random.choice(COLUMNS) for _ in range(3)]
        odd = random.random()
        cell = lambda: random.choice(CELLS if random.random() < odd / 5 else ("0", "0.5", "1"))
        rows = [[cell() for _ in head] for _ in range(random.randint(0, 4))]
        separator = random.choice((",", ",", ",", ",", ";", "\t"))
        text = "\n".join(separator.join(row) for row in [head, *rows])
        content = text.encode(random.choice(("utf-8",) * 4 + ("utf-8-sig", "latin-1", "utf-16")), "replace")
        path = folder / random.choice(("seen.csv",) * 6 + ("seen.npz", "seen.NPZ"))

        def call() -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            points, values = read_observations(path, {"t": (0.0, 1.0), "x": (0.0, 1.0)}, ("u",))
            given = sorted(tuple(float(row[head.index(name)] or "nan") for name in ("t", "x", "u")) for row in rows)
            found = sorted(map(tuple, np.concatenate([points, values], -1).tolist()))
            if not np.array_equal(given, found, equal_nan=True) or points.min() < 0 or points.max() > 1:
                raise Silent(f"{found} of {text!r}")

        return Case("tables", f"{path.name}: {content[:200]!r}", call)

    return make


TOKENS = ("u", "u_x", "u_xx", "u_xxx", "u_xxxx", "nu", "x", "t", "pi", "2", "0.5", "1e3", "-", "+", "*", "/", "**",
          "**2", "(",
          ")", "dx(", "lap(", "sin(", "exp(", "sqrt(", "log(", "v", "u_y", "grad(", "1/0", "**16", "#", "i", "lambda",
          "abs(", "div(", "1e400", ",", "'", "__import__", ".", "[", "==", "u_t")  # fmt: skip
GRID = Grid((16,), (2 * math.pi,))


def terms(random: Random) -> Case:
    """Equations by chance. One that is taken gives a finite right-hand side or says why not."""
    if random.random() < 0.3:
        depth = random.randint(1, 20)
        right = random.choice(("dx(u*", "lap(u**2+", "sin(", "(1+", "-(", "dx(")) * depth + "u" + ")" * depth
    else:
        right = "".join(random.choice(TOKENS) for _ in range(random.randint(1, 9)))
    term = f"u_t = {right}"

    def call() -> None:
        # a parameter is refused where it occurs nowhere
        equation = Equation(term, {"nu": 0.1} if "nu" in right else {})
        found = rhs(equation, np.ones((16, 1), np.float32), GRID)
        if found.shape != (16, 1):
            raise Silent(f"a rate of shape {found.shape}")

    return Case("terms", term[:300], call)


STATES: Mapping[str, Any] = {
    "int8": np.ones((16, 1), np.int8), "bool": np.ones((16, 1), bool), "complex": np.ones((16, 1), np.complex64),
    "no channel": np.ones(16, np.float32), "other": np.ones((17, 1), np.float32), "two": np.ones((16, 2), np.float32),
    "nothing": np.ones((0, 16, 1), np.float32), "empty": np.ones((16, 0), np.float32), "number": np.float32(1.0),
    "words": np.full((16, 1), "a"), "objects": np.full((16, 1), None), "nan": np.full((16, 1), np.nan, np.float32),
    "double": np.ones((16, 1)), "half": np.ones((16, 1), np.float16), "batches": np.ones((2, 3, 16, 1), np.float32),
    "text": "state", "none": None, "list": [[1.0]] * 16,
}  # fmt: skip
VALUES = (0, -1, 1, 0.1, 2.5, 1e-30, 1e30, float("nan"), float("inf"), "1", None, True, [], [1, 2], (), 1j,
          np.float64(0.1),
          np.int64(2), jnp.ones(2), {})  # fmt: skip
HEAT = EQUATIONS["diffusion"]
LEARNED = ("fno", "lsm", "unet", "convnext_unet", "dilated_resnet", "perceptron")


def _made_stepper(dt: Any, **options: Any) -> Any:
    return spectral_stepper(HEAT, GRID, dt, **options)


def _network(kind: str, **options: Any) -> Any:
    sizes = {"in_channels": 1, "out_channels": 1, "ndim": 1, "condition_features": 0}
    make = lambda: build("network", {"kind": kind, **options}, **sizes, key=jax.random.key(0))
    return jax.eval_shape(lambda: [x for x in jax.tree.leaves(make()) if hasattr(x, "shape")])


def calls(random: Random) -> Case:
    """Functions of the library with arguments by chance. A state that is taken comes back floating and of its shape."""
    value, other = random.choice(VALUES), random.choice(VALUES)
    state = random.choice(sorted(STATES))
    option = random.choice(("width", "depth", "modes", "patch", "scales", "activation", "groups", "multipliers"))

    def kept(step: Callable[[Any], Any]) -> None:
        found = step(STATES[state])
        if not jnp.issubdtype(found.dtype, jnp.floating) or found.shape[-1] != 1:
            raise Silent(f"{found.dtype} of shape {found.shape}")
        if state in ("int8", "bool") and not np.allclose(found, 1.0):
            raise Silent("a state of ones did not stay one")

    table: dict[str, Callable[[], Any]] = {
        f"Grid({value!r}, {other!r})": lambda: Grid(value, other),
        f"Grid(({value!r},), ({other!r},))": lambda: Grid((value,), (other,)),
        f"dt={value!r}": lambda: _made_stepper(value),
        f"order={value!r}, substeps={other!r}": lambda: _made_stepper(0.1, order=value, substeps=other),
        f"dealias={value!r}": lambda: _made_stepper(0.1, dealias=value),
        f"parameters={{nu: {value!r}}}": lambda: _made_stepper(0.1, parameters={"nu": value}),
        f"parameters={value!r}": lambda: _made_stepper(0.1, parameters=value),
        f"scaling={value!r}": lambda: _made_stepper(0.1, scaling=Scaling(value, other)),
        f"stepper of {state}": lambda: kept(_made_stepper(0.1)),
        f"rhs of {state}": lambda: rhs(HEAT, STATES[state], GRID),
        f"trajectory of {state}": lambda: kept(lambda u: trajectory(_made_stepper(0.1), u, 2)),
        f"trajectory, steps={value!r}": lambda: trajectory(_made_stepper(0.1), np.ones((16, 1)), value),
        f"trajectory, inner_steps={value!r}": lambda: trajectory(
            _made_stepper(0.1), np.ones((16, 1)), 2, inner_steps=value
        ),
        f"as_state of {state}": lambda: as_state(STATES[state]),
        f"residual, dt={value!r}": lambda: grid_residual(HEAT, np.ones((3, 16, 1)), value, GRID),
        f"residual of {state}": lambda: grid_residual(HEAT, STATES[state], 0.1, GRID),
        f"nrmse of {state}": lambda: errors.nrmse(STATES[state], STATES[random.choice(sorted(STATES))]),
        f"equation {value!r}": lambda: Equation(value, other),
        f"network {option}={value!r}": lambda: _network(random.choice(LEARNED), **{option: value}),
        f"load({value!r})": lambda: load(value),
        f"open_data({value!r})": lambda: open_data(value),
    }
    what = random.choice(sorted(table))
    return Case("calls", what[:300], table[what])
