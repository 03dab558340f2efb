"""A share of a data set's files, for several processes that write one set together."""

import dataclasses
import re

from pdejax.data.generation.recipe import Recipe, Shard


@dataclasses.dataclass(frozen=True)
class Part:
    """The files of a data set whose numbers leave the rest `index` when divided by `count`.

    **Arguments:** `index`: from 0 to `count - 1`, such as the number of a task in an array of jobs; `count`: of parts.

    **Raises:** `ValueError` for an index that is none of these.
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            last = f" to {self.count - 1}/{self.count}" if self.count > 1 else ""
            known = f"one of 0/{self.count}{last}" if self.count > 0 else "i/N from 0/N to (N-1)/N"
            raise ValueError(f"part {self} should be {known}")

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @property
    def stem(self) -> str:
        """What files of its own are called after."""
        return f"part-{self.index}-of-{self.count}"

    @staticmethod
    def of(text: str) -> "Part":
        """From `i/N`.

        **Raises:** `ValueError` for another text.
        """
        found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
        if not found:
            raise ValueError(f"a part is said as i/N, from 0/N to (N-1)/N such as 0/4, got {text[:40]!r}")
        return Part(int(found[1]), int(found[2]))

    def shards(self, recipe: Recipe) -> list[Shard]:
        """Its files, in their order.

        **Raises:** `ValueError` where there are more parts than files.
        """
        every = list(recipe.shards())
        if self.count > len(every):
            raise ValueError(f"part {self}: a part holds a file at least, and all of {recipe.family.name!r} is "
                             f"{len(every)}: take at most {len(every)} parts, or a shard_size below "
                             f"{recipe.shard_size}")  # fmt: skip
        return every[self.index :: self.count]
