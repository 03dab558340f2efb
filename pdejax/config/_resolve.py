"""The door of the package: from the words of a command line to a validated configuration."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pdejax.config._compose import Composition, applied, compose, left_open
from pdejax.config._fits import check_fits
from pdejax.config._folders import GROUPS, search_folders, shorter
from pdejax.config._former import current
from pdejax.config._messages import explain
from pdejax.config._overrides import ConfigError, expand, read_overrides
from pdejax.config._run import RunConfig, run_type
from pdejax.config._yaml import YamlError, read_yaml_file

MOST_DEVICES = 1024  # that XLA is told to make of a processor


def _validated(composition: Composition, *, room: bool) -> RunConfig:
    kind, unset = run_type(composition.values), left_open(composition)
    config, lines = None, []
    try:
        config = kind.model_validate(composition.values)
    except ValidationError as error:  # what is wrong comes before what is not said yet
        lines = explain(error, composition, kind, without=unset)
    if lines := [*lines, *unset.values()]:
        raise ConfigError("\n".join(lines))
    assert config is not None
    check_fits(config, composition, room=room)
    return config


def resolve(overrides: Sequence[str] = (), config_dir: str | Path | None = None) -> RunConfig:
    """The configuration that the words of a command line describe.

    **Arguments:** `overrides`: `group=name` and `key.below=value`; `config_dir`: a folder searched before
    `./configs` and the shipped files.

    **Raises:** `ConfigError`, one line per mistake with the file and line or the override that made it.
    """
    folders = search_folders(config_dir)
    return _validated(compose(read_overrides(overrides, folders), folders), room=True)


def wanted_devices(overrides: Sequence[str], config_dir: str | Path | None = None) -> tuple[int | None, bool]:
    """How many devices the words of a training ask for, and whether it is one of several processes.

    JAX must know before anything asks it for a device, which the rest of a configuration does when it is checked.
    What is no such number or truth is left to that check.
    """
    folders = search_folders(config_dir)
    chosen = expand(overrides, folders)[0]
    fixed = [text for text in overrides if text.lstrip("+").split("=", 1)[0] not in chosen]
    words = [*fixed, *(f"{key}={value}" for key, value in chosen.items())]
    train = compose(read_overrides(words, folders), folders).values.get("train")
    devices, distributed = ((train or {}).get(name) for name in ("devices", "distributed"))
    whole = isinstance(devices, int) and not isinstance(devices, bool) and 0 < devices <= MOST_DEVICES
    return devices if whole else None, distributed is True


def sweep(overrides: Sequence[str], config_dir: str | Path | None = None) -> list[RunConfig]:
    """The configurations of all combinations of comma lists, as `resolve`: all of them are checked before one is run.

    Their names tell what was swept, e.g. `ks_fno-seed=1`, unless `name` itself is swept.
    """
    folders = search_folders(config_dir)
    runs = []
    for chosen in expand(overrides, folders):
        is_swept = lambda text, chosen=chosen: text.lstrip("+").split("=", 1)[0] in chosen
        fixed = [text for text in overrides if not is_swept(text)]
        config = resolve([*fixed, *(f"{key}={value}" for key, value in chosen.items())], config_dir)
        if chosen and "name" not in chosen:
            label = "-".join(f"{key}={value}" for key, value in chosen.items())
            config = config.model_copy(update={"name": f"{config.name}-{_folder_name(label)}"})
        if config.name in (one.name for one in runs):
            raise ConfigError(f"two runs of this sweep are called {config.name!r}: a value is given twice")
        runs.append(config)
    return runs


def _folder_name(text: str) -> str:
    return "".join(c if c.isalnum() or c in "._=+-" else "_" for c in text)


def read_run(path: str | Path, overrides: Sequence[str] = ()) -> RunConfig:
    """The configuration that a run wrote, with further overrides.

    **Arguments:** `path`: of the file; `overrides`: `key.below=value`, no groups.

    **Raises:** `ConfigError`; `FileNotFoundError` if there is no such file.
    """
    path = Path(path)
    from omegaconf import OmegaConf

    try:
        values, _ = read_yaml_file(path, shorter(path))
    except YamlError as error:
        raise ConfigError(str(error)) from error
    for text in overrides:
        name, _, value = text.partition("=")
        if name in GROUPS and not value.startswith("{"):
            raise ConfigError(f"{text}: {shorter(path)} is a whole configuration, which takes keys and no files: "
                              f"write {name}.KEY=VALUE or {name}={{kind: ...}}")  # fmt: skip
    read = read_overrides(overrides, ())
    config = applied(OmegaConf.create(current(values)), read)
    plain: Any = OmegaConf.to_container(config)
    return _validated(Composition(plain, ((path, ()),), read, complete=True), room=False)
