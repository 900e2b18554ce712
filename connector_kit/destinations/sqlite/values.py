"""From values to what SQLite keeps of them: one value, or a column of them with the type that fits all. Pure.

SQLite changes what does not suit the declared type of a column: it makes 7 of the text "007" in a column of numbers, and a
rounded float of a large integer in a column of floats. So each value is looked at before, a column at a time, and a column
whose values do not all suit its type gets a wider one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from functools import partial, reduce
from itertools import islice
from typing import Any, Final, TypeAlias

import attrs
import msgspec

from connector_kit.records.catalog import FieldType, Scalar
from connector_kit.records.fitting import is_date, is_datetime
from connector_kit.records.inference import field_type, shape_of
from connector_kit.records.json_lines import ENCODER, simplified

__all__ = ["ColumnType", "Fitted", "Row", "SqlValue", "column_type", "fitted", "to_sql"]

SqlValue: TypeAlias = int | float | str | bytes | None
Row: TypeAlias = tuple[SqlValue, ...]


class ColumnType(Enum):
    """The declared types of columns. Each is read as what it says by SQLAlchemy, pandas and DuckDB, too.

    BIGINT and not INTEGER, which as the type of a primary key would make it the row number.
    """

    BOOLEAN = "BOOLEAN"
    INTEGER = "BIGINT"
    REAL = "REAL"
    NUMERIC = "NUMERIC"
    """Integers that a float cannot hold, beside floats or larger ones."""
    DATE = "DATE"
    DATETIME = "DATETIME"
    TEXT = "TEXT"
    JSON = "JSON"
    BINARY = "BLOB"
    ANY = ""
    """Nothing but NULL yet, or values that no other type has in common: SQLite then keeps each as it is."""


_SCALARS: Final = {
    Scalar.STRING: ColumnType.TEXT,
    Scalar.INTEGER: ColumnType.INTEGER,
    Scalar.NUMBER: ColumnType.REAL,
    Scalar.BOOLEAN: ColumnType.BOOLEAN,
    Scalar.DATETIME: ColumnType.DATETIME,
    Scalar.DATE: ColumnType.DATE,
    Scalar.TIME: ColumnType.TEXT,  # DuckDB takes a column declared TIME for one of dates with times
    Scalar.DECIMAL: ColumnType.REAL,
    Scalar.BINARY: ColumnType.BINARY,
    Scalar.JSON: ColumnType.ANY,
}


def column_type(kind: FieldType) -> ColumnType:
    """Return the type of a column for a field that was announced with this type."""
    return _SCALARS[kind] if isinstance(kind, Scalar) else ColumnType.JSON


@attrs.frozen
class Fitted:
    """A column's values as they are stored, and the type that fits them all.

    `digits` are those of each number that is stored rounded, "" for the others; None where there is none such.
    """

    type: ColumnType
    values: Sequence[SqlValue]
    digits: Sequence[str] | None = None


def fitted(
    kind: ColumnType,
    values: Sequence[Any],
    *,
    untyped: bool = False,
    any_integer: bool = False,
    decimal_texts: bool = False,
    key: bool = False,
) -> Fitted:
    """Return the values as a column of this type keeps them, or of the narrowest wider one that they fit.

    `untyped` says that the column has no values yet: their type is inferred. Integers are taken to fit in 64 bits, as
    nearly all do; sqlite3 raises `OverflowError` for one that does not, and `any_integer` looks at each. `decimal_texts` says
    that text stands for decimals. In a `key` no number is rounded, its digits are text instead, and equal objects have one text,
    whatever the order of their names. Raise `TypeError` or `ValueError` for a value that cannot be stored.
    """
    types: AbstractSet[type] = frozenset(map(type, values))
    if untyped and types != _NONE:
        kind = _found([_plain(value, key=key) for value in islice(_there(values), _SAMPLE)])
    if decimal_texts and str in types:
        values, types = [_decimal(value) for value in values], types | {Decimal}
    if types <= _AS_IT_IS[kind] and not (any_integer and int in types):
        return Fitted(kind, values)
    together = _TOGETHER.get(kind)
    if together is not None and not key and (stored := together(values, types)) is not None:
        return Fitted(kind, stored)
    plain = values if types <= _PLAIN else [_plain(value, key=key) for value in values]
    while True:
        try:
            return _stored(kind, plain, key=key)
        except _UnfitError:
            kind = _wider(kind, plain)


def to_sql(value: Any) -> SqlValue:
    """Return the form in which SQLite keeps a value in a column of its own. Raise `TypeError` or `ValueError`."""
    return fitted(ColumnType.ANY, [value], any_integer=True).values[0]


# -- plain values --------------------------------------------------------------------------------------------------------


class _JsonText(str):
    """The JSON of a list or an object."""

    __slots__ = ()


# Exact types only: sqlite3 would hand anything else, subclasses too, to its process-wide adapters.
_NONE: Final = frozenset({type(None)})
_NESTED: Final = frozenset({dict, list})
_NESTED_OR_NONE: Final = _NESTED | _NONE
_PLAIN: Final = frozenset({type(None), bool, int, float, str, bytes, datetime, date, time, Decimal})
_AS_IT_IS: Final[Mapping[ColumnType, AbstractSet[type]]] = {
    ColumnType.BOOLEAN: _NONE | {bool},
    ColumnType.INTEGER: _NONE | {bool, int},
    ColumnType.REAL: _NONE | {bool, float},
    ColumnType.NUMERIC: _NONE | {bool, int, float},
    ColumnType.DATE: _NONE,
    ColumnType.DATETIME: _NONE,
    ColumnType.TEXT: _NONE | {str},
    ColumnType.JSON: _NONE,
    ColumnType.BINARY: _NONE | {bytes, str},
    ColumnType.ANY: _NONE | {bool, int, float, str, bytes},
}


def _plain(value: Any, *, key: bool) -> Any:
    """Return a value of one of the plain types, or the JSON of what has others inside.

    What is none of these (UUIDs, timedeltas, attrs objects …) is what msgspec makes of it.
    """
    if type(value) in _PLAIN:
        return value
    for kinds, form in _FORMS:
        if isinstance(value, kinds):
            return form(value)
    encoder = _SORTED if key else ENCODER
    if isinstance(value, Enum):
        return _plain(value.value, key=key)
    if isinstance(value, Mapping | list | tuple):
        return _JsonText(encoder.encode(value).decode())
    simple: object = msgspec.to_builtins(value, enc_hook=simplified)
    if type(simple) in _NESTED:
        return _JsonText(encoder.encode(simple).decode())
    return _plain(simple, key=key)


_SORTED: Final = msgspec.json.Encoder(enc_hook=simplified, order="sorted")

# The first that fits counts: a datetime is a datetime before it is a date. An IntEnum is an int with that value.
_FORMS: Final[tuple[tuple[type | tuple[type, ...], Callable[[Any], Any]], ...]] = (
    (bool, bool),
    (int, int.__int__),
    (float, float.__float__),
    (str, str.__str__),
    (datetime, lambda value: value),
    ((date, time, Decimal), lambda value: value),
    ((bytes, bytearray, memoryview), bytes),
)


def _decimal(value: Any) -> Any:
    if type(value) is not str or not _DECIMAL.fullmatch(value):
        return value
    return Decimal(value)


_DECIMAL: Final = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d{1,4})?", re.ASCII)


# -- whole columns at once, where that is faster; None where a value needs a closer look -----------------------------------


def _nested(values: Sequence[Any], types: AbstractSet[type]) -> list[SqlValue] | None:
    """Return the JSON of each list, dict or None: one call encodes all, in a twentieth of the time."""
    if not types <= _NESTED_OR_NONE:
        return None
    texts: list[SqlValue] = [*ENCODER.encode_lines(values).decode().split("\n")]
    texts.pop()  # nothing follows the last line feed; inside of JSON there is none
    return [None if value is None else text for value, text in zip(values, texts, strict=True)]


def _moments(values: Sequence[Any], types: AbstractSet[type]) -> list[SqlValue] | None:
    if types <= _MOMENTS:
        return [None if value is None else _moment(value) for value in values]
    if not types <= _TEXT_OR_NONE:
        return None
    texts = list(_there(values)) if len(types) > 1 else values
    joined = "\n".join(texts)
    if "." in joined and _FINER.search(joined):
        return None
    try:
        moments = _DATETIMES(texts)
    except msgspec.ValidationError:
        return None
    stored: Iterable[SqlValue] | None = _whole_seconds(joined, len(texts))
    stored = iter(stored or map(_moment_as_text, texts, moments))
    return (
        [None if value is None else next(stored) for value in values] if texts is not values else list(stored)
    )


def _whole_seconds(joined: str, count: int) -> list[str] | None:
    """Return the texts anew where all are whole seconds in UTC, spelled alike, as most columns are: by few calls for all."""
    for zone in ("Z", "+00:00"):
        length = 20 + len(zone)  # with the line feed
        if (
            len(joined) == count * length - 1
            and joined[10::length] == "T" * count
            and (joined + "\n").count(f"{zone}\n") == count
            and set(joined[length - 1 :: length]) <= {"\n"}
        ):
            return joined.replace(zone, ".000000Z").split("\n")
    return None


def _moment_as_text(text: str, moment: datetime) -> str:
    return text if _CANONICAL(text) else _moment(moment)


def _dates(values: Sequence[Any], types: AbstractSet[type]) -> list[SqlValue] | None:
    if types <= _TEXT_OR_NONE and all(map(is_date, _there(values))):
        return list(values)
    return None


_MOMENTS: Final = _NONE | {datetime}
_TEXT_OR_NONE: Final = _NONE | {str}
_DATETIMES: Final = partial(msgspec.convert, type=list[datetime])
_CANONICAL: Final = re.compile(r"[^ t]{19}\.\d{6}Z", re.ASCII).fullmatch
_TOGETHER: Final[Mapping[ColumnType, Callable[[Sequence[Any], AbstractSet[type]], list[SqlValue] | None]]] = {
    ColumnType.JSON: _nested,
    ColumnType.DATETIME: _moments,
    ColumnType.DATE: _dates,
}


# -- which type ----------------------------------------------------------------------------------------------------------

_SAMPLE = 100
"""Values that are looked at for the type of a new column; the others then make it wider, if need be."""

_NUMBERS: Final = (ColumnType.BOOLEAN, ColumnType.INTEGER, ColumnType.REAL, ColumnType.NUMERIC)
_TIMES: Final = frozenset({ColumnType.DATE, ColumnType.DATETIME})
_TEXTS: Final = _TIMES | {ColumnType.TEXT, ColumnType.JSON}


def _there(values: Iterable[Any]) -> Iterator[Any]:
    return (value for value in values if value is not None)


def _found(values: Iterable[Any]) -> ColumnType:
    """Return the narrowest type of plain values, in whatever order they come."""
    shapes = (shape_of([] if type(value) is _JsonText else value) for value in _there(values))
    kinds = {column_type(field_type(shape)) for shape in shapes}
    return reduce(_joined, kinds) if kinds else ColumnType.ANY


def _joined(one: ColumnType, other: ColumnType) -> ColumnType:
    """Return the narrowest type that has the values of both."""
    if one is other:
        return one
    if one in _NUMBERS and other in _NUMBERS:
        return max(one, other, key=_NUMBERS.index)
    if one in _TEXTS and other in _TEXTS:
        return ColumnType.DATETIME if {one, other} <= _TIMES else ColumnType.TEXT
    return ColumnType.ANY


def _wider(kind: ColumnType, values: Sequence[Any]) -> ColumnType:
    """Return a type that has more values than `kind`, which the values do not all fit."""
    wider = _joined(kind, _found(values))
    if wider is not kind:
        return wider
    behind = (
        _NUMBERS.index(kind) + 1 if kind in _NUMBERS else len(_NUMBERS)
    )  # by the size of the numbers, not their kind
    return _NUMBERS[behind] if behind < len(_NUMBERS) else ColumnType.ANY


# -- how a type stores them ----------------------------------------------------------------------------------------------


class _UnfitError(Exception):
    """A value does not suit the type."""


def _stored(kind: ColumnType, values: Sequence[Any], *, key: bool) -> Fitted:
    if kind not in _NUMBERS and kind is not ColumnType.ANY:
        return Fitted(kind, [None if value is None else _FORMS_OF[kind](value, []) for value in values])
    digits: list[str] = []
    numbers = [_FORMS_OF[kind](value, digits) for value in values]
    if not any(digits):
        return Fitted(kind, numbers)
    if not key:
        return Fitted(kind, numbers, digits)
    if kind is not ColumnType.ANY:
        raise _UnfitError  # two keys must not become one
    return Fitted(kind, [text or number for text, number in zip(digits, numbers, strict=True)])


def _boolean(value: Any, digits: list[str]) -> SqlValue:
    digits.append("")
    if value is None or type(value) is bool:
        as_it_is: bool | None = value
        return as_it_is
    raise _UnfitError


def _integer(value: Any, digits: list[str]) -> SqlValue:
    digits.append("")
    if value is None or type(value) is bool or (type(value) is int and value in _INTEGERS):
        as_it_is: int | None = value
        return as_it_is
    raise _UnfitError


def _real(value: Any, digits: list[str]) -> SqlValue:
    if type(value) is not int:
        return _number(value, digits)
    number = float(value) if -_LARGE <= value <= _LARGE else _exact(value)
    if number is None:
        raise _UnfitError  # NUMERIC has it as it is
    digits.append("")
    return number


def _number(value: Any, digits: list[str]) -> SqlValue:
    """Return what a number is stored as, and note its digits where that is rounded."""
    if value is None or type(value) in {bool, float} or (type(value) is int and value in _INTEGERS):
        as_it_is: float | None = value
        digits.append("")
        return as_it_is
    if not isinstance(value, int | Decimal):
        raise _UnfitError
    if isinstance(value, Decimal) and not value.is_finite():
        digits.append("")
        return None if value.is_nan() else float(value)
    exact = _exact(value)
    digits.append(f"{value}" if exact is None else "")
    return _nearest(value) if exact is None else exact


def _any(value: Any, digits: list[str]) -> SqlValue:
    if value is None or isinstance(value, int | float | Decimal):
        return _number(value, digits)
    digits.append("")
    return value if isinstance(value, bytes) else _text(value, digits)


def _exact(value: int | Decimal) -> float | None:
    """Return the number that has these digits when it is written out; None where there is none."""
    number = _nearest(value)
    return number if math.isfinite(number) and Decimal(repr(number)) == value else None


def _nearest(value: int | Decimal) -> float:
    try:
        return float(value)
    except OverflowError:  # Decimals become infinite by themselves
        return math.inf if value > 0 else -math.inf


_LARGE: Final = 2**53
"""A float holds all integers up to here."""


def _date(value: Any, _: list[str]) -> SqlValue:
    if isinstance(value, str) and is_date(value):
        return str.__str__(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    raise _UnfitError


def _datetime(value: Any, digits: list[str]) -> SqlValue:
    if isinstance(value, datetime):
        return _moment(value)
    if type(value) is str and is_datetime(value):
        return _moment_of(value)
    return _date(value, digits)


def _text(value: Any, _: list[str]) -> SqlValue:
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, date | time):
        return value.isoformat()
    raise _UnfitError


def _json(value: Any, _: list[str]) -> SqlValue:
    if isinstance(value, _JsonText):
        return str.__str__(value)
    raise _UnfitError


def _binary(value: Any, digits: list[str]) -> SqlValue:
    if isinstance(value, bytes | str):
        return _text(value, digits) if isinstance(value, str) else value
    raise _UnfitError


_INTEGERS: Final = range(-(2**63), 2**63)
_FORMS_OF: Final[Mapping[ColumnType, Callable[[Any, list[str]], SqlValue]]] = {
    ColumnType.BOOLEAN: _boolean,
    ColumnType.INTEGER: _integer,
    ColumnType.REAL: _real,
    ColumnType.NUMERIC: _number,
    ColumnType.DATE: _date,
    ColumnType.DATETIME: _datetime,
    ColumnType.TEXT: _text,
    ColumnType.JSON: _json,
    ColumnType.BINARY: _binary,
    ColumnType.ANY: _any,
}


def _moment(value: datetime) -> str:
    """Return UTC text with six decimals and Z, so that text order is time order; without a zone the same without Z."""
    if value.tzinfo is None:
        return value.isoformat(timespec="microseconds")
    try:
        utc = value.astimezone(UTC)
    except OverflowError:  # within a day of the year 1 or 9999, UTC may lie outside what datetime can say
        return value.isoformat(timespec="microseconds")
    return utc.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


_FINER: Final = re.compile(r"\.\d{6}(\d*[1-9])", re.ASCII)


def _moment_of(text: str) -> str:
    """Return the same of ISO 8601 text; what it says of less than a microsecond stays."""
    moment = _moment(datetime.fromisoformat(text))
    finer = _FINER.search(text)
    return moment if finer is None else f"{moment[:26]}{finer[1]}{moment[26:]}"
