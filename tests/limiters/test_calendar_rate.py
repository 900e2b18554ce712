"""Rates by the calendar: read and shown as text, and windows that are right where clocks are changed."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.limiters.rates import CalendarRate, CalendarUnit, Rates

HOUR = timedelta(hours=1)
ODD_ZONES = [
    "UTC",
    "America/New_York",
    "Australia/Lord_Howe",  # half an hour of summer time
    "America/St_Johns",  # until 2011 clocks were put back at one minute past midnight
    "Pacific/Apia",  # has no 30 December 2011
    "Asia/Pyongyang",  # left out half an hour before midnight in 2018
    "Africa/Cairo",  # skips midnight
    "America/Havana",  # shows midnight twice
    "Asia/Kathmandu",
]
CHANGES = [
    datetime.fromisoformat(text)
    for text in (
        "2024-03-10T07:00Z",  # New York, spring
        "2024-11-03T06:00Z",  # New York, autumn
        "2024-04-06T15:00Z",  # Lord Howe, autumn
        "2024-10-05T15:30Z",  # Lord Howe, spring
        "2006-10-29T02:31Z",  # St. John's, autumn, across midnight
        "2011-12-30T10:00Z",  # Apia, across a day
        "2018-05-04T15:00Z",  # Pyongyang
        "2024-04-25T22:00Z",  # Cairo, spring
        "2024-11-03T05:00Z",  # Havana, autumn
    )
]
moments = st.one_of(
    st.builds(
        lambda seconds: datetime(1975, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds),
        st.integers(0, 60 * 365 * 86_400),
    ),
    st.builds(
        lambda change, minutes: change + timedelta(minutes=minutes),
        st.sampled_from(CHANGES),
        st.integers(-1800, 1800),
    ),
)
rates = st.builds(
    CalendarRate, st.integers(1, 10**9), st.sampled_from(get_args(CalendarUnit)), st.sampled_from(ODD_ZONES)
)


def local(rate: CalendarRate, moment: datetime) -> datetime:
    return moment.astimezone(ZoneInfo(rate.zone))


@given(rates)
def test_what_is_shown_is_read_back_the_same(rate: CalendarRate) -> None:
    assert CalendarRate.parse(str(rate)) == rate
    assert Rates.parse(f"1/s, {rate}") == Rates((*Rates.parse("1/s"), rate))
    assert pickle.loads(pickle.dumps(rate)) == rate


@pytest.mark.parametrize("text", ["5/d@UTC", " 5 / day @ UTC "])
def test_a_rate_is_read_however_it_is_spaced(text: str) -> None:
    assert CalendarRate.parse(text) == CalendarRate(5, "day", "UTC")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("5/day@", "not '5/day@'"),
        ("5@UTC", "not '5@UTC'"),
        ("5/week@UTC", "the unit 'week' is none of hour, day, month"),
        ("5/m@UTC", "the unit 'm' is none of hour, day, month"),
        ("0/day@UTC", "at least 1 permit, not 0"),
        ("5/day@Mars/Olympus", "an IANA time zone like Europe/Berlin, not 'Mars/Olympus'"),
        ("5/day@../passwd", "an IANA time zone like Europe/Berlin, not '../passwd'"),
    ],
)
def test_text_that_is_no_rate_is_refused_with_what_is_expected(text: str, wrong: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared below
        CalendarRate.parse(text)
    assert wrong in str(caught.value)


def test_a_unit_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="not a unit 'week'"):
        CalendarRate(1, "week")  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize(
    ("rate", "moment", "start", "hours"),
    [
        ("1/day@UTC", "2024-01-01T00:00Z", "2024-01-01T00:00Z", 24),
        ("1/day@America/New_York", "2024-03-10T12:00Z", "2024-03-10T05:00Z", 23),
        ("1/day@America/New_York", "2024-11-03T12:00Z", "2024-11-03T04:00Z", 25),
        ("1/day@America/New_York", "2024-11-04T04:59:59.999999Z", "2024-11-03T04:00Z", 25),
        ("1/day@Africa/Cairo", "2024-04-26T00:00Z", "2024-04-25T22:00Z", 23),
        ("1/day@America/Havana", "2024-11-03T04:30Z", "2024-11-03T04:00Z", 25),
        ("1/day@America/St_Johns", "2006-10-29T03:00Z", "2006-10-29T02:30Z", 25),
        ("1/day@America/Toronto", "1919-03-31T04:45Z", "1919-03-30T05:00Z", 24),
        ("1/month@Europe/Berlin", "2024-02-29T22:59Z", "2024-01-31T23:00Z", 29 * 24),
        ("1/month@Europe/Berlin", "2024-03-31T21:59Z", "2024-02-29T23:00Z", 31 * 24 - 1),
        ("1/month@UTC", "2024-12-31T23:00Z", "2024-12-01T00:00Z", 31 * 24),
        ("1/hour@America/New_York", "2024-11-03T05:59Z", "2024-11-03T05:00Z", 1),
        ("1/hour@America/New_York", "2024-11-03T06:00Z", "2024-11-03T06:00Z", 1),
        ("1/hour@Asia/Kathmandu", "2024-01-01T00:00Z", "2023-12-31T23:15Z", 1),
        ("1/hour@Australia/Lord_Howe", "2024-04-06T15:15Z", "2024-04-06T14:00Z", 1.5),
        ("1/hour@Asia/Pyongyang", "2018-05-04T14:45Z", "2018-05-04T14:30Z", 0.5),
    ],
)
def test_a_window_is_what_the_calendar_says(rate: str, moment: str, start: str, hours: float) -> None:
    first = datetime.fromisoformat(start)
    assert CalendarRate.parse(rate).window(datetime.fromisoformat(moment)) == (first, first + hours * HOUR)


@given(rates, moments)
def test_windows_hold_their_moments_and_touch(rate: CalendarRate, moment: datetime) -> None:
    """Every moment is in one window, from whichever moment of it one asks; its length is within the bounds."""
    start, end = rate.window(moment)
    assert start <= moment < end
    assert rate.window(start) == rate.window(end - timedelta(microseconds=1)) == (start, end)
    assert rate.window(end)[0] == end
    length = (end - start) // timedelta(microseconds=1) * 1000
    assert length <= rate.longest_ns
    assert length >= rate.shortest_ns


@given(rates.filter(lambda rate: rate.unit != "hour"), moments)
def test_a_window_begins_with_a_new_date(rate: CalendarRate, moment: datetime) -> None:
    start, _ = rate.window(moment)
    before = local(rate, start - timedelta(microseconds=1))
    assert local(rate, start).date() > before.date()
    assert local(rate, start).day == 1 or rate.unit == "day"


@given(st.sampled_from(ODD_ZONES), moments)
def test_an_hour_begins_when_clocks_show_a_whole_one(zone: str, moment: datetime) -> None:
    start, end = CalendarRate(1, "hour", zone).window(moment)
    for border in (start, end):
        shown = border.astimezone(ZoneInfo(zone))
        assert (shown.minute, shown.second, shown.microsecond) == (0, 0, 0)
