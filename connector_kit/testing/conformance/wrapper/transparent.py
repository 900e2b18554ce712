"""Law 1, transparent: where nothing fails, a wrapped connector answers as the bare one does."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import attrs

from connector_kit.records.page import Cursor, Page
from connector_kit.testing.conformance.reading import SeenPage, text_of

from .subject import WRAPPER_LAWS, Outcome, WrapperSubject, read_out

if TYPE_CHECKING:
    from connector_kit.protocols import FullConnector
    from connector_kit.testing.conformance.law import Findings

    from .inner import Inner

__all__ = ["transparent"]


@attrs.frozen
class _Way:
    """The arguments of one read."""

    entity: str
    since: datetime | None = None
    cursor: Cursor = None

    def __str__(self) -> str:
        told = [repr(self.entity)]
        told += [f"since={self.since.isoformat()}"] if self.since is not None else []
        told += [f"cursor={self.cursor!r}"] if self.cursor is not None else []
        return f"fetch_data({', '.join(told)})"


@WRAPPER_LAWS.law(
    1, "transparent", "Without a fault, a wrapped read delivers the same pages in the same order."
)
def transparent(subject: WrapperSubject, found: Findings) -> None:
    """Look whether catalog and pages come out as they went in, from the start, from each cursor and from a time."""
    subject.run(_catalog, subject, found)
    for entity in subject.content.catalog:
        subject.run(_entity, subject, found, entity.name, entity.replication_key)


async def _catalog(subject: WrapperSubject, found: Findings) -> None:
    subject.doing = "asking for the catalog"
    async with subject.wrapped(subject.inner()) as wrapper:
        catalog = await wrapper.discover_schema()
    if catalog == subject.content.catalog:
        found.checked("the catalog is the inner one's")
    else:
        found.broken(
            f"discover_schema gives another catalog: {', '.join(catalog.names) or 'without entities'}",
            expected=f"the inner one's: {', '.join(subject.content.catalog.names)}",
            mend="return what the inner connector returns",
        )


async def _entity(subject: WrapperSubject, found: Findings, entity: str, key: str | None) -> None:
    inner, bare = subject.inner(), subject.inner()
    ways = _ways(subject, entity, key)
    async with subject.wrapped(inner) as wrapper:
        for way in ways:
            subject.doing = f"reading {way}"
            if not await _same(wrapper, way, inner, bare, found):
                return
    found.checked(
        f"{len(ways)} reads of {entity} deliver the inner one's pages: from the start, cursors, times"
    )


def _ways(subject: WrapperSubject, entity: str, key: str | None) -> list[_Way]:
    pages = subject.content.pages[entity]
    cursors = [page.cursor for page in pages if page.cursor is not None]
    times = [datetime.fromisoformat(record[key]) for page in pages for record in page.records] if key else []
    both = [_Way(entity, times[-1], cursors[0])] if times and cursors else []
    return [
        _Way(entity),
        *(_Way(entity, cursor=cursor) for cursor in cursors),
        *(_Way(entity, since=since) for since in times[len(times) // 2 :][:1]),
        *both,
    ]


async def _same(wrapper: FullConnector, way: _Way, inner: Inner, bare: Inner, found: Findings) -> bool:
    """Read the same way from both, and tell whether the same came."""
    before = len(inner.requests)
    inner.delivered.clear()
    outcome = await read_out(wrapper.fetch_data(way.entity, since=way.since, cursor=way.cursor))
    expected = await read_out(bare.fetch_data(way.entity, since=way.since, cursor=way.cursor))
    if outcome.error is not None:
        found.broken(
            f"{way} raised {type(outcome.error).__name__}: {outcome.error}",
            expected=f"{len(expected.pages)} pages",
            mend="nothing fails here: look at what the wrapper does with a page",
            entity=way.entity,
            page=len(outcome.pages) + 1,
        )
        return False
    asked = [each for each in inner.requests[before:] if each.operation == "fetch_data"]
    return _handed_on(way, [(each.since, each.cursor) for each in asked], found) and _equal(
        way, outcome, expected, inner.delivered, found
    )


def _handed_on(way: _Way, asked: list[tuple[datetime | None, Cursor]], found: Findings) -> bool:
    if not asked:
        found.broken(
            f"{way} did not reach the inner connector, which was read before",
            expected="a read of the inner connector for each read: the source may have changed",
            mend="keep no pages from one read to the next",
            entity=way.entity,
        )
        return False
    since, cursor = asked[0]
    for name, given, got in (("since", way.since, since), ("cursor", way.cursor, cursor)):
        if text_of(given) != text_of(got):
            found.broken(
                f"{way} reached the inner connector with {name}={got!r}",
                expected=f"{name}={given!r}",
                mend=f"pass it on: inner.fetch_data(entity, since=since, cursor=cursor); do not ask `if {name}:`",
                entity=way.entity,
            )
            return False
    return True


def _equal(way: _Way, got: Outcome, expected: Outcome, inner: list[Page], found: Findings) -> bool:
    for mine, its in zip(got.pages, expected.pages, strict=False):
        if difference := _difference(mine, its):
            what, mend = difference
            found.broken(
                f"{way}: {what}",
                expected="the inner one's page",
                mend=mend,
                entity=way.entity,
                page=its.number,
                records=tuple(each for each in mine.records if each not in its.records),
            )
            return False
    if len(got.pages) != len(expected.pages):
        found.broken(
            f"{way} delivers {len(got.pages)} pages",
            expected=f"the inner one's {len(expected.pages)}",
            mend="hand every page over once, empty ones too: they carry a cursor",
            entity=way.entity,
            page=min(len(got.pages), len(expected.pages)) + 1,
        )
        return False
    return _stays_lazy(way, got, inner, found)


def _difference(mine: SeenPage, its: SeenPage) -> tuple[str, str] | None:
    """Give in what two pages differ and how to mend it; None where they are the same."""
    if mine.records != its.records:
        return (
            f"{len(mine.records)} records came where the inner one delivered {len(its.records)}, or other ones",
            "hand the page over as it came, empty ones too: they carry a cursor",
        )
    if mine.cursor != its.cursor:
        return f"its cursor is {mine.cursor} and not {its.cursor}", "hand the page's cursor over with it"
    if mine.page.quota != its.page.quota:
        return f"its quota is {mine.page.quota} and not {its.page.quota}", "use attrs.evolve to change a page"
    return None


def _stays_lazy(way: _Way, got: Outcome, inner: list[Page], found: Findings) -> bool:
    for mine, its in zip(got.pages, inner, strict=False):
        copied = isinstance(mine.page.records, list | tuple) and not isinstance(its.records, list | tuple)
        if copied:
            found.broken(
                f"{way}: the lazy records of the page came as a {type(mine.page.records).__name__}",
                expected="the inner one's sequence, not decoded",
                mend="pass page.records on as it is; list(page.records) decodes every record",
                entity=way.entity,
                page=mine.number,
            )
            return False
    return True
