"""What the numbers of a file do not tell stands on a small card beside it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pdejax._read import read_json, read_plain_yaml
from pdejax.core import known

CARDS = (".yaml", ".yml", ".json")


def beside(path: Path, ending: str) -> Path:
    """The path of the same whole name and an ending, beside a file or a folder."""
    whole = path.absolute()
    return (whole if path.name in ("", "..") else path).with_name(whole.name + ending)


def card_path(path: Path, suffix: str = ".yaml") -> Path:
    """Where the card of a file is, with its suffix replaced, or that of a folder, of its whole name."""
    return beside(path, suffix) if path.is_dir() else path.with_suffix(suffix)


def read_card(path: Path) -> dict[str, Any]:
    """The options of `Arrays` on the card beside a file or folder; none if there is no card.

    **Raises:** `ValueError` that names card and key for two cards, an unknown key and a value that does not fit.
    """
    found = [card for suffix in CARDS if (card := card_path(path, suffix)).exists()]
    if not found:
        return {}
    if len(found) > 1:
        raise ValueError(f"{path} has {len(found)} cards, {' and '.join(map(str, found))}: keep one of them")
    (card,) = found
    content = read_json(card) if card.suffix == ".json" else read_plain_yaml(card)
    return {key: checked(card, key, value) for key, value in content.items()}


def checked(where: object, key: Any, value: Any) -> Any:
    """The value of a key of a card.

    **Raises:** `ValueError` for an unknown key, and for a value that does not fit.
    """
    if key not in KEYS:
        raise ValueError(f"{where}: {known('key', str(key), KEYS)}")
    read, wanted = KEYS[key]
    try:
        return read(value)
    except (TypeError, ValueError, AttributeError):
        raise ValueError(f"{where}: {key} should be {wanted}, got {value!r}") from None


def _positive(value: Any) -> float:
    if isinstance(value, bool) or not 0 < float(value) < float("inf"):
        raise ValueError(value)
    return float(value)


def _listed(read: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    return lambda value: [read(one) for one in _of_type(list, value)]


def _of_type(type_: type, value: Any) -> Any:
    if not isinstance(value, type_):
        raise ValueError(value)
    return value


def _word(value: Any) -> str:
    return _of_type(str, value)


KEYS: Mapping[str, tuple[Callable[[Any], Any], str]] = {
    "name": (_word, "a word"),
    "step": (_positive, "a number above 0"),
    "lengths": (_listed(_positive), "a list of numbers above 0"),
    "periodic": (
        lambda value: value if isinstance(value, bool) else _listed(lambda one: _of_type(bool, one))(value),
        "true, false, or a list of these",
    ),
    "fields": (_listed(_word), "a list of words"),
    "splits": (
        lambda value: {_word(name): _positive(share) for name, share in value.items()},
        "a mapping of splits to shares, such as {train: 0.8, test: 0.2}",
    ),
}
