"""Values come back as what they are, and a page is stored as what it says when it is written, whatever holds it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from connector_kit.errors import ConnectorError
from connector_kit.records.catalog import Entity, Field, FieldType, ListOf, Scalar, Struct
from connector_kit.records.page import Record
from connector_kit.testing.conformance.reading import LazyRecords

from .scenario import Scenario, scenario
from .stored_values import equal_values
from .subject import DESTINATION_LAWS, pages

if TYPE_CHECKING:
    from connector_kit.testing.conformance.law import Findings

    from .subject import DestinationSubject

__all__ = ["lazy", "values"]


@attrs.frozen
class _ValueKind:
    """Values of one sort, and the field type announced for them."""

    name: str
    type: FieldType
    values: tuple[Any, ...]


_EAST, _WEST = timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-8))
_DATETIMES = (
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2013, 1, 1, 5, 0, 0, 1, tzinfo=UTC),
    datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=_WEST),
    datetime(1969, 7, 20, 20, 17, 40, tzinfo=_EAST),
)
_DECIMALS = (Decimal("1.10"), Decimal("-0.000001"), Decimal("12345678901234567.89"))
_SCRIPTS = ("Zürich", "Zu\u0308rich", "東京", "𝄞", "\u200f", "\u2028\x7f")
_ADDRESS = Struct((Field("street", Scalar.STRING), Field("floor", Scalar.INTEGER)))

_KINDS = (
    _ValueKind(
        "text", Scalar.STRING, ("a", "", " ", "007", "null", "1e3", "true", 'it\'s "so" \\ 100%\t\n\r\n.')
    ),
    _ValueKind("text of many scripts", Scalar.STRING, _SCRIPTS),
    _ValueKind("long text", Scalar.STRING, ("x" * 100_000,)),
    _ValueKind("text with NUL", Scalar.STRING, ("a\0b",)),
    _ValueKind("integers", Scalar.INTEGER, (0, -1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63))),
    _ValueKind("integers beyond 64 bits", Scalar.INTEGER, (2**63, 2**64 + 1, -(10**30) - 1)),
    _ValueKind("numbers", Scalar.NUMBER, (0.1, -0.5, 1 / 3, 2.0, 1e-300, 1.7976931348623157e308, 5e-324)),
    _ValueKind("booleans", Scalar.BOOLEAN, (True, False)),
    _ValueKind("datetimes", Scalar.DATETIME, _DATETIMES),
    _ValueKind("dates", Scalar.DATE, (date(2013, 1, 1), date(1900, 2, 28), date(2024, 2, 29))),
    _ValueKind("times", Scalar.TIME, (time(0, 0), time(23, 59, 59, 999_999))),
    _ValueKind("decimals", Scalar.DECIMAL, _DECIMALS),
    _ValueKind(
        "decimals of many digits", Scalar.DECIMAL, (Decimal("123456789012345678901234567890.123456789"),)
    ),
    _ValueKind("bytes", Scalar.BINARY, (b"\x00\xff", b"", b"plain", bytes(range(256)))),
    _ValueKind("lists", ListOf(Scalar.INTEGER), ([1, 2, 3], [], [0])),
    _ValueKind("lists of text", ListOf(Scalar.STRING), (["a,b", 'c"d', "", "null"],)),
    _ValueKind(
        "nested records", _ADDRESS, ({"street": "O'Connell", "floor": 0}, {"street": None, "floor": -1})
    ),
    _ValueKind("JSON", Scalar.JSON, ({"ü": [1, {"deep": [True, None, "x"]}], "2": 2.5}, [[], {}, [[1]]], {})),
)
_MEND = "keep it in a form that loses nothing (text, if there is no other), or raise SchemaMismatchError"
_DIGITS = "keep all digits: a float has 53 bits of them"
_MENDS: dict[Scalar | None, str] = {
    Scalar.DATETIME: "keep the zone or convert to UTC, and say in what is stored that it is UTC",
    Scalar.INTEGER: _DIGITS,
    Scalar.DECIMAL: _DIGITS,
}
_MOST_LETTERS = 60


@DESTINATION_LAWS.law(
    8,
    "values",
    "A value of any field type comes back as what it is, or its page is refused; none is changed.",
)
async def values(subject: DestinationSubject, found: Findings) -> None:
    """Write values of every type, each sort by itself, and read them back."""
    for kind in _KINDS:
        async with scenario(subject, found, kind.name) as at:
            await _come_back(at, kind, subject)


async def _come_back(at: Scenario, kind: _ValueKind, subject: DestinationSubject) -> None:
    fields = (Field("id", Scalar.INTEGER, nullable=False), Field("value", kind.type))
    records: list[Record] = [
        {"id": number, "value": value} for number, value in enumerate((*kind.values, None), 1)
    ]
    await at.start(subject.any_mode(), Entity("things", fields, primary_key="id"))
    try:
        await at.write(1, records, entity="things")
    except ConnectorError as error:
        at.skip(f"{kind.name}: refused ({error})")
    await at.finish(entity="things")
    rows = {row.get("id"): row for row in at.fixture.rows("things")}
    for record in records:
        row = rows.get(record["id"])
        if row is not None and not equal_values(record["value"], row.get("value")):
            at.broken(
                f"{_short(record['value'])} came back as {_short(row.get('value'))}",
                expected="the same value, whatever form it is kept in",
                mend=_MENDS.get(kind.type if isinstance(kind.type, Scalar) else None, _MEND),
                entity="things",
            )
    at.rows_are(records, "after finish", entity="things", ordered=False)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}…"


@DESTINATION_LAWS.law(
    14,
    "lazy",
    "Any sequence of mappings is stored as a list of dicts would be; what its owner changes later changes nothing stored.",
)
async def lazy(subject: DestinationSubject, found: Findings) -> None:
    """Write pages that are no lists of records that are no dicts, empty ones, some with their JSON, and change them."""
    mend = "take any Sequence and any Mapping: iterate, and ask for fields by name"
    for mode in subject.modes():
        async with scenario(subject, found, f"{mode}, lazy pages", mend_rows=mend) as at:
            await at.start(mode)
            await at.write(1, _page(1))
            await at.write(2, _page(2, json=True))
            await at.write(3, tuple(pages(3)))
            await at.write(4, _page())
            await at.write(5, _page(json=True))
            await at.finish()
            at.rows_are(pages(1, 2, 3), "after finish")
    mend = "store the page in write(), or copy what is to be stored later"
    async with scenario(subject, found, "records that are changed after the write", mend_rows=mend) as at:
        records: list[dict[str, Any]] = [{**record, "tags": ["a"]} for record in pages(1)]
        wanted = [{**record, "tags": ["a"]} for record in pages(1)]
        await at.start(subject.any_mode())
        await at.write(1, records)
        records[0]["name"] = "changed"
        records[1].clear()
        records.append({"id": 99})
        await at.write(2, [])
        await at.finish()
        at.rows_are(wanted, "after finish", ordered=False)


class _Fields(Mapping[str, Any]):
    """A record that is no dict."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def __getitem__(self, name: str) -> Any:
        return self._record[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._record)

    def __len__(self) -> int:
        return len(self._record)


def _page(*numbers: int, json: bool = False) -> LazyRecords[Record]:
    """Return a page that makes its records anew each time somebody looks; one may have its JSON already."""
    kind = _WithJson if json else LazyRecords[Record]
    return kind(pages(*numbers), lambda record: _Fields(dict(record)))


class _WithJson(LazyRecords[Record]):
    """A page that has its JSON already, as the records of an API's answer have."""

    def json_lines(self) -> bytes:
        """Return one line for each record."""
        return b"".join(msgspec.json.encode(dict(record)) + b"\n" for record in self.sources)
