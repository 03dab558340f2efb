"""How a person says all this: typed configuration, composed from files and words, without importing JAX."""

from pdejax.config._folders import GROUPS as GROUPS
from pdejax.config._folders import description as description
from pdejax.config._folders import options as options
from pdejax.config._folders import packaged_folder as packaged_folder
from pdejax.config._folders import search_folders as search_folders
from pdejax.config._overrides import ConfigError as ConfigError
from pdejax.config._problem import ProblemConfig as ProblemConfig
from pdejax.config._resolve import read_run as read_run
from pdejax.config._resolve import resolve as resolve
from pdejax.config._resolve import sweep as sweep
from pdejax.config._run import RunConfig as RunConfig
from pdejax.config._train import TrainConfig as TrainConfig
