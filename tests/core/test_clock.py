"""The machine's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio
import pytest

from connector_kit.clock import AnyioClock, Clock


def test_time_never_goes_back_and_the_time_of_day_is_in_utc() -> None:
    clock: Clock = AnyioClock()
    assert clock.monotonic_ns() <= clock.monotonic_ns()
    assert clock.now().tzinfo is UTC
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(hours=1)


@pytest.mark.anyio
async def test_sleep_is_a_cancellation_point_even_for_zero() -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await AnyioClock().sleep(0)
    assert scope.cancelled_caught
