"""The law of progress: reads that do not move on are found and named, long and odd ones are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shelves import BOOKS, Shelf, book, told

from connector_kit.connectors.mock import MockConnector
from connector_kit.records.catalog import Catalog
from connector_kit.records.page import Page
from connector_kit.testing.conformance.bounds import Bounds
from connector_kit.testing.conformance.connector.progress import circle, progress
from connector_kit.testing.conformance.reading import SeenPage
from connector_kit.testing.conformance.subject import Subject

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

    from connector_kit.records.page import Cursor, Record

FEW = Bounds(pages=30)


class Endless(Shelf):
    """Repeats its last page for ever, with a new cursor each time or without one."""

    cursors = True
    last: tuple[int, ...] = (6,)
    keyed = True

    def catalog(self) -> Catalog:
        return Catalog([attrs.evolve(BOOKS, primary_key="id" if self.keyed else ())])

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        async for page in super().fetch_data(entity, since=since, cursor=cursor):
            yield page
        position = 100
        while True:
            position += 1
            records = [self.rows[number] for number in self.last]
            page = self.page(records, position)
            yield page if self.cursors else attrs.evolve(page, cursor=None)


class WithoutCursors(Endless):
    """Endless, without cursors."""

    cursors = False


class WithoutKeys(Endless):
    """Endless, without a primary key."""

    keyed = False
    cursors = False


class EmptyForEver(Endless):
    """Gives empty pages for ever."""

    last = ()


class Same(Shelf):
    """Gives the same cursor with every page."""

    def cursor(self, position: int) -> Any:
        return "token"

    def position(self, cursor: Any) -> int:
        return 0


@pytest.mark.anyio
async def test_a_repeated_cursor_is_found_with_both_pages() -> None:
    verdict = await progress(Same)
    (evidence,) = verdict.evidence
    assert evidence.what == 'carries the same cursor as page 1: "token"'
    assert (evidence.entity, evidence.page) == ("books", 2)


@pytest.mark.anyio
@pytest.mark.parametrize("wrong", [Endless, WithoutCursors, WithoutKeys])
async def test_an_endless_last_page_is_found(wrong: type[Shelf]) -> None:
    verdict = await progress(Subject(wrong, bounds=FEW))
    assert "the last page comes again and again" in told(verdict)
    assert verdict.evidence[0].records == (SeenPage.of(1, Page([book(6)])).records[0],)


@pytest.mark.anyio
async def test_endless_empty_pages_are_said_to_be_unchecked() -> None:
    verdict = await progress(Subject(EmptyForEver, bounds=FEW))
    assert verdict.evidence == ()
    assert verdict.unchecked == (
        "whether the read of books ends: it did not within 30 pages, the last 27 of them empty",
    )


@pytest.mark.anyio
async def test_a_long_read_is_said_to_be_unchecked() -> None:
    rows = [book(number) for number in range(100)]
    verdict = await progress(Subject(lambda: Shelf(rows), bounds=Bounds(pages=5)))
    assert verdict.evidence == ()
    assert verdict.unchecked == ("whether the read of books ends: it did not within 5 pages",)


@pytest.mark.anyio
async def test_pages_that_are_empty_from_the_start_are_said_to_be_unchecked() -> None:
    class Nothing(EmptyForEver):
        """Has no books either."""

        def __init__(self) -> None:
            super().__init__([])

    verdict = await progress(Subject(Nothing, bounds=FEW))
    assert "the last 30 of them empty" in verdict.unchecked[0]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("came", "words"),
    [([book(1)], "page 1 is no Page: a list came"), (Page(None), "page 1 has no records: NoneType")],  # type: ignore[arg-type]  # this is what is wrong
)
async def test_what_is_no_page_is_found(came: Any, words: str) -> None:
    class Other(Shelf):
        """Delivers something else."""

        def page(self, records: Sequence[Record], position: int) -> Page:
            page: Page = came
            return page

    verdict = await progress(Other)
    (evidence,) = verdict.evidence
    assert words in evidence.what
    assert evidence.entity == "books"


class BeginsAnew(Shelf):
    """Takes the last cursor for the start."""

    def position(self, cursor: Any) -> int:
        return super().position(cursor) % len(self.rows)


class Lagging(Shelf):
    """Its cursor stands before the page's last record."""

    def cursor(self, position: int) -> Any:
        return {"after": position - 1}


@pytest.mark.anyio
@pytest.mark.parametrize(("wrong", "count"), [(BeginsAnew, 7), (Lagging, 1)])
async def test_records_that_come_again_behind_the_last_cursor_are_found(
    wrong: type[Shelf], count: int
) -> None:
    verdict = await progress(wrong)
    (evidence,) = verdict.evidence
    assert evidence.what == f"a read from the last cursor delivers {count} records again"
    assert evidence.page == 3


@pytest.mark.anyio
async def test_a_last_page_without_a_cursor_is_found_where_the_next_run_needs_it() -> None:
    class Silent(Shelf):
        """Has no cursor for the last page."""

        entity = BOOKS

        def catalog(self) -> Catalog:
            return Catalog([self.entity])

        def cursor(self, position: int) -> Any:
            return None if position == len(self.rows) else super().cursor(position)

    class Full(Silent):
        """Is read in full each time."""

        entity = attrs.evolve(BOOKS, incremental=None)

    verdict = await progress(Silent)
    assert "the last page carries no cursor" in told(verdict)
    assert (await progress(Full)).outcome == "held"


@pytest.mark.anyio
async def test_new_records_behind_the_last_cursor_are_right() -> None:
    made: list[Shelf] = []

    def factory() -> Shelf:
        made.append(Shelf([book(number) for number in range(7 + len(made))]))
        return made[-1]

    assert (await progress(factory)).outcome == "held"


@pytest.mark.anyio
async def test_a_source_that_changes_is_no_evidence() -> None:
    class Shrinking(Shelf):
        """Loses its first book with every connector: positions move."""

        made = -1

        def __init__(self) -> None:
            Shrinking.made += 1
            super().__init__([book(number) for number in range(max(0, Shrinking.made - 1) * 4, 40)])

        def position(self, cursor: Any) -> int:
            return max(0, super().position(cursor) - 5)

    verdict = await progress(Shrinking)
    assert verdict.evidence == ()
    assert any("the source changed meanwhile" in what for what in verdict.unchecked)


@pytest.mark.anyio
async def test_a_tail_without_an_end_is_said_to_be_unchecked() -> None:
    class Tail(Shelf):
        """Waits for new books, with empty pages."""

        async def fetch_data(
            self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
        ) -> AsyncIterator[Page]:
            async for page in super().fetch_data(entity, cursor=cursor):
                yield page
            while cursor is not None:
                yield Page([])

    verdict = await progress(Subject(Tail, bounds=FEW))
    assert verdict.unchecked == (
        "whether a read of books from the last cursor ends: it did not within 30 pages",
    )


@pytest.mark.anyio
async def test_an_empty_entity_and_one_without_a_way_on_pass() -> None:
    verdict = await progress(lambda: Shelf([]))
    assert verdict.unchecked == ("what the next read of books delivers: there was nothing to read",)
    assert verdict.outcome == "held"


@pytest.mark.anyio
async def test_the_mock_passes() -> None:
    verdict = await progress(MockConnector)
    assert (verdict.outcome, verdict.unchecked) == ("held", ())


def pages(*contents: str) -> list[SeenPage]:
    return [
        SeenPage.of(number, Page([{"value": each} for each in content]))
        for number, content in enumerate(contents, 1)
    ]


def test_a_dull_table_is_no_circle_at_once() -> None:
    assert circle(pages(*["a"] * 10), keyed=False) is None
    assert circle(pages(*["a"] * 20), keyed=False) == 1
    assert circle(pages(*["a"] * 10), keyed=True) == 1


def test_empty_pages_are_no_circle() -> None:
    assert circle(pages(*[""] * 100), keyed=True) is None


@given(
    st.lists(st.text("abc", max_size=2), max_size=5),
    st.lists(st.text("abc", min_size=1, max_size=2), min_size=1, max_size=4),
    st.integers(3, 5),
)
def test_a_circle_is_found_whatever_goes_before_it(start: list[str], round_: list[str], times: int) -> None:
    found = circle(pages(*start, *round_ * times), keyed=True)
    assert found is not None
    assert found <= len(round_)


@given(st.lists(st.integers(0, 3), max_size=30))
def test_records_that_are_all_different_make_no_circle(sizes: list[int]) -> None:
    number = iter(range(1000))
    contents = [Page([{"id": next(number)} for _ in range(size)]) for size in sizes]
    assert circle([SeenPage.of(1, page) for page in contents], keyed=True) is None
