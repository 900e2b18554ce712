"""Whether what is read back is what was written, whatever the form a store keeps it in. Pure."""

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

from connector_kit.testing.conformance.reading import text_of

if TYPE_CHECKING:
    from connector_kit.records.checkpoint import Checkpoint
    from connector_kit.records.page import Record

__all__ = ["Difference", "alike", "alike_records", "checkpoint_difference", "difference"]


_MOST_LETTERS = 100  # of a cursor in a message


@attrs.frozen
class Difference:
    """What differs, in words, and the first few records that do, as text."""

    what: str
    records: tuple[str, ...] = ()


def difference(wanted: Sequence[Record], found: Sequence[Record], *, ordered: bool) -> Difference | None:
    """Compare rows; where they stand counts only if `ordered`. A field that is missing is one that is None."""
    extra = [dict(row) for row in found]
    missing: list[Record] = []
    for row in wanted:
        same = next((place for place, other in enumerate(extra) if alike_records(row, other)), None)
        if same is None:
            missing.append(row)
        else:
            del extra[same]
    if missing or extra:
        counts = {"missing": len(missing), "too many": len(extra)}
        told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        return Difference(
            f"{len(found)} rows are there, {told} ({len(wanted)} expected)",
            _in_turn(
                [f"missing: {text_of(dict(row))}" for row in missing],
                [f"too many: {text_of(row)}" for row in extra],
            ),
        )
    if ordered and not all(map(alike_records, wanted, found)):
        return Difference(
            "all rows are there, in another order", tuple(f"is there: {text_of(dict(row))}" for row in found)
        )
    return None


def _in_turn(missing: list[str], extra: list[str]) -> tuple[str, ...]:
    """Give both kinds in turn: the first few are what is shown."""
    pairs = zip_longest(missing, extra)
    return tuple(line for pair in pairs for line in pair if line is not None)


def alike_records(wanted: Record, found: Record) -> bool:
    """Whether two records say the same."""
    return all(alike(wanted.get(name), found.get(name)) for name in {*wanted, *found})


def alike(wanted: Any, found: Any) -> bool:
    """Whether `found` is `wanted`, or one of the forms that a store without that type may keep it in."""
    return next(same for kinds, same in _SAME if isinstance(wanted, kinds))(wanted, found)


def _bool_alike(wanted: bool, found: Any) -> bool:  # noqa: FBT001 - it is the value that is compared
    return isinstance(found, int) and found == wanted


def _number_alike(wanted: float | Decimal, found: Any) -> bool:
    if isinstance(found, bool):
        return False
    number = _float(found) if isinstance(wanted, float) else _number(found)
    return number is not None and number == wanted


def _moment_alike(wanted: datetime, found: Any) -> bool:
    moment = _parsed(found, datetime)
    return isinstance(moment, datetime) and moment.tzinfo is not None and moment == wanted


def _date_alike(wanted: date, found: Any) -> bool:
    return not isinstance(found, datetime) and bool(_parsed(found, date) == wanted)


def _nested_alike(wanted: Mapping[str, Any] | Sequence[Any], found: Any) -> bool:
    if isinstance(found, str | bytes):
        try:
            found = msgspec.json.decode(found)
        except msgspec.MsgspecError:
            return False
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and alike_records(wanted, found)
    return (
        isinstance(found, Sequence)
        and not isinstance(found, str | bytes)
        and len(found) == len(wanted)
        and all(map(alike, wanted, found))
    )


def _number(found: Any) -> Decimal | int | None:
    """Give an exact number; a float by its shortest digits, which is what whoever wrote 1.1 meant."""
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
    """Give a date or a time from its text or itself; None where it is neither."""
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
    (bool, _bool_alike),
    ((int, float, Decimal), _number_alike),
    (datetime, _moment_alike),
    (date, _date_alike),
    (time, lambda wanted, found: bool(_parsed(found, time) == wanted)),
    (bytes, lambda wanted, found: _bytes(found) == wanted),
    (str, lambda wanted, found: isinstance(found, str) and found == wanted),
    (object, _nested_alike),
)


def checkpoint_difference(wanted: Checkpoint | None, found: Checkpoint | None) -> str:
    """Say what of a checkpoint is not what was stored; empty where all of it is.

    Times count as moments, whatever zone they are given in; a cursor counts to the letter of its JSON, but for the
    order of an object's names: 1, 1.0 and true are three cursors.
    """
    if wanted is None or found is None:
        return "" if wanted is found else f"it is {_told(found)} instead of {_told(wanted)}"
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


def _told(checkpoint: Checkpoint | None) -> str:
    if checkpoint is None:
        return "none"
    return f"the one {'of the end' if checkpoint.complete else 'with cursor ' + _short(checkpoint.cursor)}"


def _short(value: object) -> str:
    text = text_of(value)
    return text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}…"
