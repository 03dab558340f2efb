"""Every mistake is told with the place where it was made and with what was probably meant, word for word."""

import pytest

from pdejax.config import ConfigError, options, packaged_folder, resolve
from pdejax.core import registered


def said(words, config_dir=None):
    with pytest.raises(ConfigError) as caught:
        resolve(words, config_dir)
    return str(caught.value)


def test_misspelt_key_in_a_file(mine, problem):
    folder = mine({"problem/mine.yaml": problem.replace("step: 0.1", "step: 0.1\n  burnin: 4")})
    expected = "mine/problem/mine.yaml:10: unknown key 'problem.time.burnin'. Did you mean 'burn_in'?"
    assert said(["problem=mine"], folder) == expected


def test_misspelt_key_in_an_experiment(mine):
    text = "# Mine.\ndefaults:\n  - override /problem: burgers\ntrain:\n  batchsize: 4\n"
    folder = mine({"experiment/fast.yaml": text})
    expected = "mine/experiment/fast.yaml:5: unknown key 'train.batchsize'. Did you mean 'batch_size'?"
    assert said(["experiment=fast"], folder) == expected


OVERRIDES = {
    "train.step=5": "unknown key 'train.step'. Did you mean 'steps' or 'problem.time.step'?",
    "problem.equation={terms: 'ut = u_xx'}": "problem.equation.terms cannot be read: equation 'ut = u_xx': "
    "expected 'FIELD_t = ...', for example 'u_t = -u*u_x + nu*u_xx'",
    "train.stepss=5": "unknown key 'train.stepss'. Did you mean 'steps' or 'stages'?",
    "learning_rate=1e-4": "unknown key 'learning_rate'. Did you mean 'train.learning_rate'?",
    "probleme=ks": "unknown key 'probleme'. Did you mean 'problem'?",
    "problem=kss": "unknown problem 'kss'. Did you mean 'ks'?",
    "train.steps=many": "train.steps should be a valid integer, got 'many'",
    "train.steps=1.5": "train.steps should be a valid integer, got 1.5",
    "train.steps=true": "train.steps should be a valid integer, got True",
    "train.learning_rate=-1": "train.learning_rate should be greater than 0, got -1",
    "problem.time={step: -1}": "problem.time.step should be greater than 0, got -1",
    "train.schedule=cosin": "unknown train.schedule 'cosin'. Did you mean 'cosine'?",
    "network.kind=fnoo": "unknown network.kind 'fnoo'. Did you mean 'fno'?",
    "network.kind=unett": "unknown network.kind 'unett'. Did you mean 'unet'?",
    "problem.initial.kind=matren": "unknown problem.initial.kind 'matren'. Did you mean 'matern' or 'mixture'?",
    "problem.initial.cuont=3": "unknown key 'problem.initial.cuont'. Did you mean 'count'?",
    "problem.equation=burger": "problem.equation is the unknown equation 'burger'. Did you mean 'burgers'?",
    "problem.vary.nuu=[1,2]": "problem.vary.nuu: unknown varying parameter 'nuu'. Did you mean 'nu'?",
    "problem.vary.nu=[2,1]": "problem.vary.nu should be a range [low, high], got [2.0, 1.0]",
    "problem.domain.lengths=[1,2]": "problem.domain.lengths should have one entry for each of the axes of shape [128], "
    "got [1.0, 2.0]",
    "problem.domain.lengths=[a]": "problem.domain.lengths.0 should be a valid number, got 'a'",
    "problem.time=3": "problem.time is a section with keys below it, such as problem.time.step, got 3",
    "train.devices=0": "train.devices should be greater than or equal to 1, got 0",
    "network.modes=[4,4]": "network.modes should have one entry for each of 1 axes, got [4, 4]",
    "problem.splits.test.trajectories=-1": "problem.splits.test.trajectories should be greater than or equal to 1, "
    "got -1",
    "problem.solver={kind: etdrk, order: 3}": "unknown problem.solver.order 3. Known: 2, 4.",
    "problem.vary={nu: [0.1]}": "problem.vary.nu has too few entries, got [0.1]",
    "problem.vary={nu: 3}": "problem.vary.nu should be a list, such as [3], got 3",
    "problem.vary.nu={kind: log_unifrm}": "unknown problem.vary.nu.kind 'log_unifrm'. Did you mean 'log_uniform' or "
    "'uniform'?",
    "problem.vary.nu={kind: log_uniform, lo: 1}": "unknown key 'problem.vary.nu.lo'. Did you mean 'low'?",
    "problem.vary.nu={kind: log_uniform, low: 2, high: 1}": "problem.vary.nu: low should be at most high=1, got 2",
    "problem.vary.nu={kind: discrete, values: [a]}": "problem.vary.nu.values.0 should be a valid number, got 'a'",
    "problem.initial={kind: mixture, samplers: [{kind: matren}, {kind: matern}]}": "unknown "
    "problem.initial.samplers.0.kind 'matren'. Did you mean 'matern' or 'mixture'?",
    "problem.initial={kind: scaled, sampler: {kind: matern}, factor: [2, 1]}": "problem.initial.factor should be a "
    "range [low, high], got [2.0, 1.0]",
    "problem.initial={kind: piecewise, cuts: [0, 2]}": "problem.initial.cuts should be shares of the length, from 0 to "
    "1, got them from 0 to 2",
    "problem.initial={kind: from_file, path: none.npy}": "problem.initial.path: none.npy does not exist",
    "problem.initial={kind: expression, value: a*x, vary: {a: [2, 1]}}": "problem.initial.vary.a should be a range "
    "[low, high], got [2.0, 1.0]",
    "parameters.nu=1e-2": "unknown key 'parameters'. Did you mean 'problem.parameters'?",
    "equation=burgers": "unknown key 'equation'. Did you mean 'problem.equation'?",
    "initial.amplitude=2": "unknown key 'initial'. Did you mean 'problem.initial'?",
    "method.noise.refinements=3": "unknown key 'method.noise'. Did you mean 'input_noise'?",
    "train.warmup=1e5": "train.warmup should be less than train.steps=4000, got 100000",
    "evaluation.steps=1000": "evaluation.steps should be at most 159, what the test split holds, got 1000",
    "method.conserve_mean=1": "method.conserve_mean should be a valid boolean, got 1",
    "name=a/b": "name becomes a folder: letters, digits and . _ = + - are possible, got 'a/b'",
    "name=${problem.nme}": "name: Interpolation key 'problem.nme' not found",
    "train.steps": "an override is written key=value or group=name.",
    "=3": "an override is written key=value or group=name.",
    "ks": "an override is written key=value or group=name. Did you mean problem=ks?",
    "train.steps=[1": "not a valid override: no viable alternative at input '[1'",
    "train.steps=1,2": "several values are a sweep, which needs --multirun; a list is written train.steps=[1,2]",
    "network=null": f"unknown network 'null'. Known: {', '.join(options('network', [packaged_folder()]))}.",
    "hydra.job.name=x": "Hydra's own settings have no effect here",
    "~problem.domain": "problem.domain is missing",
    "~problem.initial.kind": "problem.initial.kind is missing: SAMPLERS are possible",
    "problem.equation={terms: ['u_t = lambda*u_xx'], parameters: {lambda: 1}}": "problem.equation.terms cannot be "
    "read: equation 'u_t = lambda*u_xx': 'lambda' cannot be a name, choose another such as 'lam'",
}


@pytest.mark.parametrize("word", OVERRIDES)
def test_override(word, mine):
    mine({})
    samplers = ", ".join(sorted(registered("sampler")))  # others may have been registered by now
    expected = OVERRIDES[word].replace("SAMPLERS", samplers)
    assert said([word]) == f"{word}: {expected}"


UNET = {
    "network.multiplier=[1,2]": "unknown key 'network.multiplier'. Did you mean 'multipliers'?",
    "network.multipliers=[1,0]": "network.multipliers.1 should be greater than or equal to 1, got 0",
    "network.multipliers=[]": "network.multipliers tuple should have at least 1 item after validation, not 0, got []",
    "network.groups=5": "network.groups should divide width=24, got 5",
    "network.periodic=[true,false]": "network.periodic should have one entry for each of 1 axes, got [True, False]",
    "network.activation=geluu": "unknown network.activation 'geluu'. Did you mean 'gelu' or 'relu'?",
}


@pytest.mark.parametrize("word", UNET)
def test_options_of_a_kind(word):
    assert said(["network=unet", word]) == f"{word}: {UNET[word]}"


def test_whoever_sets_an_option_of_no_kind_is_told_the_kinds(mine):
    folder, word = mine({"problem/mine.yaml": WITHOUT_START}), "problem.initial.cutoff=3"
    assert said(["problem=mine", word], folder).startswith(f"{word}: problem.initial.kind is missing: curl, ")


METHODS = {
    ("method=steady",): "the method steady maps input fields, but these data step in time: take supervised, "
    "such as method=one_step",
    ("problem=darcy", "method=neural_ode"): "a neural_ode moves in time, but the data map a: take steady",
    ("problem=darcy", "method=one_step"): "supervised steps in time, but the data map a: take steady, such as "
    "method=steady",
}


ODE = {
    "method.solver={name: Tsit}": "method.solver.name: unknown solver 'Tsit'. Did you mean 'Tsit5'?",
    "method.solver.first_step=careful": "method.solver.first_step should be a valid number, got 'careful'\n"
    "method.solver.first_step=careful: unknown method.solver.first_step 'careful'. Known: automatic, diffrax.",
    "method.solver={fixed_steps: 2, rtol: 1e-3}": "method.solver.rtol is for steps that adapt, but fixed_steps is 2: "
    "leave one of them out, got 0.001",
    "method.solver.adjoint=RecursiveAdjoint": "unknown method.solver.adjoint 'RecursiveAdjoint'. "
    "Did you mean 'RecursiveCheckpointAdjoint' or 'BacksolveAdjoint'?",
    "method.regularization={kind: solvr}": "unknown method.regularization.kind 'solvr'. Did you mean 'solver'?",
    "method.regularization={kind: taylor, scope: local}": "unknown key 'method.regularization.scope'. "
    "Known: final_weight, kind, order, weight.",
    "method.regularisation=null": "unknown key 'method.regularisation'. Did you mean 'regularization'?",
    "method.latent={kind: field, channels: 2, encoder: {kind: siren}}": "unknown method.latent.encoder.kind 'siren'. "
    "It is a network of coordinates, for problems that are stated by their conditions. "
    "Known: convnext_unet, dilated_resnet, fno, lsm, perceptron, unet.",
    "method.latent={kind: field, channels: 2, encoder: {kind: fno, modes: [3, 3]}}": "method.latent.encoder.modes "
    "should have one entry for each of 1 axes, got [3, 3]",
}


@pytest.mark.parametrize("word", ODE)
def test_options_of_a_neural_ode(word):
    assert said(["method=neural_ode", word]) == f"{word}: {ODE[word]}"


def test_parts_of_a_neural_ode_that_do_not_go_together():
    vector = "method.latent={kind: vector, channels: 2, encoder: {kind: perceptron}}"
    text = said(["method=neural_ode", vector])
    expected = (
        "network.kind: a latent vector has no space axes: its network, encoder and decoder are of kind perceptron, "
        "got 'fno'"
    )
    assert text == f"configs/network/fno.yaml:3: {expected}"
    assert resolve(["method=neural_ode", vector, "network=perceptron"]).method.latent.kind == "vector"
    noisy = ["method=neural_ode", "method.noise={}"]
    assert "method.solver.name: Tsit5 is not for additive noise. Take ShARK or SRA1" in said(noisy)
    euler = ["method=neural_ode", "method.solver.name=Euler"]
    assert "method.solver.name: Euler does not estimate its error" in said(euler)
    many = ["method=neural_ode", "method.unroll=100"]
    assert said(many).endswith("should be at least 101, the frames of a sample of method 'neural_ode', got 100")


@pytest.mark.parametrize("words", METHODS)
def test_methods_fit_problems(words):
    assert said(words).endswith(f": {METHODS[words]}")


def test_steady_problems_have_no_time():
    text = said(["problem=darcy", "problem.time.step=1"])
    assert text.startswith("problem.time.step=1: unknown key 'problem.time'. Known: ")


def test_predicting_states_cannot_keep_the_mean():
    expected = (
        "method.conserve_mean=true: method.conserve_mean needs predict=increment: the mean of a predicted state is free"
    )
    assert said(["method.predict=state", "method.conserve_mean=true"]) == expected


def test_all_mistakes_are_told_at_once():
    words = ["train.stps=5", "network.width=0", "problem.time.step=no"]
    assert said(words).splitlines() == [
        "problem.time.step=no: problem.time.step should be a valid number, got 'no'",
        "network.width=0: network.width should be greater than or equal to 1, got 0",
        "train.stps=5: unknown key 'train.stps'. Did you mean 'steps' or 'stages'?",
    ]


def test_missing_section_of_a_file(mine, problem):
    folder = mine({"problem/mine.yaml": problem.replace("time:\n  step: 0.1\n", "")})
    assert said(["problem=mine"], folder) == "mine/problem/mine.yaml: problem.time is missing"


def test_missing_key_of_a_section(mine, problem):
    folder = mine({"problem/mine.yaml": problem.replace("  step: 0.1\n", "  burn_in: 2\n")})
    assert said(["problem=mine"], folder) == "mine/problem/mine.yaml:8: problem.time.step is missing"


def test_value_left_open(mine, problem):
    folder = mine({"problem/mine.yaml": problem.replace("step: 0.1", "step: ???")})
    expected = "mine/problem/mine.yaml:9: problem.time.step is left open: set it by problem.time.step=VALUE"
    assert said(["problem=mine"], folder) == expected
    assert resolve(["problem=mine", "problem.time.step=0.3"], folder).problem.time.step == 0.3


def test_override_is_blamed_before_the_file_it_replaces(mine, problem):
    folder = mine({"problem/mine.yaml": problem})
    expected = "problem.domain.shape=[0]: problem.domain.shape.0 should be greater than or equal to 1, got 0"
    assert said(["problem=mine", "problem.domain.shape=[0]"], folder) == expected


def test_experiment_is_blamed_before_the_file_it_replaces(mine):
    folder = mine({"experiment/fast.yaml": "train:\n  steps: -1\n"})
    expected = "mine/experiment/fast.yaml:2: train.steps should be greater than or equal to 1, got -1"
    assert said(["experiment=fast"], folder) == expected


DEFAULTS = {
    "override /problem: kss": "mine/experiment/fast.yaml:3: unknown problem 'kss'. Did you mean 'ks'?",
    "override /problm: ks": "mine/experiment/fast.yaml:3: unknown group 'problm'. Did you mean 'problem'?",
    "/problm: ks": "mine/experiment/fast.yaml:3: unknown group 'problm'. Did you mean 'problem'?",
}


@pytest.mark.parametrize("line", DEFAULTS)
def test_defaults_list(line, mine):
    folder = mine({"experiment/fast.yaml": f"# problm kss\ndefaults:\n  - {line}\n"})
    assert said(["experiment=fast"], folder) == DEFAULTS[line]


BAD_YAML = {
    "a: [1, 2\n": "2: not valid YAML: expected ',' or ']', but got '<stream end>'",
    "train:\n  steps: 1\n  steps: 2\n": "3: the key 'steps' is already in line 2",
    "train:\n  3: 1\n": "2: the key 3 is not text: put it in quotes",
    "- a\n": "1: expected `key: value` lines, found list",
    "train: {steps: 1}\n\tname: x\n": "2: not valid YAML: found character '\\t' that cannot start any token",
}


@pytest.mark.parametrize("text", BAD_YAML)
def test_unreadable_file(text, mine):
    folder = mine({"experiment/fast.yaml": text})
    assert said(["experiment=fast"], folder) == f"mine/experiment/fast.yaml:{BAD_YAML[text]}"


def test_unknown_folder(mine):
    mine({})
    with pytest.raises(FileNotFoundError, match="--config-dir nowhere: there is no such folder"):
        resolve([], "nowhere")


FILES = {
    "defaults: [mine, _self_]\n": "mine/problem/mine.yaml:1: the defaults of problem/mine lead back to problem/mine",
    "defaults:\n  - other\n": "mine/problem/other.yaml:1: the defaults of problem/mine and problem/other lead back to "
    "problem/mine: leave one out",
    "name: a\ndefaults: [kss]\n": "mine/problem/mine.yaml:2: unknown problem 'kss'. Did you mean 'ks'?",
    "defaults: ks\n": "mine/problem/mine.yaml:1: defaults should be a list of names, such as [ks, _self_], got 'ks'",
    "defaults: [ks, 3]\n": "mine/problem/mine.yaml:1: a default is NAME or GROUP: NAME, got 3",
    "": "mine/problem/mine.yaml: problem.name is missing, of which name is made (",
    "# nothing\n": "mine/problem/mine.yaml: problem.name is missing",
    "defaults: [ks, _self_]\nname: ???\n": "mine/problem/mine.yaml:2: problem.name is left open: set it by "
    "problem.name=VALUE",
    "<<: 3\n": "mine/problem/mine.yaml:1: not valid YAML: expected a mapping or list of mappings for merging",
    "defaults: [ks, _self_]\nname: a\ntime:\n  <<: {stuff: 3}\n": "mine/problem/mine.yaml:4: unknown key "
    "'problem.time.stuff'",
}


@pytest.mark.parametrize("text", FILES)
def test_files_that_lead_nowhere_or_say_nothing(text, mine):
    folder = mine({"problem/mine.yaml": text, "problem/other.yaml": "defaults: [mine]\n"})
    assert FILES[text] in said(["problem=mine"], folder)


def test_values_that_are_merged_are_read_and_a_later_word_counts(mine):
    text = "defaults: [ks, _self_]\nname: ???\nsplits:\n  valid: &a {trajectories: 4, frames: 200}\n  test:\n    <<: "
    folder = mine({"problem/mine.yaml": text + "*a\n    frames: 300\n"})
    splits = resolve(["problem=mine", "problem.name=mine"], folder).problem.splits
    assert (splits["test"].trajectories, splits["test"].frames) == (4, 300)


def test_what_editors_leave_behind_is_no_option(tmp_path):
    group = tmp_path / "problem"
    (group / "folder.yaml").mkdir(parents=True)
    (group / "dangling.yaml").symlink_to(group / "nowhere")
    (group / ".#mine.yaml").symlink_to("someone@somewhere.1")
    (group / ".mine.yaml").write_text("")
    (group / "mine.yaml").write_text("# mine\n", encoding="utf-8")
    assert list(options("problem", [tmp_path])) == ["mine"]


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("train.steps=inf", "train.steps should be a valid integer, got inf"),
        ("train.steps=99999999999999999999", "train.steps should be less than or equal to 1000000000000, got 9999999"),
        ("seed=4294967296", "seed should be less than 4294967296, got 4294967296"),
        ("data_dir=''", "data_dir should be a path, got ''"),
    ],
)
def test_numbers_beyond_all_use_are_told_once(word, sentence):
    text = said([word])
    assert text.startswith(f"{word}: {sentence}")
    assert text.count("\n") == 0


def test_a_box_without_conditions_at_its_ends_has_no_solution(mine):
    mine({})
    sentence = "problem.conditions is empty, and nothing else says what holds at the ends of t"
    assert sentence in said(["experiment=pig_burgers", "~problem.conditions", "+problem.conditions={}"])


OPEN_LATTICE = "# Mine.\nkind: gaussian_lattice\ncounts: ???\n"
OPEN = "mine/network/open.yaml:3: network.counts is left open: set it by network.counts=VALUE"


@pytest.mark.parametrize(
    ("word", "lines"),
    [
        (
            "network.kind=gaussian_latice",
            ["unknown network.kind 'gaussian_latice'. Did you mean 'gaussian_lattice' or 'gaussians'?"],
        ),
        ("network.kind=fnoo", ["unknown network.kind 'fnoo'. Known: "]),
        ("train.stepz=3", ["unknown key 'train.stepz'. Did you mean 'steps'?", OPEN]),
        ("network.counts=???", ["network.counts is left open"]),
    ],
)
def test_what_is_wrong_is_told_before_what_is_left_open(word, lines, mine):
    folder = mine({"network/open.yaml": OPEN_LATTICE})
    told = said(["problem=pig_burgers", "method=physics_informed", "network=open", word], folder).splitlines()
    assert len(told) == len(lines)
    assert all(one.removeprefix("...") in line for one, line in zip(lines, told, strict=True))


def test_a_kind_that_replaces_another_one_leaves_none_of_its_keys_open(mine):
    folder = mine({"network/open.yaml": OPEN_LATTICE})
    words = ["problem=pig_burgers", "method=physics_informed", "network=open", "network.kind=gaussians"]
    assert resolve(words, folder).network.kind == "gaussians"


STATED = """# Mine.
name: mine
equation: {terms: ["u_xx = 1"]}
domain: {x: [0, 1]}
"""


def test_a_problem_stated_without_its_conditions_is_asked_for_them(mine):
    folder = mine({"problem/mine.yaml": STATED})
    words = ["problem=mine", "network=gaussians", "method=physics_informed"]
    assert said(words, folder) == "mine/problem/mine.yaml: problem.conditions is missing"


def test_a_rate_that_a_schedule_cannot_reach_is_refused_before_anything_is_made():
    expected = "train.final_learning_rate should be at most train.learning_rate=0.001 with schedule=cosine, got 0.1"
    assert expected in said(["train.final_learning_rate=0.1"])


@pytest.mark.parametrize(
    ("name", "near"), [("trian", "train"), ("val", "valid"), ("validation", "valid"), ("tset", "test")]
)
def test_a_split_that_nobody_reads_is_told_with_the_one_that_was_meant(name, near):
    word = f"problem.splits={{{name}: {{trajectories: 2, frames: 3}}}}"
    assert (
        said([word]) == f"{word}: problem.splits.{name} is read by no training, which has train and valid, nor by "
        f"its evaluation, which has test: did you mean {near!r}?"
    )


def test_further_splits_have_names_of_their_own():
    for name in ("test_long", "train2", "shifted"):
        assert name in resolve([f"problem.splits.{name}={{trajectories: 2, frames: 3}}"]).problem.splits


A_NUMBER = {
    "problem.initial=0": "problem.initial should be a sampler, such as {kind: expression, value: 0}, got 0",
    "problem.equation.terms=u_t = u_xx": "not a valid override: a text with = in it needs quotes of its own, "
    "'problem.equation.terms=\"u_t = u_xx\"'",
    "problem.equation.terms=[u_t = v, v_t = u]": "not a valid override: a text with = in it needs quotes of its own, "
    '\'problem.equation.terms=["u_t = v", "v_t = u"]\'',
    "problem.splits.more={trajectories: 2}": "problem.splits.more.frames should be at least 2, as problem 'burgers' "
    "evolves in time, got 1",
    "method=steady": "the method steady maps input fields, but these data step in time: take supervised, such as "
    "method=one_step",
}


@pytest.mark.parametrize("word", A_NUMBER)
def test_a_word_of_the_wrong_nature_is_told_with_the_right_one(word):
    assert said(["problem=burgers", word]) == f"{word}: {A_NUMBER[word]}"


WITHOUT_START = """# Mine.
name: mine
equation: {terms: ["u_t = u_xx"]}
domain: {shape: [64], lengths: [1.0]}
time: {step: 0.1}
splits: {train: {trajectories: 2, frames: 3}}
"""


def test_a_number_where_a_field_is_drawn_is_told_as_a_sampler(mine):
    folder = mine({"problem/mine.yaml": f"{WITHOUT_START}initial: {{u: 0}}\n"})
    found = "problem.initial.u should be a sampler, such as {kind: expression, value: 0}, got 0"
    assert said(["problem=mine"], folder) == f"mine/problem/mine.yaml:7: {found}"


def test_a_file_where_a_section_belongs_is_told_with_the_key_for_it():
    words = ["experiment=pig_burgers", "problem.observations=measured.csv"]
    found = (
        "problem.observations is a section with keys below it, such as problem.observations.path, got 'measured.csv'"
    )
    assert said(words) == f"{words[1]}: {found}"


def test_a_key_of_an_option_keeps_the_kind_that_it_has_when_nothing_is_said():
    points = resolve(["experiment=pig_burgers", "method.points.count=128"]).method.points
    assert (points.kind, points.count) == ("quasi_random", 128)


def test_an_expression_of_an_axis_that_is_not_there_is_refused_before_anything_is_drawn(mine):
    start = "initial: {u: {kind: expression, value: sin(2*pi*x)+y}}"
    folder = mine({"problem/mine.yaml": f"{WITHOUT_START}{start}\n"})
    assert said(["problem=mine"], folder).startswith("mine/problem/mine.yaml:7: problem.initial.u.value")
