"""Law 2: the catalog says what there is, always the same; each entity can be fetched, and any other name is refused."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from connector_kit.capabilities import close_broken_stream
from connector_kit.errors import TransientError, UnknownEntityError
from connector_kit.protocols import SupportsPartitions
from connector_kit.records.catalog import Catalog, Entity, Field, ListOf, Scalar, Struct
from connector_kit.testing.conformance.reading import NoPageError, Reading, text_of
from connector_kit.testing.conformance.subject import CONNECTOR_LAWS, Subject, Watched
from connector_kit.testing.conformance.telling import telling
from connector_kit.wrappers.stack.layers import asks_for

from .baseline import Baseline, result_or_error
from .cursors import changed_by_text
from .record_texts import through_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from connector_kit.testing.conformance.law import Findings

    _Ask: TypeAlias = Callable[[Watched, str], Awaitable[str]]

__all__ = ["catalog", "differences", "names_beside"]

_PARTITION_TARGETS = (1, 3)


@CONNECTOR_LAWS.law(
    2, "catalog", "Every entity of the catalog can be fetched; any other name raises UnknownEntityError."
)
async def catalog(subject: Subject, findings: Findings) -> None:
    """Look at the catalog, at every entity it names, at names beside them, and at the partitions of each entity."""
    if not await _check_catalog(subject, findings):
        return
    for entity in await subject.entities():
        with telling(findings, entity.name):
            got = await result_or_error(partial(subject.full_read, entity.name), NoPageError, TransientError)
            if isinstance(got, Reading):
                findings.checked(f"{entity.name} can be fetched ({len(got.records)} records)")
                continue
            findings.broken(
                f"it is in the catalog and cannot be fetched: {type(got).__name__}: {got}",
                expected="pages",
                mend="leave it out of the catalog where it is not there or may not be read, or mend the read",
                entity=entity.name,
            )
    with telling(findings, None):
        await _check_unknown_names(subject, findings)
    for entity in await subject.entities():
        with telling(findings, entity.name):
            await _check_partitions(subject, entity, findings)


async def _check_catalog(subject: Subject, findings: Findings) -> bool:
    """Ask two connectors for the catalog, twice each. Return whether there is one to go by."""
    answers: list[object] = []
    for _ in range(2):
        async with subject.connector() as connector:
            answers += [await connector.discover_schema(), await connector.discover_schema()]
    catalogs: list[Catalog] = []
    for answer in answers:
        if not isinstance(answer, Catalog):
            findings.broken(
                f"discover_schema gave a {type(answer).__name__}",
                expected="a Catalog",
                mend="return Catalog([Entity(name, fields, …), …])",
            )
            return False
        catalogs.append(answer)
    await _check_changes(subject, catalogs, findings)
    for entity in catalogs[0]:
        _check_announcement(entity, findings)
    return True


async def _check_changes(subject: Subject, catalogs: list[Catalog], findings: Findings) -> None:
    """Compare four catalogs: a source that changed shows once, a wrong connector each time."""
    first, second, third, fourth = catalogs
    within = differences(first, second), differences(third, fourth)
    across = differences(second, third)
    if not across and not any(within):
        findings.checked(f"the catalog is the same each time, with {len(first)} entities")
        return
    if all(within):
        change, when = within[0], "the second time it is asked"
    elif not any(within) and differences(fourth, await _catalog_anew(subject)):
        change, when = across, "with every connector"
    else:
        findings.unchecked("whether the catalog stays: the source's own changed meanwhile")
        return
    findings.broken(
        f"the catalog is another one {when}: {change}",
        expected="the same, as long as the source is the same",
        mend="build it anew each time from what the source says, and change nothing of the last one",
    )


async def _catalog_anew(subject: Subject) -> Catalog:
    async with subject.connector() as connector:
        return await connector.discover_schema()


def differences(one: Catalog, other: Catalog) -> str:
    """Return in what two catalogs differ, apart from the order of entities and fields; empty where they do not."""
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


def _check_announcement(entity: Entity, findings: Findings) -> None:
    """Look at what nobody checks when an entity is made: names and types. Keys that are no field cannot get here."""
    problems = [*_wrong_types(entity.fields)]
    if not _is_name(entity.name):
        problems.append(f"an entity is called {entity.name!r}; expected a name")
    mend = "use Scalar, ListOf and Struct of connector_kit"
    for problem in problems:
        findings.broken(problem, mend=mend, entity=str(entity.name))


def _is_name(name: object) -> bool:
    return isinstance(name, str) and bool(name.strip())


def _wrong_types(fields: tuple[Field, ...], path: str = "") -> Iterator[str]:
    for field in fields:
        yield from _wrong_type(field.type, f"{path}{field.name}")


def _wrong_type(announced: object, path: str) -> Iterator[str]:
    if isinstance(announced, ListOf):
        yield from _wrong_type(announced.item, f"{path}[]")
    elif isinstance(announced, Struct):
        yield from _wrong_types(announced.fields, f"{path}.")
    elif not isinstance(announced, Scalar):
        yield f"the type of field {path} is {announced!r}; expected a Scalar, a ListOf or a Struct"


async def _check_unknown_names(subject: Subject, findings: Findings) -> None:
    names = names_beside((await subject.catalog()).names)
    answers: dict[str, list[str]] = {}  # what came instead of the error, each time, by its kind
    async with subject.connector() as connector:
        ways: list[tuple[str, _Ask]] = [("fetch_data", _first_page)]
        if asks_for(connector.inner, SupportsPartitions):
            ways.append(("partition_data", _partitions))
        for way, ask in ways:
            for name in names:
                got = await result_or_error(partial(ask, connector, name), TransientError)
                if not isinstance(got, UnknownEntityError):
                    answer = got if isinstance(got, str) else f"raises {type(got).__name__}: {got}"
                    what = f"{way}({name!r}), which is not in the catalog, {answer}"
                    answers.setdefault(f"{way} {answer.partition(': ')[0]}", []).append(what)
    for first, *others in answers.values():
        findings.broken(
            f"{first} (and so with {len(others)} more names)" if others else first,
            expected="UnknownEntityError",
            mend="look the name up first: catalog[name] raises it, with the nearest name",
        )
    if not answers:
        findings.checked(f"names beside the catalog are refused: {', '.join(map(repr, names))}")


def names_beside(known: tuple[str, ...]) -> list[str]:
    """Return names that are not in the catalog: none at all, one of nobody's, and some that are nearly right."""
    first = known[0] if known else "entity"
    tried = ("", "no_such_entity", f"{first}_", f" {first}", first.swapcase(), f"{first}/1", first[:-1])
    return [name for name in dict.fromkeys(tried) if name not in known]


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


async def _check_partitions(subject: Subject, entity: Entity, findings: Findings) -> None:
    """Compare all partitions of an entity with a full read; go on in the middle of one."""
    async with subject.connector() as connector:
        if not asks_for(connector.inner, SupportsPartitions):
            return
        read = Baseline(subject, findings, entity, await subject.full_read(entity.name))
        if not read.reading.ended:
            findings.unchecked(f"the partitions of {entity.name}: a full read did not come to its end")
            return
        parts: list[Reading] = []
        for target in _PARTITION_TARGETS:
            starts = await connector.partition_data(entity.name, target=target)
            for start in starts:
                if reason := changed_by_text(start):
                    mend = "make it of text, numbers, lists and dicts"
                    read.broken(f"the partition {start!r} {reason}", "a cursor: a JSON value", mend)
                    return
            parts = [await read.read(connector, cursor=through_text(text_of(start))) for start in starts]
            together = Reading(
                tuple(page for part in parts for page in part.pages), all(part.ended for part in parts)
            )
            differ = read.differing(together)
            if not differ:
                findings.checked(f"{len(parts)} partitions of {read.name} are together one full read")
            elif await read.confirmed(f"the partitions of {read.name}"):
                read.broken(
                    f"{len(parts)} partitions have {len(together.records)} records together, a full read has "
                    f"{len(read.reading.records)}; {len(differ)} records are lost or too many",
                    "one full read: no record lost, none twice",
                    "let every partition end where the next one begins",
                    differ,
                )
        await _go_on_inside_partition(connector, read, parts)


async def _go_on_inside_partition(connector: Watched, read: Baseline, parts: Sequence[Reading]) -> None:
    """Go on behind a page of a partition: what follows ends where the partition does, not where the table does."""
    what = f"going on inside a partition of {read.name}"
    for part in parts:
        for page in part.pages[:-1]:
            if page.cursor is not None:
                followed = part.after(page.number)
                rest = await read.read(connector, cursor=through_text(page.cursor))
                if rest.records == followed:
                    read.findings.checked(f"a read goes on inside a partition of {read.name}")
                elif await read.confirmed(what):
                    read.broken(
                        f"going on inside a partition delivers {len(rest.records)} records, {len(followed)} followed",
                        "exactly what followed in the partition",
                        "let the cursor of a partition's page know where the partition ends",
                        tuple(set(rest.records) ^ set(followed)),
                        page=page.number,
                    )
                return
    read.findings.unchecked(f"{what}: none has a cursor before its last page")
