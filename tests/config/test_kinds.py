"""A section of another kind leaves the options of the former kind behind; nothing is null that must be something."""

import pytest

from pdejax.config import ConfigError, read_run, resolve


@pytest.mark.parametrize(
    "words",
    [
        ["experiment=ks_demo", "network=unet", "network.width=64"],
        ["experiment=ks_demo", "network={kind: unet, width: 64}"],
        ["problem=burgers", "network.kind=unet"],
        ["network={kind: unet}", "network.width=64"],
    ],
)
def test_options_of_another_kind_are_not_taken_over(words):
    network = resolve(words).network
    assert (network.kind, network.width) == ("unet", 64)
    assert not hasattr(network, "modes")


def test_options_of_the_same_kind_are_changed():
    demo = resolve(["experiment=ks_demo"]).network
    assert resolve(["experiment=ks_demo", "network=fno"]).network == demo
    assert resolve(["experiment=ks_demo", "network={kind: fno, width: 7}"]).network == demo.model_copy(
        update={"width": 7}
    )


@pytest.mark.parametrize(
    "word", ["train.optimiser=null", "train.schedule=null", "method.error=null", "network=null", "method.noise=null"]
)
def test_null_is_refused_where_something_must_be(word):
    with pytest.raises(ConfigError, match=word.split("=")[0]):
        resolve(["problem=burgers", *(["method=refiner"] if "noise" in word else []), word])


def test_a_run_takes_words_as_a_new_configuration_does(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(resolve(["problem=burgers", "network.width=8"]).to_yaml())
    assert read_run(path).network.width == 8
    assert (
        read_run(path, ["~network.width"]).network.width == resolve(["problem=burgers", "~network.width"]).network.width
    )
    assert (
        read_run(path, ["network={kind: unet}"]).network == resolve(["problem=burgers", "network={kind: unet}"]).network
    )
    with pytest.raises(ConfigError, match=r"network=unet: .* takes keys and no files: write network.KEY=VALUE"):
        read_run(path, ["network=unet"])


def test_warm_up_is_a_share_in_stages_too():
    stages = "train.stages=[{steps: 200, warmup: 0.1}, {steps: 400}, {warmup: 7}]"
    found = resolve(["problem=burgers", "train.steps=1000", "train.warmup=0.05", stages]).train
    assert [part.warmup for part in found.parts()] == [20, 20, 7]
    assert found.warmup == 50


def test_a_name_of_the_users_is_not_blamed_for_what_a_sentence_quotes():
    word = "problem.conditions={equation: {at: boundary, terms: 'u = 0'}}"
    with pytest.raises(ConfigError) as caught:
        resolve(["problem=pig_helmholtz", word])
    assert "problem.name" not in str(caught.value)
    assert "'equation'" in str(caught.value)


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["experiment=ks_demo", "network=mlp"], "'mlp'. It is a network of coordinates, for problems that are stated"),
        (
            ["experiment=pig_burgers", "network=fno"],
            "'fno'. It is a network of whole fields, for problems that give data",
        ),
    ],
)
def test_a_network_of_the_other_nature_is_told_what_it_is_for(words, what):
    with pytest.raises(ConfigError, match=f"{words[1]}: unknown network.kind {what}.*. Known: "):
        resolve(words)


def test_a_truth_without_its_kind_is_told_the_kinds():
    with pytest.raises(ConfigError, match=r"problem.truth.kind is missing: exact, spectral, chebyshev are possible"):
        resolve(["experiment=pig_burgers", "~problem.truth", "+problem.truth={points: 8}"])
