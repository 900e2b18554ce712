"""The values of records as JSON, and back: what JSON has no form for becomes an object with one `$name`."""

from __future__ import annotations

import json
import math
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from connector_kit.redaction import HIDDEN

from .errors import UnrecordableError

if TYPE_CHECKING:
    from .redaction import Redaction

__all__ = ["plain", "restored"]


def plain(value: object, redaction: Redaction) -> Any:  # noqa: PLR0911 - one for each form
    """Give a value as JSON, redacted. Raises `UnrecordableError` for what has no form.

    Mappings and sequences of any class become objects and lists; the names of a mapping keep their order.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return redaction.text(value)
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return HIDDEN if redaction.occurs_in(repr(value)) else value
    if isinstance(value, Mapping):
        return _plain_mapping(value, redaction)
    if isinstance(value, bytes | bytearray | memoryview):
        return {"$bytes": b64encode(redaction.content(bytes(value))).decode()}
    if isinstance(value, AbstractSet):
        return {"$set": sorted((plain(item, redaction) for item in value), key=_ordered)}
    if isinstance(value, Sequence):
        items = [plain(item, redaction) for item in value]
        return {"$tuple": items} if isinstance(value, tuple) else items
    for kind, tag, write in _SCALARS:
        if isinstance(value, kind):
            text = write(value)
            return HIDDEN if redaction.occurs_in(text) else {tag: text}
    raise UnrecordableError(
        f"a value of type {type(value).__name__} has no form in a cassette; expected what JSON has, dates and times, "
        "decimals, bytes, UUIDs, sets and tuples; let the connector give one of those"
    )


def restored(value: Any) -> Any:
    """Give back the value that `plain` made JSON of. Raises `ValueError` for JSON that it does not make."""
    if isinstance(value, list):
        return [restored(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        (tag, content), *_ = value.items()
        if tag.startswith("$"):
            return _restored_tag(tag, content)
    return {name: restored(item) for name, item in value.items()}


def _plain_mapping(value: Mapping[Any, object], redaction: Redaction) -> Any:
    def item(name: object, content: object) -> Any:
        hidden = isinstance(name, str) and content is not None and redaction.hides(name)
        return HIDDEN if hidden else plain(content, redaction)

    if all(isinstance(name, str) and not name.startswith("$") for name in value):
        return {redaction.text(name): item(name, content) for name, content in value.items()}
    return {"$map": [[plain(name, redaction), item(name, content)] for name, content in value.items()]}


def _ordered(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _zoned(value: datetime) -> str:
    """Write a time zone of a name behind the time, as RFC 9557 does: the offset alone is another zone."""
    zone = value.tzinfo
    return (
        f"{value.isoformat()}[{zone.key}]" if isinstance(zone, ZoneInfo) and zone.key else value.isoformat()
    )


def _unzoned(text: str) -> datetime:
    told, _, zone = text.partition("[")
    moment = datetime.fromisoformat(told)
    if not zone:
        return moment
    local = moment.replace(tzinfo=ZoneInfo(zone.removesuffix("]")))
    # Where the clock is put back, a time of day occurs twice; the offset tells which one it is.
    return local if local.utcoffset() == moment.utcoffset() else local.replace(fold=1)


_SCALARS: tuple[tuple[type, str, Callable[[Any], str]], ...] = (
    (float, "$float", repr),
    (datetime, "$datetime", _zoned),  # before date, which it is, too
    (date, "$date", date.isoformat),
    (time, "$time", time.isoformat),
    (timedelta, "$timedelta", lambda value: f"{value.days} {value.seconds} {value.microseconds}"),
    (Decimal, "$decimal", str),
    (UUID, "$uuid", str),
)

_RESTORE: Mapping[str, Callable[[Any], object]] = {
    "$float": float,
    "$datetime": _unzoned,
    "$date": date.fromisoformat,
    "$time": time.fromisoformat,
    "$timedelta": lambda text: timedelta(*map(int, text.split())),
    "$decimal": Decimal,
    "$uuid": UUID,
    "$bytes": lambda text: b64decode(text, validate=True),
    "$tuple": lambda items: tuple(restored(items)),
    "$set": lambda items: frozenset(restored(items)),
    "$map": lambda pairs: {restored(name): restored(content) for name, content in pairs},
}


def _restored_tag(tag: str, content: Any) -> object:
    restore = _RESTORE.get(tag)
    if restore is None:
        raise ValueError(f"{tag} is no known kind of value; known are {', '.join(_RESTORE)}")
    try:
        return restore(content)
    except (TypeError, ArithmeticError, KeyError) as error:
        raise ValueError(f"{content!r} is no {tag.removeprefix('$')}") from error
