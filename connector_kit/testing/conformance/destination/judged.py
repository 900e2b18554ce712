"""How a law of a destination is run: what it found counts, however it ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from connector_kit.testing.conformance.bounds import EnoughError
from connector_kit.testing.conformance.verdict import Findings, Law, Verdict
from connector_kit.testing.conformance.watched import NoAnswerError

from .subject import DestinationSubject, PlaceOrSubject

__all__ = ["Look", "judged"]

Look: TypeAlias = Callable[[DestinationSubject, Findings], Awaitable[None]]
"""Looks at one law: says what it finds, raises nothing of its own."""


async def judged(law: Law, look: Look, subject: PlaceOrSubject) -> Verdict:
    """Look at a law and give the verdict. Cancellation passes; any other error becomes a part of the verdict."""
    examined = DestinationSubject.of(subject)
    found = examined.findings = Findings(law)
    before = examined.meter.requests
    try:
        await look(examined, found)
    except EnoughError as error:
        found.unchecked(str(error))
    except NoAnswerError as error:
        found.broken(
            str(error),
            expected="every call to end",
            mend="look for a lock that is not released, or allow more time for one call (call_seconds)",
        )
    except Exception as error:  # noqa: BLE001 - what an author's place or destination raises is told, not passed on
        found.broken(
            f"{type(error).__name__} came out: {error}",
            expected="a place and its destination to do as they are asked",
            mend="see the error; the methods of the place are called by the laws, too",
        )
    return found.verdict(examined.meter.requests - before)
