"""What an adaptive limiter decides: how far refusals lower it, how it recovers, how it spreads what is left."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.limiters.adaptive_limiter import AdaptiveRate, RemainingQuota, Throttle
from connector_kit.limiters.rates import Rates
from connector_kit.records.page import Quota

SECOND = 1_000_000_000
K = 30 * SECOND


def adaptive_rate(rates: str = "100/s") -> AdaptiveRate:
    return AdaptiveRate(Rates.parse(rates), 0.7, K)


class TestThrottle:
    def test_nothing_is_held_down_before_a_refusal(self) -> None:
        assert Throttle(1, 100, 0.7, K).rate(0) == math.inf

    def test_it_falls_at_once_and_is_back_after_the_time_of_recovery(self) -> None:
        throttle = Throttle(1, 100, 0.7, K)
        throttle.lower(0, 0, 50)
        assert throttle.rate(0) == pytest.approx(35)
        assert throttle.rate(K // 2) == pytest.approx(50 - 15 / 8)
        assert throttle.rate(K) == pytest.approx(50)
        assert throttle.rate(2 * K) == pytest.approx(65)
        assert throttle.rate(100 * K) == math.inf
        assert throttle.rate(0) == math.inf

    def test_it_recovers_from_the_end_of_the_pause_on(self) -> None:
        throttle = Throttle(1, 100, 0.7, K)
        throttle.lower(0, 10 * SECOND, 50)
        assert throttle.rate(5 * SECOND) == throttle.rate(10 * SECOND) == pytest.approx(35)
        assert throttle.rate(10 * SECOND + K) == pytest.approx(50)

    def test_refused_below_its_plateau_it_aims_lower(self) -> None:
        """The quota has become smaller, or is shared with somebody new."""
        throttle = Throttle(1, 100, 0.7, K)
        throttle.lower(0, 0, 100)
        throttle.lower(0, 0, 100)
        assert throttle.rate(0) == pytest.approx(49)
        assert throttle.rate(K) == pytest.approx(70 * 0.85)

    def test_what_was_observed_is_taken_within_reason(self) -> None:
        for observed, expected in ((0.0, 10.0), (1e9, 70.0)):
            throttle = Throttle(10, 100, 0.7, K)
            throttle.lower(0, 0, observed)
            assert throttle.rate(0) == pytest.approx(expected)

    @given(st.lists(st.tuples(st.integers(0, 3 * K), st.booleans()), max_size=40), st.floats(0.1, 0.9))
    def test_it_stays_within_its_bounds_only_refusals_lower_it_and_it_always_recovers(
        self, steps: list[tuple[int, bool]], decrease: float
    ) -> None:
        throttle, now = Throttle(2, 100, decrease, K), 0
        for pause, refusal in steps:
            before = throttle.rate(now)
            now += pause
            refused = throttle.rate(now)
            assert refused >= before
            if refusal:
                throttle.lower(now, now, 60)
                assert throttle.rate(now) <= max(
                    2, min(refused, 60 if refused == math.inf else 100) * decrease * (1 + 1e-9)
                )
            assert throttle.rate(now) >= 2 * (1 - 1e-9)
            assert throttle.rate(now) < 100 or throttle.rate(now) == math.inf
        assert throttle.rate(now + 1000 * K) == math.inf


class TestAllowance:
    @given(
        st.integers(1, 40),
        st.integers(1, 1000),
        st.lists(st.tuples(st.integers(0, 200), st.integers(1, 3)), max_size=80),
    )
    def test_no_more_than_what_is_left_is_granted_before_the_reset(
        self, remaining: int, reset: int, calls: list[tuple[int, int]]
    ) -> None:
        budget, now, spent = adaptive_rate("1000/s"), 0, 0
        budget.answered(0, Quota(remaining=remaining, reset_after=float(reset)), 0)
        for wait, cost in calls:
            now += wait * SECOND // 10
            if budget.take(now, cost) and now < reset * SECOND:
                spent += cost
        assert spent <= remaining

    def test_what_is_left_is_spread_until_the_reset(self) -> None:
        budget = adaptive_rate("1000/s")
        budget.answered(0, Quota(limit=100, remaining=10, reset_after=60.0), 0)
        moments = [0]
        for _ in range(11):
            now = budget.ready_at(moments[-1], 1)
            budget.commit(now, 1)
            moments.append(now)
        assert [moment // SECOND for moment in moments[1:]] == [
            *(60 * place // 11 for place in range(10)),
            60,
        ]

    def test_permits_granted_since_the_request_count_as_used(self) -> None:
        budget = adaptive_rate("1000/s")
        for _ in range(5):
            assert budget.take(0, 1)
        budget.answered(0, Quota(remaining=5, reset_after=10.0), 1)
        assert budget.take(10 * SECOND - 1, 1)
        assert not budget.take(10 * SECOND - 1, 1)
        assert budget.take(10 * SECOND, 1)

    def test_nothing_left_is_a_wait_until_the_reset(self) -> None:
        budget = adaptive_rate("1000/s")
        budget.answered(0, Quota(remaining=0, reset_after=10.0), 0)
        assert budget.ready_at(0, 1) == 10 * SECOND
        assert budget.in_use(0)
        assert not budget.in_use(10 * SECOND)

    @pytest.mark.parametrize(
        "quota",
        [
            Quota(),
            Quota(remaining=5),
            Quota(reset_after=5.0),
            *(Quota(remaining=0, reset_after=seconds) for seconds in (0.0, -1.0, math.inf, math.nan)),
        ],
    )
    def test_what_says_nothing_of_a_moment_changes_nothing(self, quota: Quota) -> None:
        heard = RemainingQuota()
        heard.hear(0, Quota(remaining=1, reset_after=10.0), 1, 1)
        heard.hear(0, quota, 2, 2)
        assert heard.holds(9 * SECOND)

    def test_a_reset_may_be_a_part_of_a_second_away(self) -> None:
        heard = RemainingQuota()
        heard.hear(0, Quota(remaining=0, reset_after=0.25), 1, 1)
        assert heard.holds(SECOND // 4 - 1)
        assert not heard.holds(SECOND // 4)

    def test_an_answer_to_an_older_request_is_ignored(self) -> None:
        """Whatever it says: the newer one knew it already."""
        heard = RemainingQuota()
        heard.hear(0, Quota(remaining=1, reset_after=10.0), 7, 7)
        heard.hear(0, Quota(remaining=100, reset_after=10.0), 6, 7)
        assert heard.interval_ns(0) == 5 * SECOND
        heard.hear(0, Quota(remaining=100, reset_after=10.0), 8, 8)
        assert heard.interval_ns(0) == math.ceil(10 * SECOND / 101)


class TestRefusals:
    def test_of_requests_under_way_lower_it_once(self) -> None:
        budget = adaptive_rate()
        for _ in range(20):
            assert budget.take(0, 1)
        assert [budget.refused(0, 2.0, grant) for grant in (3, 1, 20)] == [2.0, 2.0, 2.0]
        assert budget.throttle.rate(0) == pytest.approx(70)
        assert budget.take(3 * SECOND, 1)
        budget.refused(3 * SECOND, 2.0, 21)
        assert budget.throttle.rate(3 * SECOND) < 70

    def test_that_name_no_time_pause_for_the_shortest_window(self) -> None:
        for rates, expected in (("5/0.1s", 1.0), ("5/30s, 9/min", 30.0), ("9/day, 5/h@UTC", 60.0)):
            for said in (None, 0.0, -1.0, math.inf, math.nan):
                assert adaptive_rate(rates).refused(0, said, 0) == expected

    def test_make_older_answers_worthless(self) -> None:
        budget = adaptive_rate()
        for _ in range(5):
            budget.commit(0, 1)
        budget.refused(0, 1.0, 4)
        budget.answered(0, Quota(remaining=0, reset_after=50.0), 3)
        assert budget.ready_at(2 * SECOND, 1) == 2 * SECOND
        budget.answered(0, Quota(remaining=0, reset_after=50.0), 5)
        assert budget.ready_at(2 * SECOND, 1) == 50 * SECOND

    def test_of_a_burst_under_a_long_window_are_measured_against_what_was_sent(self) -> None:
        """Ten thousand a day are one in nine seconds; but it was 300 in the last minute that were too many."""
        budget = adaptive_rate("10000/day")
        for _ in range(300):
            budget.commit(0, 1)
        budget.refused(0, 1.0, 300)
        assert budget.throttle.rate(0) == pytest.approx(0.7 * 300 / 60)

    def test_permits_are_spread_afterwards_and_a_little_lateness_is_made_up_for(self) -> None:
        budget = adaptive_rate()
        budget.commit(0, 1)
        budget.refused(0, 1.0, 1)
        interval = math.ceil(SECOND / 70)
        late = interval // 2
        assert budget.ready_at(0, 1) == interval
        budget.commit(interval + late, 1)
        assert budget.ready_at(interval + late, 1) == pytest.approx(2 * interval, rel=0.01)

    def test_a_grant_from_before_a_restart_is_taken_for_the_last_one(self) -> None:
        budget = adaptive_rate()
        budget.refused(0, 1.0, 1000)
        assert budget.throttle.rate(0) == pytest.approx(70)
        budget.commit(2 * SECOND, 1)
        budget.answered(2 * SECOND, Quota(remaining=0, reset_after=50.0), 1000)
        assert budget.ready_at(2 * SECOND, 1) == 52 * SECOND

    def test_the_earliest_moment_is_that_of_the_next_permit(self) -> None:
        budget = adaptive_rate()
        budget.answered(0, Quota(remaining=0, reset_after=10.0), 0)
        assert budget.earliest(0, 500, 0) == 10 * SECOND
        assert budget.earliest(0, 500, 20 * SECOND) == 20 * SECOND
