"""How long things may take."""

from __future__ import annotations

import attrs

from connector_kit.durations import Duration

__all__ = ["Timeouts"]


def _optional(given: str | float | None) -> Duration | None:
    return None if given is None else Duration.of(given)


@attrs.frozen
class Timeouts:
    """Limits of time; None is no limit.

    `call` bounds a call that is no stream (connect, discover_schema, ...), `page` the wait for one page of a stream,
    `total` a whole read, from its first page asked for to its last one delivered.
    """

    call: Duration | None = attrs.field(default=None, converter=_optional)
    page: Duration | None = attrs.field(default=None, converter=_optional)
    total: Duration | None = attrs.field(default=None, converter=_optional)

    @property
    def unlimited(self) -> bool:
        """Whether there is nothing to limit."""
        return self.call is None and self.page is None and self.total is None
