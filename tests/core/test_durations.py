"""Durations: what is shown can be read again, and bad text is refused with what is expected."""

from __future__ import annotations

import copy
import math
import pickle
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.durations import Duration, as_duration

lengths = st.floats(0, 1e12) | st.integers(0, 10**6).map(lambda number: number / 1000)


class TestText:
    @given(lengths)
    def test_what_is_shown_reads_as_the_same(self, seconds: float) -> None:
        """To the nanosecond, in which durations are counted, or to a float's precision."""
        duration = Duration(seconds)
        assert Duration.parse(str(duration)) == pytest.approx(seconds, rel=1e-12, abs=1e-9)
        assert repr(duration) == f"Duration('{duration}')"

    @pytest.mark.parametrize(
        ("text", "seconds", "shown"),
        [
            ("30s", 30, "30s"),
            ("1m30s", 90, "1m30s"),
            ("90 s", 90, "1m30s"),
            ("250ms", 0.25, "250ms"),
            ("1.5h", 5400, "1h30m"),
            ("1d 2h", 93_600, "1d2h"),
            ("100us", 0.0001, "0.1ms"),
            ("0s", 0, "0s"),
            ("1000s", 1000, "16m40s"),
            (" 1s ", 1, "1s"),
        ],
    )
    def test_reads_and_shows(self, text: str, seconds: float, shown: str) -> None:
        assert Duration.parse(text) == pytest.approx(seconds)
        assert str(Duration.of(text)) == shown

    @pytest.mark.parametrize(
        ("seconds", "shown"),
        [(119.9999999999, "2m"), (86_399.9999999999, "1d"), (8.64e12, "100000000d"), (1e-8, "0.00001ms")],
    )
    def test_no_part_overflows_and_none_has_an_exponent(self, seconds: float, shown: str) -> None:
        """A minute is shown as a minute, not as 60 seconds, and digits are digits."""
        assert str(Duration(seconds)) == shown

    @pytest.mark.parametrize(
        "text", ["", "30", "s", "-1s", "1x", "1s!", "one second", "1e3s", "inf", "1,5s", "1.s"]
    )
    def test_bad_text_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match='a duration like "30s"'):
            Duration.parse(text)

    @given(st.text())
    def test_any_text_is_read_or_refused(self, text: str) -> None:
        """With a ValueError, whatever it is."""
        with suppress(ValueError):
            assert 0 <= Duration.parse(text) < math.inf


class TestValues:
    @pytest.mark.parametrize(
        "given",
        [
            -1,
            -0.001,
            float("nan"),
            float("inf"),
            10**400,
            timedelta(seconds=-1),
            "1" * 400 + "d",
            "9" * 308 + "s" + "9" * 308 + "s",
        ],
    )
    def test_a_negative_or_endless_one_is_refused(self, given: float | str | timedelta) -> None:
        with pytest.raises(ValueError, match="a duration of zero or more seconds"):
            Duration.of(given)

    def test_takes_text_numbers_and_timedeltas(self) -> None:
        assert (
            Duration.of("2m") == Duration.of(120) == Duration.of(timedelta(minutes=2)) == as_duration("120s")
        )
        assert Duration.of("2m").timedelta == timedelta(minutes=2)
        assert Duration.of("1.5s").ns == 1_500_000_000

    @given(lengths)
    def test_is_a_float_that_survives_copies(self, seconds: float) -> None:
        duration = Duration(seconds)
        assert duration == seconds
        for other in (pickle.loads(pickle.dumps(duration)), copy.copy(duration)):
            assert (type(other), other) == (Duration, duration)
