"""A connect that fails: it says so, and the connector is as good as new after. Part of the law of the lifecycle."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from connector_kit.errors import TransientError
from connector_kit.runtime.session import disconnect_surely
from connector_kit.testing.conformance.bounds import EnoughError, NoAnswerError
from connector_kit.testing.conformance.wire import Reset

from .insisting import insisting
from .readings import differing
from .steady import still_the_same

if TYPE_CHECKING:
    from connector_kit.testing.conformance.law import Findings
    from connector_kit.testing.conformance.subject import Subject, Watched
    from connector_kit.testing.conformance.wire import Wire

    from .readings import Example

__all__ = ["look_at_failing_connect"]

_FAULTS = 50  # more than a connect makes requests, with those it makes again


async def look_at_failing_connect(subject: Subject, example: Example | None, found: Findings) -> None:
    """Let every request of a connect fail, then none any more, and look whether the connector works then."""
    if subject.wire is None or not subject.bounds.faults:
        why = "there is no wire to fail on" if subject.wire is None else "no faults are allowed"
        found.unchecked(f"what a connect does that fails: {why}")
        return
    if example is None:
        found.unchecked("what is read after a connect that failed: there is nothing to read")
        return
    for between in (False, True):
        look = partial(_fail_and_read, subject, subject.wire, example, found, between=between)
        await insisting(subject, example.entity, look, found, when="after a connect that failed")


async def _fail_and_read(
    subject: Subject, wire: Wire, example: Example, found: Findings, *, between: bool
) -> None:
    """Connect in vain and again: at once, as `Retrying` does, or with a disconnect between, as the next run does."""
    connector = subject.make()
    try:
        told = await _failing(connector, wire, found)
        if told is None:
            return
        if told:
            if between:
                await connector.disconnect()
            await connector.connect()
        await _compare(subject, connector, example, told, found)
    finally:
        await disconnect_surely(connector)


async def _failing(connector: Watched, wire: Wire, found: Findings) -> str | None:
    """Connect with faults. Give the error that it told, "" where it told none; None where that shows nothing."""
    before = wire.requests
    wire.fail([Reset()] * _FAULTS)
    told = ""
    try:
        await connector.connect()
    except EnoughError:
        raise
    except NoAnswerError as error:
        found.unchecked(f"what a connect does that fails: {error}; it may still be trying")
        return None
    except Exception as error:  # noqa: BLE001 - of which class it should be is for the law of errors to say
        told = type(error).__name__
    finally:
        wire.fail(())
    asked = wire.requests - before
    if not asked or (not told and asked > _FAULTS):
        why = "it asks the source nothing" if not asked else f"its request number {_FAULTS + 1} was answered"
        found.unchecked(f"what a connect does that fails: {why}")
        return None
    return told


async def _compare(
    subject: Subject, connector: Watched, example: Example, told: str, found: Findings
) -> None:
    """Look whether a read is right now, after a failure that was told and made good, or one that was not."""
    when = (
        f"after a connect that raised {told} and one that worked"
        if told
        else ("after a connect that returned, although every request of it failed")
    )
    try:
        reading = await subject.read(connector, example.entity, pages=example.pages)
    except (EnoughError, TransientError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever an author's connector raises is told, not passed on
        what = f"a read raises {type(error).__name__}: {error}"
    else:
        differ = differing(reading, example.whole)
        if not differ:
            found.checked(f"a read is whole {when}")
            return
        if not await still_the_same(subject, example.entity):
            found.unchecked(f"what is read {when}: the source changed meanwhile")
            return
        what = f"a read differs in {len(differ)} records"
    found.broken(
        f"{when}, {what}",
        expected="an error from the connect that fails, and a whole read after one that does not",
        mend="let connect raise what it meets, and leave nothing half made",
        entity=example.entity,
    )
