"""Partitions: the starting cursors that divide a read are together one full read. Part of the law of the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from connector_kit.protocols import SupportsPartitions
from connector_kit.testing.conformance.reading import Reading, SeenPage
from connector_kit.wrappers.stack.layers import asks_for

from .cursors import changed_by_text
from .readings import differing
from .steady import still_the_same

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.records.catalog import Entity
    from connector_kit.records.page import Cursor
    from connector_kit.testing.conformance.law import Findings
    from connector_kit.testing.conformance.subject import Subject, Watched

__all__ = ["look_at_partitions"]

_TARGETS = (1, 3)


async def look_at_partitions(subject: Subject, entity: Entity, found: Findings) -> None:
    """Read all partitions of an entity and compare them with a full read; and go on in the middle of one."""
    async with subject.connector() as connector:
        if not asks_for(connector.inner, SupportsPartitions):
            return
        whole = await subject.full_read(entity.name)
        if not whole.ended:
            found.unchecked(f"the partitions of {entity.name}: a full read did not come to its end")
            return
        parts: list[Reading] = []
        for target in _TARGETS:
            starts = await connector.partition_data(entity.name, target=target)
            if not _are_cursors(entity, starts, found):
                return
            parts = [
                await subject.read(connector, entity.name, cursor=_through_text(start)) for start in starts
            ]
            await _compare(subject, entity, parts, whole, found)
        await _go_on(subject, connector, entity, parts, found)


def _are_cursors(entity: Entity, starts: Sequence[Cursor], found: Findings) -> bool:
    for start in starts:
        if reason := changed_by_text(start):
            found.broken(
                f"the partition {start!r} {reason}",
                expected="a cursor: a JSON value",
                mend="make it of text, numbers, lists and dicts",
                entity=entity.name,
            )
            return False
    return True


def _through_text(cursor: Cursor) -> Cursor:
    back: Cursor = msgspec.json.decode(msgspec.json.encode(cursor))
    return back


async def _compare(
    subject: Subject, entity: Entity, parts: Sequence[Reading], whole: Reading, found: Findings
) -> None:
    together = Reading(
        tuple(page for part in parts for page in part.pages), all(part.ended for part in parts)
    )
    differ = differing(together, whole)
    if not differ:
        found.checked(f"{len(parts)} partitions of {entity.name} are together one full read")
    elif not await still_the_same(subject, entity.name):
        found.unchecked(f"the partitions of {entity.name}: the source changed meanwhile")
    else:
        found.broken(
            f"{len(parts)} partitions have {len(together.records)} records together, a full read has "
            f"{len(whole.records)}; {len(differ)} records are lost or too many",
            expected="one full read: no record lost, none twice",
            mend="let every partition end where the next one begins",
            entity=entity.name,
            records=differ,
        )


async def _go_on(
    subject: Subject, connector: Watched, entity: Entity, parts: Sequence[Reading], found: Findings
) -> None:
    """Go on behind a page of a partition: what follows ends where the partition does, not where the table does."""
    place = _inside(parts)
    if place is None:
        found.unchecked(
            f"going on inside a partition of {entity.name}: none has a cursor before its last page"
        )
        return
    part, page = place
    rest = await subject.read(
        connector, entity.name, cursor=msgspec.json.decode((page.cursor or "").encode())
    )
    if rest.records == part.after(page.number):
        found.checked(f"a read goes on inside a partition of {entity.name}")
        return
    if not await still_the_same(subject, entity.name):
        found.unchecked(f"going on inside a partition of {entity.name}: the source changed meanwhile")
        return
    found.broken(
        f"going on inside a partition delivers {len(rest.records)} records, {len(part.after(page.number))} followed",
        expected="exactly what followed in the partition",
        mend="let the cursor of a partition's page know where the partition ends",
        entity=entity.name,
        page=page.number,
        records=tuple(set(rest.records) ^ set(part.after(page.number))),
    )


def _inside(parts: Sequence[Reading]) -> tuple[Reading, SeenPage] | None:
    """Give a page with a cursor before the end of a partition: of the first one that has one, not of the table's tail."""
    for part in parts:
        for page in part.pages[:-1]:
            if page.cursor is not None:
                return part, page
    return None
