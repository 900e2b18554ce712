"""Whether what is read back is what was written, whatever form a store keeps it in. Pure."""

from __future__ import annotations

import math
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from connector_kit.testing.conformance.reading import Difference, text_of

if TYPE_CHECKING:
    from connector_kit.records.checkpoint import Checkpoint
    from connector_kit.records.page import Record

__all__ = ["checkpoint_difference", "equal_records", "equal_values", "rows_difference"]

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
    return next(same for kinds, same in _SAME if isinstance(wanted, kinds))(wanted, found)


def _equal_bool(wanted: bool, found: Any) -> bool:  # noqa: FBT001 - it is the value that is compared
    return isinstance(found, int) and found == wanted


def _equal_number(wanted: float | Decimal, found: Any) -> bool:
    if isinstance(found, bool):
        return False
    number = _float(found) if isinstance(wanted, float) else _number(found)
    return number is not None and number == wanted


def _equal_datetime(wanted: datetime, found: Any) -> bool:
    moment = _parsed(found, datetime)
    return isinstance(moment, datetime) and moment.tzinfo is not None and moment == wanted


def _equal_date(wanted: date, found: Any) -> bool:
    return not isinstance(found, datetime) and bool(_parsed(found, date) == wanted)


def _equal_nested(wanted: Mapping[str, Any] | Sequence[Any], found: Any) -> bool:
    if isinstance(found, str | bytes):
        try:
            found = msgspec.json.decode(found)
        except msgspec.MsgspecError:
            return False
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and equal_records(wanted, found)
    return (
        isinstance(found, Sequence)
        and not isinstance(found, str | bytes)
        and len(found) == len(wanted)
        and all(map(equal_values, wanted, found))
    )


def _number(found: Any) -> Decimal | int | None:
    """Return an exact number; a float by its shortest digits, which is what whoever wrote 1.1 meant."""
    if isinstance(found, int | Decimal):
        return found
    if isinstance(found, float):
        return Decimal(repr(found)) if math.isfinite(found) else None
    try:
        return Decimal(found) if isinstance(found, str) else None
    except InvalidOperation:
        return None


def _float(found: Any) -> float | None:
    try:
        return float(found) if isinstance(found, int | float | Decimal | str) else None
    except (ValueError, OverflowError):
        return None


def _parsed(found: Any, kind: type[Any]) -> Any:
    """Return a date or a time from its text or itself; None where it is neither."""
    if isinstance(found, kind):
        return found
    try:
        return kind.fromisoformat(found) if isinstance(found, str) else None
    except ValueError:
        return None


def _bytes(found: Any) -> bytes | None:
    if isinstance(found, str):
        try:
            return b64decode(found, validate=True)
        except ValueError:
            return None
    return bytes(found) if isinstance(found, bytes | bytearray | memoryview) else None


# The first that fits counts: a bool is an int, a datetime is a date.
_SAME: tuple[tuple[type | tuple[type, ...], Callable[[Any, Any], bool]], ...] = (
    (type(None), lambda _, found: found is None),
    (bool, _equal_bool),
    ((int, float, Decimal), _equal_number),
    (datetime, _equal_datetime),
    (date, _equal_date),
    (time, lambda wanted, found: bool(_parsed(found, time) == wanted)),
    (bytes, lambda wanted, found: _bytes(found) == wanted),
    (str, lambda wanted, found: isinstance(found, str) and found == wanted),
    (object, _equal_nested),
)


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


def _same(stored: object, given: object) -> bool:
    if isinstance(stored, datetime):
        return isinstance(given, datetime) and given.tzinfo is not None and given == stored
    if isinstance(stored, Mapping):
        return isinstance(given, Mapping) and dict(stored) == dict(given)
    return type(stored) is type(given) and stored == given


def _name_of(checkpoint: Checkpoint | None) -> str:
    if checkpoint is None:
        return "none"
    return f"the one {'of the end' if checkpoint.complete else 'with cursor ' + _short(checkpoint.cursor)}"


def _short(value: object) -> str:
    text = text_of(value)
    return text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}…"
