"""The sentence that helps after a misspelt name; beside the packages, so that reading a configuration needs no JAX."""

import difflib
from collections.abc import Iterable


def nearest(wrong: object, options: Iterable[object]) -> list[str]:
    """At most two options that are spelt like `wrong`, best first; by other cases of letters where there is none."""
    names = sorted(map(str, options))
    lower = {name.casefold(): name for name in reversed(names)}
    match = lambda word, possible: difflib.get_close_matches(word, possible, n=2, cutoff=0.6)
    return match(str(wrong), names) or [lower[near] for near in match(str(wrong).casefold(), sorted(lower))]


def suggestion(wrong: object, options: Iterable[object]) -> str:
    """The nearest valid spelling of `wrong`, or all valid ones, as the end of an error message.

    **Arguments:** `wrong`: what was found; `options`: what would have been accepted.

    **Returns:** `" Did you mean 'x'?"`, or `" Known: a, b."` when nothing is near.
    """
    names = sorted(str(o) for o in options)
    if near := nearest(wrong, names):
        return f" Did you mean {' or '.join(repr(n) for n in near)}?"
    return f" Known: {', '.join(names)}." if names else ""


def known(kind: str, wrong: object, options: Iterable[object]) -> str:
    """The whole sentence for an unknown name: `unknown network 'fnoo'. Did you mean 'fno'?`."""
    return f"unknown {kind} {str(wrong)!r}.{suggestion(wrong, options)}"
