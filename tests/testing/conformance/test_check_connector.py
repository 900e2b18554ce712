"""Whatever a connector does, check_connector comes back with a whole report that says what."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest
from anyio.lowlevel import checkpoint
from shelves import Shelf

from connector_kit.connectors.mock import MockConfig, MockConnector
from connector_kit.errors import AuthenticationError, ConfigError, RateLimitError
from connector_kit.records.catalog import Catalog
from connector_kit.redaction import HIDDEN
from connector_kit.testing.conformance.bounds import Bounds
from connector_kit.testing.conformance.checks import check_connector
from connector_kit.testing.conformance.examination import Examination
from connector_kit.testing.conformance.law import Findings, Law, LawFunction
from connector_kit.testing.conformance.subject import CONNECTOR_LAWS, Subject

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime

    from connector_kit.protocols import Connector
    from connector_kit.records.page import Cursor, Page
    from connector_kit.testing.conformance.law import Verdict

pytestmark = pytest.mark.anyio

SECRET = "tok-55aa"
NAMES = CONNECTOR_LAWS.names
IMPATIENT = Bounds(seconds=20, call_seconds=0.4, faults=False)

check = partial(check_connector, bounds=IMPATIENT)


class TestTheReport:
    async def test_a_shipped_connector_keeps_every_law(self, anyio_backend_name: str) -> None:
        factory = partial(MockConnector, MockConfig(size=60, page_size=20))

        report = await check_connector(factory, backend=anyio_backend_name, bounds=Bounds(plans=5))

        assert {each.law.name: each.outcome for each in report.verdicts} == dict.fromkeys(NAMES, "held"), str(
            report
        )
        assert report.ok
        assert report.subject == "MockConnector"
        assert report.requests >= sum(each.requests for each in report.verdicts)

    async def test_only_the_laws_asked_for_are_looked_at_in_their_own_order(self) -> None:
        report = await check(Shelf, laws=["sample", "catalog"], name="books")

        assert [each.law.name for each in report.verdicts] == ["catalog", "sample"]
        assert report.subject == "books"

    async def test_each_verdict_is_told_as_it_comes_in_the_callers_thread(self) -> None:
        told: list[tuple[str, bool]] = []

        def progress(verdict: Verdict) -> None:
            told.append((verdict.law.name, threading.current_thread() is threading.main_thread()))

        await check(Shelf, laws=["catalog", "cursors"], progress=progress)

        assert told == [("catalog", True), ("cursors", True)]

    async def test_what_the_progress_raises_comes_out(self) -> None:
        def progress(verdict: Verdict) -> None:
            raise BrokenPipeError

        with pytest.raises(BrokenPipeError):
            await check(Shelf, laws=["cursors"], progress=progress)

    async def test_a_law_that_there_is_not_is_refused_with_the_known_ones(self) -> None:
        with pytest.raises(ConfigError) as refused:
            await check(Shelf, laws=["resum", "since"])

        text = str(refused.value)
        assert "'resum'" in text
        assert "use 'resume'" in text
        assert all(name in text for name in NAMES)

    async def test_a_backend_that_there_is_not_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="no backend 'curio'; expected one of asyncio, trio"):
            await check(Shelf, backend="curio")


def raises() -> Connector:
    raise ValueError(f"bad settings, token {SECRET}")


def blocks() -> Connector:
    threading.Event().wait()
    raise AssertionError


class Partial:
    async def connect(self) -> None: ...
    async def disconnect(self) -> None: ...
    async def discover_schema(self) -> Catalog: ...  # type: ignore[empty-body]  # never called


class RefusedShelf(Shelf):
    async def connect(self) -> None:
        raise AuthenticationError(f"401 for {SECRET}; expected a token; get one")


class BrokenSchema(Shelf):
    async def discover_schema(self) -> Catalog:
        raise KeyError("tables")


class ListForACatalog(Shelf):
    async def discover_schema(self) -> Any:
        return ["books"]


class NoEntities(Shelf):
    async def discover_schema(self) -> Catalog:
        return Catalog([])


class ConnectsNever(Shelf):
    async def connect(self) -> None:
        await anyio.sleep_forever()


class ConnectBlocks(Shelf):
    async def connect(self) -> None:
        threading.Event().wait()


class ConnectSwallows(Shelf):
    async def connect(self) -> None:
        while True:
            try:
                await anyio.sleep(0.01)
            except BaseException:  # noqa: BLE001 - what is wrong with it
                continue


class ConnectEndsTheProgram(Shelf):
    async def connect(self) -> None:
        await checkpoint()
        raise SystemExit(2)


class TestNothingToLookAt:
    @pytest.mark.parametrize(
        ("factory", "words"),
        [
            pytest.param(raises, ["the factory raised ValueError: bad settings"], id="the factory raises"),
            pytest.param(
                Partial,
                ["Partial is no connector", "async def fetch_data(self, entity: str, /, *, since"],
                id="no connector",
            ),
            pytest.param(lambda: None, ["NoneType is no connector"], id="nothing"),
            pytest.param(
                blocks, ["blocks the event loop, and did not come back", "in blocks"], id="the factory blocks"
            ),
            pytest.param(RefusedShelf, ["connect failed: AuthenticationError: 401"], id="refused"),
            pytest.param(BrokenSchema, ["discover_schema failed: KeyError"], id="no schema"),
            pytest.param(
                ListForACatalog,
                ["discover_schema gave a list; expected a Catalog", "return Catalog(["],
                id="no catalog",
            ),
            pytest.param(NoEntities, ["the catalog has no entities"], id="no entities"),
            pytest.param(ConnectsNever, ["connect did not come back within 0.4 s"], id="hangs"),
            pytest.param(
                ConnectBlocks, ["blocks the event loop at test_check_connector.py", "in connect"], id="blocks"
            ),
            pytest.param(
                ConnectSwallows, ["connect did not come back, nor when it was cancelled"], id="swallows"
            ),
            pytest.param(ConnectEndsTheProgram, ["SystemExit came out of the connector"], id="exits"),
        ],
    )
    async def test_the_failure_says_why(self, factory: Callable[[], Connector], words: list[str]) -> None:
        report = await check(factory, secrets=[SECRET])

        assert not report.ok
        assert report.verdicts == ()
        assert all(each in report.failure for each in words), report.failure
        assert report.failure in str(report)
        assert SECRET not in str(report)

    async def test_a_secret_in_it_is_hidden(self) -> None:
        report = await check(raises, secrets=[SECRET])

        assert f"token {HIDDEN}" in report.failure

    async def test_an_entity_that_there_is_not_is_a_failure_with_those_there_are(self) -> None:
        report = await check(Shelf, bounds=Bounds(entities=("boks",)))

        assert "'boks'" in report.failure
        assert "books" in report.failure


async def never(_subject: Subject, _findings: Findings) -> None:
    await anyio.sleep_forever()


class BlocksForAWhile(Shelf):
    """Its client blocks for longer than an event loop may stand still, once."""

    blocked = False

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        if not BlocksForAWhile.blocked:
            BlocksForAWhile.blocked = True
            time.sleep(1.5)  # noqa: ASYNC251 - what is wrong with it
        async for page in super().fetch_data(entity, since=since, cursor=cursor):
            yield page


class BlocksForGood(Shelf):
    """Its client blocks from the second page on and never comes back."""

    def page(self, records: Any, position: int) -> Page:
        if position > self.page_size:
            threading.Event().wait()
        return super().page(records, position)


class Swallows(Shelf):
    """Its second page never comes, and whoever cancels it is not heard."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        yield self.page(self.rows[:3], 3)
        await ConnectSwallows().connect()


class SwallowsWhenCancelled(Shelf):
    """Answers every request, unless it is cancelled meanwhile: then it waits for ever, whoever cancels it again."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        for first in range(0, len(self.rows), 3):
            try:
                for _ in range(4):
                    await checkpoint()
            except BaseException:  # noqa: BLE001 - what is wrong with it
                await ConnectSwallows().connect()
            yield self.page(self.rows[first : first + 3], first + 3)


class EndsTheProgram(Shelf):
    """Ends the program where it should raise an error."""

    def page(self, records: Any, position: int) -> Page:
        raise KeyboardInterrupt


class TestHanging:
    async def test_who_blocks_is_told_once_by_the_law_that_this_breaks(self) -> None:
        BlocksForAWhile.blocked = False

        report = await check(BlocksForAWhile, laws=["catalog", "closing"], bounds=Bounds(faults=False))

        assert [each.outcome for each in report.verdicts] == ["held", "broken"]
        (evidence,) = report.verdicts[1].evidence
        assert evidence.what.startswith("blocks the event loop for 1.")
        assert "test_check_connector.py" in evidence.what
        assert "in fetch_data: `time.sleep(1.5)" in evidence.what
        assert "Threaded" in evidence.mend

    async def test_where_that_law_is_not_asked_for_another_one_tells(self) -> None:
        BlocksForAWhile.blocked = False

        report = await check(BlocksForAWhile, laws=["cursors", "sample"], bounds=Bounds(faults=False))

        assert [each.outcome for each in report.verdicts] == ["broken", "held"]

    @pytest.mark.parametrize(
        ("connector", "words"),
        [(BlocksForGood, "blocks the event loop at"), (Swallows, "page 2 of fetch_data('books') did not")],
    )
    async def test_who_never_comes_back_is_abandoned_and_the_other_laws_are_unchecked(
        self, connector: type[Shelf], words: str
    ) -> None:
        report = await check(connector, laws=["shape", "resume", "sample"])

        shape, *others = report.verdicts
        assert shape.outcome == "broken"
        assert any(words in each.what for each in shape.evidence), str(report)
        assert [each.outcome for each in others] == ["unchecked", "unchecked"]
        assert all("not looked at after" in each for verdict in others for each in verdict.unchecked)

    async def test_who_waits_for_ever_once_it_is_cancelled_is_told_and_abandoned(self) -> None:
        report = await check(SwallowsWhenCancelled, laws=["closing"])

        (verdict,) = report.verdicts
        told = [each.what for each in verdict.evidence]
        assert told[0] == "cancelled while it waits for a page, a read does not end within 0.3 s", str(report)
        assert told[1].startswith(
            "page 1 of fetch_data('books') did not come back, nor when it was cancelled"
        )

    async def test_who_ends_the_program_does_not(self) -> None:
        report = await check(EndsTheProgram, laws=["shape"])

        (verdict,) = report.verdicts
        assert verdict.outcome == "broken"
        assert "KeyboardInterrupt" in str(verdict.evidence[0])

    async def test_what_a_law_had_found_before_it_was_abandoned_is_kept(self) -> None:
        class WrongAndHanging(Shelf):
            async def disconnect(self) -> None:
                if not self.connected:
                    raise ConnectionError("not connected")
                self.connected = False

            async def fetch_data(
                self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
            ) -> AsyncIterator[Page]:
                threading.Event().wait()
                yield self.page([], 0)

        report = await check(WrongAndHanging, laws=["lifecycle"])

        told = str(report)
        assert "disconnect before the first connect failed" in told
        assert "blocks the event loop at" in told

    async def test_a_law_that_does_not_end_in_the_time_allowed_is_unchecked(self) -> None:
        law = LawFunction(Law(1, "lifecycle", ""), never, Subject.of)
        bounds = Bounds(seconds=0.1, call_seconds=0.2)
        examination = Examination(Subject(Shelf, bounds=bounds), "asyncio", [law.law])

        verdict = await examination.look_at(law)

        assert verdict.outcome == "unchecked"
        assert verdict.unchecked == ("the 0.1 s allowed are over; allow more to look at the rest",)

    async def test_cancelled_it_ends_at_once_and_stops_the_connector(self) -> None:
        asked, stopped = threading.Event(), threading.Event()

        class Waiting(Shelf):
            async def fetch_data(
                self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
            ) -> AsyncIterator[Page]:
                asked.set()
                try:
                    await anyio.sleep_forever()
                finally:
                    stopped.set()
                yield self.page([], 0)

        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(partial(check_connector, Waiting, bounds=Bounds(call_seconds=30)))
                await anyio.to_thread.run_sync(asked.wait, 30.0)
                scope.cancel()

        assert scope.cancelled_caught
        assert await anyio.to_thread.run_sync(stopped.wait, 30.0)


class TestBounds:
    @pytest.mark.parametrize("requests", [1, 2, 3, 10, 40, 100])
    async def test_with_few_requests_the_rest_is_unchecked_and_nothing_is_broken(self, requests: int) -> None:
        report = await check(Shelf, bounds=Bounds(requests=requests, faults=False))

        assert report.requests <= requests
        assert not report.broken, str(report)
        if requests > 1:
            assert [each.law.name for each in report.verdicts] == NAMES
            assert any(f"{requests} requests" in each for each in report.unchecked)

    @pytest.mark.parametrize("granted", [2, 9, 30, 60, 80])
    async def test_a_quota_that_runs_out_leaves_the_rest_unchecked(self, granted: int) -> None:
        left = iter(range(granted))

        class Limited(Shelf):
            def ask(self) -> None:
                if next(left, None) is None:
                    raise RateLimitError("429; expected less; wait", retry_after=3600)

            async def discover_schema(self) -> Catalog:
                self.ask()
                return await super().discover_schema()

            async def fetch_data(
                self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
            ) -> AsyncIterator[Page]:
                self.catalog()[entity]
                self.ask()
                async for page in super().fetch_data(entity, since=since, cursor=cursor):
                    yield page
                    self.ask()

        laws = [name for name in NAMES if name != "errors"]  # a shelf breaks that one
        report = await check(Limited, laws=laws)

        assert not report.failure
        assert not report.broken, str(report)
        assert [each.law.name for each in report.verdicts] == laws
        assert "quota ran out: RateLimitError: 429" in report.verdicts[-1].unchecked[0]
