"""What a cassette holds as JSON, and back: the values of records, catalogs, errors.

Nothing is lost but secrets. What JSON has no form for becomes an object with one `$name`. The kit's own errors come with
all they carry, Python's own with their arguments.
"""

from __future__ import annotations

import builtins
import inspect
import json
import math
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeGuard
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs

import connector_kit.errors as kit
from connector_kit.errors import ConnectorError, Problem
from connector_kit.records.catalog import Catalog, Entity, Field, FieldType, ListOf, Scalar, Struct
from connector_kit.redaction import HIDDEN

from .errors import ReplayedError, UnrecordableError

if TYPE_CHECKING:
    from .redaction import Redaction

__all__ = [
    "catalog_from_json",
    "catalog_to_json",
    "error_from_json",
    "error_to_json",
    "from_json",
    "is_json_list",
    "is_json_object",
    "to_json",
]


def to_json(value: object, redaction: Redaction) -> Any:  # noqa: PLR0911 - one for each form
    """Return a value as JSON, redacted. Raises `UnrecordableError` for what has no form.

    Mappings and sequences of any class become objects and lists; the names of a mapping keep their order.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return redaction.text(value)
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return HIDDEN if redaction.occurs_in(repr(value)) else value
    if _is_mapping(value):
        return _mapping_to_json(value, redaction)
    if _is_bytes(value):
        return {"$bytes": b64encode(redaction.content(bytes(value))).decode()}
    if _is_set(value):
        return {"$set": sorted((to_json(item, redaction) for item in value), key=_ordered)}
    if _is_sequence(value):
        items = [to_json(item, redaction) for item in value]
        return {"$tuple": items} if isinstance(value, tuple) else items
    for kind, tag, write in _SCALARS:
        if isinstance(value, kind):
            text = write(value)
            return HIDDEN if redaction.occurs_in(text) else {tag: text}
    raise UnrecordableError(
        f"a value of type {type(value).__name__} has no form in a cassette; expected what JSON has, dates and times, "
        "decimals, bytes, UUIDs, sets and tuples; let the connector give one of those"
    )


def from_json(value: Any) -> Any:
    """Return the value that `to_json` wrote as JSON. Raises `ValueError` for any other JSON."""
    if is_json_list(value):
        return [from_json(item) for item in value]
    if not is_json_object(value):
        return value
    if len(value) == 1:
        (tag, content), *_ = value.items()
        if tag.startswith("$"):
            return _tagged_from_json(tag, content)
    return {name: from_json(item) for name, item in value.items()}


def is_json_list(value: object) -> TypeGuard[list[Any]]:
    """Return whether JSON is a list."""
    return isinstance(value, list)


def is_json_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Return whether JSON is an object."""
    return isinstance(value, dict)


def _is_bytes(value: object) -> TypeGuard[bytes | bytearray | memoryview[int]]:
    return isinstance(value, bytes | bytearray | memoryview)


def _is_mapping(value: object) -> TypeGuard[Mapping[Any, object]]:
    return isinstance(value, Mapping)


def _is_set(value: object) -> TypeGuard[AbstractSet[object]]:
    return isinstance(value, AbstractSet)


def _is_sequence(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, Sequence)


def _mapping_to_json(value: Mapping[Any, object], redaction: Redaction) -> Any:
    def item(name: object, content: object) -> Any:
        hidden = isinstance(name, str) and content is not None and redaction.hides(name)
        return HIDDEN if hidden else to_json(content, redaction)

    if all(isinstance(name, str) and not name.startswith("$") for name in value):
        return {redaction.text(name): item(name, content) for name, content in value.items()}
    return {"$map": [[to_json(name, redaction), item(name, content)] for name, content in value.items()]}


def _ordered(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _zoned(value: datetime) -> str:
    """Append the name of a time zone to the time, as RFC 9557 does: the offset alone is another zone."""
    zone = value.tzinfo
    return (
        f"{value.isoformat()}[{zone.key}]" if isinstance(zone, ZoneInfo) and zone.key else value.isoformat()
    )


def _unzoned(text: str) -> datetime:
    data, _, zone = text.partition("[")
    moment = datetime.fromisoformat(data)
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
    "$tuple": lambda items: tuple(from_json(items)),
    "$set": lambda items: frozenset(from_json(items)),
    "$map": lambda pairs: {from_json(name): from_json(content) for name, content in pairs},
}


def _tagged_from_json(tag: str, content: Any) -> object:
    restore = _RESTORE.get(tag)
    if restore is None:
        raise ValueError(f"{tag} is no known kind of value; known are {', '.join(_RESTORE)}")
    try:
        return restore(content)
    except (TypeError, ArithmeticError, KeyError) as error:
        raise ValueError(f"{content!r} is no {tag.removeprefix('$')}") from error


def catalog_to_json(catalog: Catalog) -> list[dict[str, Any]]:
    """Return the entities as JSON, without what has its default."""
    return [_entity_to_json(entity) for entity in catalog]


def catalog_from_json(entities: list[dict[str, Any]]) -> Catalog:
    """Return the catalog that `catalog_to_json` made JSON of. Raises `TypeError`, `KeyError`, `ValueError` or `ConfigError` for JSON that is none."""
    return Catalog(_entity_from_json(entity) for entity in entities)


def _entity_to_json(entity: Entity) -> dict[str, Any]:
    data = {
        "primary_key": list(entity.primary_key),
        "replication_key": entity.replication_key,
        "ordered": entity.ordered,
        "incremental": entity.incremental,
        "revision": entity.revision,
        "replication_format": entity.replication_format,
        "replication_zone": entity.replication_zone,
        "fields": [_field_to_json(field) for field in entity.fields],
    }
    return {"name": entity.name, **{name: value for name, value in data.items() if value}}


def _field_to_json(field: Field) -> dict[str, Any]:
    data = {"name": field.name, "type": _type_to_json(field.type)}
    return data if field.nullable else {**data, "nullable": False}


def _type_to_json(kind: FieldType) -> Any:
    if isinstance(kind, Scalar):
        return kind.value
    if isinstance(kind, ListOf):
        return {"list": _type_to_json(kind.item)}
    return {"struct": [_field_to_json(field) for field in kind.fields]}


def _entity_from_json(data: dict[str, Any]) -> Entity:
    arguments: dict[str, Any] = {
        **data,
        "fields": [_field_from_json(field) for field in data.get("fields", ())],
    }
    return Entity(**arguments)


def _field_from_json(data: dict[str, Any]) -> Field:
    return Field(data["name"], _type_from_json(data["type"]), data.get("nullable", True))


def _type_from_json(data: Any) -> FieldType:
    if isinstance(data, str):
        return Scalar(data)
    if "list" in data:
        return ListOf(_type_from_json(data["list"]))
    return Struct(_field_from_json(field) for field in data["struct"])


_KIT: Mapping[str, type[ConnectorError]] = {
    name: value
    for name in kit.__all__
    if isinstance(value := getattr(kit, name), type) and issubclass(value, ConnectorError)
}
_PYTHON: Mapping[str, type[Exception]] = {
    name: value
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, Exception) and value is not Exception
}
_LOCATION = ("connector", "operation", "entity", "cursor", "attempt")
_CAUSES = 8
"""How long a chain of causes is kept."""


def error_to_json(error: BaseException, redaction: Redaction, depth: int = _CAUSES) -> dict[str, Any]:
    """Return an exception as JSON: class, message, what it carries, and its cause.

    A class of somebody's own stands as the nearest one it derives from, for which it is handled alike.
    """
    kind = _nearest(type(error))
    data: dict[str, Any] = {"class": kind.__name__}
    if type(error) is not kind:
        data["was"] = f"{type(error).__module__}.{type(error).__qualname__}"
    if isinstance(error, ConnectorError):
        data["message"] = redaction.text(error.message)
        location = {name: to_json(getattr(error, name), redaction) for name in _LOCATION}
        data |= {name: value for name, value in location.items() if value is not None}
        data |= {
            name: write(getattr(error, name), redaction, depth)
            for name, write in _CARRIED.items()
            if name in vars(error)
        }
    elif kind is ReplayedError:
        data["message"] = redaction.text(str(error))
    else:
        data["args"] = _arguments(error, redaction)
    if error.__cause__ is not None and depth:
        data["cause"] = error_to_json(error.__cause__, redaction, depth - 1)
    return data


def error_from_json(data: Mapping[str, Any]) -> Exception:
    """Return the exception that this describes. Raise `ValueError` where it describes none."""
    try:
        error = _error_of(data)
    except (KeyError, TypeError, AttributeError) as wrong:
        raise ValueError(f"{data!r} describes no error") from wrong
    if "cause" in data:
        error.__cause__ = error_from_json(data["cause"])
    return error


def _error_of(data: Mapping[str, Any]) -> Exception:
    name = data["class"]
    if name in _PYTHON:
        try:
            return _PYTHON[name](*from_json(data["args"]))
        except TypeError:  # one that takes other arguments than it keeps in `args`
            return ReplayedError(f"{name}: {data['args']}")
    if name == ReplayedError.__name__:
        error: ConnectorError = ReplayedError(f"{data['was']}: {data['message']}")
    else:
        kind = _KIT[name]
        parameters = inspect.signature(kind).parameters
        carried = {
            name: read(data[name]) for name, read in _READ.items() if name in parameters and name in data
        }
        error = kind(data["message"], **carried)
    error.locate(**{name: from_json(data[name]) for name in _LOCATION if name in data})
    return error


def _nearest(kind: type[BaseException]) -> type[BaseException]:
    for ancestor in kind.__mro__:
        if _KIT.get(ancestor.__name__) is ancestor or _PYTHON.get(ancestor.__name__) is ancestor:
            return ancestor
    return ReplayedError


def _arguments(error: BaseException, redaction: Redaction) -> list[Any]:
    try:
        return [to_json(each, redaction) for each in error.args]
    except UnrecordableError:
        return [redaction.text(str(error))]


_CARRIED: Mapping[str, Callable[[Any, Redaction, int], Any]] = {
    "retry_after": lambda value, redaction, _: to_json(value, redaction),
    "problems": lambda value, redaction, _: [to_json(attrs.asdict(each), redaction) for each in value],
    "attempts": lambda value, redaction, depth: [
        error_to_json(each, redaction, depth - 1) for each in value if depth
    ],
}
_READ: Mapping[str, Callable[[Any], Any]] = {
    "retry_after": from_json,
    "problems": lambda data: [Problem(**each) for each in data],
    "attempts": lambda data: [error_from_json(each) for each in data],
}
