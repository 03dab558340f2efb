"""What the configuration's types share: a frozen base that refuses unknown keys, and strict numbers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, StringConstraints, model_validator
from pydantic_core import PydanticCustomError


def fault(sentence: str, *key: str | int) -> PydanticCustomError:
    """A mistake to raise in a validator: the sentence, and the key below the validated section it is about."""
    return PydanticCustomError("fault", "{sentence}", {"sentence": sentence, "key": key})


class Section(BaseModel):
    """A part of the configuration: frozen, and keys it does not know are refused with the ones it knows."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    # types are made for values, so that two of equal content need not be of one type
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Section) and self.spec() == other.spec()

    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    def spec(self) -> dict[str, Any]:
        """The plain mapping that `pdejax.core.build` takes."""
        return self.model_dump(mode="json")

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, values: Any) -> Any:
        unknown = [k for k in values if k not in cls.model_fields] if isinstance(values, Mapping) else []
        if unknown:
            context = {"keys": unknown, "known": list(cls.model_fields)}
            raise PydanticCustomError("unknown_keys", "unknown keys", context)
        return values


def whole(value: Any) -> Any:
    """YAML reads 1e5 as a float; as a count it is meant as an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def text(value: Any) -> Any:
    """YAML reads 0 as a number; as an expression it is meant as text."""
    return str(value) if type(value) in (int, float) else value


def place(value: Any) -> Any:
    """An empty path would mean the current folder, which nobody means by it."""
    if not isinstance(value, str | Path) or value == "":
        raise fault(f"should be a path, got {value!r}")
    return value


Count = Annotated[int, Field(ge=1), Strict(), BeforeValidator(whole)]
Whole = Annotated[int, Field(ge=0), Strict(), BeforeValidator(whole)]
# JAX cuts longer seeds to 32 bits, so that two of them would be one
Seed = Annotated[int, Field(ge=0, lt=2**32), Strict(), BeforeValidator(whole)]
Real = Annotated[float, Field(allow_inf_nan=False), Strict()]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False), Strict()]
Flag = Annotated[bool, Strict()]
Place = Annotated[Path, BeforeValidator(place)]
MaybePlace = Annotated[Path | None, BeforeValidator(lambda value: None if value is None else place(value))]
Text = Annotated[str, Strict(), BeforeValidator(text)]
# names become folders: no separators, no leading dot or dash
Name = Annotated[str, Strict(), StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._=+-]*$")]
