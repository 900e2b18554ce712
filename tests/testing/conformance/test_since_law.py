"""The law of since: wrong bounds and wrong orders are caught with the record that shows it, right ones pass."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from anyio.lowlevel import checkpoint
from shelves import Shelf, told

from connector_kit.connectors.mock import MockConfig, MockConnector
from connector_kit.errors import ServiceUnavailableError
from connector_kit.records.catalog import Catalog, Entity
from connector_kit.records.page import Page, Record
from connector_kit.testing.conformance.bounds import Bounds
from connector_kit.testing.conformance.connector.since import boundaries, since
from connector_kit.testing.conformance.reading import text_of
from connector_kit.testing.conformance.subject import Subject

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from connector_kit.records.page import Cursor

pytestmark = pytest.mark.anyio

START = datetime(2024, 1, 1, tzinfo=UTC)
NEWS = Entity("news", primary_key="id", replication_key="at", ordered=True, incremental="since")


def moment(minutes: int) -> datetime:
    """Give a time with microseconds, as databases have them."""
    return START + timedelta(minutes=minutes, microseconds=123_456)


def item(number: int, at: object) -> dict[str, Any]:
    """Make an item of news."""
    return {"id": number, "at": at}


@attrs.define(eq=False)
class News:
    """Serves items, two at a time; number 1 and 2 share a time across the page border."""

    entity: Entity = NEWS
    items: Sequence[Record] = attrs.field(
        factory=lambda: [
            item(number, moment(minutes).isoformat()) for number, minutes in enumerate((0, 1, 1, 2, 5))
        ]
    )

    async def connect(self) -> None:
        await checkpoint()

    async def disconnect(self) -> None:
        await checkpoint()

    async def discover_schema(self) -> Catalog:
        return Catalog([self.entity])

    def wants(self, record: Record, since: datetime) -> bool:
        """Whether an item is recent enough."""
        at: object = record["at"]
        if at is None:
            return True
        when = datetime.fromisoformat(at) if isinstance(at, str) else at
        assert isinstance(when, datetime)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)) >= since

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        left = [record for record in self.items if since is None or self.wants(record, since)]
        for start in range(int(str(cursor or 0)), len(left), 2):
            await checkpoint()
            yield Page(left[start : start + 2], start + 2)


async def test_the_mock_keeps_it() -> None:
    verdict = await since(lambda: MockConnector(MockConfig(size=300)))
    assert verdict.outcome == "held", told(verdict)
    assert "the order of 30 records of customers" in verdict.checked
    assert any(what.startswith("16 reads of orders at, before and after") for what in verdict.checked)


async def test_a_right_connector_keeps_it() -> None:
    verdict = await since(News)
    assert verdict.outcome == "held", told(verdict)
    assert verdict.checked == (
        "the order of 5 records of news",
        "16 reads of news at, before and after the times of its records: "
        + ", ".join(
            each.what for each in boundaries([[moment(0), moment(1)], [moment(1), moment(2)], [moment(5)]])
        ),
    )
    assert not verdict.unchecked


class Exclusive(News):
    """Takes since to be exclusive."""

    def wants(self, record: Record, since: datetime) -> bool:
        return super().wants(record, since + timedelta(microseconds=1))


async def test_an_exclusive_since_is_caught_at_the_equal_ones() -> None:
    verdict = await since(Exclusive)
    evidence = verdict.evidence[0]
    assert (evidence.entity, evidence.page) == ("news", 1)
    assert evidence.records == tuple(text_of(item(number, moment(1).isoformat())) for number in (1, 2))
    assert "at a time on both sides of a page border: 2 records lost" in evidence.what
    assert ">=" in evidence.mend


class RoundsUp(News):
    """Rounds since to the next second."""

    def wants(self, record: Record, since: datetime) -> bool:
        return super().wants(record, (since + timedelta(seconds=1)).replace(microsecond=0))


class DropsTheOffset(News):
    """Takes the wall clock of any zone for UTC."""

    def wants(self, record: Record, since: datetime) -> bool:
        return super().wants(record, since.replace(tzinfo=UTC))


class Naive(News):
    """Compares naive with aware times."""

    def wants(self, record: Record, since: datetime) -> bool:
        return datetime.fromisoformat(record["at"]).replace(tzinfo=None) >= since


class Endless(News):
    """Never ends where nothing is left."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        for number in range(3 if since is None else 10_000):
            await checkpoint()
            yield Page(self.items[2 * number : 2 * number + 2], 2 * number + 2)


@pytest.mark.parametrize(
    ("wrong", "shows"),
    [
        (RoundsUp, "2 records lost"),
        (
            DropsTheOffset,
            "+05:30, in another time zone, at a time on both sides of a page border: 4 records lost",
        ),
        (Naive, "TypeError: can't compare offset-naive and offset-aware datetimes"),
        (Endless, "no end after 22 pages, where a full read has 3"),
    ],
)
async def test_a_wrong_bound_is_caught(wrong: type[News], shows: str) -> None:
    verdict = await since(wrong)
    assert verdict.outcome == "broken"
    assert shows in told(verdict)


async def test_each_way_of_asking_is_told_once() -> None:
    evidence = (await since(RoundsUp)).evidence
    assert [each.what.partition(", ")[2].partition(" a time")[0] for each in evidence] == [
        "at",
        "just before",
    ]


SHUFFLED = [item(number, moment(minutes).isoformat()) for number, minutes in enumerate((0, 2, 1, 5))]


async def test_a_record_out_of_order_is_shown_with_its_page() -> None:
    (evidence,) = (await since(lambda: News(items=SHUFFLED))).evidence
    assert (evidence.entity, evidence.page) == ("news", 2)
    assert evidence.records == (text_of(SHUFFLED[1]), text_of(SHUFFLED[2]))
    assert "ordered" in evidence.expected


class OnlySinceIsShuffled(News):
    """Sorts full reads only."""

    def wants(self, record: Record, since: datetime) -> bool:
        return True

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        yield Page(self.items if since is None else self.items[::-1], 1)


async def test_the_order_of_reads_by_since_counts_too() -> None:
    (evidence,) = (await since(OnlySinceIsShuffled)).evidence
    assert "in a read since" in evidence.what


@pytest.mark.parametrize(
    "times",
    [
        [moment(0), moment(1), moment(1), moment(3)],
        [moment(0).replace(tzinfo=None), moment(1).replace(tzinfo=None)],
        ["2024-01-01T00:00:00Z", "2024-01-01T03:00:00+02:00", "2024-01-01T02:00:00Z"],
        ["2024-01-01T00:00:00Z", None, "2024-01-01T02:00:00Z", None, None],
        [moment(1)] * 5,
        [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)],
        [],
        [None, None],
    ],
    ids=["datetimes", "naive", "offsets", "gaps", "all equal", "first and last of all", "empty", "no times"],
)
async def test_right_connectors_with_odd_times_pass(times: list[object]) -> None:
    items = [item(number, at) for number, at in enumerate(times)]
    verdict = await since(lambda: News(items=items))
    assert verdict.outcome == "held", told(verdict)


async def test_more_than_was_asked_for_does_no_harm_and_is_told() -> None:
    class All(News):
        def wants(self, record: Record, since: datetime) -> bool:
            return True

    verdict = await since(All)
    assert verdict.outcome == "held", told(verdict)
    assert verdict.checked[1].endswith("; since filters nothing, each is the whole")


async def test_records_without_a_primary_key_count_as_often_as_they_are_there() -> None:
    class LosesATwin(News):
        async def fetch_data(
            self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
        ) -> AsyncIterator[Page]:
            yield Page([{"at": moment(1)}] * (3 if since is None else 2), 1)

    verdict = await since(lambda: LosesATwin(entity=attrs.evolve(NEWS, primary_key=())))
    assert "1 record lost" in verdict.evidence[0].what


@pytest.mark.parametrize(("keys", "ordered"), [([1, 2, 3], True), ([1, 3, 2], False), ([1.5, 2, None], True)])
async def test_numbers_are_ordered_as_numbers_and_not_asked_for_by_since(
    keys: list[object], *, ordered: bool
) -> None:
    verdict = await since(lambda: News(items=[item(number, key) for number, key in enumerate(keys)]))
    assert (verdict.outcome == "held") is ordered
    assert any("is 1" in what and "expected a time" in what for what in verdict.unchecked)


async def test_keys_that_are_no_times_are_told() -> None:
    verdict = await since(lambda: News(items=[item(0, "b"), item(1, "a")]))
    assert verdict.outcome == "unchecked"
    assert any("the order of news: its keys cannot be compared" in what for what in verdict.unchecked)


async def test_days_are_times_at_midnight() -> None:
    class Days(News):
        def wants(self, record: Record, since: datetime) -> bool:
            return bool(record["at"] >= since.astimezone(UTC).date())

    days = [item(number, date(2024, 1, 1 + number)) for number in range(4)]
    verdict = await since(lambda: Days(items=days))
    assert verdict.outcome == "held", told(verdict)


async def test_an_entity_that_is_not_read_by_since_has_no_bounds_to_look_at() -> None:
    verdict = await since(Shelf)
    assert verdict.outcome == "unchecked"
    assert verdict.unchecked == ("reads by since: no entity says incremental='since'",)
    unordered = await since(lambda: News(entity=attrs.evolve(NEWS, ordered=False), items=SHUFFLED))
    assert unordered.outcome == "held", told(unordered)


async def test_a_source_that_changes_by_itself_is_no_evidence() -> None:
    reads = iter(range(1_000))

    class Rolling(News):
        async def fetch_data(
            self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
        ) -> AsyncIterator[Page]:
            number = next(reads)
            yield Page([item(number, moment(number))], number)

    verdict = await since(Rolling)
    assert not verdict.evidence, told(verdict)
    assert "news by since: the source changed meanwhile" in verdict.unchecked


async def test_a_source_that_is_down_is_no_evidence() -> None:
    class Down(News):
        down = False

        async def fetch_data(
            self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
        ) -> AsyncIterator[Page]:
            if Down.down:
                raise ServiceUnavailableError("down; try later")
            Down.down = since is None
            yield Page(self.items[:2], 2)

    verdict = await since(Down)
    assert not verdict.evidence, told(verdict)
    assert any("failed in the middle" in what for what in verdict.unchecked)


async def test_long_reads_are_looked_at_as_far_as_they_are_allowed() -> None:
    items = [item(number, moment(number)) for number in range(300)]
    verdict = await since(Subject(lambda: News(items=items), bounds=Bounds(pages=200)))
    assert verdict.outcome == "held", told(verdict)
    assert "news since the first one: its reads are long" in verdict.unchecked
    cut = await since(Subject(lambda: News(items=items), bounds=Bounds(pages=5)))
    assert cut.outcome == "held", told(cut)


def test_times_are_chosen_once_each() -> None:
    one, two, three = (START + timedelta(days=days) for days in (1, 2, 3))
    assert [each.at for each in boundaries([[one, two], [None], [two, three]])] == [two, three, one]
    assert boundaries([[None], []]) == []
    east = one.astimezone(timezone(timedelta(hours=9)))
    assert len(boundaries([[one], [east]])) == 1
