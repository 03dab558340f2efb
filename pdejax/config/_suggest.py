"""The nearest valid spelling of a wrong word."""

import difflib
from collections.abc import Iterable


def nearest(wrong: object, options: Iterable[str]) -> list[str]:
    """At most two options that are spelt like `wrong`, best first."""
    return difflib.get_close_matches(str(wrong), list(options), n=2, cutoff=0.6)


def hint(wrong: object, options: Iterable[str]) -> str:
    """The end of a message: `" Did you mean 'x'?"`, or all options when none is near."""
    names = sorted(options)
    near = nearest(wrong, names)
    if near:
        return f" Did you mean {' or '.join(map(repr, near))}?"
    return f" Known: {', '.join(names)}." if names else ""
