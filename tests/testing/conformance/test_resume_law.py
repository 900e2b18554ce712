"""The law of resuming: wrong connectors are caught where they are wrong, right ones that look odd pass."""

from __future__ import annotations

import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from shelves import BOOKS, Shelf, book, told
from sources import Shop, Table

from connector_kit.capabilities import close_stream
from connector_kit.connectors.mock import MockConfig, MockConnector
from connector_kit.errors import CursorExpiredError, RateLimitError, ServiceUnavailableError
from connector_kit.limiters.rates import Rates
from connector_kit.records.catalog import Catalog
from connector_kit.records.page import Page
from connector_kit.testing.conformance.bounds import Bounds
from connector_kit.testing.conformance.connector.record_texts import fields_of, identity_of
from connector_kit.testing.conformance.connector.resume import misdelivered, resume
from connector_kit.testing.conformance.reading import text_of
from connector_kit.testing.conformance.subject import Subject
from connector_kit.testing.conformance.wire import Answer, CutOff, Reset

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

    from connector_kit.records.page import Cursor, Record
    from connector_kit.testing.conformance.wire import WireFault

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def closing(stream: AsyncIterator[Page]) -> AsyncIterator[AsyncIterator[Page]]:
    """Close a stream at the end of a block."""
    try:
        yield stream
    finally:
        await close_stream(stream)


QUICK = Bounds(plans=8)
NO_FAULTS = Bounds(faults=False)


async def test_the_mock_keeps_it() -> None:
    verdict = await resume(Subject(lambda: MockConnector(MockConfig(size=40, page_size=10)), bounds=QUICK))
    assert verdict.outcome == "held", told(verdict)
    assert any(what.startswith("resumed at 4 of 4 pages of orders,") for what in verdict.checked)
    assert any(what.startswith("resumed at 3 of 3 pages of orders since ") for what in verdict.checked)
    assert "read orders under 8 plans of faults around the connector" in verdict.checked
    assert verdict.unchecked == (
        "reads under faults on the wire (give wire=...)",
        "reading while the source changes (give change=...)",
    )


class SkipsOne(Shelf):
    """Goes on one record too late."""

    def position(self, cursor: Any) -> int:
        return super().position(cursor) + (cursor is not None)


async def test_a_cursor_that_is_off_by_one_is_caught_at_its_page() -> None:
    verdict = await resume(Subject(SkipsOne, bounds=NO_FAULTS))
    evidence = verdict.evidence[0]
    assert (evidence.entity, evidence.page, evidence.records) == ("books", 1, (text_of(book(3)),))
    assert "resumed by a new connector from its cursor on: 1 record lost" in evidence.what


class Remembers(Shelf):
    """Goes on where this object stands, if that is further than the cursor."""

    furthest = 0

    def position(self, cursor: Any) -> int:
        position = super().position(cursor)
        return position if cursor is None else max(position, self.furthest)

    def page(self, records: Sequence[Record], position: int) -> Page:
        self.furthest = max(self.furthest, position)
        return super().page(records, position)


async def test_a_position_kept_in_the_connector_is_caught() -> None:
    verdict = await resume(Subject(Remembers, bounds=NO_FAULTS))
    (evidence,) = verdict.evidence
    assert "resumed a second time" in evidence.what


class SpoilsCursors(Shelf):
    """Loses a record at every cursor once this object has begun a read at the start."""

    spoilt = False

    def position(self, cursor: Any) -> int:
        self.spoilt = self.spoilt or cursor is None
        return super().position(cursor) + (self.spoilt and cursor is not None)


async def test_cursors_that_a_later_read_spoils_are_caught() -> None:
    verdict = await resume(Subject(SpoilsCursors, bounds=NO_FAULTS))
    (evidence,) = verdict.evidence
    assert "resumed by a connector that had read on from its cursor on: 1 record lost" in evidence.what


class CountsAnew(Shelf):
    """A read that goes on counts from where it began."""

    begin = 0

    def position(self, cursor: Any) -> int:
        self.begin = super().position(cursor)
        return self.begin

    def cursor(self, position: int) -> Any:
        return super().cursor(position - self.begin)


async def test_cursors_of_a_resumed_read_are_looked_at() -> None:
    (evidence,) = (await resume(Subject(CountsAnew, bounds=NO_FAULTS))).evidence
    assert evidence.what.startswith("resumed page by page")
    assert evidence.page == 2


class Raises(Shelf):
    """Does not take its own cursors once they were text."""

    def position(self, cursor: Any) -> int:
        return 0 if cursor is None else int(cursor)


async def test_an_error_at_a_cursor_is_evidence() -> None:
    evidence = (await resume(Subject(Raises, bounds=NO_FAULTS))).evidence[0]
    assert (evidence.entity, evidence.page) == ("books", 1)
    assert "TypeError" in evidence.what


class NeverEnds(Shelf):
    """What follows its last cursor has no end."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        async with closing(super().fetch_data(entity, since=since, cursor=cursor)) as pages:
            async for page in pages:
                yield page
        while cursor is not None:
            yield Page([], {"after": len(self.rows)})


async def test_a_resumed_read_without_an_end_is_caught() -> None:
    evidence = (await resume(Subject(NeverEnds, bounds=NO_FAULTS))).evidence[0]
    assert "no end after" in evidence.what


class Hangs(Shelf):
    """Waits for ever where it should go on."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        if cursor is not None:
            await anyio.sleep_forever()
        async with closing(super().fetch_data(entity, since=since, cursor=cursor)) as pages:
            async for page in pages:
                yield page


async def test_a_resumed_read_that_never_answers_is_named() -> None:
    verdict = await resume(Subject(Hangs, bounds=Bounds(call_seconds=0.05)))
    assert "page 1 of fetch_data('books') did not come back" in told(verdict)


class Refuses(Shelf):
    """Refuses cursors, those that it is told to."""

    refused: frozenset[int] = frozenset({3, 6, 7})
    read_on = False

    def position(self, cursor: Any) -> int:
        position = super().position(cursor)
        if cursor is not None and position in self.refused:
            raise CursorExpiredError("this cursor has expired; expected a newer one; start again")
        return position


async def test_a_connector_that_refuses_all_its_cursors_is_caught() -> None:
    evidence = (await resume(Subject(Refuses, bounds=NO_FAULTS))).evidence[0]
    assert "every cursor is refused: CursorExpiredError" in evidence.what


async def test_a_cursor_that_says_that_it_has_expired_is_an_answer() -> None:
    class RefusesOne(Refuses):
        refused = frozenset({6})

    verdict = await resume(Subject(RefusesOne, bounds=QUICK))
    assert not verdict.evidence, told(verdict)
    assert "1 of 3 cursors of books: a new connector refuses them as expired" in verdict.unchecked
    assert "books: 1 cursors were refused as expired once a read had passed them" in verdict.unchecked


async def test_a_cursor_that_serves_once_is_caught() -> None:
    used: set[int] = set()

    class Once(Shelf):
        def position(self, cursor: Any) -> int:
            position = super().position(cursor)
            if position in used:
                raise CursorExpiredError("used already; expected a new one; start again")
            if cursor is not None:
                used.add(position)
            return position

    evidence = (await resume(Subject(Once, bounds=NO_FAULTS))).evidence[0]
    assert evidence.what.startswith("resumed a second time from its cursor on: CursorExpiredError")


class EmptyPages(Shelf):
    """Has an empty page after each one; some carry no cursor."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        async with closing(super().fetch_data(entity, since=since, cursor=cursor)) as pages:
            async for page in pages:
                yield Page([], {"after": self.position(cursor), "empty": True} if cursor is None else None)
                yield page
                cursor = page.cursor


class OtherPages(Shelf):
    """Cuts its pages in another way when it goes on."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        self.page_size = 3 if cursor is None else 2
        async with closing(super().fetch_data(entity, since=since, cursor=cursor)) as pages:
            async for page in pages:
                yield page


class NoCursors(Shelf):
    """Cannot go on anywhere."""

    def cursor(self, position: int) -> Any:
        return None


class NoLastCursor(Shelf):
    """Knows where its end is."""

    def cursor(self, position: int) -> Any:
        return super().cursor(position) if position < len(self.rows) else None


class Empty(Shelf):
    """Has nothing."""

    def __init__(self) -> None:
        super().__init__([])


class Twins(Shelf):
    """Has the same book again and again, without a key."""

    def __init__(self) -> None:
        super().__init__([{"title": "same"}] * 7)

    def catalog(self) -> Catalog:
        return Catalog([type(BOOKS)("books", incremental="cursor")])


@pytest.mark.parametrize("odd", [EmptyPages, OtherPages, NoCursors, NoLastCursor, Empty, Twins])
async def test_a_right_connector_that_looks_odd_passes(odd: type[Shelf]) -> None:
    verdict = await resume(Subject(odd, bounds=QUICK, change=lambda: None))
    assert not verdict.evidence, told(verdict)


async def test_pages_without_a_cursor_are_told_with_a_hint() -> None:
    verdict = await resume(Subject(NoLastCursor, bounds=NO_FAULTS))
    assert any(what.startswith("1 of 3 pages of books (the first is page 3)") for what in verdict.unchecked)
    assert any(what.startswith("resumed at 2 of 3 pages of books") for what in verdict.checked)


async def test_a_source_that_changes_by_itself_is_no_evidence() -> None:
    ages = iter(range(10_000))

    class Aging(Shelf):
        def page(self, records: Sequence[Record], position: int) -> Page:
            return super().page([{**record, "title": f"{next(ages)}"} for record in records], position)

    verdict = await resume(Subject(Aging, bounds=QUICK))
    assert not verdict.evidence
    assert "resuming books: the source changed meanwhile" in verdict.unchecked
    assert "books under faults around the connector: the source changed meanwhile" in verdict.unchecked


async def test_a_source_that_fails_now_and_then_is_asked_again() -> None:
    calls = iter(range(10_000))

    class Shaky(Shelf):
        def position(self, cursor: Any) -> int:
            if next(calls) % 3 == 2:
                raise ServiceUnavailableError("not now; try later")
            return super().position(cursor)

    verdict = await resume(Subject(Shaky, bounds=NO_FAULTS))
    assert not verdict.evidence, told(verdict)


async def test_long_reads_go_on_to_their_end_at_three_cursors() -> None:
    shop = Table(size=30, page_size=1, incremental="cursor")
    verdict = await resume(Subject(lambda: Shop({"orders": shop}), bounds=NO_FAULTS))
    assert verdict.outcome == "held", told(verdict)
    assert "orders: at 27 cursors all but the next 2 pages" in verdict.unchecked


async def test_a_read_since_a_time_goes_on_within_it() -> None:
    class Forgets(Shop):
        async def fetch_data(
            self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
        ) -> AsyncIterator[Page]:
            after = 0 if cursor is None else int(str(cursor))
            rows = [
                row
                for row in map(self.tables[entity].record, range(10))
                if since is None or cursor is not None or row["updated_at"] >= since.isoformat()
            ]
            for start in range(after, len(rows), 3):
                yield Page(rows[start : start + 3], start + 3)

    evidence = (await resume(Subject(Forgets, bounds=NO_FAULTS))).evidence[0]
    assert "in a read since 2023-01-01T00:05:00+00:00" in evidence.what
    assert evidence.entity == "orders"


async def test_the_bounds_end_it_and_what_is_left_is_told() -> None:
    few = await resume(Subject(Shelf, bounds=Bounds(requests=14)))
    assert not few.evidence
    assert any("14 requests allowed are used up" in what for what in few.unchecked)
    short = await resume(Subject(Shelf, bounds=Bounds(pages=2, plans=3)))
    assert short.outcome == "held", told(short)
    assert "what follows page 2 of books (allow more pages)" in short.unchecked
    calm = await resume(Subject(Shelf, bounds=NO_FAULTS))
    assert "reads under faults (they are turned off)" in calm.unchecked


class LosesTheFirstPage(Shelf):
    """A read from the start that breaks on its first page leaves something behind: the next one begins behind it."""

    begun = False

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        if cursor is None and self.begun:
            cursor = {"after": 3}
        self.begun = cursor is None
        async with closing(super().fetch_data(entity, since=since, cursor=cursor)) as pages:
            async for page in pages:
                yield page
                self.begun = False


async def test_the_smallest_plan_of_faults_that_breaks_it_is_told_as_python() -> None:
    verdict = await resume(Subject(LosesTheFirstPage, bounds=Bounds(plans=20)))
    (evidence,) = [each for each in verdict.evidence if each.plan]
    assert evidence.plan == "[Cut(ConnectionFailedError)]"
    assert "3 records lost" in evidence.what
    assert evidence.entity == "books"


class Wire:
    """A wire in memory."""

    def __init__(self) -> None:
        self.requests = 0
        self.plan: list[WireFault | None] = []

    def fail(self, faults: Sequence[WireFault | None], /) -> None:
        self.plan = list(faults)

    def cross(self) -> None:
        """Let a request pass, or fail."""
        self.requests += 1
        match self.plan.pop(0) if self.plan else None:
            case Answer() | CutOff() | Reset() as fault:
                raise ServiceUnavailableError(f"{fault}; try later")


class Wired(Shelf):
    """Asks over a wire."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self.wire = wire

    def page(self, records: Sequence[Record], position: int) -> Page:
        self.wire.cross()
        return super().page(records, position)


class EndsAtAFault(Wired):
    """Takes a fault for an end."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        try:
            async with closing(super().fetch_data(entity, since=since, cursor=cursor)) as pages:
                async for page in pages:
                    yield page
        except ServiceUnavailableError:
            return


async def test_faults_on_the_wire_are_made_and_the_smallest_plan_told() -> None:
    wire = Wire()
    right = await resume(Subject(lambda: Wired(wire), bounds=QUICK, wire=wire))
    assert right.outcome == "held", told(right)
    assert "read books under 8 plans of faults on the wire" in right.checked
    wrong = await resume(Subject(lambda: EndsAtAFault(wire), bounds=QUICK, wire=wire))
    (evidence,) = wrong.evidence
    assert evidence.plan == "[CutOff()]"
    assert not wire.plan


class Shared(Shelf):
    """Serves rows that others change, by position: what is inserted moves the rest."""

    def __init__(self, rows: list[Record]) -> None:
        super().__init__()
        self.rows = rows

    def end(self, cursor: Cursor) -> int:
        return 100

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        at = self.position(cursor)
        while rows := self.rows[at : at + 3]:
            at += len(rows)
            yield self.page(rows, at)


class ByKey(Shared):
    """The same by key: what is inserted before the last one delivered moves nothing."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        last = self.position(cursor) if cursor is not None else -100
        while rows := sorted((row for row in self.rows if row["id"] > last), key=lambda row: int(row["id"]))[
            :3
        ]:
            last = rows[-1]["id"]
            yield self.page(rows, last)


@pytest.mark.parametrize(("connector", "outcome"), [(Shared, "broken"), (ByKey, "held")])
async def test_reads_go_on_while_the_source_changes(connector: type[Shared], outcome: str) -> None:
    rows: list[Record] = [book(number) for number in range(9)]
    older = iter(range(-1, -50, -1))
    subject = Subject(
        lambda: connector(rows), bounds=NO_FAULTS, change=lambda: rows.insert(0, book(next(older)))
    )
    verdict = await resume(subject)
    assert verdict.outcome == outcome, told(verdict)
    if outcome == "broken":
        assert "in one stream while the source changed" in told(verdict)
        assert "going on at each cursor while the source changed" in told(verdict)
    else:
        assert "read books in one stream under 3 changes of the source" in verdict.checked
    again = await subject.full_read("books")
    assert len(again.records) == len(rows)  # nothing of the time before is remembered


async def test_a_change_that_changes_nothing_is_told() -> None:
    verdict = await resume(Subject(Shelf, bounds=NO_FAULTS, change=lambda: None))
    assert "books while the source changes: change() changed nothing of it" in verdict.unchecked


def test_what_changed_may_come_as_it_was_as_it_became_or_as_both() -> None:
    old, new = text_of({"id": 1, "n": 1}), text_of({"id": 1, "n": 2})
    stayed = text_of({"id": 2, "n": 1})
    states = [[old, stayed], [new, stayed]]
    assert misdelivered(BOOKS, states, [old, new, stayed]) == ([], [])
    assert misdelivered(BOOKS, states, [new]) == ([stayed], [])
    assert misdelivered(BOOKS, states, [stayed, old, stayed]) == ([], [stayed])


def test_records_without_a_key_count_as_often_as_they_are_there() -> None:
    entity = type(BOOKS)("books")
    same = text_of({"title": "same"})
    assert misdelivered(entity, [[same, same]], [same, same]) == ([], [])
    assert misdelivered(entity, [[same, same]], [same]) == ([same], [])
    assert misdelivered(entity, [[same], [same, same]], [same, same]) == ([], [])
    assert misdelivered(entity, [["no JSON"]], []) == (["no JSON"], [])


@pytest.mark.parametrize("size", [20, 200])
async def test_a_quota_that_runs_out_in_the_middle_is_no_evidence(size: int) -> None:
    quota = MockConfig(size=size, page_size=10, rate=Rates.of("40/h"))
    verdict = await resume(Subject(lambda: MockConnector(quota), bounds=Bounds(plans=30)))
    assert not verdict.evidence, told(verdict)
    assert any("RateLimitError" in what for what in verdict.unchecked)


async def test_a_cursor_that_is_no_json_is_left_to_its_own_law() -> None:
    class Wordless(Shelf):
        def cursor(self, position: int) -> Any:
            return "\ud800" if position == 6 else super().cursor(position)

    verdict = await resume(Subject(Wordless, bounds=NO_FAULTS, change=lambda: None))
    assert not verdict.evidence, told(verdict)
    assert "1 cursors of books: they are no JSON (see cursors)" in verdict.unchecked


async def test_keys_that_are_no_times_are_told() -> None:
    class Numbered(Shelf):
        def catalog(self) -> Catalog:
            return Catalog([type(BOOKS)("books", replication_key="id", incremental="since")])

    verdict = await resume(Subject(Numbered, bounds=NO_FAULTS))
    assert verdict.outcome == "held", told(verdict)
    assert any(what.startswith("resuming a read of books by since: ") for what in verdict.unchecked)


async def test_a_changing_source_is_read_as_far_as_pages_are_allowed() -> None:
    rows: list[Record] = [book(number) for number in range(9)]
    subject = Subject(lambda: ByKey(rows), bounds=Bounds(pages=2, faults=False), change=rows.clear)
    verdict = await resume(subject)
    assert "books while the source changes: it has more pages than allowed" in verdict.unchecked
    assert len(rows) == 9


async def test_a_read_that_fails_while_the_source_changes_is_told_and_closed() -> None:
    rows: list[Record] = [book(number) for number in range(9)]

    class Mutable(ByKey):
        async def fetch_data(
            self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
        ) -> AsyncIterator[Page]:
            number = len(rows)
            async with closing(super().fetch_data(entity, since=since, cursor=cursor)) as pages:
                async for page in pages:
                    if len(rows) != number:
                        raise RuntimeError("list changed size during iteration")
                    yield page

    subject = Subject(
        lambda: Mutable(rows), bounds=NO_FAULTS, change=lambda: rows.insert(0, book(-len(rows)))
    )
    verdict = await resume(subject)
    assert "RuntimeError came out of the connector: list changed size" in told(verdict)


async def test_a_connector_that_gives_up_after_a_fault_is_caught() -> None:
    class GivesUp(Shelf):
        streams = 0

        async def fetch_data(
            self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
        ) -> AsyncIterator[Page]:
            if self.streams:
                raise ServiceUnavailableError("a stream is open already; close it")
            self.streams += 1
            async with closing(super().fetch_data(entity, since=since, cursor=cursor)) as pages:
                async for page in pages:
                    yield page
                    if page.cursor == {"after": 3}:
                        await anyio.lowlevel.checkpoint()
            self.streams -= 1  # not in a finally: what breaks, stays open

    verdict = await resume(Subject(GivesUp, bounds=Bounds(plans=20)))
    assert any("RetriesExhaustedError" in each.what and each.plan for each in verdict.evidence), told(verdict)


def test_without_hypothesis_the_faults_are_told_as_unchecked() -> None:
    """What is not installed is left out in a process of its own."""
    script = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "import anyio\n"
        "from connector_kit.connectors.mock import MockConfig, MockConnector\n"
        "from connector_kit.testing.conformance.connector.resume import resume\n"
        "verdict = anyio.run(resume, lambda: MockConnector(MockConfig(size=5)))\n"
        "print(verdict.outcome, *verdict.unchecked, sep='\\n')\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("held\n")
    assert "pip install 'connector-kit[testing]'" in ran.stdout


async def test_a_search_for_faults_leaves_requests_to_other_laws() -> None:
    verdict = await resume(Subject(Shelf, bounds=Bounds(requests=160)))
    assert not verdict.evidence, told(verdict)
    assert any("a plan's share of the requests allowed is used up" in what for what in verdict.unchecked)


async def test_a_quota_that_runs_out_under_faults_is_no_evidence() -> None:
    served = iter(range(60))

    class Scarce(Shelf):
        def position(self, cursor: Any) -> int:
            if next(served, None) is None:
                raise RateLimitError("no more today; wait", 3_600)
            return super().position(cursor)

    verdict = await resume(Subject(Scarce, bounds=Bounds(plans=100)))
    assert not verdict.evidence, told(verdict)
    assert any("RateLimitError: no more today" in what for what in verdict.unchecked)
    assert verdict.outcome == "held"


def test_records_are_told_apart_by_their_key_or_by_all_they_hold() -> None:
    assert fields_of("no JSON") == {}
    assert fields_of("[1]") == {}
    assert identity_of(BOOKS, text_of({"title": "a", "id": 1})) == "[1]"
    assert identity_of(BOOKS, text_of({"title": "a"})) == text_of({"title": "a"})
    assert identity_of(BOOKS, "no JSON") == "no JSON"
