"""How many operations may be under way at once, and how many may wait."""

from __future__ import annotations

import attrs

from connector_kit.durations import Duration

__all__ = ["Bulkhead"]


def _optional(given: str | float | None) -> Duration | None:
    return None if given is None else Duration.of(given)


@attrs.frozen
class Bulkhead:
    """At most `limit` operations at once; the others wait in the order in which they came.

    `max_queue` (operations) and `max_wait` bound the waiting; None is no bound, and `max_queue=0` lets nobody wait.
    Raises `ValueError` for bounds that make no sense.
    """

    limit: int = attrs.field(validator=attrs.validators.ge(1))
    max_queue: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(attrs.validators.ge(0))
    )
    max_wait: Duration | None = attrs.field(default=None, converter=_optional)
