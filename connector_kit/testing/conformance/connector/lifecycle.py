"""Law 1: disconnecting is safe at any time and twice, connecting works again, and nothing is left behind."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from inspect import iscoroutine
from typing import TYPE_CHECKING

from connector_kit.capabilities import close_broken_stream
from connector_kit.errors import ConfigError, TransientError
from connector_kit.protocols import SupportsValidation
from connector_kit.runtime.session import disconnect_surely
from connector_kit.testing.conformance.bounds import EnoughError
from connector_kit.testing.conformance.subject import CONNECTOR_LAWS

from .failing_connect import look_at_failing_connect
from .insisting import insisting
from .leftovers import look_for_leftovers
from .readings import Example, differing, full_reads
from .steady import still_the_same

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from connector_kit.records.page import Page
    from connector_kit.testing.conformance.law import Findings
    from connector_kit.testing.conformance.subject import Subject, Watched

__all__ = ["lifecycle"]


_AGAIN = "after disconnecting in the middle of a read and connecting again"
_WITHOUT_THE_OTHER = "after another connector of the same factory has disconnected"


@CONNECTOR_LAWS.law(
    1, "lifecycle", "disconnect is safe at any time and twice; connect, disconnect, connect works."
)
async def lifecycle(subject: Subject, found: Findings) -> None:
    """Connect and disconnect in every order, read after it, and look at what is left."""
    _look_at_validation(subject, found)
    await _out_of_turn(subject, found)
    await _while_reading(subject, found)
    example = Example.among(await full_reads(subject, found))
    if example is None:
        found.unchecked("what is read after connecting again: no entity delivers a record")
    else:
        for look, when in ((_connect_again, _AGAIN), (_two_at_once, _WITHOUT_THE_OTHER)):
            again = partial(look, subject, example, found)
            await insisting(subject, example.entity, again, found, when=when)
    await look_for_leftovers(subject, None if example is None else example.entity, found)
    await look_at_failing_connect(subject, example, found)


def _look_at_validation(subject: Subject, found: Findings) -> None:
    """Let the connector look at the configuration its own factory made, before it is connected."""
    inner = subject.make().inner
    if not isinstance(inner, SupportsValidation):
        return
    try:
        check: Callable[[], object] = inner.validate_config
        answer = check()
    except Exception as error:  # noqa: BLE001 - whatever an author's connector raises is told, not passed on
        wanted = "nothing to complain about: the connector connects with it"
        found.broken(
            f"validate_config raises {type(error).__name__}: {error}",
            expected=wanted if isinstance(error, ConfigError) else "a ConfigError, or nothing",
            mend="let it say what connect would fail with, as ConfigError(message, problems), and nothing else",
        )
        return
    if iscoroutine(answer):
        answer.close()
        found.broken(
            "validate_config is a coroutine function, so that nothing in it ever runs",
            expected="a plain function",
            mend="write `def validate_config(self) -> None:`, and ask nobody in it",
        )
    else:
        found.checked("validate_config holds before connecting")


async def _out_of_turn(subject: Subject, found: Findings) -> None:
    """Disconnect where nothing is connected."""
    connector = subject.make()
    right = await _disconnects(connector, "before the first connect", found)
    await connector.connect()
    right = await _disconnects(connector, "after connecting", found) and right
    right = await _disconnects(connector, "a second time", found) and right
    if right:
        found.checked("disconnect is safe before the first connect, and twice")


async def _disconnects(connector: Watched, when: str, found: Findings) -> bool:
    try:
        await connector.disconnect()
    except Exception as error:  # noqa: BLE001 - whatever an author's connector raises is told, not passed on
        found.broken(
            f"disconnect {when} failed: {type(error).__name__}: {error}",
            expected="nothing: it is safe at any time and twice",
            mend="release what there is, and only that: `client, self._client = self._client, None`",
        )
        return False
    return True


async def _while_reading(subject: Subject, found: Findings) -> None:
    """Disconnect after a page was read, and while more could be."""
    entity = (await subject.entities())[0].name
    for left_open, when in ((False, "after a stream was closed"), (True, "while a stream is open")):
        connector = subject.make()
        await connector.connect()
        stream = connector.fetch_data(entity)
        try:
            await _take_a_page(stream)
            if not left_open:
                await close_broken_stream(stream)
            if await _disconnects(connector, when, found):
                found.checked(f"disconnect is safe {when}")
        finally:
            await close_broken_stream(stream)
            with suppress(Exception):  # it has been told above
                await disconnect_surely(connector)


async def _take_a_page(stream: AsyncIterator[Page]) -> None:
    """Ask for a page. What becomes of it is for other laws to judge: disconnecting is safe after an error, too."""
    try:
        await stream.__anext__()
    except EnoughError:
        raise
    except Exception:  # noqa: BLE001 - whatever it was, the connector can be disconnected now
        return


async def _connect_again(subject: Subject, example: Example, found: Findings) -> None:
    """Disconnect in the middle of a read, connect the same object again, and read."""
    connector = subject.make()
    try:
        await connector.connect()
        stream = connector.fetch_data(example.entity)
        await _take_a_page(stream)
        try:
            await connector.disconnect()
        except Exception:  # noqa: BLE001 - this has been told already
            return
        finally:
            await close_broken_stream(stream)
        await _reads_whole(subject, connector, example, _AGAIN, found, connect=True)
        await _disconnects(connector, "after connecting again", found)
    finally:
        with suppress(Exception):  # it has been told above
            await disconnect_surely(connector)


async def _two_at_once(subject: Subject, example: Example, found: Findings) -> None:
    """Disconnect one of two connectors, and read with the other one."""
    one, other = subject.make(), subject.make()
    if one.inner is other.inner:
        found.broken(
            "the factory gave the same connector twice",
            expected="a new one each time, as a new process would make it",
            mend="make the connector inside the factory",
        )
        return
    try:
        await one.connect()
        await other.connect()
        if await _disconnects(one, "with another connector connected", found):
            await _reads_whole(subject, other, example, _WITHOUT_THE_OTHER, found, connect=False)
    finally:
        for each in (one, other):
            with suppress(Exception):  # it has been told above
                await disconnect_surely(each)


async def _reads_whole(
    subject: Subject, connector: Watched, example: Example, when: str, found: Findings, *, connect: bool
) -> None:
    """Look whether a read is what an undisturbed one is."""
    records: tuple[str, ...] = ()
    try:
        if connect:
            await connector.connect()
        reading = await subject.read(connector, example.entity, pages=example.pages)
        records = differing(reading, example.whole)
    except (EnoughError, TransientError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever an author's connector raises is told, not passed on
        what = f"a read raises {type(error).__name__}: {error}"
    else:
        if not records:
            found.checked(f"a read of {example.entity} is whole {when}")
            return
        if not await still_the_same(subject, example.entity):
            found.unchecked(f"what is read {when}: the source changed meanwhile")
            return
        what = f"a read differs in {len(records)} records"
    found.broken(
        f"{when}, {what}",
        expected="the same as at the first time",
        mend="let connect make everything anew, in the object itself, and every read have a state of its own",
        entity=example.entity,
        records=records,
    )
