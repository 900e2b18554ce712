"""How a law is run on a subject: what it found counts, however it ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias

from connector_kit.errors import ConnectorError, TransientError

from .advice import advice
from .bounds import EnoughError
from .reading import NoPageError
from .subject import Factory, Subject
from .verdict import Findings, Law, Verdict
from .watched import NoAnswerError

__all__ = ["Look", "judged", "telling"]

Look: TypeAlias = Callable[[Subject, Findings], Awaitable[None]]
"""Looks at one law: says what it finds, raises nothing of its own."""

_USED_UP: Final = "do what the error says, or look at what is closed or used up and not made anew: a client, a pool, a stream"


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
def telling(found: Findings, entity: str | None, *, when: str = "") -> Iterator[None]:
    """Let what a block raises become a part of the verdict, as of this entity, so that the others are looked at, too.

    `when` says under which circumstance, as in "after reads that were closed early". `EnoughError` passes: there is
    nothing left to look at with.
    """
    try:
        yield
    except EnoughError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever an author's connector raises is told, not passed on
        _tell(error, found, entity, when)


def _tell(error: Exception, found: Findings, entity: str | None, when: str = "") -> None:
    whose = "" if entity is None else f"{entity}: "
    when = f"{when}, " if when else ""
    match error:
        case EnoughError():
            found.unchecked(str(error))
        case NoAnswerError():
            found.broken(
                f"{when}{error}",
                expected="an answer or an error",
                mend=f"{'look for a lock, a pool or an event that it waits for; ' if when else ''}set a time limit in the client, "
                "or allow more time for one answer (call_seconds)",
                entity=entity,
            )
        case NoPageError():
            found.unchecked(f"{whose}{error}, so what was read says nothing of this law (see progress)")
        case TransientError():
            found.unchecked(f"{whose}the source failed in the middle: {type(error).__name__}: {error}")
        case ExceptionGroup(exceptions=errors):
            for each in errors:
                _tell(each, found, entity, when.removesuffix(", "))
        case ConnectorError():
            found.broken(
                f"{when}{type(error).__name__}: {error}",
                expected="what a connector that does nothing else gets at the same time"
                if when
                else "an answer",
                mend=_USED_UP if when else "do what the error says",
                entity=entity,
            )
        case _:
            expected, mend = advice(error)
            what = f"{when}{type(error).__name__} came out of the connector: {error}"
            found.broken(what, expected=expected, mend=mend, entity=entity)
