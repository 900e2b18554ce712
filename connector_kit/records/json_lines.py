"""Records as lines of JSON: the one way by which pages go to files, pipes and other programs. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard, runtime_checkable

import msgspec

from connector_kit.errors import SchemaMismatchError

from .batches import JoinedRecords, parts_of, peeked
from .values import is_mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from .page import Record

__all__ = [
    "ENCODER",
    "SupportsJson",
    "encoding_fault",
    "json_lines",
    "json_size",
    "simplified",
    "wrapped_lines",
]


def simplified(value: object) -> Any:
    """Turn a mapping, a sequence or a set of somebody's own class into a dict or a list.

    Raises `TypeError` for anything else: msgspec calls this for values that it does not know.
    """
    if is_mapping(value):
        return dict(value)
    if _is_sequence_or_set(value):
        return list(value)
    raise TypeError(f"a value of type {type(value).__name__} has no JSON form")


def _is_sequence_or_set(value: object) -> TypeGuard[Collection[object]]:
    return isinstance(value, Sequence | AbstractSet)


ENCODER = msgspec.json.Encoder(enc_hook=simplified)
"""Datetimes and decimals become text, bytes base64, NaN and the infinities null."""


_CHUNK = 1_000
"""Records encoded at once. That takes well under a millisecond, for which no other thread of Python runs."""
_NO_JSON = (TypeError, ValueError, RecursionError)
"""What msgspec raises for a value that has no JSON form."""
_SUPPOSED_BYTES = 1_000
"""Of a record that has no JSON form."""


@runtime_checkable
class SupportsJson(Protocol):
    """A page's records that have their JSON already: it is passed on as it is, and no record is made of it.

    `JsonRecords` is one.
    """

    def json_lines(self) -> bytes:
        """Return one line per record: a JSON object without line breaks, and a line feed."""
        ...

    def documents(self) -> Sequence[Any]:
        """Return each record as msgspec encodes it inside of something else: a `msgspec.Raw`, or a dict."""
        ...


@runtime_checkable
class _KnowsSize(Protocol):
    def json_size(self) -> int:
        """Return about how many bytes the JSON has, without making it."""
        ...


def json_size(records: Sequence[Record]) -> int:
    """Return about how many bytes of JSON the records are; where it is not known, by the first record of each part."""
    if not records:
        return 0
    eager = isinstance(records, list)  # the cheaper question first: a protocol's takes ten times as long
    if isinstance(records, JoinedRecords):
        return sum(map(json_size, records.parts))
    if not eager and isinstance(records, _KnowsSize):
        return records.json_size()
    try:
        return len(records) * len(ENCODER.encode(records[0] if eager else peeked(records, 0)))
    except Exception:  # noqa: BLE001 - whoever writes it will say what is wrong with it
        return len(records) * _SUPPOSED_BYTES


def json_lines(entity: str, records: Sequence[Record]) -> Iterator[bytes]:
    """Yield a line for each record, some lines at a time. Raises `SchemaMismatchError` for a value that has no JSON form.

    One call of msgspec for many records, written at once, takes half the time of a call and a buffered write for
    each (0.29 against 0.58 ms for 1,000 records of 11 fields), since nothing has to be joined afterwards.
    """
    try:
        for part in parts_of(records):
            if not isinstance(part, list) and isinstance(part, SupportsJson):
                yield part.json_lines()
            else:
                yield from map(ENCODER.encode_lines, _chunks(part))
    except _NO_JSON as error:
        raise _refusal(entity, error) from error


def encoding_fault(record: object) -> str:
    """Say why a record has no JSON form, with the field where it is a single one; empty where it has one."""
    try:
        ENCODER.encode(record)
    except _NO_JSON as error:
        fields = record.items() if is_mapping(record) else ()
        faults = (_field_fault(name, value) for name, value in fields)
        return next(filter(None, faults), str(error))
    return ""


def _field_fault(name: object, value: object) -> str:
    try:
        ENCODER.encode({name: value})
    except UnicodeEncodeError:
        return f"field {name!r} has half of a surrogate pair in it, which is no text"
    except _NO_JSON as error:
        return f"field {name!r}: {error}"
    return ""


def wrapped_lines(entity: str, records: Sequence[Record], around: Callable[[Any], object]) -> Iterator[bytes]:
    """Yield a line for what `around` makes of each record: `lambda record: {"entity": "orders", "record": record}`.

    What it is given is only good for being encoded. Raises as `json_lines` does.
    """
    documents = records.documents() if isinstance(records, SupportsJson) else records
    try:
        yield from map(ENCODER.encode_lines, _chunks(map(around, documents)))
    except _NO_JSON as error:
        raise _refusal(entity, error) from error


def _chunks(records: Iterable[object]) -> Iterable[list[object]]:
    if isinstance(records, list) and len(records) <= _CHUNK:
        return (records,)
    remaining = iter(records)
    return iter(lambda: list(islice(remaining, _CHUNK)), [])


def _refusal(entity: str, error: Exception) -> SchemaMismatchError:
    return SchemaMismatchError(
        f"a record of entity {entity!r} has no JSON form: {error}; expected what JSON has, a date, a time, a Decimal "
        "or bytes; convert it in the connector"
    )
