"""Composition: what wins over what, where files are found, sweeps, and the way to YAML and back."""

import subprocess
import sys

import numpy as np
import pydantic
import pytest

from pdejax.config import (
    GROUPS,
    ConfigError,
    RunConfig,
    options,
    packaged_folder,
    read_run,
    resolve,
    search_folders,
    sweep,
)
from pdejax.config._assemble import recipe_of, valid_rollout
from pdejax.core import sha256
from pdejax.equations import Discrete, Matern, Piecewise, Scaled


def test_defaults():
    config = resolve()
    assert (config.name, config.problem.name, config.network.kind) == ("ks_fno", "ks", "fno")
    assert config.problem.domain.shape == (128,)
    assert config.train.learning_rate == 1e-3


def test_order_of_precedence(mine):
    text = "defaults:\n  - override /problem: burgers\ntrain:\n  steps: 7\n  warmup: 3\n"
    folder = mine({"experiment/fast.yaml": text})
    config = resolve(["experiment=fast", "train=paper", "train.warmup=5"], folder)
    assert config.problem.name == "burgers"  # by the experiment's defaults list
    assert config.train.batch_size == 128  # by the group chosen on the command line
    assert config.train.steps == 7  # by the experiment's own value
    assert config.train.warmup == 5  # by the override


def test_experiment_gives_way_to_a_group_of_the_command_line(mine):
    folder = mine({"experiment/fast.yaml": "defaults:\n  - override /problem: burgers\n"})
    assert resolve(["experiment=fast", "problem=kdv"], folder).problem.name == "kdv"


def test_name_follows_what_it_is_made_of():
    assert resolve(["problem.name=mine"]).name == "mine_fno"
    assert resolve(["problem.name=mine", "name=x"]).name == "x"


def test_valid_keys_can_be_set_whether_files_mention_them_or_not():
    config = resolve(["problem.vary.nu=[0.5,1.5]", "+train.accumulate=2", "++problem.solver.order=2"])
    assert config.problem.vary == {"nu": (0.5, 1.5)}
    assert config.train.accumulate == 2
    assert config.problem.solver.order == 2


def test_a_section_of_another_kind_replaces_the_one_of_a_file():
    local = resolve(["method=neural_ode_local"]).method.regularization
    assert (local.estimate, local.scope, local.weight) == ("error", "local", 0.1)
    taylor = resolve(["method=neural_ode_local", "method.regularization={kind: taylor, order: 2}"])
    assert taylor.method.regularization.model_dump() == {
        "kind": "taylor",
        "order": 2,
        "weight": 0.01,
        "final_weight": None,
    }
    changed = resolve(["method=neural_ode_local", "method.regularization={kind: solver, weight: 0.5}"])
    assert changed.method.regularization == local.model_copy(update={"weight": 0.5})
    assert resolve(["method=neural_ode_local", "method.regularization=null"]).method.regularization is None
    words = ["problem=ks", "problem.initial={kind: truncated_fourier}", "problem.initial.cutoff=3"]
    assert resolve(words).problem.initial.cutoff == 3
    given = ["method=neural_ode", "method.regularization={kind: taylor}", "method.regularization={kind: solver}"]
    assert resolve(given).method.regularization.kind == "solver"


def test_fixed_steps_survive_the_file():
    config = resolve(["method=neural_ode", "method.solver={fixed_steps: 4}"])
    assert RunConfig.from_yaml(config.to_yaml()) == config
    assert config.method.solver.rtol is None


def test_own_problem_beside_the_shipped_ones(mine, problem):
    folder = mine({"problem/mine.yaml": problem})
    config = resolve(["problem=mine", "network=fno"], folder)
    assert config.problem.equation["terms"] == "u_t = nu*u_xx - k*u"
    assert list(options("problem", search_folders(folder))) == sorted([*options("problem", search_folders()), "mine"])


def test_own_problem_in_the_current_folder(mine, problem, tmp_path):
    mine({"problem/mine.yaml": problem})
    (tmp_path / "mine").rename(tmp_path / "configs")
    assert resolve(["problem=mine"]).problem.name == "mine"


def test_own_file_replaces_the_shipped_one_of_its_name(mine, problem):
    folder = mine({"problem/ks.yaml": problem})
    assert resolve([], folder).problem.name == "mine"
    assert resolve([]).problem.name == "ks"


def test_file_that_builds_on_a_shipped_one(mine):
    folder = mine({"problem/big.yaml": "defaults:\n  - ks\nname: big\ndomain:\n  shape: [256]\n"})
    config = resolve(["problem=big"], folder)
    assert (config.problem.name, config.problem.domain.shape) == ("big", (256,))
    assert config.problem.domain.lengths == (64.0,)


def test_yaml_reads_what_was_meant(mine, problem):
    own = problem.replace("k: 1.0", "k: 1.0, n: 1e-4, yes: 2., on: .5, no: 1E+2").replace("k*u", "(k+n+yes+on+no)*u")
    folder = mine({"problem/mine.yaml": own})
    assert resolve(["problem=mine"], folder).problem.equation["parameters"] == {
        "nu": 0.01,
        "k": 1.0,
        "n": 1e-4,
        "yes": 2.0,
        "on": 0.5,
        "no": 100.0,
    }


def test_words_read_what_was_meant():
    config = resolve(["train.learning_rate=1e-4", "train.steps=1e5", "name=on", "evaluation.baselines=false"])
    assert config.train.learning_rate == 1e-4
    assert config.train.steps == 100_000
    assert config.name == "on"
    assert config.evaluation.baselines is False


@pytest.mark.parametrize("words", [[], ["problem=gray_scott"], ["name='1e4'", "train.clip=null"], ["name=on"]])
def test_to_yaml_and_back(words):
    config = resolve(words)
    assert RunConfig.from_yaml(config.to_yaml()) == config


def test_to_yaml_and_back_with_keys_that_are_words_of_yaml(mine, problem):
    folder = mine({"problem/mine.yaml": problem.replace("k*u", "on*u").replace("k: 1.0", "on: 1.0")})
    config = resolve(["problem=mine", "problem.vary.on=[1,2]"], folder)
    assert config.problem.vary == {"on": (1.0, 2.0)}
    assert RunConfig.from_yaml(config.to_yaml()) == config


LAWS = """\
vary:
  "k, nu": {kind: copula, low: [1, 1e-3], high: [2, 1e-2], correlation: [[1, 0.5], [0.5, 1]]}
  length: {kind: log_uniform, low: 0.5, high: 2}
  step: [1, 2]
"""
MIXED = """\
initial:
  kind: mixture
  weights: [1, 3]
  samplers:
    - {kind: piecewise, values: [[0, 1]]}
    - {kind: scaled, sampler: {kind: matern}, factor: {kind: discrete, values: [1, 2]}, offset: 1}
"""


def test_laws_and_samplers_of_samplers_to_yaml_and_back(mine, problem):
    start = "initial: {kind: truncated_fourier, cutoff: 3}\n"
    folder = mine({"problem/mine.yaml": problem.replace(start, MIXED) + LAWS})
    config = resolve(["problem=mine"], folder)
    family = recipe_of(config).family
    assert family.support == {"k": (1.0, 2.0), "nu": (1e-3, 1e-2), "length": (0.5, 2.0), "step": (1.0, 2.0)}
    assert family.draws["u"].samplers == (Piecewise(values=((0, 1),)), Scaled(Matern(), Discrete((1.0, 2.0)), 1.0))
    assert RunConfig.from_yaml(config.to_yaml()) == config


def test_a_configuration_keeps_the_digest_of_a_file_and_is_read_without_it(mine, problem, tmp_path):
    start = "initial: {kind: truncated_fourier, cutoff: 3}"
    folder = mine({"problem/mine.yaml": problem.replace(start, "initial: {kind: from_file, path: states.npy}")})
    with pytest.raises(ConfigError, match=r"mine.yaml:\d+: problem.initial.path: states.npy does not exist"):
        resolve(["problem=mine"], folder)
    np.save(tmp_path / "states.npy", np.ones((3, 32)))
    config = resolve(["problem=mine"], folder)
    assert config.problem.initial.digest == sha256(tmp_path / "states.npy")
    (tmp_path / "config.yaml").write_text(config.to_yaml())
    (tmp_path / "states.npy").unlink()
    assert read_run(tmp_path / "config.yaml") == config
    assert recipe_of(config).family.draws["u"].digest == config.problem.initial.digest


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"k, nu"', '"k, mu"', "problem.vary of 'k, mu': unknown varying parameter 'mu'. Known: k, length"),
        ("[0.5, 1]]", "[0.4, 1]]", "problem.vary of 'k, nu': correlation should be symmetric"),
        ("kind: copula,", "kind: log_uniform,", "unknown key 'problem.vary.k, nu.correlation'"),
        ("low: [1, 1e-3]", "low: [1, high]", "problem.vary.k, nu.low.1 should be a valid number, got 'high'"),
        ("step: [1, 2]", "step: {kind: discrete, values: [0, 1]}", "problem.vary.step should be a law of positive"),
        ("step: [1, 2]", "k: [1, 2]", "problem.vary has several laws of 'k', expected one"),
    ],
)
def test_a_mistake_in_a_law_is_one_sentence_with_its_place(old, new, told, mine, problem):
    folder = mine({"problem/mine.yaml": problem + LAWS.replace(old, new)})
    with pytest.raises(ConfigError, match=rf"^mine/problem/mine.yaml:\d+: {told}") as caught:
        resolve(["problem=mine"], folder)
    assert "log_uniform" in new or "\n" not in str(caught.value)


def test_warmup_can_be_a_share_of_the_steps():
    assert resolve(["train.steps=1000", "train.warmup=0.05"]).train.warmup == 50
    assert resolve(["train.steps=1000", "train.warmup=7"]).train.warmup == 7
    assert resolve(["train.steps=3", "train.warmup=0.05"]).train.warmup == 0


def test_rollout_during_training_goes_as_far_as_the_split():
    split = np.zeros((5, 9, 8, 1)).view(_Frames)
    assert valid_rollout(resolve([]), split, 2) == (5, 7)
    assert valid_rollout(resolve(["evaluation.valid_steps=3"]), split, 1) == (5, 3)


class _Frames(np.ndarray):
    frames = 9


def test_run_is_read_again_with_changes(tmp_path):
    config = resolve(["seed=3"])
    path = tmp_path / "config.yaml"
    path.write_text(config.to_yaml())
    assert read_run(path) == config
    again = read_run(path, ["evaluation.steps=12"])
    assert again.evaluation.steps == 12
    assert again.model_copy(update={"evaluation": config.evaluation}) == config


def test_configurations_cannot_be_changed():
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        resolve().seed = 1


def test_sweep_is_the_product():
    configs = sweep(["network.width=8,16", "seed=0,1", "train=smoke"])
    assert [(c.network.width, c.seed) for c in configs] == [(8, 0), (8, 1), (16, 0), (16, 1)]
    assert [c.name for c in configs][:2] == ["ks_fno-network.width=8-seed=0", "ks_fno-network.width=8-seed=1"]
    assert {c.train.steps for c in configs} == {20}


def test_sweep_over_groups_lists_and_names():
    assert [c.problem.name for c in sweep(["problem=ks,burgers"])] == ["ks", "burgers"]
    assert [c.network.modes for c in sweep(["network.modes=[4],[8]"])] == [(4,), (8,)]
    assert [c.name for c in sweep(["name=a,b"])] == ["a", "b"]
    assert [c.seed for c in sweep(["seed=range(0,3)"])] == [0, 1, 2]


def test_sweep_without_lists_is_one_run():
    assert sweep(["seed=4"]) == [resolve(["seed=4"])]


def test_every_shipped_file_has_a_description():
    from pdejax.config import description

    for group in GROUPS:
        for path in options(group, [packaged_folder()]).values():
            assert description(path).endswith("."), path


def test_what_there_is_is_known_without_jax():
    code = (
        "import sys\nfrom pdejax.config import GROUPS, description, options, search_folders\n"
        "for group in GROUPS:\n    [description(path) for path in options(group, search_folders()).values()]\n"
        "assert not {'jax', 'numpy', 'equinox'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_program_with_its_own_hydra_is_left_alone(mine):
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    folder = mine({"config.yaml": "a: 1\n", "problem/x.yaml": "b: 2\n"})
    with initialize_config_dir(str(folder), version_base="1.3"):
        resolve(["problem=burgers"])
        assert compose("config", overrides=["+problem=x"]) == {"a": 1, "problem": {"b": 2}}
    assert not GlobalHydra.instance().is_initialized()


def test_one_number_of_modes_per_axis_survives_the_file():
    config = resolve(["problem=navier_stokes", "network.modes=[12,8]"])
    assert RunConfig.from_yaml(config.to_yaml()) == config
    assert config.network.spec()["modes"] == [12, 8]


def test_a_folder_of_configurations_has_groups(tmp_path):
    (tmp_path / "mine" / "problem").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"mine/problem has no folder of a group, .*; did you mean .*/mine\?"):
        search_folders(tmp_path / "mine" / "problem")
    with pytest.raises(FileNotFoundError, match="has no folder of a group, such as problem/: nothing in it would be"):
        search_folders(tmp_path)
    assert search_folders(tmp_path / "mine")[0] == tmp_path / "mine"


def test_a_run_of_a_sweep_is_named_as_it_is_called():
    assert resolve(["experiment=ks_demo", "name=sw-seed=0", "seed=0"]).name == "sw-seed=0"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "problem: burgers\n",
            r"mine.yaml:1: problem is a section with keys below it, got 'burgers'; a file is chosen by",
        ),
        ("seed: 1\nnetwork: unet\n", r"mine.yaml:2: network is a section .*, `- override /network: unet`"),
        (
            "defaults:\n  - /problem: burgers\n",
            r"mine.yaml:2: /problem: burgers should be `override /problem: burgers`",
        ),
        ("defaults:\n  - override problem: burgers\n", r"mine.yaml:2: .* should be `override /problem: burgers`"),
    ],
)
def test_an_experiment_says_how_a_file_is_chosen(text, sentence, tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match=sentence):
        resolve(["experiment=mine"], tmp_path)
