"""How long and behind how many others a call may wait for its permit, and what it is told where that is too much."""

from __future__ import annotations

import attrs

from connector_kit.durations import Duration
from connector_kit.errors import ConfigError, RateLimitError

__all__ = ["Patience"]

_SECOND = 1_000_000_000


@attrs.frozen
class Patience:
    """Bounds on waiting: `max_wait_ns` from the call to the permit, `max_queue` callers ahead. None is no bound.

    Pure: it makes the errors, and whoever queues raises them.
    """

    max_wait_ns: int | None = None
    max_queue: int | None = None

    @classmethod
    def of(cls, max_wait: float | None, max_queue: int | None) -> Patience:
        """Take `max_wait` in seconds. Raises `ValueError` for one below zero, `ConfigError` for such a `max_queue`."""
        if max_queue is not None and max_queue < 0:
            raise ConfigError(
                f"cannot make a limiter with max_queue={max_queue}; expected zero calls or more; "
                "leave it out for a queue without bound"
            )
        return cls(None if max_wait is None else Duration.of(max_wait).ns, max_queue)

    @property
    def bounded(self) -> bool:
        """Whether there is any bound."""
        return self.max_wait_ns is not None or self.max_queue is not None

    def ends_before(self, wait_ns: int) -> bool:
        """Whether a wait of this length is too long."""
        return self.max_wait_ns is not None and wait_ns > self.max_wait_ns

    def allows_behind(self, length: int) -> bool:
        """Whether a caller may join a queue of this length."""
        return self.max_queue is None or length < self.max_queue

    def queue_too_long(self, rates: object, length: int, wait_ns: int) -> RateLimitError:
        """Make the error for a queue of `length` calls, behind which the wait would be `wait_ns` at least."""
        wait = Duration(wait_ns / _SECOND)
        return RateLimitError(
            f"{length} calls wait for a permit under {rates} already; expected at most {self.max_queue} (max_queue); "
            f"come back in {wait}, or allow a longer queue",
            retry_after=float(wait),
        )

    def wait_too_long(self, rates: object, wait_ns: int, left_ns: int) -> RateLimitError:
        """Make the error for a wait of `wait_ns` at least, of which `left_ns` are still to come."""
        longest = Duration((self.max_wait_ns or 0) / _SECOND)
        return RateLimitError(
            f"a permit under {rates} takes a wait of {Duration(wait_ns / _SECOND)}; expected at most {longest} "
            f"(max_wait); come back in {Duration(left_ns / _SECOND)}, or allow a longer wait",
            retry_after=left_ns / _SECOND,
        )
