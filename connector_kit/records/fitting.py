"""Whether values fit the types announced for them: value by value, or many JSON records in one call of msgspec."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from reprlib import Repr
from typing import TYPE_CHECKING, Annotated, Any, Final

import attrs
import msgspec
from msgspec import NODEFAULT, Meta

from .catalog import Field, FieldType, ListOf, Scalar, Struct
from .values import is_json_array, is_mapping, is_sequence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .catalog import Entity, Field, FieldType
    from .page import Record

__all__ = ["decoder_of", "fits", "is_date", "is_datetime", "is_time", "mismatches"]


_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?", re.ASCII)
_DATETIME = re.compile(rf"{_DATE.pattern}[T ]{_TIME.pattern}", re.ASCII)
_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 40


def is_datetime(text: str) -> bool:
    """Whether this is a date with a time of day in ISO 8601, such as `2024-05-01T12:00:00Z`."""
    return _parses(text, _DATETIME, datetime.fromisoformat)


def is_date(text: str) -> bool:
    """Whether this is a date in ISO 8601, such as `2024-05-01`."""
    return _parses(text, _DATE, date.fromisoformat)


def is_time(text: str) -> bool:
    """Whether this is a time of day in ISO 8601, such as `12:00:00`."""
    return _parses(text, _TIME, time.fromisoformat)


def _parses(text: str, form: re.Pattern[str], parse: Callable[[str], object]) -> bool:
    """Check the form first: Python also reads `20240501` and `12`, which are more often numbers."""
    if not form.fullmatch(text):
        return False
    try:
        parse(text)
    except ValueError:
        return False
    return True


def fits(value: object, kind: FieldType) -> bool:
    """Whether a value is one of this type.

    Anything fits `JSON`. None fits nothing else by itself: whether a field may be None is said by its `nullable`. The
    items of a list may be None. A struct may have fields that were not announced.
    """
    if isinstance(kind, Scalar):
        return _SCALARS[kind](value)
    if isinstance(kind, Struct):
        return is_mapping(value) and all(_field_fits(value, field) for field in kind.fields)
    return is_sequence(value) and all(each is None or fits(each, kind.item) for each in value)


def mismatches(record: Record, entity: Entity) -> list[str]:
    """Say what in a record does not fit the entity's fields; empty where all of it does.

    One line each: `lines[2].price: 'free' is no number`. Fields that were not announced are no mismatch, and an entity
    without fields announces nothing.
    """
    return [line for field in entity.fields for line in _field_mismatches(record, field, "")]


def _field_fits(record: Mapping[object, object], field: Field) -> bool:
    value = record.get(field.name)
    return field.nullable if value is None else fits(value, field.type)


def _field_mismatches(record: Mapping[str, object], field: Field, path: str) -> Iterator[str]:
    path = f"{path}{field.name}"
    value = record.get(field.name)
    if value is not None:
        yield from _mismatches(value, field.type, path)
    elif not field.nullable:
        found = "is None" if field.name in record else "is missing"
        yield f"{path}: {found} and is not nullable; expected {_expected(field.type)}"


def _mismatches(value: object, kind: FieldType, path: str) -> Iterator[str]:
    if fits(value, kind):
        return
    if isinstance(kind, Struct) and is_mapping(value):
        for field in kind.fields:
            yield from _field_mismatches(value, field, f"{path}.")
    elif isinstance(kind, ListOf) and is_json_array(value):
        for position, item in enumerate(value):
            if item is not None:
                yield from _mismatches(item, kind.item, f"{path}[{position}]")
    else:
        yield f"{path}: {_SHORT.repr(value)} does not fit; expected {_expected(kind)}"


def _expected(kind: FieldType) -> str:
    if isinstance(kind, ListOf):
        return f"list of {_expected(kind.item)}"
    return kind.value if isinstance(kind, Scalar) else "struct"


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_date_value(value: object) -> bool:
    if isinstance(value, str):
        return is_date(value)
    return isinstance(value, date) and not isinstance(value, datetime)


def _is_decimal(value: object) -> bool:
    if isinstance(value, str):
        try:
            return Decimal(value).is_finite()
        except InvalidOperation:
            return False
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _is_binary(value: object) -> bool:
    if isinstance(value, str):
        try:
            b64decode(value, validate=True)
        except (Base64Error, ValueError):  # ValueError: text beyond ASCII
            return False
        return True
    return isinstance(value, bytes | bytearray | memoryview)


_SCALARS: dict[Scalar, Callable[[object], bool]] = {
    Scalar.STRING: lambda value: isinstance(value, str),
    Scalar.INTEGER: _is_integer,
    Scalar.NUMBER: lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    Scalar.BOOLEAN: lambda value: isinstance(value, bool),
    Scalar.DATETIME: lambda value: (
        isinstance(value, datetime) or (isinstance(value, str) and is_datetime(value))
    ),
    Scalar.DATE: _is_date_value,
    Scalar.TIME: lambda value: isinstance(value, time) or (isinstance(value, str) and is_time(value)),
    Scalar.DECIMAL: _is_decimal,
    Scalar.BINARY: _is_binary,
    Scalar.JSON: lambda _: True,
}


_KEPT = 256  # one for each entity that is validated

# Texts that are surely dates, times and so on. Of the 29th of February nothing is said: a pattern cannot count years.
_SURE_DATE: Final = (
    r"(?!0000)\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)"
    r"|02-(?:0[1-9]|1\d|2[0-8]))"
)
_SURE_TIME: Final = (
    r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{3}(?:\d{3})?)?)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)?"
)
_SURE_DECIMAL: Final = r"[+-]?\d{1,400}(?:\.\d{1,400})?"
_SURE_BASE64: Final = r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"


def _text(pattern: str) -> Any:
    return Annotated[str, Meta(pattern=rf"\A(?a:{pattern})\Z")]


_DECODED_TYPES: Mapping[Scalar, Any] = {
    Scalar.STRING: str,
    Scalar.INTEGER: int,
    Scalar.NUMBER: int | float,
    Scalar.BOOLEAN: bool,
    Scalar.DATETIME: _text(rf"{_SURE_DATE}[T ]{_SURE_TIME}"),
    Scalar.DATE: _text(_SURE_DATE),
    Scalar.TIME: _text(_SURE_TIME),
    Scalar.DECIMAL: int | float | _text(_SURE_DECIMAL),
    Scalar.BINARY: _text(_SURE_BASE64),
    Scalar.JSON: bool | int | float | str | list[Any] | dict[str, Any],
}


@lru_cache(_KEPT)
def decoder_of(entity: Entity) -> msgspec.json.Decoder[Any] | None:
    """Return what decodes the JSON of a record only if it fits, primary keys included.

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
    for index, field in enumerate(fields):
        kind = _kind(field.type)
        slots.append(
            (f"value{index}", kind | None, None) if field.nullable else (f"value{index}", kind, NODEFAULT)
        )
    return msgspec.defstruct(
        "Fitting",
        slots,
        rename={f"value{index}": field.name for index, field in enumerate(fields)},
        kw_only=True,
    )


def _kind(kind: FieldType) -> Any:
    if isinstance(kind, Scalar):
        return _DECODED_TYPES[kind]
    if isinstance(kind, ListOf):
        item = _kind(kind.item)
        return list[item | None]  # type: ignore[valid-type]  # made for this list
    return _object(kind.fields)
