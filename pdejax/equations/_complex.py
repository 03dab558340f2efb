"""Complex fields of an equation: what users declare, and their equations as those of two real fields."""

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pdejax.equations.language.pairs import WORDS
from pdejax.equations.language.parse import RESERVED, split_sides

Pairs = Mapping[str, tuple[str, str]]


def pairs_of(given: Any) -> dict[str, tuple[str, str]]:
    """Names of complex fields, each with the names of its real and its imaginary part.

    **Raises:** `ValueError` for what is no such mapping, and for names that cannot be or are given twice.
    """
    if given is not None and not isinstance(given, Mapping):
        raise ValueError(f"complex maps names of fields to those of their two parts, such as {{'psi': ['u', 'v']}}, "
                         f"got {str(given)[:80]}")  # fmt: skip
    found: dict[str, tuple[str, str]] = {}
    for name, parts in (given or {}).items():
        if isinstance(parts, str) or not isinstance(parts, Sequence) or len(parts) != 2:
            raise ValueError(f"complex field {str(name)!r} has two parts, a real and an imaginary one, such as "
                             f"['u', 'v'], got {str(parts)[:80]}")  # fmt: skip
        found[str(name)] = (str(parts[0]), str(parts[1]))
    names = [*found, *(part for parts in found.values() for part in parts)]
    for name in names:
        if re.fullmatch("[A-Za-z][A-Za-z0-9]*", name) is None or name in (*RESERVED, *WORDS):
            raise ValueError(f"complex: {name!r} is reserved or not a word of letters and digits, choose another name")
        if names.count(name) > 1:
            raise ValueError(f"complex: the name {name!r} is given {names.count(name)} times, a complex field and both "
                             "its parts have one each")  # fmt: skip
    return found


def in_parts(terms: Sequence[str], pairs: Pairs) -> tuple[str, ...]:
    """The terms with `psi_t = e` of a complex field as the two `u_t = re(e)` and `v_t = im(e)`."""
    found: list[str] = []
    for term in terms:
        field, right = split_sides(term) if pairs else ("", "")
        if field not in pairs:
            found.append(term)
            continue
        whole = _is_expression(right)  # otherwise it is left for the parser to refuse
        found += [f"{part}_t = {f'{word}({right})' if whole else right}"
                  for part, word in zip(pairs[field], ("re", "im"), strict=True)]  # fmt: skip
    return tuple(found)


def check_pairs(pairs: Pairs, fields: Sequence[str]) -> None:
    """**Raises:** `ValueError` for a part that has no equation, and a field with the name of a word."""
    for field in fields if pairs else ():
        if field in (*WORDS, *pairs):
            raise ValueError(f"field {field!r} has a name that is taken where a field is complex, choose another")
    for name, parts in pairs.items():
        for part in parts:
            if part not in fields:
                raise ValueError(f"complex field {name!r} has no equation for its part {part!r}: write one term "
                                 f"'{name}_t = ...', or one for each part")  # fmt: skip


def _is_expression(text: str) -> bool:
    try:
        ast.parse(text, mode="eval")
    except (SyntaxError, RecursionError, MemoryError, ValueError):
        return False
    return True
