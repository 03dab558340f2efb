"""`pdejax train`."""

import argparse

from pdejax.cli._config import configs_of, printed


def run(arguments: argparse.Namespace) -> int:
    """Trains each configuration, or continues it."""
    from pdejax.cli._runtime import start
    from pdejax.config import wanted_devices

    if not arguments.print_config:
        devices, distributed = wanted_devices(arguments.words, arguments.config_dir)
        start(devices or "auto", distributed=distributed)
    configs = configs_of(arguments)
    if printed(arguments, configs):
        return 0
    import jax

    from pdejax.config._assemble import in_double, run_of

    for number, config in enumerate(configs, 1):
        if len(configs) > 1:
            print(f"run {number} of {len(configs)}: {config.name}")
        with jax.enable_x64(in_double(config)):
            folder = run_of(config).train()
        print(f"{folder}: trained; `pdejax evaluate {folder}` judges it")
    return 0
