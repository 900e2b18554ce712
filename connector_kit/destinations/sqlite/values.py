"""From records to rows of values that SQLite keeps as they are. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from connector_kit.errors import SchemaMismatchError
from connector_kit.records.json_lines import ENCODER, simplified

if TYPE_CHECKING:
    from connector_kit.records.page import Record

__all__ = ["Row", "SqlValue", "to_rows", "to_sql"]

SqlValue: TypeAlias = int | float | str | bytes | None
Row: TypeAlias = tuple[SqlValue, ...]

# Exact types only: sqlite3 would hand anything else, subclasses too, to its process-wide adapters.
_AS_IT_IS = frozenset({type(None), bool, float, str, bytes})
_IF_SMALL = _AS_IT_IS | {int}
_NESTED = frozenset({dict, list})
_NESTED_OR_NONE = _NESTED | {type(None)}
_INTEGERS = range(-(2**63), 2**63)


def to_rows(
    entity: str, batch: list[Record], *, any_integer: bool = False
) -> tuple[tuple[str, ...], list[Row]]:
    """Return the names of all fields in the batch, and a row of values in their order for each record.

    A record without one of the fields has None there. Integers are taken to fit in 64 bits, as nearly all do;
    sqlite3 raises `OverflowError` for one that does not, and `any_integer=True` then makes it text. Raise
    `SchemaMismatchError` for a value that cannot be stored.
    """
    if not batch:
        return (), []
    names, rows = _uniform(batch) or _ragged(batch)
    as_it_is = _AS_IT_IS if any_integer else _IF_SMALL
    if as_it_is.issuperset(map(type, chain.from_iterable(rows))):
        return names, rows
    columns = [
        column if as_it_is.issuperset(map(type, column)) else _column(entity, name, column)
        for name, column in zip(names, zip(*rows, strict=True), strict=True)
    ]
    return names, list(zip(*columns, strict=True))


def _uniform(batch: list[Record]) -> tuple[tuple[str, ...], list[Row]] | None:
    """Arrange records that all have the same fields, in a quarter of the time `_ragged` takes; None where they don't.

    The same number of fields and none of the first one's missing means the same fields. A class that makes up
    missing values (defaultdict) would hide the difference.
    """
    names = tuple(batch[0])
    if (
        len(names) < 2  # noqa: PLR2004 - itemgetter gives no tuple for one name
        or set(map(len, batch)) != {len(names)}
        or any(hasattr(kind, "__missing__") for kind in set(map(type, batch)))
    ):
        return None
    try:
        return names, list(map(itemgetter(*names), batch))
    except KeyError:
        return None


def _ragged(batch: list[Record]) -> tuple[tuple[str, ...], list[Row]]:
    names = tuple(dict.fromkeys(chain.from_iterable(batch)))
    return names, [tuple(map(record.get, names)) for record in batch]


def _column(entity: str, name: str, column: Sequence[Any]) -> list[SqlValue]:
    try:
        if _NESTED_OR_NONE.issuperset(map(type, column)):
            return _nested(column)
        return [to_sql(value) for value in column]
    except (TypeError, ValueError, RecursionError) as error:
        raise SchemaMismatchError(
            f"a value of field {name!r} of entity {entity!r} cannot be stored: {error}; expected what JSON has, a date, "
            "a time, a Decimal or bytes; convert it in the connector"
        ) from error


def _nested(column: Sequence[Any]) -> list[SqlValue]:
    """Return what `to_sql` gives for each list, dict or None, in a twentieth of the time: one call encodes all."""
    texts: list[SqlValue] = [*ENCODER.encode_lines(column).decode().split("\n")]
    texts.pop()  # nothing follows the last line feed; inside of JSON there is none
    return [None if value is None else text for value, text in zip(column, texts, strict=True)]


def to_sql(value: Any) -> SqlValue:
    """Return the form in which SQLite keeps a value.

    Aware datetimes are UTC text with six decimals and Z, so that text order is time order; naive ones the same
    without Z. Integers beyond 64 bits and decimals are their digits as text. Mappings, lists and sets are JSON text.
    What is left (UUIDs, timedeltas, attrs objects …) is what msgspec makes of it. Raise `TypeError` or `ValueError`.
    """
    if type(value) in _AS_IT_IS:
        as_it_is: SqlValue = value
        return as_it_is
    for kinds, form in _FORMS:
        if isinstance(value, kinds):
            return form(value)
    simple: object = msgspec.to_builtins(value, enc_hook=simplified)
    return _json(simple) if type(simple) in _NESTED else to_sql(simple)


def _integer(value: int) -> int | str:
    return int(value) if value in _INTEGERS else int.__repr__(value)


def _moment(value: datetime) -> str:
    if value.tzinfo is None:
        return value.isoformat(timespec="microseconds")
    try:
        utc = value.astimezone(UTC)
    except OverflowError:  # within a day of the year 1 or 9999, UTC may lie outside what datetime can say
        return value.isoformat(timespec="microseconds")
    return utc.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _json(value: object) -> str:
    return ENCODER.encode(value).decode()


# The first that fits counts: an IntEnum is an Enum before it is an int, a datetime a datetime before it is a date.
_FORMS: tuple[tuple[type | tuple[type, ...], Callable[[Any], SqlValue]], ...] = (
    (Enum, lambda value: to_sql(value.value)),
    (int, _integer),
    (float, float),
    (str, str.__str__),
    (datetime, _moment),
    ((date, time), lambda value: value.isoformat()),
    (Decimal, str),
    ((bytes, bytearray, memoryview), bytes),
    ((Mapping, list, tuple), _json),
)
