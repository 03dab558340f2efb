"""The configurations a command line asks for."""

import argparse

from pdejax.config import RunConfig, resolve, sweep


def configs_of(arguments: argparse.Namespace) -> list[RunConfig]:
    """One configuration, or with `--multirun` one for every combination."""
    if arguments.multirun:
        return sweep(arguments.words, arguments.config_dir)
    return [resolve(arguments.words, arguments.config_dir)]


def printed(arguments: argparse.Namespace, configs: list[RunConfig]) -> bool:
    """Prints the configurations as YAML documents if asked to; says whether that was all to do."""
    if arguments.print_config:
        print("---\n".join(config.to_yaml() for config in configs), end="")
    return arguments.print_config
