"""How a person says all this: sections made of signatures, composed from files and words.

What files there are is known without JAX; everything else is imported when it is asked for.
"""

import importlib
from typing import TYPE_CHECKING, Any

from pdejax.config._folders import GROUPS as GROUPS
from pdejax.config._folders import description as description
from pdejax.config._folders import options as options
from pdejax.config._folders import packaged_folder as packaged_folder
from pdejax.config._folders import search_folders as search_folders
from pdejax.config._folders import source as source
from pdejax.config._overrides import ConfigError as ConfigError
from pdejax.config._yaml import read_yaml_file as read_yaml_file

if TYPE_CHECKING:
    from pdejax.config._resolve import read_run as read_run
    from pdejax.config._resolve import resolve as resolve
    from pdejax.config._resolve import sweep as sweep
    from pdejax.config._resolve import wanted_devices as wanted_devices
    from pdejax.config._run import RunConfig as RunConfig
    from pdejax.config._train import TrainConfig as TrainConfig

_HOME = {"RunConfig": "_run", "TrainConfig": "_train"} | dict.fromkeys(
    ("read_run", "resolve", "sweep", "wanted_devices"), "_resolve"
)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'pdejax.config' has no attribute {name!r}")
    return getattr(importlib.import_module(f"pdejax.config.{_HOME[name]}"), name)
