"""Records as lines of JSON. Pure."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from connector_kit.errors import SchemaMismatchError
from connector_kit.records.json_text import ENCODER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connector_kit.records.page import Record

__all__ = ["SupportsJsonLines", "json_lines"]

_CHUNK = 1_000
"""Records encoded at once. That takes well under a millisecond, for which no other thread of Python runs."""


@runtime_checkable
class SupportsJsonLines(Protocol):
    """A page's records that have their JSON already: they are written as they are, and never decoded."""

    def json_lines(self) -> bytes:
        """Give one line per record: a JSON object without line breaks, and a line feed."""
        ...


def json_lines(entity: str, records: Sequence[Record]) -> Iterator[bytes]:
    """Encode a page, some lines at a time. Raises `SchemaMismatchError` for a value that has no JSON form.

    One call of msgspec for many records, written at once, takes half the time of a call and a buffered write for
    each (0.29 against 0.58 ms for 1,000 records of 11 fields), since nothing has to be joined afterwards.
    """
    if isinstance(records, SupportsJsonLines):
        yield records.json_lines()
        return
    remaining = iter(records)
    try:
        while chunk := list(islice(remaining, _CHUNK)):
            yield ENCODER.encode_lines(chunk)
    except (TypeError, ValueError, RecursionError) as error:
        raise SchemaMismatchError(
            f"a record of entity {entity!r} has no JSON form: {error}; expected what JSON has, a date, a time, a Decimal "
            "or bytes; convert it in the connector"
        ) from error
