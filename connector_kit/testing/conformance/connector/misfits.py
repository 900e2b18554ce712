"""What is wrong with one record, by the kit's own rules for records. Pure; part of the law of shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from connector_kit.errors import SchemaMismatchError
from connector_kit.runtime.watermark import instant_of
from connector_kit.wrappers.validation.policy import Announced

if TYPE_CHECKING:
    from connector_kit.records.catalog import Entity
    from connector_kit.records.page import Record

__all__ = ["misfits"]


def misfits(entity: Entity, record: Any) -> Iterator[str]:
    """Say what is wrong with a record, one line each; nothing where it is right."""
    yield from Announced(entity).reasons(record)
    if not isinstance(record, Mapping):
        return
    yield from (f"the name {name!r} of a field is no text" for name in record if not isinstance(name, str))
    yield from (
        f"{path}: {moment.isoformat()} has no time zone; say which one it is in, as in moment.replace(tzinfo=UTC)"
        for path, moment in _naive(record, "")
    )
    yield from _unfit_replication_key(entity, record)
    for name, value in record.items():
        if kind := _unknown_class(value):
            yield f"{name}: a {kind} is no value that a destination can keep; expected what JSON has, a time, a Decimal or bytes"


def _unfit_replication_key(entity: Entity, record: Record) -> Iterator[str]:
    if entity.incremental != "since" or entity.replication_key is None:
        return
    try:
        missing = instant_of(entity, record) is None
    except SchemaMismatchError as error:
        yield error.message
    else:
        if missing:
            yield (
                f"{entity.replication_key}: no value; expected one, since the entity is read by it: "
                "the next run would never come by this record"
            )


def _naive(value: Any, path: str) -> Iterator[tuple[str, datetime]]:
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            yield path, value
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from _naive(each, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple):
        for place, each in enumerate(value):
            yield from _naive(each, f"{path}[{place}]")


def _unknown_class(value: Any) -> str:
    """Name the class of a value that has no JSON form, as `stored` in the SQLite destination and JSONL see it."""
    unknown: list[str] = []

    def simplified(inner: Any) -> Any:
        if isinstance(inner, Mapping):
            return dict(inner)
        if isinstance(inner, Sequence | AbstractSet):
            return list(inner)
        unknown.append(type(inner).__name__)
        return None

    with suppress(Exception):  # what else is wrong with a value (a key that is no text) has been said
        msgspec.to_builtins(value, enc_hook=simplified)
    return unknown[0] if unknown else ""
