import gc
import os
from pathlib import Path

# jaxlib 0.10 reports every program it takes from the compilation cache as unsafe, though it is the one it wrote
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# programs with checks that call Python, as those of Diffrax, would not be kept in that cache
os.environ.setdefault("EQX_ON_ERROR", "nan")

from tests._quick import OPTIMISED, quick_environment

os.environ.update(quick_environment())

import jax
import pytest

from pdejax.cli._runtime import cache_folder
from pdejax.core._registry import _FACTORIES, HOMES, registered
from tests._record import memory_gib, register

# eight, that a division over many can be tested; a run takes all of them unless its settings say how many
jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
# of a program that is compiled, nobody reads where its operations were written
jax.config.update("jax_traceback_in_locations_limit", 0)


# most of the suite's time is compilation; programs are kept between runs, per kind of processor
jax.config.update("jax_compilation_cache_dir", str(cache_folder()))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


# GiB of a test process above which it lets go of what it compiled
ENOUGH = 2.0


# functions that took a second of CPU or more: not in `make quick`; `python -m tests._record` writes the list anew
SLOW = frozenset((Path(__file__).parent / "slow.txt").read_text(encoding="utf-8").split())


def pytest_configure(config):
    register(config)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if item.nodeid.partition("[")[0] in SLOW:
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish():
    """What is imported by now stays: the collector of garbage need not look at it, nor as often as by default."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


def pytest_runtest_setup(item):
    if item.get_closest_marker("optimised") and not OPTIMISED:
        pytest.skip("is for programs as users compile them: PDEJAX_TEST_OPTIMISED=1 pytest -m optimised")


@pytest.fixture(autouse=True, scope="module")
def _release():
    """Programs of a module's tests are of little use to the next one."""
    yield
    if memory_gib() > ENOUGH:
        jax.clear_caches()
        gc.collect()


@pytest.fixture(scope="session")
def _own_kinds():
    """Everything of pdejax's own is registered before a test can bring more."""
    for group in HOMES:
        registered(group)


@pytest.fixture(autouse=True)
def _unregister(_own_kinds):
    """Kinds that a test registers are not there for the next one."""
    before = {group: dict(table) for group, table in _FACTORIES.items()}
    yield
    for group, table in _FACTORIES.items():
        table.clear()
        table.update(before[group])


@pytest.fixture
def key():
    return jax.random.key(0)


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


@pytest.fixture(autouse=True, scope="session")
def short_repeats():
    """Prices from short repeats: tests are of what is said of them, and time by clocks of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pdejax.evaluation.price.timing.SHORTEST", 2e-3)
        yield


@pytest.fixture
def undrawn(monkeypatch):
    """Pages with empty pictures, for tests of what they say: drawing takes most of a page's time."""
    monkeypatch.setattr("pdejax.evaluation.page.write.settle", lambda made: made)
    monkeypatch.setattr("pdejax.evaluation.page.write.png", lambda made: b"")
    monkeypatch.setattr("pdejax.evaluation.page.html.inline_svg", lambda made, prefix, alternative: "<svg></svg>")
