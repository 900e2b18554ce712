"""The type into which JSON decodes only where it fits an entity: a look at many records in one call of msgspec."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Final

import attrs
import msgspec
from msgspec import NODEFAULT, Meta

from .catalog import ListOf, Scalar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .catalog import Entity, Field, FieldType

__all__ = ["decoder_of"]

_KEPT = 256  # one for each entity that is validated

# Texts that are surely dates, times and so on. Of the 29th of February nothing is said: a pattern cannot count years.
_DATE: Final = (
    r"(?!0000)\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)"
    r"|02-(?:0[1-9]|1\d|2[0-8]))"
)
_TIME: Final = (
    r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{3}(?:\d{3})?)?)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)?"
)
_DECIMAL: Final = r"[+-]?\d{1,400}(?:\.\d{1,400})?"
_BASE64: Final = r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"


def _text(pattern: str) -> Any:
    return Annotated[str, Meta(pattern=rf"\A(?a:{pattern})\Z")]


_SCALARS: Mapping[Scalar, Any] = {
    Scalar.STRING: str,
    Scalar.INTEGER: int,
    Scalar.NUMBER: int | float,
    Scalar.BOOLEAN: bool,
    Scalar.DATETIME: _text(rf"{_DATE}[T ]{_TIME}"),
    Scalar.DATE: _text(_DATE),
    Scalar.TIME: _text(_TIME),
    Scalar.DECIMAL: int | float | _text(_DECIMAL),
    Scalar.BINARY: _text(_BASE64),
    Scalar.JSON: bool | int | float | str | list[Any] | dict[str, Any],
}


@lru_cache(_KEPT)
def decoder_of(entity: Entity) -> msgspec.json.Decoder[Any] | None:
    """Give what decodes the JSON of a record only if it fits, primary keys included.

    Where it raises `ValueError` nothing is known yet: it does not fit, or it cannot be told this way. None for names
    of fields that msgspec has no way to write.
    """
    fields = [
        attrs.evolve(field, nullable=field.nullable and field.name not in entity.primary_key)
        for field in entity.fields
    ]
    try:
        return msgspec.json.Decoder(_object(fields))
    except ValueError:
        return None


def _object(fields: Sequence[Field]) -> type:
    slots: list[tuple[str, Any, Any]] = []
    for place, field in enumerate(fields):
        kind = _kind(field.type)
        slots.append(
            (f"value{place}", kind | None, None) if field.nullable else (f"value{place}", kind, NODEFAULT)
        )
    return msgspec.defstruct(
        "Fitting",
        slots,
        rename={f"value{place}": field.name for place, field in enumerate(fields)},
        kw_only=True,
    )


def _kind(kind: FieldType) -> Any:
    if isinstance(kind, Scalar):
        return _SCALARS[kind]
    if isinstance(kind, ListOf):
        item = _kind(kind.item)
        return list[item | None]  # type: ignore[valid-type]  # made for this list
    return _object(kind.fields)
