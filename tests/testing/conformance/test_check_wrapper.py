"""The runner of the laws of wrappers: what it takes, what it says, and that nothing makes it hang."""

from __future__ import annotations

import gc
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest
from anyio.lowlevel import checkpoint
from zoo_wrappers.right import Again, Paced, Plain
from zoo_wrappers.wrong_pages import EndsWithAnError, RetriesFromTheStart
from zoo_wrappers.wrong_tasks import KeepsItsSlot

from connector_kit.capabilities import close_stream
from connector_kit.errors import ConfigError
from connector_kit.limiters.rate_limiter import RateLimiter
from connector_kit.limiters.rates import Rate
from connector_kit.protocols import Connector
from connector_kit.testing.conformance.bounds import Bounds
from connector_kit.testing.conformance.checks import check_wrapper
from connector_kit.testing.conformance.wrapper.bounded import fullest
from connector_kit.testing.conformance.wrapper.content import plain_content
from connector_kit.testing.conformance.wrapper.errors import wrong_of_error
from connector_kit.testing.conformance.wrapper.reads import exact
from connector_kit.testing.conformance.wrapper.subject import WRAPPER_LAWS, WrapperSubject
from connector_kit.testing.virtual_clock import VirtualClock
from connector_kit.wrappers.prefetch.wrapper import prefetching
from connector_kit.wrappers.rate_limit.wrapper import RateLimited
from connector_kit.wrappers.retry.policy import Retry
from connector_kit.wrappers.retry.wrapper import Retrying

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from connector_kit.protocols import FullConnector
    from connector_kit.records.page import Cursor, Page
    from connector_kit.testing.conformance.law import Verdict

NAMES = WRAPPER_LAWS.names
IMPATIENT = Bounds(call_seconds=1.0)


@pytest.mark.anyio
class TestTheReport:
    async def test_has_a_verdict_on_each_law_in_order_and_tells_each_as_it_comes(self) -> None:
        seen: list[Verdict] = []
        report = await check_wrapper(Plain, progress=seen.append)
        assert [verdict.law.name for verdict in report.verdicts] == NAMES
        assert seen == list(report.verdicts)
        assert report.ok
        assert report.subject == "Plain"
        assert report.requests == sum(verdict.requests for verdict in seen) > 100

    async def test_has_only_the_laws_that_are_named(self) -> None:
        report = await check_wrapper(Plain, laws=["closing", "transparent"], name="mine")
        assert [verdict.law.name for verdict in report.verdicts] == ["transparent", "closing"]
        assert str(report).startswith("mine: 2 held")

    async def test_says_what_was_not_looked_at(self) -> None:
        report = await check_wrapper(Plain, bounds=Bounds(faults=False), laws=["exact", "bounded"])
        assert report.unchecked == (
            "exact: no faults are to be made",
            "bounded: no rate is claimed; name the one that it keeps to (rate=...), if it does",
        )
        assert [verdict.outcome for verdict in report.verdicts] == ["unchecked", "unchecked"]

    async def test_gives_overhead_as_a_number(self) -> None:
        report = await check_wrapper(Retrying, laws=["overhead"])
        (verdict,) = report.verdicts
        assert verdict.checked[-1] == "adds 3 calls of Python functions and 0 cancel scopes to a page"

    async def test_shows_the_smallest_schedule_of_faults_as_python(self) -> None:
        """One fault behind the first page is enough for a page to come twice."""
        report = await check_wrapper(RetriesFromTheStart, retries=True, laws=["exact"])
        (evidence,) = report.verdicts[0].evidence
        assert evidence.plan == "[None, Fail(ConnectionFailedError)]"
        assert evidence.entity == "orders"
        assert evidence.records
        assert "2 records" in evidence.what or "3 records" in evidence.what

    async def test_names_the_entity_the_page_and_how_to_mend_it(self) -> None:
        report = await check_wrapper(EndsWithAnError, laws=["errors"])
        evidence = report.verdicts[0].evidence[0]
        assert (evidence.entity, evidence.page) == ("orders", 1)
        assert "raise SomeConnectorError(...) from error" in evidence.mend


@pytest.mark.anyio
class TestWhatItTakes:
    async def test_a_block_for_a_wrapper_that_needs_one(self, anyio_backend: str) -> None:
        """prefetching gives an async context manager, with a task group inside."""
        report = await check_wrapper(prefetching, backend=anyio_backend)
        report.require()
        assert report.subject == "Prefetching"

    async def test_a_wrapper_in_real_seconds_takes_none_of_them(self) -> None:
        """The default retry waits for seconds; the event loop's time is virtual."""
        report = await check_wrapper(
            lambda inner: Retrying(inner, Retry(attempts=4, first_wait=3600, deadline=1e9)),
            retries=True,
            laws=["exact"],
        )
        report.require()

    async def test_a_clock_that_the_wrapper_goes_by(self, anyio_backend: str) -> None:
        clock = VirtualClock()
        report = await check_wrapper(
            lambda inner: RateLimited(inner, RateLimiter("3/min", clock=clock)),
            clock=clock,
            rate="3/min",
            laws=["bounded", "cancellable"],
            backend=anyio_backend,
        )
        report.require()
        assert report.unchecked == ()

    async def test_a_rate_that_is_higher_than_it_claims_is_found(self) -> None:
        report = await check_wrapper(Paced, rate=Rate.parse("1/s"), laws=["bounded"])
        assert "2 requests reached the source within 0 s" in str(report)

    async def test_a_rate_that_would_take_too_many_requests_is_left_out(self) -> None:
        report = await check_wrapper(Paced, rate="10000/day", laws=["bounded"])
        assert "would take" in report.unchecked[0]

    async def test_content_for_a_wrapper_that_cannot_do_with_any_pages(self) -> None:
        report = await check_wrapper(Again, content=plain_content(page_size=2, records=5), retries=True)
        report.require()

    async def test_one_law_as_a_plain_function(self) -> None:
        assert (await exact(Plain)).outcome == "held"
        subject = WrapperSubject(Again, retries=True)
        verdict = await exact(subject)
        assert verdict.outcome == "held"
        assert verdict.unchecked == (
            "notes: its pages have no cursors, so that no retry can go on after one",
        )

    async def test_a_wrapper_that_does_not_retry_as_it_claims_is_found(self) -> None:
        report = await check_wrapper(Plain, retries=True, laws=["exact"])
        assert "came out of a wrapper that retries" in str(report)


@pytest.mark.anyio
class TestBadInput:
    async def test_a_law_that_there_is_not(self) -> None:
        with pytest.raises(ConfigError, match="use 'closing'"):
            await check_wrapper(Plain, laws=["closeing"])
        with pytest.raises(ConfigError, match="transparent, exact"):
            await check_wrapper(Plain, laws=["zzz"])

    async def test_a_backend_that_there_is_not(self) -> None:
        with pytest.raises(ConfigError, match="expected one of asyncio, trio"):
            await check_wrapper(Plain, backend="curio")

    async def test_a_rate_that_is_none(self) -> None:
        with pytest.raises(ConfigError, match="rate='often'"):
            await check_wrapper(Plain, rate="often")

    async def test_a_function_that_raises_is_a_failure_and_no_verdict(self) -> None:
        def around(_: Connector) -> FullConnector:
            raise ConfigError("there is a Retrying inside")

        report = await check_wrapper(around)
        assert report.failure.endswith("ConfigError: there is a Retrying inside")
        assert not report.ok
        assert report.verdicts == ()
        assert report.subject == "around"

    async def test_what_is_no_connector_is_explained(self) -> None:
        @attrs.frozen
        class Half:
            inner: Connector

            async def connect(self) -> None: ...

            async def disconnect(self) -> None: ...

            async def discover_schema(self) -> None: ...

            async def fetch_data(self, entity: str) -> list[Page]:
                return []

        half: Any = Half
        report = await check_wrapper(half)
        assert "'Half', which is no connector" in report.failure
        assert "fetch_data" in report.failure

    async def test_a_function_that_gives_nothing_of_use(self) -> None:
        nothing: Any = lambda _: None  # noqa: E731 - as an author would write it
        report = await check_wrapper(nothing)
        assert "no wrapper could be put around a connector" in report.failure

    async def test_a_function_that_hangs(self, anyio_backend: str) -> None:
        @asynccontextmanager
        async def around(inner: Connector) -> AsyncIterator[FullConnector]:
            await anyio.sleep_forever()
            yield Plain(inner)

        report = await check_wrapper(around, bounds=IMPATIENT, backend=anyio_backend)
        assert report.failure == "no wrapper could be put around a connector within 1 s"


class Spins(Plain):
    """Catches whatever ends it, and goes on."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        while True:
            pages = self.inner.fetch_data(entity, since=since, cursor=cursor)
            try:
                async for page in pages:
                    yield page
            except Exception:  # noqa: BLE001 - what is wrong with it
                await checkpoint()
            else:
                return
            finally:
                with anyio.CancelScope(shield=True):
                    await close_stream(pages)


class Blocks(Plain):
    """Does not come back, without an await."""

    async def discover_schema(self) -> Any:
        while True:
            pass


@pytest.mark.anyio
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
class TestNothingMakesItHang:
    @pytest.fixture(autouse=True)
    def _tidy(self) -> Any:
        yield
        gc.collect()  # what a wrong wrapper leaves behind complains here, and not in another test

    async def test_a_wrapper_that_tries_again_for_ever(self, anyio_backend: str) -> None:
        report = await check_wrapper(
            Spins, laws=["errors", "closing"], bounds=IMPATIENT, backend=anyio_backend
        )
        assert "errors" in [verdict.law.name for verdict in report.broken]
        assert "it hangs: nothing has happened for 1 s while page 1 of orders fails" in str(report)
        assert report.verdicts[1].outcome == "held"

    async def test_a_wrapper_that_blocks_the_event_loop(self, anyio_backend: str) -> None:
        report = await check_wrapper(Blocks, laws=["transparent"], bounds=IMPATIENT, backend=anyio_backend)
        assert "while asking for the catalog" in str(report)

    async def test_after_one_that_hangs_nothing_else_goes_by_the_same_clock(self) -> None:
        report = await check_wrapper(
            KeepsItsSlot, clock=VirtualClock(), laws=["cancellable", "closing"], bounds=IMPATIENT
        )
        assert [verdict.outcome for verdict in report.verdicts] == ["broken", "unchecked"]
        assert "the thread that hangs in 'cancellable' has the clock" in report.unchecked[0]


class TestCrowds:
    @pytest.mark.parametrize(
        ("times", "crowd"),
        [
            ([], None),
            ([0, 1, 1_000_000_000, 1_000_000_001], None),
            ([0, 1, 999_999_999], (3, 999_999_999)),
            ([5, 5, 5], (3, 0)),
            ([1_000_000_000, 0, 999_999_999], None),
        ],
    )
    def test_a_window_with_too_many_is_found(self, times: list[int], crowd: tuple[int, int] | None) -> None:
        """Two in any second: half-open, so that exactly a second later is another window."""
        assert fullest(times, Rate.parse("2/s")) == crowd


class TestWhatCameOut:
    def test_an_error_deep_in_the_causes_is_there(self) -> None:
        error, middle, came = OSError("down"), ValueError("odd"), ConfigError("failed")
        middle.__cause__, came.__cause__ = error, middle
        assert wrong_of_error(came, error) == ""
        assert wrong_of_error(error, error) == ""

    def test_nothing_a_group_and_another_error_are_wrong(self) -> None:
        error = OSError("down")
        assert "nothing came out" in wrong_of_error(None, error)
        assert "ExceptionGroup" in wrong_of_error(ExceptionGroup("several", [error]), error)
        assert "without it as its cause" in wrong_of_error(ConfigError("failed"), error)
