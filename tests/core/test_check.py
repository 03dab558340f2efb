from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import Count, Counts, Fraction, Key, PerAxis, check_options, checked


class Thing(eqx.Module):
    size: Count = 1
    word: Literal["left", "right"] | None = None
    sizes: Counts = (1,)
    share: Fraction = 0.5
    modes: Annotated[Count | Counts, PerAxis()] = 3

    def __check_init__(self):
        check_options(self)


@checked
def function(size: Count, *, step: Annotated[float, "seconds"] = 1.0):
    return size


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"size": 0}, "size should be greater than or equal to 1, got 0"),
        ({"word": "lefd"}, "unknown word 'lefd'. Did you mean 'left'?"),
        ({"sizes": (1, 0)}, "sizes should be greater than or equal to 1, got 0"),
        ({"sizes": ()}, "sizes should have at least 1 entry, got ()"),
        ({"share": 1.0}, "share should be less than 1, got 1.0"),
        ({"modes": (3, -1)}, "modes should be greater than or equal to 1, got -1"),
    ],
)
def test_what_an_annotation_forbids(options, sentence):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        Thing(**options)
    assert str(caught.value) == sentence


def test_what_it_allows():
    assert Thing(2, "right", (3, 4), 0.0, (5, 6)).word == "right"
    assert function(3) == 3
    with pytest.raises(ValueError, match="size should be greater"):
        function(0)


@pytest.mark.parametrize(
    "make", [np.float32, np.float64, np.asarray, jnp.asarray, lambda x: jnp.asarray(x, jnp.bfloat16)]
)
def test_one_number_is_held_to_the_bounds_whatever_it_is_made_of(make):
    assert Thing(share=make(0.25)).share == 0.25
    for wrong in (1.5, -0.5, float("nan")):
        with pytest.raises(ValueError, match=r"share should be (less than 1|greater than or equal to 0)"):
            Thing(share=make(wrong))
    assert eqx.filter_jit(lambda x: Thing(share=x).share)(jnp.asarray(0.5)) == 0.5
    with pytest.raises(ValueError, match="share should be a number, got"):
        Thing(share=np.asarray(0.5j))


def test_integers_of_numpy_are_those_of_python():
    assert type(function(np.int32(3))) is int
    with pytest.raises(ValueError, match="size should be greater"):
        function(np.int64(0))


def test_a_count_may_be_an_array_of_one_whole_number():
    assert Thing(size=jnp.asarray(3)).size == 3
    with pytest.raises(ValueError, match="size should be greater than or equal to 1, got -3"):
        Thing(size=jnp.asarray(-3))


@checked
def drawn(post: Callable[[int], int] = abs, *, nesting: Sequence[int] | None = None, key: Key | None = None):
    return post, nesting, key


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"post": 3}, "post should be a function, got 3"),
        ({"nesting": 4}, "nesting should be a sequence or none, got 4"),
        ({"nesting": np.array(4)}, "nesting should be a sequence or none, got array(4)"),
        ({"nesting": "ab"}, "nesting should be a sequence or none, got 'ab'"),
        ({"key": 5}, "key should be a random key (jax.random.key(0)) or none, got 5"),
        ({"key": jax.random.split(jax.random.key(0))}, "key should be a random key (jax.random.key(0)) or none"),
    ],
)
def test_functions_sequences_and_random_keys(options, sentence):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        drawn(**options)
    assert str(caught.value).startswith(sentence)


def test_keys_of_both_kinds_also_traced_and_all_sequences_pass():
    for key in (jax.random.key(0), jax.random.PRNGKey(0), None):
        assert drawn(key=key)[2] is key
    jax.vmap(lambda key: jax.random.uniform(drawn(key=key)[2]))(jax.random.split(jax.random.key(0), 3))
    for nesting in ([2, 3], (2, 3), np.array([2, 3]), range(2)):
        assert drawn(nesting=nesting)[1] is not None
