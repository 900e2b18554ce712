"""Whether what is read back is what was written, whatever form a store keeps it in. Pure."""

from __future__ import annotations

import math
from base64 import b64decode
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

import attrs
import msgspec

from connector_kit.records.checkpoint import FingerprintLog
from connector_kit.testing.conformance.reading import Difference, text_of

if TYPE_CHECKING:
    from connector_kit.records.checkpoint import Checkpoint
    from connector_kit.records.page import Record

__all__ = ["checkpoint_difference", "equal_records", "equal_values", "rows_difference", "with_size_alone"]

P = TypeVar("P", date, datetime, time)

_MOST_LETTERS = 100  # of a cursor in a message


def rows_difference(wanted: Sequence[Record], found: Sequence[Record], *, ordered: bool) -> Difference | None:
    """Compare rows; where they stand counts only if `ordered`. A field that is missing is one that is None."""
    extra = [dict(row) for row in found]
    missing: list[Record] = []
    for row in wanted:
        same = next((index for index, other in enumerate(extra) if equal_records(row, other)), None)
        if same is None:
            missing.append(row)
        else:
            del extra[same]
    if missing or extra:
        counts = {"missing": len(missing), "too many": len(extra)}
        words = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        pairs = zip_longest(  # in turn: the first few are what is shown
            [f"missing: {text_of(dict(row))}" for row in missing],
            [f"too many: {text_of(row)}" for row in extra],
        )
        return Difference(
            f"{len(found)} rows are there, {words} ({len(wanted)} expected)",
            tuple(line for pair in pairs for line in pair if line is not None),
        )
    if ordered and not all(map(equal_records, wanted, found)):
        return Difference(
            "all rows are there, in another order", tuple(f"is there: {text_of(dict(row))}" for row in found)
        )
    return None


def equal_records(wanted: Record, found: Record) -> bool:
    """Whether two records say the same."""
    return all(equal_values(wanted.get(name), found.get(name)) for name in {*wanted, *found})


def equal_values(wanted: Any, found: Any) -> bool:
    """Whether `found` is `wanted`, or one of the forms that a store without that type may keep it in."""
    match wanted:  # the order counts: a bool is an int, a datetime is a date
        case None | str():
            same = isinstance(found, type(wanted)) and found == wanted
        case bool():
            same = isinstance(found, int) and found == wanted
        case float():
            same = not isinstance(found, bool) and _float(found) == wanted
        case int() | Decimal():
            same = not isinstance(found, bool) and _number(found) == wanted
        case datetime():
            moment = _parsed(found, datetime)
            same = moment is not None and moment.tzinfo is not None and moment == wanted
        case date():
            same = not isinstance(found, datetime) and _parsed(found, date) == wanted
        case time():
            same = _parsed(found, time) == wanted
        case bytes():
            same = _bytes(found) == wanted
        case _ if _is_mapping(wanted):
            nested = _decoded(found)
            same = _is_mapping(nested) and equal_records(wanted, nested)
        case _:
            nested = _decoded(found)
            same = (
                _is_sequence(nested) and len(nested) == len(wanted) and all(map(equal_values, wanted, nested))
            )
    return same


def _decoded(found: Any) -> Any:
    """Return a nested value, which may be kept as its JSON text."""
    try:
        return msgspec.json.decode(found) if isinstance(found, str | bytes) else found
    except msgspec.MsgspecError:
        return None


def _is_mapping(value: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping)


def _is_sequence(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _number(found: Any) -> Decimal | int | None:
    """Return an exact number; a float by its shortest digits, which is what whoever wrote 1.1 meant."""
    try:
        if isinstance(found, float):
            return Decimal(repr(found)) if math.isfinite(found) else None
        return Decimal(found) if isinstance(found, int | Decimal | str) else None
    except InvalidOperation:
        return None


def _float(found: Any) -> float | None:
    try:
        return float(found) if isinstance(found, int | float | Decimal | str) else None
    except (ValueError, OverflowError):
        return None


def _parsed(found: Any, kind: type[P]) -> P | None:
    """Return a date or a time from its text or itself; None where it is neither."""
    try:
        return (
            kind.fromisoformat(found)
            if isinstance(found, str)
            else found
            if isinstance(found, kind)
            else None
        )
    except ValueError:
        return None


def _bytes(found: Any) -> bytes | None:
    try:
        return b64decode(found, validate=True) if isinstance(found, str) else bytes(memoryview(found))
    except (ValueError, TypeError):
        return None


def checkpoint_difference(wanted: Checkpoint | None, found: Checkpoint | None) -> str:
    """Say what of a checkpoint is not what was stored; empty where all of it is.

    Times count as moments, whatever zone they are given in; a cursor counts to the letter of its JSON, but for the
    order of an object's names: 1, 1.0 and true are three cursors.
    """
    if wanted is None or found is None:
        return "" if wanted is found else f"it is {_name_of(found)} instead of {_name_of(wanted)}"
    for field in attrs.fields(type(wanted)):
        stored, given = getattr(wanted, field.name), getattr(found, field.name, None)
        same = text_of(stored) == text_of(given) if field.name == "cursor" else _same(stored, given)
        if not same:
            return f"its {field.name} is {_short(given)} instead of {_short(stored)}"
    return ""


def with_size_alone(checkpoint: Checkpoint | None) -> Checkpoint | None:
    """Return a checkpoint as `states` may give it: of its log, the size."""
    return checkpoint and attrs.evolve(checkpoint, log=FingerprintLog(checkpoint.log.size))


def _same(stored: object, given: object) -> bool:
    if isinstance(stored, datetime):
        return isinstance(given, datetime) and given.tzinfo is not None and given == stored
    if _is_mapping(stored):
        return _is_mapping(given) and dict(stored) == dict(given)
    return type(stored) is type(given) and stored == given


def _name_of(checkpoint: Checkpoint | None) -> str:
    if checkpoint is None:
        return "none"
    return f"the one {'of the end' if checkpoint.complete else 'with cursor ' + _short(checkpoint.cursor)}"


def _short(value: object) -> str:
    text = text_of(value)
    return text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}…"
