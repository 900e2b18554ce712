"""The law of errors: what is refused, what fails on the wire, and secrets in all that is said."""

from __future__ import annotations

import logging
import sys
import warnings
from contextlib import closing
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest
from shelves import BOOKS, Shelf, told
from zoo.ledger import Ledger
from zoo.source import TOKEN, Line, Source, StatusError

from connector_kit.connectors.mock import MockConfig, MockConnector
from connector_kit.errors import (
    AuthenticationError,
    ConnectionFailedError,
    ConnectorError,
    RateLimitError,
    RequestRejectedError,
    ServiceUnavailableError,
    TransientError,
    UnknownEntityError,
)
from connector_kit.records.catalog import Catalog
from connector_kit.testing.conformance.bounds import Bounds
from connector_kit.testing.conformance.connector.errors import errors
from connector_kit.testing.conformance.subject import Subject
from connector_kit.testing.conformance.wire import Hold
from connector_kit.wrappers.retry.policy import Retry
from connector_kit.wrappers.retry.wrapper import Retrying

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
    from datetime import datetime

    from zoo.source import Connection, Row

    from connector_kit.records.page import Cursor, Page
    from connector_kit.testing.conformance.law import Verdict
    from connector_kit.testing.conformance.wire import WireFault

pytestmark = pytest.mark.anyio

QUICK = Bounds(call_seconds=0.5)


class Hasty(Line):
    """A wire that holds nothing up."""

    def fail(self, faults: Sequence[WireFault | None], /) -> None:
        super().fail([None if isinstance(fault, Hold) else fault for fault in faults])


@pytest.fixture
def source() -> Iterator[Source]:
    """Give the other side, whose sockets are closed at the end."""
    with closing(Source(wire=Hasty())) as source:
        yield source


async def look(factory: Callable[[Source], Ledger], source: Source) -> Verdict:
    """Look at the law with a wire and a secret."""
    return await errors(Subject(lambda: factory(source), bounds=QUICK, wire=source.wire, secrets=(TOKEN,)))


async def test_the_mock_keeps_it_as_far_as_can_be_seen() -> None:
    verdict = await errors(lambda: MockConnector(MockConfig(size=20)))
    assert verdict.outcome == "held", told(verdict)
    assert verdict.unchecked == (
        "errors on the wire (give wire=...)",
        "secrets in messages, logs, cursors and output (give secrets=[...])",
    )


async def test_a_right_connector_keeps_all_of_it() -> None:
    with closing(Source()) as source:
        verdict = await look(Ledger, source)
    assert verdict.outcome == "held", told(verdict)
    assert not verdict.unchecked
    assert "7 faults on the wire at the first request of connect, discover_schema" in verdict.checked
    assert "25 single faults on the wire at the first 3 requests of orders" in verdict.checked
    assert any(what.startswith("no secret in ") for what in verdict.checked)


class Nameless(Shelf):
    """Does not say which entity is unknown."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        if entity != "books":
            raise UnknownEntityError("no such thing; expected another; look")
        for page in [self.page(self.rows, 7)]:
            yield page


class Vague(Shelf):
    """Refuses an unknown entity as any other request."""

    def position(self, cursor: Any) -> int:
        return 0

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        if entity != "books":
            raise RequestRejectedError(f"what is {entity}?")
        for page in [self.page(self.rows, 7)]:
            yield page


class Silent(Shelf):
    """Has nothing to say of an unknown entity."""

    async def fetch_data(
        self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
    ) -> AsyncIterator[Page]:
        for page in [self.page(self.rows, 7)] * (entity == "books"):
            yield page


@pytest.mark.parametrize(
    ("wrong", "shows"),
    [
        (Nameless, "does not name it"),
        (Vague, "raised RequestRejectedError: what is no_such_entity?"),
        (Silent, "raised nothing"),
    ],
)
async def test_an_unknown_entity_has_to_be_refused_and_named(wrong: type[Shelf], shows: str) -> None:
    verdict = await errors(wrong)
    (evidence,) = verdict.evidence
    assert shows in evidence.what
    assert "UnknownEntityError that names 'no_such_entity'" in evidence.expected


async def test_a_source_that_is_down_says_nothing_of_unknown_entities() -> None:
    class Down(Shelf):
        def catalog(self) -> Any:
            raise ServiceUnavailableError("down; try later")

        async def discover_schema(self) -> Any:
            return super().catalog()

    verdict = await errors(Down)
    assert "an unknown entity: ServiceUnavailableError: down; try later" in verdict.unchecked


async def test_a_foreign_cursor_may_not_raise_just_anything() -> None:
    verdict = await errors(Shelf)  # it looks into every cursor without a second thought
    (evidence,) = verdict.evidence
    assert evidence.entity == "books"
    assert "with the cursor {'no': 'such'}: raised KeyError" in evidence.what


async def test_what_is_not_connected_may_not_raise_just_anything() -> None:
    class NoClient(Ledger):
        async def discover_schema(self) -> Any:
            assert self.client is not None
            return await super().discover_schema()

    with closing(Source()) as source:
        verdict = await look(NoClient, source)
    (evidence,) = verdict.evidence
    assert evidence.what.startswith("discover_schema without connect raised AssertionError")


class Classified(Ledger):
    """Gives an error of a chosen class for what the wire does."""

    wrong: Callable[[Exception], ConnectorError | None] = staticmethod(lambda _: None)

    def translated(self, error: Exception) -> ConnectorError:
        return self.wrong(error) or super().translated(error)


def status(error: Exception) -> int:
    """Give the status of a client's error, 0 for another one."""
    return error.status if isinstance(error, StatusError) else 0


@pytest.mark.parametrize(
    ("wrong", "plan", "shows"),
    [
        (
            lambda error: RequestRejectedError("no") if status(error) == 429 else None,
            "429, retry_after=2",
            "RateLimitError",
        ),
        (
            lambda error: RateLimitError("no", 60) if status(error) == 429 else None,
            "429, retry_after=2",
            "as the source said",
        ),
        (lambda error: RequestRejectedError("no") if status(error) == 500 else None, "500", "TransientError"),
        (
            lambda error: TransientError("no") if status(error) == 403 else None,
            "403",
            "PermissionDeniedError",
        ),
    ],
)
async def test_a_fault_has_to_surface_as_its_class(
    wrong: Callable[[Exception], ConnectorError | None], plan: str, shows: str, source: Source
) -> None:
    class Wrong(Classified):
        pass

    Wrong.wrong = staticmethod(wrong)
    verdict = await look(Wrong, source)
    assert any(each.plan.endswith(f"Answer({plan})]") and shows in each.expected for each in verdict.evidence)
    assert len({each.plan.split("Answer")[-1] for each in verdict.evidence}) == 1


async def test_who_asks_for_a_token_may_be_refused_in_either_way(source: Source) -> None:
    class Token(Ledger):
        async def discover_schema(self) -> Any:
            try:
                return await super().discover_schema()
            except ConnectorError as error:
                if isinstance(error.__cause__, StatusError) and error.__cause__.status == 403:
                    raise AuthenticationError("no token; expected one; ask for it") from error
                raise

    verdict = await look(Token, source)
    assert all(
        "connect, discover_schema" not in each.what or "403" not in each.plan for each in verdict.evidence
    )


class AsksAgain(Ledger):
    """Makes a request again after some of its faults."""

    again: tuple[type[Exception], ...] = ()
    times = 1

    async def ask(self, connection: Connection, table: str) -> list[Row]:
        for _ in range(self.times):
            try:
                return await super().ask(connection, table)
            except self.again:
                continue
        return await super().ask(connection, table)


async def test_a_retry_inside_is_caught(source: Source) -> None:
    class Inside(AsksAgain):
        again = (ServiceUnavailableError,)

    verdict = await look(Inside, source)
    assert verdict.evidence
    assert all("the connector tries again by itself" in each.what for each in verdict.evidence)
    assert {each.plan for each in verdict.evidence} == {"[Answer(500)]", "[Answer(503)]"}


async def test_a_token_may_be_renewed_and_a_stale_connection_opened_anew_once(source: Source) -> None:
    class Renews(AsksAgain):
        again = (AuthenticationError,)

    assert (await look(Renews, source)).outcome == "held"

    class Reopens(Ledger):
        async def ask(self, connection: Connection, table: str) -> list[Row]:
            try:
                return await super().ask(connection, table)
            except ConnectionFailedError as error:
                if not isinstance(error.__cause__, ConnectionResetError):
                    raise
                return await super().ask(connection, table)

    verdict = await look(Reopens, source)
    assert verdict.outcome == "held", told(verdict)


async def test_a_connection_may_not_be_opened_again_and_again(source: Source) -> None:
    class Stubborn(AsksAgain):
        again = (ConnectionFailedError,)
        times = 9

    verdict = await look(Stubborn, source)
    assert "[Reset()]" in {each.plan for each in verdict.evidence}


async def test_a_read_that_ends_short_or_goes_wrong_afterwards_is_caught(source: Source) -> None:
    class EndsShort(Ledger):
        async def ask(self, connection: Connection, table: str) -> list[Row]:
            try:
                return await super().ask(connection, table)
            except ServiceUnavailableError:
                return []

    short = await look(EndsShort, source)
    assert any("10 records lost" in each.what for each in short.evidence)

    class StaysBroken(Ledger):
        broken = False

        async def ask(self, connection: Connection, table: str) -> list[Row]:
            if self.broken:
                raise ConnectionFailedError("the session is gone; try again")
            self.broken = True
            rows = await super().ask(connection, table)
            self.broken = False
            return rows

    stays = await look(StaysBroken, source)
    assert any(
        "going on after RateLimitError with the same connector" in each.what for each in stays.evidence
    )


async def test_a_fault_that_is_never_answered_is_told_with_its_plan(source: Source) -> None:
    class Waits(Ledger):
        async def ask(self, connection: Connection, table: str) -> list[Row]:
            try:
                return await super().ask(connection, table)
            except RateLimitError:
                await anyio.sleep_forever()
                raise

    verdict = await errors(Subject(lambda: Waits(source), bounds=Bounds(call_seconds=0.1), wire=source.wire))
    (evidence,) = verdict.evidence
    assert "did not come back" in evidence.what
    assert evidence.plan == "[Answer(429, retry_after=2)]"


async def test_a_stack_with_a_retry_is_not_blamed_for_it(source: Source) -> None:
    def stack() -> Retrying[Ledger]:
        return Retrying(Ledger(source), Retry(first_wait=0.001, max_wait=0.001))

    verdict = await errors(Subject(stack, bounds=QUICK, wire=source.wire))
    assert verdict.outcome == "held", told(verdict)
    assert any("there is a Retrying in the stack" in what for what in verdict.unchecked)


async def test_what_never_passes_the_wire_is_told(source: Source) -> None:
    verdict = await errors(Subject(lambda: MockConnector(MockConfig(size=5)), wire=source.wire))
    assert "errors on the wire in connect and discover_schema: they make no request" in verdict.unchecked
    assert any("in a read of orders: it makes no request" in what for what in verdict.unchecked)
    assert any(what.startswith("errors on the wire in reads of ") for what in verdict.unchecked)
    off = await errors(Subject(Shelf, bounds=Bounds(faults=False), wire=source.wire))
    assert "errors on the wire (faults are turned off)" in off.unchecked


LOG = logging.getLogger("tests.errors_law")


class Says(Ledger):
    """Says something with each request."""

    def say(self) -> None:
        """Say it."""

    async def ask(self, connection: Connection, table: str) -> list[Row]:
        self.say()
        return await super().ask(connection, table)


class LogsIt(Says):
    def say(self) -> None:
        LOG.debug("token=%s", self.token.reveal())


class LogsItBeside(Says):
    def say(self) -> None:
        LOG.info("asking", extra={"headers": {"Authorization": f"Bearer {self.token.reveal()}"}})


class LogsItsError(Says):
    def say(self) -> None:
        LOG.error("failed", exc_info=ValueError(self.token.reveal()))


class Warns(Says):
    def say(self) -> None:
        warnings.warn(f"the token {self.token.reveal()} is old", UserWarning, stacklevel=1)


class Prints(Says):
    def say(self) -> None:
        sys.stdout.write(f"token: {self.token.reveal()}\n")


class PrintsErrors(Says):
    def say(self) -> None:
        sys.stderr.write(f"token: {self.token.reveal()}\n")


class ShowsItself(Ledger):
    def __repr__(self) -> str:
        return f"ShowsItself({self.token.reveal()})"


class Notes(Ledger):
    def translated(self, error: Exception) -> ConnectorError:
        right = super().translated(error)
        right.add_note(f"headers: {self.token.reveal()}")
        return right


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (LogsIt, "a log line of tests.errors_law (DEBUG)"),
        (LogsItBeside, "a log line of tests.errors_law (INFO)"),
        (LogsItsError, "a log line of tests.errors_law (ERROR), the message of ValueError"),
        (Warns, "a UserWarning"),
        (Prints, "standard output"),
        (PrintsErrors, "standard error"),
        (ShowsItself, "repr(connector)"),
        (Notes, "a note of "),
    ],
)
async def test_a_secret_is_found_wherever_it_shows(wrong: type[Ledger], where: str, source: Source) -> None:
    verdict = await look(wrong, source)
    assert f"a secret shows in {where}" in told(verdict)
    assert TOKEN not in told(verdict)


async def test_all_is_as_before_when_the_law_has_been_looked_at(source: Source) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), sys.stdout, sys.stderr, warnings.filters[:])
    await look(LogsIt, source)
    assert (root.level, list(root.handlers), sys.stdout, sys.stderr, warnings.filters[:]) == before


async def test_the_bounds_end_it_and_what_was_heard_is_told(source: Source) -> None:
    verdict = await errors(
        Subject(lambda: LogsIt(source), bounds=Bounds(requests=12), secrets=(TOKEN, "ab"), wire=source.wire)
    )
    assert "a secret shows in a log line" in told(verdict)
    assert any("12 requests allowed are used up" in what for what in verdict.unchecked)
    assert "1 secrets of less than 4 letters, which stand in any text" in verdict.unchecked


async def test_names_that_are_taken_and_sources_that_change_are_no_trouble(source: Source) -> None:
    class Taken(Shelf):
        def catalog(self) -> Catalog:
            return Catalog([attrs.evolve(BOOKS, name="no_such_entity")])

        def position(self, cursor: Any) -> int:
            return 0

    assert "an unknown entity is refused and named" in (await errors(Taken)).checked

    class Moving(Ledger):
        async def ask(self, connection: Connection, table: str) -> list[Row]:
            self.source.change()
            return await super().ask(connection, table)

    verdict = await look(Moving, source)
    assert not verdict.evidence, told(verdict)
    assert any("the source changed meanwhile" in what for what in verdict.unchecked)


async def test_after_a_refusal_a_connector_may_wait_and_its_cursors_may_be_gone(source: Source) -> None:
    class Waits(Ledger):
        refused = False

        async def ask(self, connection: Connection, table: str) -> list[Row]:
            if self.refused:
                raise RateLimitError("not yet; wait", 2.0)
            try:
                return await super().ask(connection, table)
            except RateLimitError:
                self.refused = True
                raise

    assert (await look(Waits, source)).outcome == "held"

    class NoCursors(Ledger):
        def page(self, chosen: list[Row], cursor: Cursor) -> Page:
            return super().page(chosen, None)

    assert (await look(NoCursors, source)).outcome == "held"


async def test_a_foreign_cursor_may_not_be_waited_for_without_end() -> None:
    class Hangs(Shelf):
        async def fetch_data(
            self, entity: str, /, *, since: datetime | None = None, cursor: Cursor = None
        ) -> AsyncIterator[Page]:
            self.catalog()[entity]
            if cursor == "garbage":
                await anyio.sleep_forever()
            yield self.page(self.rows, 7)

    (evidence,) = (await errors(Subject(Hangs, bounds=Bounds(call_seconds=0.2)))).evidence
    assert "with the cursor 'garbage': page 1" in evidence.what
