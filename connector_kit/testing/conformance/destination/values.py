"""Law 8: values come back as what they are."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import attrs

from connector_kit.errors import ConnectorError
from connector_kit.records.catalog import Entity, Field, FieldType, ListOf, Scalar, Struct

from .alike import alike
from .subject import DESTINATION_LAWS
from .trial import Trial, trial

if TYPE_CHECKING:
    from connector_kit.records.page import Record
    from connector_kit.testing.conformance.law import Findings

    from .subject import DestinationSubject

__all__ = ["values"]


@attrs.frozen
class _Kind:
    """Values of one sort, and the field type announced for them."""

    name: str
    type: FieldType
    values: tuple[Any, ...]


_EAST, _WEST = timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-8))

_KINDS = (
    _Kind("text", Scalar.STRING, ("a", "", " ", "007", "null", "1e3", "true", 'it\'s "so" \\ 100%\t\n\r\n.')),
    _Kind(
        "text of many scripts",
        Scalar.STRING,
        ("Zürich", "Zu\u0308rich", "東京", "𝄞", "\u200f", "\u2028\x7f"),
    ),
    _Kind("long text", Scalar.STRING, ("x" * 100_000,)),
    _Kind("text with NUL", Scalar.STRING, ("a\0b",)),
    _Kind("integers", Scalar.INTEGER, (0, -1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63))),
    _Kind("integers beyond 64 bits", Scalar.INTEGER, (2**63, 2**64 + 1, -(10**30) - 1)),
    _Kind("numbers", Scalar.NUMBER, (0.1, -0.5, 1 / 3, 2.0, 1e-300, 1.7976931348623157e308, 5e-324)),
    _Kind("booleans", Scalar.BOOLEAN, (True, False)),
    _Kind(
        "datetimes",
        Scalar.DATETIME,
        (
            datetime(1970, 1, 1, tzinfo=UTC),
            datetime(2013, 1, 1, 5, 0, 0, 1, tzinfo=UTC),
            datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=_WEST),
            datetime(1969, 7, 20, 20, 17, 40, tzinfo=_EAST),
        ),
    ),
    _Kind("dates", Scalar.DATE, (date(2013, 1, 1), date(1900, 2, 28), date(2024, 2, 29))),
    _Kind("times", Scalar.TIME, (time(0, 0), time(23, 59, 59, 999_999))),
    _Kind(
        "decimals", Scalar.DECIMAL, (Decimal("1.10"), Decimal("-0.000001"), Decimal("12345678901234567.89"))
    ),
    _Kind("decimals of many digits", Scalar.DECIMAL, (Decimal("123456789012345678901234567890.123456789"),)),
    _Kind("bytes", Scalar.BINARY, (b"\x00\xff", b"", b"plain", bytes(range(256)))),
    _Kind("lists", ListOf(Scalar.INTEGER), ([1, 2, 3], [], [0])),
    _Kind("lists of text", ListOf(Scalar.STRING), (["a,b", 'c"d', "", "null"],)),
    _Kind(
        "nested records",
        Struct((Field("street", Scalar.STRING), Field("floor", Scalar.INTEGER))),
        ({"street": "O'Connell", "floor": 0}, {"street": None, "floor": -1}),
    ),
    _Kind("JSON", Scalar.JSON, ({"ü": [1, {"deep": [True, None, "x"]}], "2": 2.5}, [[], {}, [[1]]], {})),
)


@DESTINATION_LAWS.law(
    8,
    "values",
    "A value of any field type comes back as what it is, or its page is refused; none is changed.",
)
async def values(subject: DestinationSubject, found: Findings) -> None:
    """Write values of every type, each sort by itself, and read them back."""
    for kind in _KINDS:
        async with trial(subject, found, kind.name) as at:
            await _come_back(at, kind, subject)


async def _come_back(at: Trial, kind: _Kind, subject: DestinationSubject) -> None:
    entity = Entity(
        "things", (Field("id", Scalar.INTEGER, nullable=False), Field("value", kind.type)), primary_key="id"
    )
    records: list[Record] = [
        {"id": number, "value": value} for number, value in enumerate((*kind.values, None), 1)
    ]
    await at.start(subject.any_mode(), entity)
    try:
        await at.write(1, records, entity="things")
    except ConnectorError as error:
        at.skip(f"{kind.name}: refused ({error})")
    await at.finish("things")
    rows = {row.get("id"): row for row in at.place.rows("things")}
    for record in records:
        row = rows.get(record["id"])
        if row is not None and not alike(record["value"], row.get("value")):
            at.broken(
                f"{_short(record['value'])} came back as {_short(row.get('value'))}",
                expected="the same value, whatever form it is kept in",
                mend=_MENDS.get(kind.type if isinstance(kind.type, Scalar) else None, _MEND),
                entity="things",
            )
    at.rows_are(records, "after finish", entity="things", ordered=False)


_MEND = "keep it in a form that loses nothing (text, if there is no other), or raise SchemaMismatchError"
_MENDS: dict[Scalar | None, str] = {
    Scalar.DATETIME: "keep the zone or convert to UTC, and say in what is stored that it is UTC",
    Scalar.INTEGER: "keep all digits: a float has 53 bits of them",
    Scalar.DECIMAL: "keep all digits: a float has 53 bits of them",
}
_MOST_LETTERS = 60


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}…"
