"""What a run does besides being exact: several entities, failures, stopping, names, modes, and its report."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from typing import TYPE_CHECKING, TypeAlias

import anyio
import attrs
import pytest
import sources

from connector_kit.cli.session import until_signalled
from connector_kit.destinations.memory import MemoryDestination
from connector_kit.durations import Duration
from connector_kit.errors import (
    AuthenticationError,
    ConfigError,
    ConnectionFailedError,
    DataError,
    DestinationError,
    RepeatedCursorError,
    SchemaMismatchError,
    UnknownEntityError,
)
from connector_kit.events import EntityFinished, EntityStarted, Event, PagesWritten, Warned
from connector_kit.limiters.rate_limiter import RateLimiter
from connector_kit.records.catalog import Catalog
from connector_kit.records.page import Page
from connector_kit.runtime.options import EntityOptions
from connector_kit.runtime.sync import sync
from connector_kit.testing.virtual_clock import VirtualClock
from connector_kit.wrappers.fault_injection.wrapper import Fail, Faulty, Refuse, Stall
from connector_kit.wrappers.rate_limit.wrapper import RateLimited
from connector_kit.wrappers.retry.policy import Retry
from connector_kit.wrappers.retry.wrapper import Retrying

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from connector_kit.records.checkpoint import Checkpoint, Mode
    from connector_kit.records.page import Cursor, Record
    from connector_kit.runtime.report import EntityReport, Report

Virtually: TypeAlias = "Callable[[Callable[[VirtualClock], Awaitable[None]]], VirtualClock]"


@pytest.fixture
def virtually(anyio_backend: str) -> Virtually:
    """Run a test under a virtual clock, on both event loops."""

    def run(test: Callable[[VirtualClock], Awaitable[None]]) -> VirtualClock:
        clock = VirtualClock()
        clock.run(test, clock, backend=anyio_backend)
        return clock

    return run


def of(report: Report, entity: str) -> EntityReport:
    """Give one entity's part of a report."""
    return next(part for part in report.entities if part.entity == entity)


@attrs.define(eq=False)
class Ear:
    """Keeps what it hears."""

    heard: list[Event] = attrs.field(factory=list)

    def observe(self, event: Event, /) -> None:
        self.heard.append(event)


@attrs.define(eq=False)
class Slow(MemoryDestination):
    """Takes a second for each page; fails at page number `fails_at`."""

    clock: VirtualClock = attrs.field(kw_only=True)
    fails_at: int | None = None
    written: int = 0
    closed: int = 0

    async def write(self, entity: str, records: Sequence[Record], checkpoint: Checkpoint | None, /) -> None:
        self.written += 1
        if self.written == self.fails_at:
            raise DestinationError("the disk is full; make room")
        await self.clock.sleep(1)
        await MemoryDestination.write(self, entity, records, checkpoint)

    async def close(self) -> None:
        self.closed += 1
        await MemoryDestination.close(self)


class TestEntities:
    def test_all_by_default_and_only_those_named(self, virtually: Virtually) -> None:
        """In the order of the catalog, or of the call."""

        async def test(clock: VirtualClock) -> None:
            shop = sources.Shop({name: sources.Table() for name in ("a", "b", "c")})
            everything = await sync(shop, MemoryDestination(), clock=clock)
            assert [part.entity for part in everything.entities] == ["a", "b", "c"]
            some = await sync(shop, MemoryDestination(), entities=["c", "a", "c"], clock=clock)
            assert [part.entity for part in some.entities] == ["c", "a"]
            assert some.rows == 20

        virtually(test)

    def test_an_unknown_one_is_refused_before_anything_is_read(self, virtually: Virtually) -> None:
        """Also where it only has options; everything is closed."""

        async def test(clock: VirtualClock) -> None:
            shop, destination = sources.Shop(), Slow(clock=clock)
            with pytest.raises(UnknownEntityError, match=r"no entity 'order' .* did you mean 'orders'"):
                await sync(shop, destination, entities=["order"], clock=clock)
            with pytest.raises(UnknownEntityError, match="'ordrs'"):
                await sync(shop, destination, options={"ordrs": EntityOptions()}, clock=clock)
            assert (shop.opened, shop.connected, destination.closed) == (0, False, 2)

        virtually(test)

    def test_one_failure_does_not_stop_the_others(self, virtually: Virtually) -> None:
        """What was read before it is written; the report says what went wrong and where."""

        class Half(sources.Shop):
            def change(self, entity: str, page: Page, number: int) -> Page:
                if entity == "bad" and number == 1:
                    raise AuthenticationError("the token has expired; get a new one")
                return page

        async def test(clock: VirtualClock) -> None:
            half = Half({"bad": sources.Table(), "good": sources.Table()})
            destination = MemoryDestination()
            report = await sync(half, destination, clock=clock)
            assert not report.complete
            assert [part.entity for part in report.failed] == ["bad"]
            bad = of(report, "bad")
            assert (bad.status, bad.rows, len(destination.rows("bad"))) == ("failed", 3, 3)
            assert isinstance(bad.error, AuthenticationError)
            assert (bad.error.connector, bad.error.entity) == ("Half", "bad")
            assert (of(report, "good").status, of(report, "good").rows) == ("complete", 10)
            assert report.to_dict()["entities"][0]["error"]["class"] == "AuthenticationError"

        virtually(test)

    def test_no_more_than_concurrency_at_once(self, virtually: Virtually) -> None:
        """The others wait for their turn."""
        running: list[int] = []

        class Counting(sources.Shop):
            def change(self, entity: str, page: Page, number: int) -> Page:
                running.append(self.opened - self.closed)
                return page

        async def test(clock: VirtualClock) -> None:
            shop = Counting({name: sources.Table() for name in "abcde"})
            assert (await sync(shop, Slow(clock=clock), concurrency=2, clock=clock)).complete
            assert max(running) == 2

        virtually(test)

    def test_fetch_and_write_overlap(self, virtually: Virtually) -> None:
        """Ten pages of a second each, written in a second each, take eleven seconds and not twenty."""

        async def test(clock: VirtualClock) -> None:
            shop = sources.Shop({"orders": sources.Table(size=10, page_size=1)})
            slow = Faulty(shop, (None, None, *[Stall(1)] * 10), clock=clock)
            report = await sync(slow, Slow(clock=clock), clock=clock)
            assert report.seconds == pytest.approx(11)
            assert of(report, "orders").fetching == pytest.approx(10)
            assert of(report, "orders").writing == pytest.approx(10)

        virtually(test)


class TestReport:
    def test_says_where_the_time_went(self, virtually: Virtually) -> None:
        """Limiter and retries are heard of through the stack that was handed in."""

        async def test(clock: VirtualClock) -> None:
            schedule = (None, None, Stall(3), Refuse(20.0), Fail())
            limited = RateLimited(
                Faulty(sources.Shop(), schedule, clock=clock), RateLimiter("1/s", clock=clock)
            )
            ear = Ear()
            report = await sync(
                Retrying(limited, Retry(jitter="none"), clock=clock),
                MemoryDestination(),
                observer=ear,
                clock=clock,
            )
            part = of(report, "orders")
            assert part.retries == 2
            assert part.faults == {"RateLimitError": 1, "ConnectionFailedError": 1}
            assert part.backing_off == pytest.approx(21)
            assert part.fetching == pytest.approx(3, abs=0.01)
            assert part.limited > 2
            assert part.watermark == sources.START + timedelta(minutes=9)
            assert (part.mode, part.pages, part.rows, report.retries) == ("upsert", 4, 10, 2)
            started = [event for event in ear.heard if isinstance(event, EntityStarted)]
            assert started == [EntityStarted("orders", "upsert", resumed=False)]
            assert [event.rows for event in ear.heard if isinstance(event, PagesWritten)] == [3, 6, 9, 10]
            assert EntityFinished("orders", "complete", 10) in ear.heard

        virtually(test)

    def test_says_what_was_resumed(self, virtually: Virtually) -> None:
        """A second run goes on where the first one broke, and counts its own rows."""

        async def test(clock: VirtualClock) -> None:
            destination = MemoryDestination()
            broken = Faulty(sources.Shop(), (None, None, None, None, Fail()), clock=clock)
            first = await sync(broken, destination, name="shop", clock=clock)
            assert isinstance(of(first, "orders").error, ConnectionFailedError)
            shop = sources.Shop()
            second = await sync(shop, destination, name="shop", clock=clock)
            assert shop.asked[0] == ("orders", {"after": 6})
            assert (of(second, "orders").resumed, len(destination.rows("orders"))) == (True, 10)

        virtually(test)

    def test_a_read_of_an_earlier_run_is_followed_by_one_for_what_changed_meanwhile(
        self, virtually: Virtually
    ) -> None:
        """Before the place where it goes on; only then is the entity complete. One that is read in full is not read twice."""

        async def test(clock: VirtualClock) -> None:
            for table, asked in [
                (sources.Table(), [{"after": 6}, None]),
                (sources.Table(incremental=None), [{"after": 6}]),
                (sources.Table(incremental="cursor"), [{"after": 6}]),
            ]:
                destination, shop = MemoryDestination(), sources.Shop({"orders": table})
                broken = Faulty(
                    sources.Shop({"orders": table}), (None, None, None, None, Fail()), clock=clock
                )
                assert not (await sync(broken, destination, name="shop", clock=clock)).complete
                assert (await sync(shop, destination, name="shop", clock=clock)).complete
                assert [cursor for _, cursor in shop.asked] == asked

        virtually(test)

    async def checkpoint(self, destination: MemoryDestination) -> Checkpoint:
        await destination.open()
        checkpoint = (await destination.states())["orders"].checkpoint
        assert checkpoint is not None
        return checkpoint


class TestShrinking:
    """A replace that would leave far fewer rows than were there."""

    @staticmethod
    def shop(size: int) -> sources.Shop:
        return sources.Shop({"orders": sources.Table(size=size, incremental=None)})

    @pytest.mark.parametrize("size", [0, 1, 9])
    def test_it_is_refused_and_what_was_there_stays(self, virtually: Virtually, size: int) -> None:
        """The next run begins anew."""

        async def test(clock: VirtualClock) -> None:
            destination, shop = MemoryDestination(), self.shop(100)
            assert (await sync(self.shop(100), destination, name="shop", clock=clock)).complete
            report = await sync(self.shop(size), destination, name="shop", clock=clock)
            error = of(report, "orders").error
            assert isinstance(error, DataError)
            assert "where there are 100; expected at least 10% of them (min_share)" in error.message
            assert "run once with --allow-shrink" in error.message
            assert len(destination.rows("orders")) == 100
            assert (await sync(shop, destination, name="shop", clock=clock)).complete
            assert shop.asked == [("orders", None)]

        virtually(test)

    @pytest.mark.parametrize(
        ("share", "size", "complete"),
        [(0.1, 10, True), (0.5, 49, False), (1.0, 99, False), (1.0, 100, True), (0.0, 0, True)],
    )
    def test_the_share_is_an_option(
        self, virtually: Virtually, share: float, size: int, *, complete: bool
    ) -> None:
        async def test(clock: VirtualClock) -> None:
            destination, options = MemoryDestination(), {"orders": EntityOptions(min_share=share)}
            await sync(self.shop(100), destination, name="shop", clock=clock)
            report = await sync(self.shop(size), destination, name="shop", options=options, clock=clock)
            assert report.complete == complete
            assert len(destination.rows("orders")) == (size if complete else 100)

        virtually(test)

    def test_a_run_may_allow_it(self, virtually: Virtually) -> None:
        async def test(clock: VirtualClock) -> None:
            destination = MemoryDestination()
            await sync(self.shop(100), destination, name="shop", clock=clock)
            report = await sync(self.shop(0), destination, name="shop", allow_shrink=True, clock=clock)
            assert (report.complete, destination.rows("orders")) == (True, [])

        virtually(test)

    def test_a_destination_that_cannot_count_is_not_guarded(self, virtually: Virtually) -> None:
        """Nor is one in which nothing was."""

        class Uncounted(MemoryDestination):
            async def count(self, entity: str, /) -> int | None:  # type: ignore[override]  # as the protocol has it
                return None

        async def test(clock: VirtualClock) -> None:
            for destination, size in ((Uncounted(), 100), (MemoryDestination(), 0)):
                await sync(self.shop(size), destination, name="shop", clock=clock)
                assert (await sync(self.shop(0), destination, name="shop", clock=clock)).complete

        virtually(test)


class TestKeys:
    def test_the_report_and_the_events_say_what_is_wrong_with_them(self, virtually: Virtually) -> None:
        """A key that is no time, one of the future, and times without a zone, each once."""

        class Strange(sources.Shop):
            def change(self, entity: str, page: Page, number: int) -> Page:
                keys = [None, "0000-00-00", "2099-01-01T00:00:00Z", "2023-05-01 12:00:00"]
                return Page([{**record, "updated_at": keys[number]} for record in page.records], page.cursor)

        async def test(clock: VirtualClock) -> None:
            ear, table = Ear(), sources.Table(ordered=False)
            report = await sync(Strange({"orders": table}), MemoryDestination(), observer=ear, clock=clock)
            part = of(report, "orders")
            assert (part.rows, part.unusable_keys) == (10, 6)
            assert part.watermark == datetime(2023, 5, 1, 12, tzinfo=UTC)
            assert part.held_back == datetime(2099, 1, 1, tzinfo=UTC)
            warnings = [event.warning for event in ear.heard if isinstance(event, Warned)]
            assert [words in warning for words, warning in zip(WARNINGS, warnings, strict=True)] == [True] * 3
            assert part.notes[:3] == tuple(warnings)

        virtually(test)

    def test_a_key_that_cannot_be_a_time_is_refused_before_anything_is_read(
        self, virtually: Virtually
    ) -> None:
        class Wrong(sources.Shop):
            def catalog(self) -> Catalog:
                return Catalog([attrs.evolve(sources.Shop.catalog(self)["orders"], replication_zone="Mars")])

        async def test(clock: VirtualClock) -> None:
            shop = Wrong()
            report = await sync(shop, MemoryDestination(), clock=clock)
            assert "'Mars', which nobody knows" in str(of(report, "orders").error)
            assert shop.opened == 0

        virtually(test)


WARNINGS = ("taken to be in UTC", "6 records have no usable time", "in the future: it does not move")


class TestNextRun:
    def test_a_lookback_reads_again_before_the_watermark(self, virtually: Virtually) -> None:
        """For sources that commit late."""

        async def test(clock: VirtualClock) -> None:
            destination = MemoryDestination()
            options = {"orders": EntityOptions(lookback=Duration.parse("3m"))}
            await sync(sources.Shop(), destination, clock=clock)
            report = await sync(sources.Shop(), destination, options=options, clock=clock)
            assert report.rows == 4

        virtually(test)

    def test_a_start_is_where_the_first_read_begins(self, virtually: Virtually) -> None:
        """Later reads begin at the watermark."""

        async def test(clock: VirtualClock) -> None:
            destination = MemoryDestination()
            options = {"orders": EntityOptions(start=sources.START + timedelta(minutes=4))}
            assert (await sync(sources.Shop(), destination, options=options, clock=clock)).rows == 6
            assert (await sync(sources.Shop(), destination, options=options, clock=clock)).rows == 1

        virtually(test)

    def test_a_connector_of_another_name_is_refused(self, virtually: Virtually) -> None:
        """It would go on in somebody else's read."""

        async def test(clock: VirtualClock) -> None:
            destination = MemoryDestination()
            await sync(sources.Shop(), destination, name="east", clock=clock)
            report = await sync(sources.Shop(), destination, name="west", clock=clock)
            with pytest.raises(ConfigError, match="written by the connector 'east', not 'west'"):
                raise of(report, "orders").error or AssertionError
            assert len(destination.rows("orders")) == 10

        virtually(test)

    def test_an_unfinished_read_is_not_continued_in_another_mode(self, virtually: Virtually) -> None:
        """Half of it would be under other rules."""

        async def test(clock: VirtualClock) -> None:
            destination = MemoryDestination()
            broken = Faulty(sources.Shop(), (None, None, None, None, Fail()), clock=clock)
            await sync(broken, destination, name="shop", mode="append", clock=clock)
            report = await sync(sources.Shop(), destination, name="shop", mode="upsert", clock=clock)
            assert "unfinished read in mode 'append'" in str(of(report, "orders").error)

        virtually(test)

    def test_a_last_page_without_a_cursor_cannot_be_read_by_cursor(self, virtually: Virtually) -> None:
        """The next run could not tell what is new; the rows do not count."""

        async def test(clock: VirtualClock) -> None:
            table = sources.Table(incremental="cursor", cursors=(True, True, True, False))
            report = await sync(
                sources.Shop({"orders": table}), MemoryDestination(), mode="append", clock=clock
            )
            assert isinstance(of(report, "orders").error, DataError)
            assert "last page carries none" in str(of(report, "orders").error)

        virtually(test)


class TestRefusals:
    @pytest.mark.parametrize(
        ("mode", "table", "words"),
        [
            ("upsert", sources.Table(primary_key=None), "it has no primary key"),
            ("append", sources.Table(), "this destination can do replace, upsert"),
        ],
    )
    def test_a_mode_that_cannot_work(
        self, virtually: Virtually, mode: Mode, table: sources.Table, words: str
    ) -> None:
        """Refused before anything is read."""

        @attrs.define(eq=False)
        class NoAppend(MemoryDestination):
            @property
            def modes(self) -> frozenset[Mode]:
                return frozenset({"upsert", "replace"})

        async def test(clock: VirtualClock) -> None:
            shop = sources.Shop({"orders": table})
            with pytest.raises(ConfigError, match=words):
                await sync(shop, NoAppend(), mode=mode, clock=clock)
            assert shop.opened == 0

        virtually(test)

    @pytest.mark.anyio
    @pytest.mark.parametrize("numbers", [{"concurrency": 0}, {"buffer": -1}])
    async def test_numbers_that_cannot_work(self, numbers: dict[str, int]) -> None:
        """Both are named in the error."""
        with pytest.raises(ConfigError, match="at least 1 and 0"):
            await sync(sources.Shop(), MemoryDestination(), **numbers)  # type: ignore[arg-type]  # one of two ints

    def test_a_start_for_an_entity_not_read_by_since(self, virtually: Virtually) -> None:
        """It would be silently ignored."""

        async def test(clock: VirtualClock) -> None:
            shop = sources.Shop({"orders": sources.Table(incremental="cursor")})
            report = await sync(
                shop, MemoryDestination(), options={"orders": EntityOptions(start=sources.START)}, clock=clock
            )
            assert "is not read by since" in str(of(report, "orders").error)

        virtually(test)

    def test_a_new_field_where_fields_are_frozen(self, virtually: Virtually) -> None:
        """Fails the entity; discard drops the field; evolve keeps it."""

        class Wider(sources.Shop):
            def change(self, entity: str, page: Page, number: int) -> Page:
                return attrs.evolve(page, records=[{**record, "colour": "red"} for record in page.records])

        async def test(clock: VirtualClock) -> None:
            for policy, fields in (("freeze", None), ("discard", 3), ("evolve", 4)):
                destination = MemoryDestination()
                options = {"orders": EntityOptions(new_fields=policy)}  # type: ignore[arg-type]  # of the literals
                report = await sync(Wider(), destination, options=options, clock=clock)
                if fields is None:
                    assert isinstance(of(report, "orders").error, SchemaMismatchError)
                else:
                    assert len(destination.rows("orders")[0]) == fields

        virtually(test)

    def test_a_repeated_cursor_ends_the_read(self, virtually: Virtually) -> None:
        """A source that goes round in circles fails instead of filling the destination."""

        class Circle(sources.Shop):
            def change(self, entity: str, page: Page, number: int) -> Page:
                return attrs.evolve(page, cursor={"after": number % 2})

        async def test(clock: VirtualClock) -> None:
            report = await sync(Circle(), MemoryDestination(), clock=clock)
            assert isinstance(of(report, "orders").error, RepeatedCursorError)

        virtually(test)


@attrs.define(eq=False)
class Dated(MemoryDestination):
    """Notes when each step was written, and how many records it had."""

    clock: VirtualClock = attrs.field(kw_only=True)
    steps: list[tuple[float, int]] = attrs.field(factory=list)

    async def write(self, entity: str, records: Sequence[Record], checkpoint: Checkpoint | None, /) -> None:
        self.steps.append((self.clock.monotonic_ns() / 1e9, len(records)))
        await MemoryDestination.write(self, entity, records, checkpoint)


@attrs.define(eq=False)
class Timed(sources.Shop):
    """Takes some time for each page."""

    clock: VirtualClock = attrs.field(kw_only=True)
    seconds: float = attrs.field(kw_only=True)

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        async for page in sources.Shop.fetch_data(self, entity, since=since, cursor=cursor):
            await self.clock.sleep(self.seconds)
            yield page


class TestSteps:
    """What of the pages is written at once."""

    def test_the_pages_that_are_there_are_written_together(self, virtually: Virtually) -> None:
        """The first one at once; of a source that never waits, all others then. Counted are pages."""

        async def test(clock: VirtualClock) -> None:
            destination = Dated(clock=clock)
            report = await sync(sources.Shop(), destination, clock=clock)
            assert sum(records for _, records in destination.steps) == 10
            assert len(destination.steps) <= 2
            assert (of(report, "orders").pages, of(report, "orders").rows) == (4, 10)

        virtually(test)

    def test_without_a_buffer_each_page_is_written_by_itself(self, virtually: Virtually) -> None:
        """For whoever wants a checkpoint for every page."""

        async def test(clock: VirtualClock) -> None:
            destination = Dated(clock=clock)
            await sync(sources.Shop(), destination, clock=clock, buffer=0)
            assert [records for _, records in destination.steps] == [3, 3, 3, 1]

        virtually(test)

    def test_a_page_of_a_slow_source_is_written_when_it_comes(self, virtually: Virtually) -> None:
        """It waits for no other one."""

        async def test(clock: VirtualClock) -> None:
            destination = Dated(clock=clock)
            await sync(Timed(clock=clock, seconds=1), destination, clock=clock)
            assert [records for _, records in destination.steps] == [3, 3, 3, 1]
            assert [second for second, _ in destination.steps] == pytest.approx([1, 2, 3, 4], abs=0.001)

        virtually(test)

    def test_a_fast_source_does_not_make_a_step_of_every_page(self, virtually: Virtually) -> None:
        """There is a hundredth of a second or two between two of them; the last pages do not wait for it."""

        async def test(clock: VirtualClock) -> None:
            destination = Dated(clock=clock)
            table = sources.Table(size=100, page_size=1)
            shop = Timed({"orders": table}, clock=clock, seconds=0.001)
            await sync(shop, destination, clock=clock)
            times = [second for second, _ in destination.steps]
            assert all(later - earlier > 0.019 for earlier, later in pairwise(times[:-1]))
            assert times[-1] == pytest.approx(0.1, abs=0.003)

        virtually(test)

    def test_a_source_without_end_that_never_waits_can_be_stopped(self, virtually: Virtually) -> None:
        """Also where its pages have no records: they take room, and who has none left lets others run."""

        class Endless(sources.Shop):
            async def fetch_data(
                self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
            ) -> AsyncIterator[Page]:
                for number in count():
                    yield Page([], cursor=number)

        async def test(clock: VirtualClock) -> None:
            stop = anyio.Event()

            class Watched(Dated):
                """Asks the run to stop at the third step."""

                async def write(
                    self, entity: str, records: Sequence[Record], checkpoint: Checkpoint | None, /
                ) -> None:
                    await Dated.write(self, entity, records, checkpoint)
                    if len(self.steps) == 3:
                        stop.set()

            report = await sync(Endless(), Watched(clock=clock), clock=clock, stop=stop)
            assert report.stopped
            assert of(report, "orders").status == "stopped"

        virtually(test)


class TestFailures:
    def test_a_destination_that_fails_ends_the_entity_and_its_read(self, virtually: Virtually) -> None:
        """Rows and checkpoint stay as they were; nothing is left open; the next run completes."""

        async def test(clock: VirtualClock) -> None:
            shop, destination = sources.Shop(), Slow(clock=clock, fails_at=3)
            report = await sync(shop, destination, clock=clock, buffer=0)
            assert isinstance(of(report, "orders").error, DestinationError)
            assert len(destination.rows("orders")) == 6
            assert (shop.opened - shop.closed, destination.closed, shop.connected) == (0, 1, False)
            assert (await sync(shop, destination, clock=clock)).complete
            assert len(destination.rows("orders")) == 10

        virtually(test)

    def test_the_watermark_of_a_failed_entity_is_that_of_what_is_stored(self, virtually: Virtually) -> None:
        """Not that of the page which could not be written."""

        async def test(clock: VirtualClock) -> None:
            report = await sync(sources.Shop(), Slow(clock=clock, fails_at=2), clock=clock, buffer=0)
            assert of(report, "orders").rows == 3
            assert of(report, "orders").watermark == sources.START + timedelta(minutes=2)

        virtually(test)

    def test_connecting_fails(self, virtually: Virtually) -> None:
        """The error is raised as it is; the destination is closed."""

        async def test(clock: VirtualClock) -> None:
            destination = Slow(clock=clock)
            with pytest.raises(ConnectionFailedError):
                await sync(Faulty(sources.Shop(), (Fail(),), clock=clock), destination, clock=clock)
            assert destination.closed == 1

        virtually(test)

    def test_a_failing_disconnect_does_not_cost_the_report(self, virtually: Virtually) -> None:
        """What was written is told."""

        class Rude(sources.Shop):
            async def disconnect(self) -> None:
                raise ConnectionFailedError("already gone")

        async def test(clock: VirtualClock) -> None:
            assert (await sync(Rude(), MemoryDestination(), clock=clock)).rows == 10

        virtually(test)


class TestStopping:
    def test_a_stop_writes_what_was_read_and_the_next_run_goes_on(self, virtually: Virtually) -> None:
        """No more pages are asked for, even in the middle of a long wait for one."""

        async def test(clock: VirtualClock) -> None:
            stop, destination = anyio.Event(), Slow(clock=clock)
            reports: list[Report] = []
            slow = Faulty(sources.Shop(), (None, None, None, None, Stall(5000)), clock=clock)

            async def run() -> None:
                reports.append(await sync(slow, destination, name="shop", stop=stop, clock=clock))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(run)
                await clock.sleep(0.5)
                stop.set()
            part = of(reports[0], "orders")
            assert (reports[0].stopped, part.status, part.rows) == (True, "stopped", 6)
            assert clock.monotonic_ns() < 10_000_000_000
            again = await sync(sources.Shop(), destination, name="shop", clock=clock)
            assert again.rows == 4 + 1  # those that were left, and once more the one at the watermark
            assert len(destination.rows("orders")) == 10

        virtually(test)

    def test_a_stop_while_connecting_reads_nothing(self, virtually: Virtually) -> None:
        """The report is empty and says so."""

        async def test(clock: VirtualClock) -> None:
            stop = anyio.Event()
            stop.set()
            report = await sync(
                Faulty(sources.Shop(), (Stall(100),), clock=clock),
                MemoryDestination(),
                stop=stop,
                clock=clock,
            )
            assert report.stopped
            assert report.rows == 0

        virtually(test)

    def test_entities_whose_turn_has_not_come_are_stopped_too(self, virtually: Virtually) -> None:
        """They are in the report, untouched."""

        async def test(clock: VirtualClock) -> None:
            stop = anyio.Event()
            shop = sources.Shop({"a": sources.Table(), "b": sources.Table()})
            reports: list[Report] = []

            async def run() -> None:
                slow = Faulty(shop, (None, None, Stall(100)), clock=clock)
                reports.append(await sync(slow, MemoryDestination(), concurrency=1, stop=stop, clock=clock))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(run)
                await clock.sleep(1)
                stop.set()
            assert [(part.entity, part.status) for part in reports[0].entities] == [
                ("a", "stopped"),
                ("b", "stopped"),
            ]

        virtually(test)


class TestSignals:
    @pytest.mark.anyio
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    async def test_the_first_signal_asks_to_stop(self, number: signal.Signals) -> None:
        """The body goes on and gives its result."""
        heard: list[str] = []

        async def body(stop: anyio.Event) -> str:
            os.kill(os.getpid(), number)
            await stop.wait()
            return "finished"

        assert await until_signalled(body, on_first=lambda: heard.append("once")) == "finished"
        assert heard == ["once"]

    @pytest.mark.anyio
    async def test_the_second_signal_ends_it_now(self) -> None:
        """The body is cancelled, cleans up, and the caller gets KeyboardInterrupt."""
        cleaned: list[bool] = []

        async def body(stop: anyio.Event) -> None:
            try:
                os.kill(os.getpid(), signal.SIGINT)
                await stop.wait()
                os.kill(os.getpid(), signal.SIGTERM)
                await anyio.sleep_forever()
            finally:
                cleaned.append(True)

        with pytest.raises(KeyboardInterrupt):
            await until_signalled(body)
        assert cleaned == [True]

    @pytest.mark.anyio
    async def test_an_error_of_the_body_comes_out_as_it_is(self) -> None:
        """In no group."""

        async def body(stop: anyio.Event) -> None:
            raise DataError("bad")

        with pytest.raises(DataError, match="bad"):
            await until_signalled(body)
