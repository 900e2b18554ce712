"""How a fault on the wire should surface, and what is wrong with how it did. Decisions only: nothing here asks anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from connector_kit.errors import (
    AuthenticationError,
    ConnectorError,
    PermissionDeniedError,
    RateLimitError,
    TimedOutError,
    TransientError,
)
from connector_kit.testing.conformance.reading import Difference, Reading, difference
from connector_kit.testing.conformance.wire import Answer, CutOff, Reset, Trickle, WireFault, plan_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .steady import QuietRead

__all__ = ["SURFACES", "Attempt", "Problem", "class_of", "differs", "hidden", "misdelivered", "misread"]

RETRY_AFTER: Final = 2.0
"""Seconds. No default that somebody would write instead of reading the header."""

SURFACES: Final[tuple[tuple[WireFault, type[ConnectorError]], ...]] = (
    (Answer(429, retry_after=RETRY_AFTER), RateLimitError),
    (Answer(500), TransientError),
    (Answer(503), TransientError),
    (CutOff(), TransientError),
    (Reset(), TransientError),
    (Answer(401), AuthenticationError),
    (Answer(403), PermissionDeniedError),
)
"""What each fault has to surface as."""


@attrs.frozen
class Attempt:
    """What came of a call: the pages before its error or its end, and how many requests passed the wire."""

    reading: Reading
    error: Exception | None
    requests: int


@attrs.frozen
class Problem:
    """What is wrong with how a fault surfaced; `kind` tells problems of one kind apart from others."""

    kind: str
    what: str
    expected: str
    mend: str
    records: tuple[str, ...] = ()


def class_of(fault: WireFault) -> type[ConnectorError]:
    """Give what a fault has to surface as, where it surfaces at all: a slow answer is one, if somebody waits for it."""
    slow = TimedOutError if isinstance(fault, Trickle) else TransientError
    return next((kind for known, kind in SURFACES if known == fault), slow)


def misread(fault: WireFault, kind: type[ConnectorError], error: Exception | None) -> Problem | None:
    """Say what is wrong with the class of an error, or with the time to wait that it tells."""
    if error is None:
        return None
    told = f"{plan_text((fault,))[1:-1]} on the wire surfaced as {type(error).__name__}: {error}"
    if not isinstance(error, kind):
        return Problem(
            "class", told, kind.__name__, "give each of the client's errors its class (`Translating`)"
        )
    wait = error.retry_after if isinstance(error, RateLimitError) else None
    if isinstance(fault, Answer) and fault.status == 429 and (wait is None or abs(wait - RETRY_AFTER) > 1):  # noqa: PLR2004 - Too Many Requests
        expected = f"retry_after={RETRY_AFTER:g}, as the source said"
        return Problem("wait", f"{told}, with retry_after={wait}", expected, "read the header Retry-After")
    return None


def misdelivered(read: QuietRead, attempt: Attempt) -> Problem | None:
    """Say what is wrong with the records before an error, or those of a read that ended without one."""
    difference_seen = differs(read, attempt.reading.records, ended=attempt.reading.ended)
    if difference_seen is None:
        return None
    how = "the read went on as if nothing had happened" if attempt.error is None else "before the error came"
    return Problem(
        "records",
        f"with a fault on the wire {how}: {difference_seen.what}",
        "an error, and nothing but the records of the undisturbed read before it",
        "do not take a fault for an end, nor leave out or repeat a page: raise",
        difference_seen.records,
    )


def differs(read: QuietRead, records: Sequence[str], *, ended: bool) -> Difference | None:
    """Compare the records of a read under faults with those of the undisturbed one, as far as both go."""
    whole = read.reading
    return difference(whole.records, records, expected_ended=whole.ended, got_ended=ended)


def hidden(fault: WireFault, attempt: Attempt, usual: Attempt) -> Problem | None:
    """Say that a request was made again without a word.

    A refused token may be renewed. A fault without an error and without a further request was met by one that nothing
    depends on.
    """
    mended = isinstance(fault, Trickle) or fault == Answer(401)
    if attempt.error is not None or mended or attempt.requests <= usual.requests:
        return None
    return Problem(
        "hidden",
        f"{plan_text((fault,))[1:-1]} on the wire did not surface, and {attempt.requests} requests were made instead of "
        f"{usual.requests}: the connector tries again by itself",
        "an error at the first fault",
        "turn the client's own retries off; retries, limits and budgets around the connector do not hear of them",
    )
