"""Law 6, overhead: work and memory of a page do not grow, with the pages before it or with its records. Counted, not timed."""

from __future__ import annotations

import gc
import sys
import weakref
from typing import TYPE_CHECKING, Any

import anyio
import attrs

from connector_kit.records.catalog import Catalog, Entity, Field, Scalar
from connector_kit.records.page import Cursor, Page
from connector_kit.testing.conformance.reading import LazyRecords

from .content import Content, lazy_json
from .inner import Inner
from .subject import WRAPPER_LAWS, WrapperSubject

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from types import FrameType
    from typing import Self

    from connector_kit.testing.conformance.law import Findings


__all__ = ["overhead"]


PAGES = 400
FEW, MANY = 2, 100
"""Records on a page."""
MOST_KEPT = 100
"""Pages that may be held at once, fetched ahead, say."""


@WRAPPER_LAWS.law(6, "overhead", "What a wrapper does for a page, and what it keeps of it, does not grow.")
def overhead(subject: WrapperSubject, found: Findings) -> None:
    """Count what a page takes in calls of Python functions and cancel scopes, and the records that are looked into."""
    subject.doing = f"reading {PAGES} pages"
    bare = subject.run(_read, subject, FEW, False)
    few = subject.run(_read, subject, FEW, True)
    many = subject.run(_read, subject, MANY, True)
    pages = len(few.calls)
    if pages != PAGES:
        found.unchecked(f"{pages} pages came of {PAGES}: the wrapper makes pages of its own")
        return
    _does_not_grow_with_pages(few, found)
    _does_not_grow_with_records(subject, few, many, found)
    calls = few.calls_per_page(PAGES // 2, PAGES) - bare.calls_per_page(PAGES // 2, PAGES)
    found.checked(
        f"adds {calls:.0f} calls of Python functions and {few.scopes / PAGES:.0f} cancel scopes to a page"
    )


_CONTENT = Content(
    Catalog([Entity("orders", [Field("id", Scalar.INTEGER)], primary_key="id")]), {"orders": []}
)


@attrs.define(eq=False)
class _EndlessConnector(Inner):
    """Delivers pages of lazy records, and is never waited for."""

    size: int = attrs.field(kw_only=True)
    subject: WrapperSubject = attrs.field(kw_only=True)
    decoded: int = 0
    alive: weakref.WeakSet[LazyRecords[bytes]] = attrs.field(factory=weakref.WeakSet[LazyRecords[bytes]])

    async def fetch_data(
        self,
        _entity: str,
        /,
        *,
        since: datetime | None = None,  # noqa: ARG002 - a connector takes them, with a use for them or not
        cursor: Cursor = None,  # noqa: ARG002 - as above
    ) -> AsyncIterator[Page]:
        """Deliver the pages, all of them whatever is asked for."""
        for number in range(PAGES):
            self.subject.beats += 1
            first = number * self.size
            records = lazy_json([b'{"id":%d}' % (first + each) for each in range(self.size)])
            self.alive.add(records)
            yield Page(records, cursor={"after": first + self.size})
            self.decoded += records.made
            del records


@attrs.frozen
class _Work:
    """What one read took: calls and scopes, counted up to each page; records decoded; pages still held near its end."""

    calls: tuple[int, ...]
    scopes: int
    decoded: int
    held: int

    def calls_per_page(self, first: int, last: int) -> float:
        return (self.calls[last - 1] - self.calls[first - 1]) / (last - first)


class _Counting:
    """Counts the Python functions that are called, or gone on with, in its block, and the cancel scopes made."""

    def __init__(self) -> None:
        self.calls = 0
        self.scopes = 0

    def __enter__(self) -> Self:
        gc.disable()  # or what others do at a collection would count
        self._before = sys.getprofile()
        sys.setprofile(self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(self._before)
        gc.enable()

    def _hear(self, frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            self.calls += 1
            self.scopes += frame.f_code is anyio.CancelScope.__new__.__code__


def _does_not_grow_with_pages(work: _Work, found: Findings) -> None:
    early, late = work.calls_per_page(PAGES // 4, PAGES // 2), work.calls_per_page(PAGES * 3 // 4, PAGES)
    if late > 1.5 * early + 10:
        found.broken(
            f"a page takes {early:.0f} calls near the beginning of a read and {late:.0f} near its end",
            expected="as many for each page",
            mend="do not go through what came before; keep counts, not lists",
        )
    if work.held > MOST_KEPT:
        found.broken(
            f"{work.held} of {PAGES} pages are still held near the end of a read",
            expected="memory that does not grow with the pages read",
            mend="let go of a page when it is handed over",
        )


def _does_not_grow_with_records(subject: WrapperSubject, few: _Work, many: _Work, found: Findings) -> None:
    looked = (many.decoded - few.decoded) / PAGES
    calls = many.calls_per_page(PAGES // 2, PAGES) - few.calls_per_page(PAGES // 2, PAGES)
    if max(looked, calls) < (MANY - FEW) / 2:
        found.checked("takes the same for a page of few records and for one of many")
    elif subject.reads_records:
        found.checked(f"looks into each record, as it claims: {calls / (MANY - FEW):.1f} calls for each")
    else:
        found.broken(
            f"a page of {MANY} records takes {looked:.0f} more looks into a record and {calls:.0f} more calls "
            f"than one of {FEW}",
            expected="the same work for a page, however many records it has",
            mend="pass page.records on as it is; say reads_records=True where looking into them is what it is for",
        )


async def _read(subject: WrapperSubject, records: int, wrapped: bool) -> _Work:  # noqa: FBT001 - run takes no keywords
    inner = _EndlessConnector(_CONTENT, subject.clock, size=records, subject=subject)
    if not wrapped:
        return await _count(inner.fetch_data("orders"), inner)
    async with subject.wrapped(inner) as wrapper:
        return await _count(wrapper.fetch_data("orders"), inner)


async def _count(stream: AsyncIterator[Page], inner: _EndlessConnector) -> _Work:
    calls: list[int] = []
    held = 0
    with _Counting() as counting:
        while await anext(stream, None) is not None:
            calls.append(counting.calls)
            if len(calls) == PAGES - 1:  # a stream that has ended has let go of everything
                held = len(inner.alive)
    return _Work(tuple(calls), counting.scopes, inner.decoded, held)
