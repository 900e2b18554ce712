"""Rates: read from text, shown as text, refused where they make no sense."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.durations import Duration
from connector_kit.limiters.rates import CalendarRate, Rate, Rates

any_rate = st.builds(
    Rate,
    st.integers(1, 10**12),
    st.one_of(
        st.floats(1e-9, 1e12),
        st.integers(1, 10**6).map(float),
        st.integers(1, 400).map(lambda n: n * 86_400.0),
    ),
    st.none() | st.just(1),
)


@pytest.mark.parametrize(
    ("text", "limit", "seconds"),
    [
        ("10/s", 10, 1),
        ("10/sec", 10, 1),
        ("10/second", 10, 1),
        ("10/30seconds", 10, 30),
        ("100/m", 100, 60),
        ("100/min", 100, 60),
        ("100/minute", 100, 60),
        ("100/15min", 100, 900),
        ("100/15 minutes", 100, 900),
        ("5/h", 5, 3600),
        ("5/2hours", 5, 7200),
        ("1000/d", 1000, 86_400),
        ("1000/day", 1000, 86_400),
        ("1000/7days", 1000, 604_800),
        (" 3 / 0.5 s ", 3, 0.5),
    ],
)
def test_a_rate_is_read_from_text(text: str, limit: int, seconds: float) -> None:
    assert Rate.parse(text) == Rate(limit, Duration(seconds))


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (Rate(10, Duration(1)), "10/s"),
        (Rate(10, Duration(90)), "10/90s"),
        (Rate(10, Duration(0.25)), "10/0.25s"),
        (Rate(100, Duration(900)), "100/15min"),
        (Rate(5, Duration(3600)), "5/h"),
        (Rate(1000, Duration(86_400)), "1000/day"),
        (Rate(1000, Duration(172_800)), "1000/2days"),
    ],
)
def test_a_rate_is_shown_in_its_largest_whole_unit(rate: Rate, text: str) -> None:
    assert str(rate) == text


@given(any_rate)
def test_what_is_shown_is_read_back_the_same(rate: Rate) -> None:
    assert Rate.parse(str(rate)) == rate


@given(st.lists(any_rate, min_size=1, max_size=4).map(Rates))
def test_several_rates_are_read_back_the_same(rates: Rates) -> None:
    assert Rates.parse(str(rates)) == rates


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("10", "not '10'"),
        ("", "not ''"),
        ("-1/s", "not '-1/s'"),
        ("1.5/s", "not '1.5/s'"),
        ("10/", "not '10/'"),
        ("10/s/s", "not '10/s/s'"),
        ("10/1e3s", "not '10/1e3s'"),
        ("10/fortnight", "the unit 'fortnight' is none of s, min, h, day"),
        ("0/s", "nothing would ever be let through"),
        ("10/0s", "nothing would ever be let through"),
        ("10/s burst", "not '10/s burst'"),
        ("10/sburst 3", "not '10/sburst 3'"),
    ],
)
def test_text_that_is_no_rate_is_refused_with_what_is_expected(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=r'^a rate like "10/s", "100/15min" or "10000/day", not ') as caught:
        Rate.parse(text)
    assert wrong in str(caught.value)
    with pytest.raises(ValueError, match=r"^a rate like"):
        Rates.parse(f"10/s, {text}")


def test_a_rate_without_permits_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 permit, not 0"):
        Rate(0, Duration(1))


@pytest.mark.parametrize("seconds", [0.0, 1e-10])
def test_a_rate_without_a_window_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="at least one nanosecond"):
        Rate(1, Duration(seconds))


@pytest.mark.parametrize("text", ["10/2s burst 3", " 10 / 2 s  burst  3 "])
def test_a_burst_is_read_from_text(text: str) -> None:
    assert Rate.parse(text) == Rate(10, Duration(2), burst=3)
    assert str(Rate.parse(text)) == "10/2s burst 3"


@pytest.mark.parametrize("burst", [0, 11, -1])
def test_a_burst_that_is_none_is_refused(burst: int) -> None:
    with pytest.raises(ValueError, match=f"a burst from 1 to the rate's 10 permits, not {burst}"):
        Rate(10, Duration(1), burst)


@pytest.mark.parametrize(
    ("rates", "dead"),
    [
        ("100/s, 10/min", ["100/s"]),
        ("10/min, 100/s", ["100/s"]),
        ("10/s, 600/min", ["600/min"]),
        ("10/s, 599/min", []),
        ("10/s, 10000/day", []),
        ("10/s, 10/s", ["10/s"]),
        ("10/s, 100/1.5s", ["100/1.5s"]),
        ("10/s, 19/1.5s", []),
        ("5/s burst 2, 7/s", ["7/s"]),
        ("5/s burst 2, 6/s", ["6/s"]),
        ("5/s burst 2, 5/s", []),
        ("3/s, 100/s burst 50", []),
        ("5/day@UTC, 9/day@UTC, 9/day@Asia/Tokyo", ["9/day@UTC"]),
        ("10/day@UTC, 100/s", ["100/s"]),
        ("1/min, 2000/day@UTC", ["2000/day@UTC"]),
        ("1/min, 1000/day@UTC", []),
        ("100/s, 10/s, 1/s", ["100/s", "10/s"]),
    ],
)
def test_rates_that_change_nothing_are_found(rates: str, dead: list[str]) -> None:
    assert [str(found.rate) for found in Rates.parse(rates).dead()] == dead


def test_a_dead_rate_says_what_to_do() -> None:
    (found,) = Rates.parse("100/s, 10/min").dead()
    assert str(found) == (
        "100/s never holds anything up beside 10/min, which is always reached first; "
        "expected rates that each limit something; leave 100/s out, or correct one of the two"
    )


def test_rates_come_in_any_form() -> None:
    first, second = Rate(10, Duration(1)), Rate(100, Duration(60))
    both = Rates((first, second))
    assert Rates.of("10/s") == Rates.of(first) == Rates.of([first]) == Rates((first,))
    assert Rates.of("10/s, 100/min") == Rates.of(both) == Rates.of(rate for rate in both) == both
    assert list(both) == [first, second]
    assert len(both) == 2
    daily = CalendarRate(5, "day", "UTC")
    assert Rates.of(daily) == Rates.of("5/day@UTC") == Rates((daily,))
    assert Rates.of([first, daily]).cost_limit == 5


def test_no_rate_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="not nothing at all"):
        Rates.of([])
