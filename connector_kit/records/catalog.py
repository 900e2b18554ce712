"""What `discover_schema` returns: the entities of a connector and the types of their fields."""

from __future__ import annotations

from collections import Counter
from difflib import get_close_matches
from enum import Enum
from typing import TYPE_CHECKING, Literal, TypeAlias

import attrs

from connector_kit.errors import ConfigError, UnknownEntityError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Catalog", "Entity", "Field", "FieldType", "Incremental", "ListOf", "Scalar", "Struct", "as_names"]

Incremental: TypeAlias = Literal["since", "cursor"] | None
"""How the next run reads what is new: from a time, from the last page's cursor, or not at all (a full read)."""


class Scalar(Enum):
    """The types of a single value. Dates, times and decimals may come as the text JSON has for them."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    DATE = "date"
    TIME = "time"
    DECIMAL = "decimal"
    BINARY = "binary"
    JSON = "json"
    """Any JSON value: what is known of a field of which nothing is known."""


@attrs.frozen
class ListOf:
    """A list whose items have one type."""

    item: FieldType


@attrs.frozen
class Struct:
    """A nested record."""

    fields: tuple[Field, ...] = attrs.field(converter=tuple["Field", ...])


FieldType: TypeAlias = Scalar | ListOf | Struct


@attrs.frozen
class Field:
    """One field: its name, its type, whether it may be missing or None."""

    name: str
    type: FieldType = Scalar.JSON
    nullable: bool = True


def _repeated(names: Sequence[str]) -> list[str]:
    return sorted(name for name, times in Counter(names).items() if times > 1)


def as_names(names: str | Iterable[str]) -> tuple[str, ...]:
    """Return one name, or several, as a tuple."""
    return (names,) if isinstance(names, str) else tuple(names)


@attrs.frozen
class Entity:
    """One named stream of records.

    `primary_key` names the fields that together are unique. `replication_key` names the field whose values only
    grow. `ordered` promises that records come in non-decreasing order of it. `incremental` says how the next run
    reads what is new. With no `fields`, nothing is known of the records yet. A key may be a path into nested records
    (`properties.modified`).

    `replication_format` says how a source writes its times, where that cannot be told from them: "iso", "epoch", "epoch_ms",
    "epoch_us", "rfc1123" or a pattern for `strptime`. `replication_zone` is the time zone (`Europe/Berlin`) of times that name
    none. `revision` is any text that changes when other records are served under the same name: a cursor or a watermark of
    another revision is not continued.
    """

    name: str
    fields: tuple[Field, ...] = attrs.field(default=(), converter=tuple[Field, ...])
    primary_key: tuple[str, ...] = attrs.field(default=(), converter=as_names)
    replication_key: str | None = None
    ordered: bool = False
    incremental: Incremental = None
    revision: str = ""
    replication_format: str | None = None
    replication_zone: str | None = None

    def __attrs_post_init__(self) -> None:
        known = dict.fromkeys(field.name for field in self.fields)
        if twice := _repeated([field.name for field in self.fields]):
            raise ConfigError(
                f"entity {self.name!r} has the field {twice[0]!r} twice; give every field one name"
            )
        keys = [*self.primary_key, *([self.replication_key] if self.replication_key else [])]
        for key in keys:
            if known and key not in known and key.partition(".")[0] not in known:
                raise ConfigError(
                    f"entity {self.name!r}: the key {key!r} is none of its fields ({', '.join(known)}); "
                    "add the field or name another key"
                )
        if self.replication_key is None and (self.ordered or self.incremental == "since"):
            what = "is ordered" if self.ordered else "is read by since"
            raise ConfigError(
                f"entity {self.name!r} {what} but has no replication_key; name the field it goes by"
            )


@attrs.frozen
class Catalog:
    """The entities of a connector, in the order they should be shown. `catalog["orders"]` is one."""

    entities: tuple[Entity, ...] = attrs.field(default=(), converter=tuple[Entity, ...])

    def __attrs_post_init__(self) -> None:
        if twice := _repeated(self.names):
            raise ConfigError(f"the catalog has the entity {twice[0]!r} twice; give every entity one name")

    @property
    def names(self) -> tuple[str, ...]:
        """The entities' names."""
        return tuple(entity.name for entity in self.entities)

    def __iter__(self) -> Iterator[Entity]:
        return iter(self.entities)

    def __len__(self) -> int:
        return len(self.entities)

    def __getitem__(self, name: str) -> Entity:
        """Return the entity of that name, or raise `UnknownEntityError` with the nearest known one."""
        for entity in self.entities:
            if entity.name == name:
                return entity
        near = get_close_matches(name, self.names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(self.names) or 'none'}"
        error = UnknownEntityError(f"no entity {name!r} in the catalog; {hint}")
        error.locate(entity=name)
        raise error
