"""Whether the source still gives what it gave, and what to make of a read that fails: before anybody is blamed."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING

import attrs

from connector_kit.errors import CursorExpiredError, RateLimitError, TransientError
from connector_kit.records.catalog import Entity
from connector_kit.testing.conformance.bounds import EnoughError, NoAnswerError
from connector_kit.testing.conformance.reading import Difference, Reading, difference

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from connector_kit.testing.conformance.subject import Subject

__all__ = ["QuietRead", "attempted", "still_the_same"]


@attrs.frozen
class QuietRead:
    """A read of an entity from its start, or from `since`, by a connector that did nothing else."""

    entity: Entity
    reading: Reading
    since: datetime | None = None

    async def still_the_same(self, subject: Subject) -> bool:
        """Whether the source still delivers it, record by record in the same order."""
        return await still_the_same(subject, self.entity.name, self.since, in_order=True)

    @property
    def name(self) -> str:
        """What was read: `orders`, `orders since 2024-01-01T00:00:00+00:00`."""
        return (
            self.entity.name if self.since is None else f"{self.entity.name} since {self.since.isoformat()}"
        )


async def still_the_same(
    subject: Subject, entity: str, since: datetime | None = None, *, in_order: bool = False
) -> bool:
    """Read once more with a new connector: whether it gives the records of the undisturbed read.

    In the same order where this is what counts. Where it does not, the source changes by itself, and what differs shows
    nothing about the connector. Raises what the connector raises, and `EnoughError`: who cannot ask again alarms nobody.
    """
    before = await subject.full_read(entity, since)
    async with subject.connector() as connector:
        pages = None if before.ended else len(before.pages)
        now = await subject.read(connector, entity, since=since, pages=pages)
    differs = difference(before.records, now.records, expected_ended=before.ended, got_ended=now.ended)
    return differs is None or (not in_order and Counter(now.records) == Counter(before.records))


async def attempted(read: Callable[[], Awaitable[Reading]]) -> Reading | Difference:
    """Give a reading, or the error in its place. What fails in passing is tried once more.

    Raises `EnoughError` and `NoAnswerError`; `CursorExpiredError`, which is an answer; and `RateLimitError`: a quota that
    is used up shows nothing about the connector.
    """
    for last_try in (False, True):
        try:
            return await read()
        except (EnoughError, NoAnswerError, CursorExpiredError, RateLimitError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever an author's connector raises is told, not passed on
            if last_try or not isinstance(error, TransientError):
                return Difference(f"{type(error).__name__}: {error}")
    raise AssertionError  # the last try returns
