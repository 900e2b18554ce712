"""A read without disturbance that others are compared with, and whether the source still gives the same."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import attrs

from connector_kit.errors import CursorExpiredError, RateLimitError, TransientError
from connector_kit.records.catalog import Entity
from connector_kit.testing.conformance.bounds import EnoughError
from connector_kit.testing.conformance.difference import Difference, difference
from connector_kit.testing.conformance.reading import Reading
from connector_kit.testing.conformance.watched import NoAnswerError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from connector_kit.testing.conformance.subject import Subject

__all__ = ["QuietRead", "attempted", "is_steady"]


@attrs.frozen
class QuietRead:
    """A read of an entity from its start, or from `since`, by a connector that did nothing else."""

    entity: Entity
    reading: Reading
    since: datetime | None = None

    @property
    def name(self) -> str:
        """What was read: `orders`, `orders since 2024-01-01T00:00:00+00:00`."""
        return (
            self.entity.name if self.since is None else f"{self.entity.name} since {self.since.isoformat()}"
        )


async def is_steady(subject: Subject, read: QuietRead) -> bool:
    """Read once more with a new connector: whether it gives the same records in the same order.

    Where it does not, the source changed by itself, and a difference shows nothing about the connector. Where the bounds
    do not allow to ask, it is taken to be the same. Raises what the connector raises.
    """
    try:
        async with subject.connector() as connector:
            again = await subject.read(
                connector,
                read.entity.name,
                since=read.since,
                pages=None if read.reading.ended else len(read.reading.pages),
            )
    except EnoughError:
        return True
    differs = difference(
        read.reading.records, again.records, expected_ended=read.reading.ended, got_ended=again.ended
    )
    return differs is None


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
