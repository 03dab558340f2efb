"""`pdejax compare`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pdejax._read import printable
from pdejax._write import check_folder
from pdejax.cli._data import check_alike, common_data, run_config
from pdejax.cli._evaluate import OPTIONS, options_of
from pdejax.cli._runs import groups, name_of, named, patterns, split_words


def run(arguments: argparse.Namespace) -> int:
    """Compares runs on the same truth, prints the table and writes the page."""
    given, words = split_words(arguments.runs)
    folders, swept = patterns(given)
    runs = named(folders)
    reference = None if arguments.reference is None else name_of(arguments.reference, runs)
    together = groups([*arguments.together, *swept], runs)
    configs = {name: run_config(folder, words, arguments.plugins) for name, folder in runs.items()}
    check_alike(configs)
    into = Path(arguments.into) if arguments.into else folders[0].parent / "comparison"
    check_folder(into / "figures")  # before anything is measured
    from pdejax.cli._runtime import start

    start()
    import jax

    from pdejax.config._assemble import in_double
    from pdejax.embedding import load
    from pdejax.evaluation import compare, kind_for

    with jax.enable_x64(any(in_double(one) for one in configs.values())):
        data, models = common_data(configs), {name: load(one, arguments.plugins) for name, one in runs.items()}
        rollouts = {kind_for(model, data) for model in models.values()} == {"rollout"}
        # rollouts have the classical solver beside in any case
        names = [name for name in OPTIONS if name != "baselines"] if rollouts else OPTIONS
        options = options_of(next(iter(configs.values())), names) | rollout_options(arguments, rollouts, words)
        result = compare(models, data, reference=reference, together=together, runs=runs, **options)
    result.save(into)
    print(printable(result))
    print(f"page: {result.write_page(into)}")
    return 0


WITHOUT_EFFECT = {"seed": "--seed N draws", "evaluation.baselines": "the classical solver is beside in any case"}


def rollout_options(arguments: argparse.Namespace, rollouts: bool, words: Sequence[str]) -> dict[str, Any]:
    """What is asked of rollouts; nothing of other runs.

    **Raises:** `ValueError` for a flag that is about rollouts where there are none, and for a word that they ignore.
    """
    import jax

    asked = {"--members": arguments.members, "--long": arguments.long, "--seed": arguments.seed}
    if not rollouts:
        for flag, value in asked.items():
            if value:
                raise ValueError(f"{flag} is about rollouts, these runs have none")
        return {}
    for text in words:
        if (key := text.partition("=")[0].strip("+~")) in WITHOUT_EFFECT:
            raise ValueError(f"{text}: {key} has no effect on a comparison of rollouts: {WITHOUT_EFFECT[key]}")
    return {
        "key": jax.random.key(arguments.seed),
        "members": arguments.members,
        "long_steps": arguments.long,
        "progress": lambda text: print(text, file=sys.stderr),
    }
