"""How a law is run on a subject: what it found counts, however it ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from connector_kit.errors import ConnectorError, TransientError

from .bounds import EnoughError
from .reading import NoPageError
from .subject import Factory, Subject
from .verdict import Findings, Law, Verdict
from .watched import NoAnswerError

__all__ = ["Look", "judged", "telling"]

Look: TypeAlias = Callable[[Subject, Findings], Awaitable[None]]
"""Looks at one law: says what it finds, raises nothing of its own."""


async def judged(law: Law, look: Look, subject: Factory | Subject) -> Verdict:
    """Look at a law and give the verdict. Cancellation passes; any other error becomes a part of the verdict.

    What ends because of the bounds, or because the source failed in the middle (a quota that ran out, a connection),
    is unchecked; an answer that never came and any other error is evidence.
    """
    examined = Subject.of(subject)
    found = examined.findings = Findings(law, examined.secrets)
    before = examined.meter.requests
    try:
        await look(examined, found)
    except Exception as error:  # noqa: BLE001 - whatever an author's connector raises is told, not passed on
        _tell(error, found, None)
    return found.verdict(examined.meter.requests - before)


@contextmanager
def telling(found: Findings, entity: str | None) -> Iterator[None]:
    """Let what a block raises become a part of the verdict, as of this entity, so that the others are looked at, too.

    `EnoughError` passes: there is nothing left to look at with.
    """
    try:
        yield
    except EnoughError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever an author's connector raises is told, not passed on
        _tell(error, found, entity)


def _tell(error: Exception, found: Findings, entity: str | None) -> None:
    whose = "" if entity is None else f"{entity}: "
    match error:
        case EnoughError():
            found.unchecked(str(error))
        case NoAnswerError():
            found.broken(
                str(error),
                expected="an answer or an error",
                mend="set a time limit in the client, or allow more time for one answer (call_seconds)",
                entity=entity,
            )
        case NoPageError():
            found.unchecked(f"{whose}{error}, so what was read says nothing of this law (see progress)")
        case TransientError():
            found.unchecked(f"{whose}the source failed in the middle: {type(error).__name__}: {error}")
        case ExceptionGroup(exceptions=errors):
            for each in errors:
                _tell(each, found, entity)
        case ConnectorError():
            found.broken(
                f"{type(error).__name__}: {error}", expected="an answer", mend="see the error", entity=entity
            )
        case _:
            found.broken(
                f"{type(error).__name__} came out of the connector: {error}",
                expected="a ConnectorError, classified",
                mend="translate the client's exceptions (`Translating`) or mend the mistake",
                entity=entity,
            )
