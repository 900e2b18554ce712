"""The law of the lifecycle: what raises, hangs, remembers or leaves something behind is found; pools are not."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from shelves import Shelf, book, told

from connector_kit.connectors.mock import MockConnector
from connector_kit.errors import ConfigError, ConnectionFailedError, RequestRejectedError
from connector_kit.testing.conformance.bounds import Bounds
from connector_kit.testing.conformance.connector.lifecycle import lifecycle
from connector_kit.testing.conformance.connector.resources import growing, resources_held
from connector_kit.testing.conformance.subject import Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from connector_kit.testing.conformance.wire import WireFault

HASTY = Bounds(call_seconds=0.1)


class RaisesBefore(Shelf):
    """Closes what is not there yet."""

    client: Any = None

    async def connect(self) -> None:
        await super().connect()
        self.client = self

    def close(self) -> None:
        """Close."""

    async def disconnect(self) -> None:
        self.client.close()


class RaisesTwice(Shelf):
    """Closes once only."""

    async def disconnect(self) -> None:
        if getattr(self, "closed", False):
            raise RuntimeError("closed already")
        self.closed = self.connected
        await super().disconnect()


class WaitsForStreams(Shelf):
    """Hangs while something is being read."""

    reading = False

    def position(self, cursor: Any) -> int:
        self.reading = True
        return super().position(cursor)

    def cursor(self, position: int) -> Any:
        self.reading = position < len(self.rows)
        return super().cursor(position)

    async def disconnect(self) -> None:
        if self.reading and self.connected:
            self.reading = False
            await anyio.sleep_forever()
        await super().disconnect()


class RaisesAfterReading(Shelf):
    """Trips over what a read left."""

    read = False

    def position(self, cursor: Any) -> int:
        self.read = True
        return super().position(cursor)

    async def disconnect(self) -> None:
        if self.read and self.connected:
            self.read = False
            raise RuntimeError("a response was not read")
        await super().disconnect()


class NeverAgain(Shelf):
    """Connects once."""

    used = False

    async def connect(self) -> None:
        if self.used:
            raise RequestRejectedError("used up; expected a new one; make one")
        self.used = True
        await super().connect()


class Remembers(Shelf):
    """Goes on where it was."""

    at = 0

    def position(self, cursor: Any) -> int:
        return self.at if cursor is None else super().position(cursor)

    def cursor(self, position: int) -> Any:
        self.at = position
        return super().cursor(position)

    async def connect(self) -> None:
        await super().connect()
        self.at %= len(self.rows)


class OneForAll(Shelf):
    """Has one connection for the whole class."""

    users: set[object] = set()  # noqa: RUF012 - this is what is wrong

    async def connect(self) -> None:
        await super().connect()
        self.users.add(self)

    async def disconnect(self) -> None:
        await super().disconnect()
        self.users.clear()

    def position(self, cursor: Any) -> int:
        if self not in self.users:
            raise RequestRejectedError("the client is closed; expected an open one; connect")
        return super().position(cursor)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (RaisesBefore, "disconnect before the first connect failed: AttributeError"),
        (RaisesTwice, "disconnect a second time failed: RuntimeError"),
        (WaitsForStreams, "disconnect while a stream is open failed: NoAnswerError"),
        (RaisesAfterReading, "disconnect after a stream was closed failed: RuntimeError"),
        (NeverAgain, "connecting again, a read raises RequestRejectedError: used up"),
        (Remembers, "connecting again, a read differs in 3 records"),
        (OneForAll, "another connector of the same factory has disconnected, a read raises"),
    ],
)
async def test_a_wrong_order_is_found(wrong: type[Shelf], words: str) -> None:
    verdict = await lifecycle(Subject(wrong, bounds=HASTY))
    assert words in told(verdict)


@pytest.mark.anyio
async def test_a_factory_that_gives_the_same_connector_twice_is_found() -> None:
    shelf = Shelf()
    assert "the factory gave the same connector twice" in told(await lifecycle(lambda: shelf))


@pytest.mark.anyio
async def test_a_connector_that_calls_its_closed_client_a_lost_connection_is_found() -> None:
    class Lost(Shelf):
        """Keeps a closed client, and takes it for a source that is down."""

        closed = False

        async def disconnect(self) -> None:
            self.closed = self.closed or self.connected
            await super().disconnect()

        def position(self, cursor: Any) -> int:
            if self.closed:
                raise ConnectionFailedError("no answer; expected one; try again")
            return super().position(cursor)

    verdict = await lifecycle(Lost)
    assert "connecting again, ConnectionFailedError" in told(verdict)


class Validates(Shelf):
    """Looks at its configuration, and finds nothing."""

    error: Exception | None = None

    def validate_config(self) -> None:
        if self.error is not None:
            raise self.error


class Complains(Validates):
    """Refuses what it connects with."""

    error = ConfigError("no token; expected one; set it")


class Stumbles(Validates):
    """Has a mistake in its validation."""

    error = KeyError("token")


class ValidatesLater(Shelf):
    """Has a coroutine function where a function belongs."""

    async def validate_config(self) -> None:
        pass


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (Complains, "validate_config raises ConfigError: no token"),
        (Stumbles, "validate_config raises KeyError: 'token'"),
        (ValidatesLater, "validate_config is a coroutine function"),
    ],
)
async def test_a_wrong_validation_is_found(wrong: type[Shelf], words: str) -> None:
    (evidence,) = (await lifecycle(wrong)).evidence
    assert words in evidence.what
    assert "validate_config holds before connecting" in (await lifecycle(Validates)).checked


class Leaky(Shelf):
    """Opens something with every connect, which nobody closes."""

    opened: list[Callable[[], object]] = []  # noqa: RUF012 - so that the test can close it

    async def connect(self) -> None:
        await super().connect()
        self.opened.append(self.open())

    def open(self) -> Callable[[], object]:
        """Open something, and give what closes it."""
        raise NotImplementedError


class LeavesFiles(Leaky):
    """Leaves a pipe open."""

    def open(self) -> Callable[[], object]:
        stack = ExitStack()
        for end in os.pipe():
            stack.callback(os.close, end)
        return stack.close


class LeavesThreads(Leaky):
    """Leaves a thread waiting."""

    def open(self) -> Callable[[], object]:
        stack, end = ExitStack(), threading.Event()
        thread = threading.Thread(target=end.wait, name="heartbeat", daemon=True)
        thread.start()
        stack.callback(thread.join)
        stack.callback(end.set)
        return stack.close


class LeavesTasks(Leaky):
    """Leaves a task running."""

    def open(self) -> Callable[[], object]:
        return asyncio.create_task(anyio.sleep_forever(), name="keepalive").cancel


@contextmanager
def tidying() -> Iterator[None]:
    """Close in the end what the connectors did not."""
    try:
        yield
    finally:
        while Leaky.opened:
            Leaky.opened.pop()()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("wrong", "words"), [(LeavesFiles, "open files or sockets are left"), (LeavesThreads, "heartbeat")]
)
async def test_what_is_left_after_disconnecting_is_found(wrong: type[Shelf], words: str) -> None:
    with tidying():
        verdict = await lifecycle(wrong)
    assert words in told(verdict)


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_task_that_is_left_is_found() -> None:
    with tidying():
        verdict = await lifecycle(LeavesTasks)
    assert "tasks are left after disconnecting, more with every connector: keepalive" in told(verdict)


@pytest.mark.anyio
async def test_what_is_made_once_is_not_taken_for_left() -> None:
    class Pooled(LeavesThreads):
        """Has one thread for all connectors, as long as the process lives."""

        async def connect(self) -> None:
            await Shelf.connect(self)
            if not self.opened:
                self.opened.append(self.open())

    with tidying():
        assert (await lifecycle(Pooled)).evidence == ()


def test_growth_is_more_after_every_round() -> None:
    rounds = [{"files": dict.fromkeys("abcd"[:count], "a file")} for count in (1, 2, 2, 3)]
    assert growing(rounds) == {}
    assert growing(rounds[2:]) == {"files": ["a file"]}


@pytest.mark.anyio
async def test_it_sees_open_files_where_the_system_tells() -> None:
    before = resources_held()
    ends = os.pipe()
    after = resources_held()
    for end in ends:
        os.close(end)
    more = len(after["open files or sockets"]) - len(before["open files or sockets"])
    assert more == (2 if before["open files or sockets"] else 0)


class Line:
    """A wire; every connect is a request."""

    def __init__(self) -> None:
        self.requests = 0
        self.plan: list[WireFault | None] = []

    def fail(self, faults: Sequence[WireFault | None], /) -> None:
        self.plan = [*faults]

    def ask(self) -> None:
        """Make a request."""
        self.requests += 1
        if self.plan and self.plan.pop(0) is not None:
            raise ConnectionFailedError("reset; expected an answer; try again")


class Asking(Shelf):
    """Asks the source when it connects."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self.line = line

    async def connect(self) -> None:
        self.line.ask()
        await super().connect()


class Swallows(Asking):
    """Takes a failure for a success."""

    async def connect(self) -> None:
        try:
            await super().connect()
        except ConnectionFailedError:
            return


class HalfMade(Asking):
    """Takes itself for connected once it has tried."""

    tried = False

    async def connect(self) -> None:
        if not self.tried:
            self.tried = True
            await super().connect()

    async def disconnect(self) -> None:
        await super().disconnect()
        self.tried = False


class EmptyAfterFailure(Swallows):
    """Swallows, and delivers nothing then."""

    async def connect(self) -> None:
        await super().connect()
        if not self.connected:
            self.rows, self.connected = [], True


class WarmsUp(Swallows):
    """Asks for something that it can do without."""

    async def connect(self) -> None:
        await super().connect()
        self.connected = True


class TriesForLong(Asking):
    """Tries again until somebody tells it to stop."""

    async def connect(self) -> None:
        while not self.connected:
            try:
                await super().connect()
            except ConnectionFailedError:
                await anyio.sleep(0.01)


class TriesOften(Asking):
    """Tries a hundred times."""

    async def connect(self) -> None:
        for _ in range(100):
            try:
                await super().connect()
            except ConnectionFailedError:
                continue
            return


async def with_wire(kind: Callable[[Line], Shelf], bounds: Bounds = HASTY) -> Any:
    line = Line()
    return await lifecycle(Subject(lambda: kind(line), wire=line, bounds=bounds))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (Swallows, "although every request of it failed, a read raises RequestRejectedError"),
        (EmptyAfterFailure, "although every request of it failed, a read differs in 7 records"),
        (HalfMade, "raised ConnectionFailedError and one that worked, a read raises RequestRejectedError"),
    ],
)
async def test_a_wrong_connect_that_fails_is_found(wrong: type[Asking], words: str) -> None:
    assert words in told(await with_wire(wrong))


@pytest.mark.anyio
@pytest.mark.parametrize("right", [Asking, WarmsUp])
async def test_a_right_connect_that_fails_passes(right: type[Asking]) -> None:
    verdict = await with_wire(right)
    assert (verdict.outcome, verdict.unchecked) == ("held", ())


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (lambda _: Shelf(), "it asks the source nothing"),
        (TriesForLong, "it may still be trying"),
        (TriesOften, "its request number 51 was answered"),
    ],
)
async def test_a_connect_that_cannot_be_made_to_fail_is_said_to_be_unchecked(
    kind: Callable[[Line], Shelf], words: str
) -> None:
    verdict = await with_wire(kind)
    assert verdict.evidence == ()
    assert words in verdict.unchecked[0]


@pytest.mark.anyio
async def test_no_faults_are_made_where_none_are_allowed() -> None:
    verdict = await with_wire(Swallows, Bounds(faults=False))
    assert verdict.unchecked == ("what a connect does that fails: no faults are allowed",)


@pytest.mark.anyio
async def test_without_records_there_is_nothing_to_compare() -> None:
    class Bare(Asking):
        """Has no books."""

        def __init__(self, line: Line) -> None:
            super().__init__(line)
            self.rows = []

    verdict = await with_wire(Bare)
    assert verdict.evidence == ()
    assert "what is read after connecting again: no entity delivers a record" in verdict.unchecked


@pytest.mark.anyio
async def test_a_source_that_changes_is_no_evidence() -> None:
    class Growing(Asking):
        """Has another book with every connector."""

        made = 0

        def __init__(self, line: Line) -> None:
            super().__init__(line)
            Growing.made += 1
            self.rows = [book(number) for number in range(Growing.made)]

    verdict = await with_wire(Growing)
    assert verdict.evidence == ()
    assert sum("the source changed meanwhile" in what for what in verdict.unchecked) == 3


@pytest.mark.anyio
async def test_the_mock_passes() -> None:
    verdict = await lifecycle(MockConnector)
    assert verdict.outcome == "held"
    assert verdict.unchecked == ("what a connect does that fails: there is no wire to fail on",)
