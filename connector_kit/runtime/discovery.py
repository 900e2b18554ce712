"""The catalog of some entities, with fields inferred from a sample where the connector announces none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import anyio
import attrs

from connector_kit.errors import ConfigError
from connector_kit.records.catalog import Catalog, Field
from connector_kit.records.inference import infer_fields
from connector_kit.records.instants import refuse_key

from .session import stream
from .watermark import refuse_sampled_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from connector_kit.protocols import Connector
    from connector_kit.records.catalog import Entity
    from connector_kit.records.page import Record

__all__ = ["Discovery", "discover"]

_SAMPLE_PAGES = 3
"""A first page without records may be followed by others; a source that goes on like that has none to infer from."""


@attrs.frozen
class Discovery:
    """The entities that were asked for, and by name the error of each whose fields could not be inferred.

    Such an entity is in the catalog as it was announced: without fields. `problems` has what no sync of an entity could do,
    by what is declared and by the sample, if one was taken. `left_out` names the others that there are.
    """

    catalog: Catalog
    errors: Mapping[str, Exception] = attrs.field(factory=dict[str, Exception])
    problems: Mapping[str, ConfigError] = attrs.field(factory=dict[str, ConfigError])
    left_out: tuple[str, ...] = ()


async def discover(
    connector: Connector, /, entities: Iterable[str] | None = None, *, concurrency: int = 4
) -> Discovery:
    """Return what a connected connector has: all of its entities, or those of these names, in that order.

    Fields that an entity does not announce are inferred from the first page that has records. It is read through the whole
    stack, so that limits and retries apply, from up to `concurrency` entities at once. An inference that fails is told of its
    entity alone. Nothing is asked of entities that are not among `entities`, and nothing more where fields are announced.

    Raises `UnknownEntityError` for a name that is not in the catalog, and what `discover_schema` raises.
    """
    announced = await connector.discover_schema()
    names = announced.names if entities is None else tuple(dict.fromkeys(entities))
    found = {name: announced[name] for name in names}
    errors: dict[str, Exception] = {}
    samples: dict[str, Sequence[Record]] = {}
    slots = anyio.Semaphore(concurrency)

    async def infer(entity: Entity) -> None:
        async with slots:
            try:
                records = samples[entity.name] = await _first_records(connector, entity.name)
                found[entity.name] = _with_fields(entity, infer_fields(records))
            except Exception as error:  # noqa: BLE001 - one entity's failure is its own: it is told with the catalog
                errors[entity.name] = error

    async with anyio.create_task_group() as tasks:
        for entity in tuple(found.values()):
            if not entity.fields:
                tasks.start_soon(infer, entity)
    left_out = tuple(name for name in announced.names if name not in found)
    catalog = Catalog([found[name] for name in names])
    return Discovery(catalog, errors, _problems(catalog, samples), left_out)


def _problems(catalog: Catalog, samples: Mapping[str, Sequence[Record]]) -> dict[str, ConfigError]:
    problems: dict[str, ConfigError] = {}
    for entity in catalog:
        try:
            refuse_key(entity)
            refuse_sampled_keys(entity, samples.get(entity.name, ()))
        except ConfigError as error:
            problems[entity.name] = error
    return problems


async def _first_records(connector: Connector, entity: str) -> Sequence[Record]:
    async with stream(connector, entity) as pages:
        read = 0
        async for page in pages:
            read += 1
            if page.records or read == _SAMPLE_PAGES:
                return page.records
    return []


def _with_fields(entity: Entity, fields: Iterable[Field]) -> Entity:
    """Return the entity with inferred fields. They may be null, but for the primary key: a page does not show all there may be."""
    keys = set(entity.primary_key)
    known = [attrs.evolve(field, nullable=field.nullable or field.name not in keys) for field in fields]
    lacking = {_head(key) for key in (*keys, entity.replication_key) if key} - {field.name for field in known}
    # A key that the sample does not show is a field all the same: the connector says so.
    return attrs.evolve(entity, fields=[*known, *map(Field, sorted(lacking))]) if known else entity


def _head(key: str) -> str:
    return key.partition(".")[0]
