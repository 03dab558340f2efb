"""What a page is made of: titled sections of HTML and pictures."""

import dataclasses
from typing import NamedTuple

from matplotlib.figure import Figure


class Picture(NamedTuple):
    """A figure with its name (that of its file) and caption, which is HTML; none where there is nothing to draw."""

    name: str
    figure: Figure | None
    caption: str


@dataclasses.dataclass(frozen=True)
class Section:
    """HTML and pictures under a title; a section without content does not appear."""

    title: str
    parts: tuple[str | Picture, ...]

    @staticmethod
    def of(title: str, *parts: str | Picture | None) -> "Section":
        """A section of what there is of these parts."""
        drawn = lambda part: part.figure is not None if isinstance(part, Picture) else bool(part)
        return Section(title, tuple(part for part in parts if part is not None and drawn(part)))


@dataclasses.dataclass(frozen=True)
class Page:
    """A whole page.

    **Arguments:** `title`: plain text; `head`: HTML above the first section; `sections`.
    """

    title: str
    head: str
    sections: tuple[Section, ...]
