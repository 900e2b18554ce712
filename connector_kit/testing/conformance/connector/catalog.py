"""Law 2: the catalog says what there is, always the same; each entity can be fetched, and any other name is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from connector_kit.capabilities import close_broken_stream
from connector_kit.errors import TransientError, UnknownEntityError
from connector_kit.protocols import SupportsPartitions
from connector_kit.records.catalog import Catalog, Field, FieldType, ListOf, Scalar, Struct
from connector_kit.testing.conformance.bounds import EnoughError
from connector_kit.testing.conformance.reading import NoPageError
from connector_kit.testing.conformance.subject import CONNECTOR_LAWS
from connector_kit.testing.conformance.telling import telling
from connector_kit.wrappers.stack.layers import asks_for

from .partitions import look_at_partitions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from connector_kit.records.catalog import Entity
    from connector_kit.testing.conformance.law import Findings
    from connector_kit.testing.conformance.subject import Subject, Watched

    _Asking: TypeAlias = Callable[[Watched, str], Awaitable[str]]

__all__ = ["catalog", "differences", "names_beside"]


@CONNECTOR_LAWS.law(
    2, "catalog", "Every entity of the catalog can be fetched; any other name raises UnknownEntityError."
)
async def catalog(subject: Subject, found: Findings) -> None:
    """Look at the catalog, at every entity it names, at names beside them, and at the partitions of each entity."""
    if not await _stays(subject, found):
        return
    for entity in await subject.entities():
        with telling(found, entity.name):
            await _can_be_fetched(subject, entity, found)
    with telling(found, None):
        await _others_are_refused(subject, found)
    for entity in await subject.entities():
        with telling(found, entity.name):
            await look_at_partitions(subject, entity, found)


async def _stays(subject: Subject, found: Findings) -> bool:
    """Look at the catalog itself, asked for twice and by two connectors; tell whether there is one to go by."""
    async with subject.connector() as connector:
        first: object = await connector.discover_schema()
        second: object = await connector.discover_schema()
    async with subject.connector() as other:
        third: object = await other.discover_schema()
        fourth: object = await other.discover_schema()
    told = (first, second, third, fourth)
    catalogs = [each for each in told if isinstance(each, Catalog)]
    if len(catalogs) < len(told):
        wrong = next(each for each in told if not isinstance(each, Catalog))
        found.broken(
            f"discover_schema gave a {type(wrong).__name__}",
            expected="a Catalog",
            mend="return Catalog([Entity(name, fields, …), …])",
        )
        return False
    await _look_at_changes(subject, catalogs, found)
    for entity in catalogs[0]:
        _look_at_announcement(entity, found)
    return True


async def _look_at_changes(subject: Subject, catalogs: list[Catalog], found: Findings) -> None:
    """Two connectors were asked twice each: a source that changed shows once, a wrong connector each time."""
    first, second, third, fourth = catalogs
    within = differences(first, second), differences(third, fourth)
    across = differences(second, third)
    if all(within):
        change, when = within[0], "the second time it is asked"
    elif across and not any(within) and await _differs_once_more(subject, fourth):
        change, when = across, "with every connector"
    elif across or any(within):
        found.unchecked("whether the catalog stays: the source's own changed meanwhile")
        return
    else:
        found.checked(f"the catalog is the same each time, with {len(first)} entities")
        return
    found.broken(
        f"the catalog is another one {when}: {change}",
        expected="the same, as long as the source is the same",
        mend="build it anew each time from what the source says, and change nothing of the last one",
    )


async def _differs_once_more(subject: Subject, last: Catalog) -> bool:
    async with subject.connector() as connector:
        return bool(differences(last, await connector.discover_schema()))


def differences(one: Catalog, other: Catalog) -> str:
    """Say in what two catalogs differ, apart from the order of entities and fields; empty where they do not."""
    for name in (*one.names, *other.names):
        if name not in other.names:
            return f"{name} is gone"
        if name not in one.names:
            return f"{name} is new"
        before, after = one[name], other[name]
        if set(map(repr, before.fields)) != set(map(repr, after.fields)):
            return (
                f"the fields of {name} were {_names(before)} and are {_names(after)}, or are of another type"
            )
        for about in ("primary_key", "replication_key", "ordered", "incremental"):
            if getattr(before, about) != getattr(after, about):
                return f"{about} of {name} was {getattr(before, about)!r} and is {getattr(after, about)!r}"
    return ""


def _names(entity: Entity) -> str:
    return ", ".join(field.name for field in entity.fields) or "none"


def _look_at_announcement(entity: Entity, found: Findings) -> None:
    """Look at what nobody checks when an entity is made: names and types. Keys that are no field cannot get here."""
    problems = [*_wrong_types(entity.fields)]
    name: object = entity.name
    if not isinstance(name, str) or not name.strip():
        problems.append(f"an entity is called {entity.name!r}; expected a name")
    for problem in problems:
        found.broken(
            problem,
            mend="use Scalar, ListOf and Struct of connector_kit.records.catalog",
            entity=str(entity.name),
        )


def _wrong_types(fields: tuple[Field, ...], path: str = "") -> Iterator[str]:
    for field in fields:
        yield from _wrong_type(field.type, f"{path}{field.name}")


def _wrong_type(kind: FieldType, path: str) -> Iterator[str]:
    given: object = kind
    if isinstance(given, ListOf):
        yield from _wrong_type(given.item, f"{path}[]")
    elif isinstance(given, Struct):
        yield from _wrong_types(given.fields, f"{path}.")
    elif not isinstance(given, Scalar):
        yield f"the type of field {path} is {given!r}; expected a Scalar, a ListOf or a Struct"


async def _can_be_fetched(subject: Subject, entity: Entity, found: Findings) -> None:
    try:
        reading = await subject.full_read(entity.name)
    except (EnoughError, NoPageError, TransientError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever an author's connector raises is told, not passed on
        found.broken(
            f"it is in the catalog and cannot be fetched: {type(error).__name__}: {error}",
            expected="pages",
            mend="leave it out of the catalog where it is not there or may not be read, or mend the read",
            entity=entity.name,
        )
    else:
        found.checked(f"{entity.name} can be fetched ({len(reading.records)} records)")


async def _others_are_refused(subject: Subject, found: Findings) -> None:
    known = await subject.catalog()
    names = names_beside(known.names)
    taken: dict[str, list[str]] = {}  # what came instead of the error, each time, by its kind
    async with subject.connector() as connector:
        ways: list[tuple[str, _Asking]] = [("fetch_data", _first_page)]
        if asks_for(connector.inner, SupportsPartitions):
            ways.append(("partition_data", _partitions))
        for way, ask in ways:
            for name in names:
                if came := await _instead_of_refusal(connector, name, ask):
                    told = f"{way}({name!r}), which is not in the catalog, {came}"
                    taken.setdefault(f"{way} {came.partition(': ')[0]}", []).append(told)
    for first, *others in taken.values():
        found.broken(
            f"{first} (and so with {len(others)} more names)" if others else first,
            expected="UnknownEntityError",
            mend="look the name up first: catalog[name] raises it, with the nearest name",
        )
    if not taken:
        found.checked(f"names beside the catalog are refused: {', '.join(map(repr, names))}")


def names_beside(known: tuple[str, ...]) -> list[str]:
    """Give names that are not in the catalog: none at all, one of nobody's, and some that are nearly right."""
    first = known[0] if known else "entity"
    tried = ("", "no_such_entity", f"{first}_", f" {first}", first.swapcase(), f"{first}/1", first[:-1])
    return [name for name in dict.fromkeys(tried) if name not in known]


async def _instead_of_refusal(connector: Watched, name: str, ask: _Asking) -> str:
    """Ask for a name that is not there, and give what came of it; empty where it is refused as it should be."""
    try:
        return await ask(connector, name)
    except UnknownEntityError:
        return ""
    except (EnoughError, TransientError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever an author's connector raises is told, not passed on
        return f"raises {type(error).__name__}: {error}"


async def _first_page(connector: Watched, name: str) -> str:
    stream = connector.fetch_data(name)
    try:
        page = await stream.__anext__()
    except StopAsyncIteration:
        return "delivers nothing, and ends"
    finally:
        await close_broken_stream(stream)
    return f"delivers a {type(page).__name__}"


async def _partitions(connector: Watched, name: str) -> str:
    return f"gives {len(await connector.partition_data(name, target=2))} partitions"
