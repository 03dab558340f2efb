"""Hydra's side of the composition: where it looks for files and how it reads them.

Both are plug-ins of Hydra, registered by hand; outside of `searching` they do nothing, and a program's own
Hydra is put back afterwards.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path

from hydra import initialize_config_dir
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

from pdejax.config._folders import shorter
from pdejax.config._yaml import read_yaml_file

_folders: ContextVar[tuple[Path, ...]] = ContextVar("folders", default=())


class YamlSource(FileConfigSource):
    """A folder of YAML 1.2 files; files below `experiment/` set the whole configuration, not a section of it."""

    @staticmethod
    def scheme() -> str:
        return "yaml"

    def load_config(self, config_path: str) -> ConfigResult:
        name = self._normalize_file_name(config_path)
        path = Path(os.path.join(self.path, name))
        values, _ = read_yaml_file(path, shorter(path))
        header = self._get_header_dict(path.read_text(encoding="utf-8"))
        if name.startswith("experiment/"):
            header["package"] = "_global_"
        return ConfigResult(
            config=OmegaConf.create(values), path=f"yaml://{self.path}", provider=self.provider, header=header
        )


class FirstFolders(SearchPathPlugin):
    """Puts the active folders before everything else."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for folder in reversed(_folders.get()):
            search_path.prepend("pdejax", f"yaml://{folder}")


@contextlib.contextmanager
def searching(folders: Sequence[Path]) -> Iterator[None]:
    """Initialises Hydra's compose API on these folders, first found wins."""
    for plugin in (YamlSource, FirstFolders):
        Plugins.instance().register(plugin)
    token, other = _folders.set(tuple(folders)), GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(folders[-1]), version_base="1.3"):
            yield
    finally:
        _folders.reset(token)
        if other is not None:
            GlobalHydra.instance().initialize(other)
