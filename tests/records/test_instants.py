"""Replication keys as sources write them: read as points in time, or as none."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from email.utils import format_datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.errors import ConfigError
from connector_kit.records.catalog import Entity, Field, FieldType, ListOf, Scalar, Struct
from connector_kit.records.instants import (
    Instants,
    TimeFormat,
    at_microseconds,
    microseconds_of,
    refuse_key,
    time_format,
)

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
EPOCH = 1_709_294_400
PLAIN = TimeFormat()

zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1974, 1, 1), datetime(2286, 1, 1), timezones=zones)  # noqa: DTZ001 - the zone is drawn


def declared(how: str | None = None, zone: str | None = None) -> TimeFormat:
    """Return the format of an entity that declares one."""
    entity = Entity(
        "visits", replication_key="at", incremental="since", replication_format=how, replication_zone=zone
    )
    return time_format(entity)


@pytest.mark.parametrize(
    "value",
    [
        NOON,
        NOON.astimezone(timezone(timedelta(hours=5, minutes=30))),
        "2024-03-01T12:00:00Z",
        "2024-03-01T12:00Z",
        "2024-03-01t12:00:00z",
        "2024-03-01 12:00:00+00:00",
        "2024-03-01T14:00:00.000+0200",
        "2024-03-01T12:00:00.0000009Z",
        "2024-03-01 12:00:00 UTC",
        "2024-03-01 13:00:00 +01:00",
        "20240301T120000Z",
        " 2024-03-01T12:00:00Z ",
        "Fri, 01 Mar 2024 12:00:00 GMT",
        "1 Mar 2024 14:00:00 +0200",
        EPOCH,
        EPOCH * 1_000,
        EPOCH * 1_000_000,
        float(EPOCH),
        Decimal(EPOCH),
        str(EPOCH),
        f"{EPOCH}.0",
        f"{EPOCH}000",
        f"{EPOCH}000000",
    ],
)
def test_what_sources_have_is_recognised(value: Any) -> None:
    assert PLAIN.instants([value]) == Instants([NOON])
    assert PLAIN.instants([value, None, NOON]).at == [NOON, None, NOON]


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "0000-00-00",
        "0000-00-00 00:00:00",
        "yesterday",
        "2024",
        "20240301",
        20240301,
        "20240301120000",
        0,
        "0",
        7,
        -EPOCH,
        10**17,
        True,
        float("nan"),
        float("inf"),
        Decimal("NaN"),
        "NaN",
        "1e9",
        b"2024-03-01",
        ["2024-03-01"],
        {"at": NOON},
        "0001-01-01T00:00:00+01:00",
        "2024-13-01T00:00:00Z",
        "Fri, 31 Feb 2024 12:00:00 GMT",
    ],
)
def test_what_is_no_time_or_could_be_something_else_is_none(value: Any) -> None:
    """It is found among others, too, whatever kind these are."""
    assert PLAIN.instant(value) is None
    for other in (NOON, "2024-03-01T12:00:00Z", EPOCH):
        assert PLAIN.instants([other, value]).at == [NOON, None]


@given(moments)
def test_every_way_to_write_a_moment_gives_it_back(moment: datetime) -> None:
    """As exactly as the way says it."""
    seconds = moment.replace(microsecond=0)
    assert PLAIN.instant(moment) == PLAIN.instant(moment.isoformat()) == moment
    assert PLAIN.instant(format_datetime(seconds)) == seconds
    assert PLAIN.instant(microseconds_of(moment)) == at_microseconds(microseconds_of(moment)) == moment
    assert PLAIN.instant(str(microseconds_of(seconds) // 1_000)) == seconds
    assert PLAIN.instant(microseconds_of(seconds) // 1_000_000) == seconds


@given(st.lists(moments | moments.map(lambda moment: moment.isoformat()) | st.none() | st.text(max_size=12)))
def test_a_column_is_what_its_values_are(column: list[Any]) -> None:
    """Of one kind or a mixture; what is given back is in UTC."""
    found = PLAIN.instants(column).at
    assert found == [PLAIN.instant(value) for value in column]
    assert {moment.tzinfo for moment in found if moment} <= {UTC}


class TestZones:
    @pytest.mark.parametrize("value", ["2024-03-01 12:00:00", datetime(2024, 3, 1, 12)])  # noqa: DTZ001 - this is what is tried
    def test_a_time_without_one_is_in_utc_and_it_is_said(self, value: Any) -> None:
        assert PLAIN.instants([value]) == Instants([NOON], zoneless=True)
        assert PLAIN.instants(["2024-03-01T12:00:00Z", value]) == Instants([NOON, NOON], zoneless=True)

    @pytest.mark.parametrize("value", ["2024-03-01", date(2024, 3, 1), "2024-03"])
    def test_a_date_is_its_first_moment(self, value: Any) -> None:
        assert PLAIN.instants([value]) == Instants([datetime(2024, 3, 1, tzinfo=UTC)], zoneless=True)

    def test_one_that_is_declared_is_that_of_times_without_one(self) -> None:
        berlin = declared(zone="Europe/Berlin")
        assert berlin.instants(["2024-07-01 12:00:00", "2024-07-01T12:00:00Z", EPOCH]) == Instants(
            [
                datetime(2024, 7, 1, 10, tzinfo=UTC),
                datetime(2024, 7, 1, 12, tzinfo=UTC),
                NOON,
            ]
        )
        assert berlin.instant(date(2024, 7, 1)) == datetime(2024, 7, 1, tzinfo=ZoneInfo("Europe/Berlin"))


class TestDeclared:
    @pytest.mark.parametrize(
        ("how", "value", "expected"),
        [
            ("epoch", 7, datetime(1970, 1, 1, 0, 0, 7, tzinfo=UTC)),
            ("epoch_ms", "7", datetime(1970, 1, 1, 0, 0, 0, 7_000, tzinfo=UTC)),
            ("epoch_us", 7.5, datetime(1970, 1, 1, 0, 0, 0, 7, tzinfo=UTC)),
            ("epoch", "2024-03-01", None),
            ("epoch", True, None),
            ("epoch", 10**20, None),
            ("iso", "2024-03-01T12:00:00Z", NOON),
            ("iso", EPOCH, None),
            ("rfc1123", "Fri, 01 Mar 2024 12:00:00 GMT", NOON),
            ("rfc1123", "2024-03-01T12:00:00Z", None),
            ("%Y%m%d", 20240301, datetime(2024, 3, 1, tzinfo=UTC)),
            ("%d.%m.%Y %H:%M", "01.03.2024 12:00", NOON),
            ("%d.%m.%Y %H:%M", "2024-03-01T12:00:00Z", None),
            ("%d.%m.%Y %H:%M", None, None),
        ],
    )
    def test_a_format_is_the_only_one(self, how: str, value: Any, expected: datetime | None) -> None:
        assert declared(how).instant(value) == expected

    @pytest.mark.parametrize("how", ["iso", "epoch", "rfc1123", "%Y"])
    def test_a_datetime_is_one_whatever_the_format(self, how: str) -> None:
        assert declared(how).instant(NOON) == NOON

    @pytest.mark.parametrize("how", ["iso8601", "seconds", ""])
    def test_an_unknown_format_is_refused(self, how: str) -> None:
        with pytest.raises(
            ConfigError, match=r"the replication_format '.*'; expected 'iso', 'rfc1123', 'epoch'"
        ):
            declared(how)

    @pytest.mark.parametrize("zone", ["Europe/Atlantis", "../etc/passwd", "", "Europe"])
    def test_an_unknown_zone_is_refused(self, zone: str) -> None:
        with pytest.raises(ConfigError, match="which nobody knows; expected a name of the IANA database"):
            declared(zone=zone)


class TestRefusal:
    @pytest.mark.parametrize(
        ("kind", "word"),
        [
            (Scalar.BOOLEAN, "boolean"),
            (Scalar.BINARY, "binary"),
            (ListOf(Scalar.DATETIME), "list"),
            (Struct([Field("time", Scalar.DATETIME)]), "nested record"),
        ],
    )
    def test_a_key_that_cannot_be_a_time_is_refused(self, kind: FieldType, word: str) -> None:
        entity = Entity("visits", [Field("at", kind)], replication_key="at", incremental="since")
        with pytest.raises(ConfigError, match=f"its replication key 'at' is a {word}; expected a field with"):
            refuse_key(entity)
        refuse_key(Entity("visits", [Field("at", kind)], replication_key="at", incremental="cursor"))

    @pytest.mark.parametrize(
        "kind", [Scalar.DATETIME, Scalar.DATE, Scalar.STRING, Scalar.INTEGER, Scalar.JSON]
    )
    def test_one_that_may_be_a_time_is_not(self, kind: FieldType) -> None:
        refuse_key(Entity("visits", [Field("at", kind)], replication_key="at", incremental="since"))
