"""What an entity and its fields are called in the destination: between the read, which has the source's names, and its rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from connector_kit.errors import ConfigError, SchemaMismatchError
from connector_kit.records.catalog import Entity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from connector_kit.records.page import Record

    from .options import EntityOptions

__all__ = ["Naming", "refuse_shared_tables"]


@attrs.frozen
class Naming:
    """`entity` is the entity as the destination knows it; `rename` has the new names of fields by those of the source."""

    entity: Entity
    rename: Mapping[str, str]

    @classmethod
    def of(cls, entity: Entity, options: EntityOptions, prefix: str = "") -> Naming:
        """Return the names that the options and the prefix of a run give.

        Raises `ConfigError` where two fields would have one name, or a field to be renamed is none of the entity's.
        """
        rename = {old: new for old, new in options.rename.items() if old != new}
        _refuse_rename(entity, rename)

        def key(name: str) -> str:
            head, dot, rest = name.partition(".")
            return rename.get(name) or f"{rename.get(head, head)}{dot}{rest}"

        named = attrs.evolve(
            entity,
            name=f"{prefix}{options.table or entity.name}",
            fields=[attrs.evolve(field, name=rename.get(field.name, field.name)) for field in entity.fields],
            primary_key=[key(name) for name in entity.primary_key],
            replication_key=entity.replication_key and key(entity.replication_key),
        )
        return cls(named, rename)

    def apply(self, records: Sequence[Record]) -> Sequence[Record]:
        """Return the records with the fields' new names; themselves, however lazy, where no field is renamed.

        Raises `SchemaMismatchError` for a record that has another field of a new name.
        """
        rename = self.rename
        if not rename:
            return records
        renamed = [{rename.get(name, name): value for name, value in record.items()} for record in records]
        for before, after in zip(records, renamed, strict=True):
            if len(before) != len(after):
                taken = next(new for old, new in rename.items() if old in before and new in before)
                raise SchemaMismatchError(
                    f"a record of entity {self.entity.name!r} has a field {taken!r} already, and `rename` calls another one so; "
                    "expected one field of that name; choose another name"
                )
        return renamed


def refuse_shared_tables(namings: Iterable[tuple[str, Naming]]) -> None:
    """Raise `ConfigError` where two entities of a run, given by their names in the source, would have one table."""
    taken: dict[str, str] = {}
    for source, naming in namings:
        table = naming.entity.name
        if (other := taken.setdefault(table, source)) != source:
            raise ConfigError(
                f"entities {other!r} and {source!r} would both be {table!r} in the destination; expected a name for each; set "
                f'`table` of one of them to another one: [entities.{source}] table = "..."'
            )


def _refuse_rename(entity: Entity, rename: Mapping[str, str]) -> None:
    known = [field.name for field in entity.fields]
    for old, new in rename.items():
        if known and old not in known:
            raise ConfigError(
                f"entity {entity.name!r}: `rename` has the field {old!r}, which is none of its fields ({', '.join(known)}); "
                "correct the name or leave it out"
            )
        sharing = [name for name in {*known, *rename} if rename.get(name, name) == new]
        if len(sharing) > 1:
            raise ConfigError(
                f"entity {entity.name!r}: `rename` would leave {len(sharing)} fields with the name {new!r} ({', '.join(sorted(sharing))}); "
                "expected a name for each; choose another one"
            )
