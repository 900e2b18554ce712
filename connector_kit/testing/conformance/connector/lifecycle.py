"""Law 1: disconnecting is safe at any time and twice, connecting works again, and nothing is left behind."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from functools import partial
from inspect import iscoroutine
from typing import TYPE_CHECKING

from connector_kit.capabilities import close_broken_stream
from connector_kit.errors import ConfigError, TransientError
from connector_kit.protocols import SupportsValidation
from connector_kit.runtime.session import disconnect_surely
from connector_kit.testing.conformance.bounds import NoAnswerError
from connector_kit.testing.conformance.subject import CONNECTOR_LAWS, Subject, Watched
from connector_kit.testing.conformance.wire import Reset, Wire, failing

from .baseline import Baseline, full_reads, result_or_error, retried, smallest
from .resources import FILES, OPEN_FILES, growing, resources_held, settled

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from connector_kit.testing.conformance.law import Findings
    from connector_kit.testing.conformance.reading import Reading

__all__ = ["lifecycle"]

_AGAIN = "after disconnecting in the middle of a read and connecting again"
_WITHOUT_THE_OTHER = "after another connector of the same factory has disconnected"
_AS_AT_FIRST = (
    "the same as at the first time",
    "let connect make everything anew, in the object itself, and every read have a state of its own",
)
_FAULTS = 50  # more than a connect makes requests, with those it makes again
_ROUNDS = 4  # connectors, after each of which there is a look at what is left


@CONNECTOR_LAWS.law(
    1, "lifecycle", "disconnect is safe at any time and twice; connect, disconnect, connect works."
)
async def lifecycle(subject: Subject, findings: Findings) -> None:
    """Connect and disconnect in every order, read after it, and look at what is left."""
    _check_validation(subject, findings)
    await _check_unconnected(subject, findings)
    await _check_while_reading(subject, findings)
    read = smallest(await full_reads(subject, findings))
    if read is None:
        findings.unchecked("what is read after connecting again: no entity delivers a record")
    else:
        await retried(read, partial(_connect_again, read), _AGAIN)
        await retried(read, partial(_disconnect_another, read), _WITHOUT_THE_OTHER)
    await _check_leftovers(subject, read, findings)
    await _check_failing_connect(subject, read, findings)


def _check_validation(subject: Subject, findings: Findings) -> None:
    """Let the connector look at the configuration its own factory made, before it is connected."""
    inner = subject.make().inner
    if not isinstance(inner, SupportsValidation):
        return
    try:
        check: Callable[[], object] = inner.validate_config
        answer = check()
    except Exception as error:  # noqa: BLE001 - whatever an author's connector raises is told, not passed on
        nothing = "nothing to complain about: the connector connects with it"
        findings.broken(
            f"validate_config raises {type(error).__name__}: {error}",
            expected=nothing if isinstance(error, ConfigError) else "a ConfigError, or nothing",
            mend="let it say what connect would fail with, as ConfigError(message, problems), and nothing else",
        )
        return
    if iscoroutine(answer):
        answer.close()
        findings.broken(
            "validate_config is a coroutine function, so that nothing in it ever runs",
            expected="a plain function",
            mend="write `def validate_config(self) -> None:`, and ask nobody in it",
        )
    else:
        findings.checked("validate_config holds before connecting")


async def _check_unconnected(subject: Subject, findings: Findings) -> None:
    """Disconnect where nothing is connected."""
    connector = subject.make()
    right = await _disconnects(connector, "before the first connect", findings)
    await connector.connect()
    right = await _disconnects(connector, "after connecting", findings) and right
    right = await _disconnects(connector, "a second time", findings) and right
    if right:
        findings.checked("disconnect is safe before the first connect, and twice")


async def _disconnects(connector: Watched, when: str, findings: Findings) -> bool:
    error = await result_or_error(connector.disconnect)
    if error is None:
        return True
    findings.broken(
        f"disconnect {when} failed: {type(error).__name__}: {error}",
        expected="nothing: it is safe at any time and twice",
        mend="release what there is, and only that: `client, self._client = self._client, None`",
    )
    return False


@asynccontextmanager
async def _made(subject: Subject) -> AsyncGenerator[Watched]:
    """Yield a new connector, not yet connected. That it can be disconnected is judged by the block."""
    connector = subject.make()
    try:
        yield connector
    finally:
        with suppress(Exception):
            await disconnect_surely(connector)


async def _check_while_reading(subject: Subject, findings: Findings) -> None:
    """Disconnect after a page was read, and while more could be. It is safe after an error, too."""
    entity = (await subject.entities())[0].name
    for left_open, when in ((False, "after a stream was closed"), (True, "while a stream is open")):
        async with _made(subject) as connector:
            await connector.connect()
            stream = connector.fetch_data(entity)
            try:
                await result_or_error(stream.__anext__)
                if not left_open:
                    await close_broken_stream(stream)
                if await _disconnects(connector, when, findings):
                    findings.checked(f"disconnect is safe {when}")
            finally:
                await close_broken_stream(stream)


async def _connect_again(read: Baseline) -> None:
    """Disconnect in the middle of a read, connect the same object again, and read."""
    async with _made(read.subject) as connector:
        await connector.connect()
        stream = connector.fetch_data(read.name)
        await result_or_error(stream.__anext__)
        error = await result_or_error(connector.disconnect)
        await close_broken_stream(stream)
        if error is not None:  # this has been told already
            return

        async def connect_and_read() -> Reading:
            await connector.connect()
            return await read.read(connector, pages=read.pages)

        await _compare(read, connect_and_read, _AGAIN, *_AS_AT_FIRST)
        await _disconnects(connector, "after connecting again", read.findings)


async def _disconnect_another(read: Baseline) -> None:
    """Disconnect one of two connectors, and read with the other one."""
    async with _made(read.subject) as one, _made(read.subject) as other:
        if one.inner is other.inner:
            read.findings.broken(
                "the factory gave the same connector twice",
                expected="a new one each time, as a new process would make it",
                mend="make the connector inside the factory",
            )
            return
        await one.connect()
        await other.connect()
        if await _disconnects(one, "with another connector connected", read.findings):
            again = partial(read.read, other, pages=read.pages)
            await _compare(read, again, _WITHOUT_THE_OTHER, *_AS_AT_FIRST)


async def _compare(
    read: Baseline, again: Callable[[], Awaitable[Reading]], when: str, expected: str, mend: str
) -> None:
    """Look whether a connector delivers what a new one does, after all that."""
    got = await result_or_error(again, TransientError)
    differ = () if isinstance(got, Exception) else read.differing(got)
    if isinstance(got, Exception):
        read.broken(f"{when}, a read raises {type(got).__name__}: {got}", expected, mend)
    elif not differ:
        read.findings.checked(f"a read of {read.name} is whole {when}")
    elif await read.confirmed(f"what is read {when}"):
        read.broken(f"{when}, a read differs in {len(differ)} records", expected, mend, differ)


async def _check_leftovers(subject: Subject, read: Baseline | None, findings: Findings) -> None:
    """Connect, read a page and disconnect several times, and look whether the process holds more after each."""
    connectors: list[Watched] = []  # kept: what a connector that is thrown away held may go with it
    rounds = [resources_held()]
    for _ in range(_ROUNDS):
        connector = subject.make()
        connectors.append(connector)
        try:
            await connector.connect()
            if read is not None:
                await read.read(connector, pages=1)
        finally:
            await disconnect_surely(connector)
        rounds.append(await settled(rounds[-1]))
    grown = growing(rounds[2:])  # before, what is made once came in
    for kind, names in grown.items():
        findings.broken(
            f"{kind} are left after disconnecting, more with every connector: {', '.join(names)}",
            expected="nothing of a connector after its disconnect",
            mend="let disconnect end and await what connect began, and close what it opened",
        )
    looked_at = [kind for kind in rounds[0] if rounds[0][kind]]
    if FILES not in looked_at:
        findings.unchecked(f"whether {FILES} are left: this system has no {OPEN_FILES}")
    if not grown:
        findings.checked(
            f"no {', no '.join(looked_at)} are left by {_ROUNDS} connectors after their disconnects"
        )


async def _check_failing_connect(subject: Subject, read: Baseline | None, findings: Findings) -> None:
    """Let every request of a connect fail, then none any more: it says so, and the connector works after."""
    if subject.wire is None or not subject.bounds.faults:
        why = "there is no wire to fail on" if subject.wire is None else "no faults are allowed"
        findings.unchecked(f"what a connect does that fails: {why}")
    elif read is None:
        findings.unchecked("what is read after a connect that failed: there is nothing to read")
    else:
        for between in (False, True):
            look = partial(_fail_to_connect, read, subject.wire, disconnect=between)
            await retried(read, look, "after a connect that failed")


async def _fail_to_connect(read: Baseline, wire: Wire, *, disconnect: bool) -> None:
    """Connect in vain and again: at once, as `Retrying` does, or with a disconnect between, as the next run does."""
    connector = read.subject.make()
    try:
        raised = await _raised_by_connect(connector, wire, read.findings)
        if raised is None:
            return
        when = "after a connect that returned, although every request of it failed"
        if raised:
            when = f"after a connect that raised {raised} and one that worked"
            if disconnect:
                await connector.disconnect()
            await connector.connect()
        expected = "an error from the connect that fails, and a whole read after one that does not"
        mend = "let connect raise what it meets, and leave nothing half made"
        await _compare(read, partial(read.read, connector, pages=read.pages), when, expected, mend)
    finally:
        await disconnect_surely(connector)


async def _raised_by_connect(connector: Watched, wire: Wire, findings: Findings) -> str | None:
    """Connect with faults. Return the class of its error, "" where it raised none; None where that shows nothing."""
    before = wire.requests
    with failing(wire, [Reset()] * _FAULTS):
        error = await result_or_error(connector.connect)
    asked = wire.requests - before
    if isinstance(error, NoAnswerError):
        why = f"{error}; it may still be trying"
    elif not asked:
        why = "it asks the source nothing"
    elif error is None and asked > _FAULTS:
        why = f"its request number {_FAULTS + 1} was answered"
    else:  # of which class it should be is for the law of errors to say
        return "" if error is None else type(error).__name__
    findings.unchecked(f"what a connect does that fails: {why}")
    return None
