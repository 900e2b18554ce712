"""Limits of time, and all that a stack is built from, as values."""

from __future__ import annotations

from typing import Any

import pytest

from connector_kit.durations import Duration
from connector_kit.limiters.rate import Rates
from connector_kit.wrappers.retry.policy import Retry
from connector_kit.wrappers.stack.resilience import Resilience
from connector_kit.wrappers.timeout.wrapper import Timeouts


class TestTimeouts:
    def test_nothing_is_limited_by_default(self) -> None:
        assert Timeouts() == Timeouts(call=None, page=None, total=None)
        assert Timeouts().unlimited

    @pytest.mark.parametrize("name", ["call", "page", "total"])
    def test_one_limit_is_a_limit(self, name: str) -> None:
        given: dict[str, Any] = {name: "1m30s"}
        timeouts = Timeouts(**given)
        assert not timeouts.unlimited
        assert getattr(timeouts, name) == 90
        assert isinstance(getattr(timeouts, name), Duration)

    @pytest.mark.parametrize("name", ["call", "page", "total"])
    @pytest.mark.parametrize("wrong", [-1, "soon", float("inf")])
    def test_a_limit_that_is_no_duration_is_refused(self, name: str, wrong: float | str) -> None:
        given: dict[str, Any] = {name: wrong}
        with pytest.raises(ValueError, match="a duration"):
            Timeouts(**given)


class TestResilience:
    def test_retries_and_time_limits_are_on_by_default(self) -> None:
        """A stall is an error unless somebody says otherwise; a rate is not for us to guess."""
        resilience = Resilience()
        assert resilience.retry == Retry()
        assert (resilience.budget, resilience.rate) == (None, None)
        assert resilience.attempt == Timeouts(call=60, page=60)
        assert resilience.deadline == Timeouts(call=900)

    def test_an_attempt_has_less_time_than_all_of_them(self) -> None:
        attempt, deadline = Resilience().attempt, Resilience().deadline
        assert attempt is not None
        assert attempt.call is not None
        assert deadline is not None
        assert deadline.call is not None
        assert deadline.call >= attempt.call + Retry().deadline

    def test_a_rate_may_be_text(self) -> None:
        rates = Rates.parse("10/s, 1000/day")
        assert Resilience(rate="10/s, 1000/day").rate == rates == Resilience(rate=rates).rate
        with pytest.raises(ValueError, match="rate"):
            Resilience(rate="often")

    def test_is_a_value_that_can_be_compared_and_hashed(self) -> None:
        assert len({Resilience(), Resilience(), Resilience(retry=None)}) == 2
