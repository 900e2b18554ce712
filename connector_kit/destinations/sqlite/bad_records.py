"""Which records of a call cannot be stored, and why: looked for once a write has failed, so that others cost nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from connector_kit.errors import BadRecordError, SchemaMismatchError
from connector_kit.records.keys import value_at
from connector_kit.records.values import is_mapping

from .tables import SQLiteTable, refuse_columns
from .values import ColumnType, to_sql

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.records.page import Record

__all__ = ["bad_records"]


def bad_records(
    entity: str,
    table: SQLiteTable,
    primary_key: tuple[str, ...],
    records: Sequence[Record],
    *,
    needs_key: bool,
    most_columns: int,
) -> BadRecordError | None:
    """Return the error for those of the records that the table cannot hold beside the others; None where it can."""
    bad = dict[int, str]()
    for position in range(len(records)):
        try:
            record = records[position]
            table = _with_fields(entity, table, record, most_columns)
            reason = _reason(record, primary_key, needs_key=needs_key)
        except SchemaMismatchError as error:
            reason = error.message
        if reason:
            bad[position] = reason
    if not bad:
        return None
    return BadRecordError(
        f"{len(bad)} of {len(records)} records of entity {entity!r} cannot be stored, the first one because of this: "
        f"{next(iter(bad.values()))}; expected what SQLite can hold; mend it in the connector, or let the others through with "
        "the entity's option `on_bad_record`",
        bad,
    )


def _with_fields(entity: str, table: SQLiteTable, record: object, most: int) -> SQLiteTable:
    if not is_mapping(record):
        raise SchemaMismatchError(
            f"a record of entity {entity!r} is a {type(record).__name__}; expected a mapping; write dict(row)"
        )
    new = [name for name in record if name not in table.types]
    if not new:
        return table
    refuse_columns(entity, table, new, most)
    return attrs.evolve(table, types={**table.types, **dict.fromkeys(new, ColumnType.ANY)})


def _reason(record: Record, primary_key: tuple[str, ...], *, needs_key: bool) -> str:
    """Say what is wrong with a record's values, with its key; empty where nothing is."""
    told = ", ".join(f"{name}={_shown(value_at(record, name))}" for name in primary_key)
    of = f" of the record with {told}" if told else ""
    for name in primary_key:
        value = value_at(record, name)
        if value is None and needs_key:
            return f"a record has no value for {name!r} of its primary key{of}"
        if _is_nan(value):
            return f"{name!r} of a primary key is NaN, which equals nothing{of}"
    for name, value in record.items():
        try:
            stored = to_sql(value)
            if isinstance(stored, str):
                stored.encode()
        except (TypeError, ValueError, RecursionError) as error:
            return f"field {name!r}{of}: {error}"
    return ""


def _is_nan(value: Any) -> bool:
    """Whether a number equals not even itself."""
    try:
        return bool(value != value)  # noqa: PLR0124 - that is what tells it
    except (ArithmeticError, TypeError, ValueError):  # a signalling NaN; arrays
        return True


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


_SHOWN = 60
