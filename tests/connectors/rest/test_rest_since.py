"""How a lower bound of time is sent: in every form an API may want, and never later than it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_server import Asked, Said, serving

from connector_kit.connectors.rest import Offset, Resource, RestConfig, RestConnector
from connector_kit.connectors.rest.since import format_problem, since_text

NEW_YEAR = datetime(2013, 1, 31, 10, 5, 6, 123_456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("form", "since", "written"),
    [
        ("iso", datetime(2013, 1, 31, 10, tzinfo=UTC), "2013-01-31T10:00:00Z"),
        ("iso", datetime(2013, 1, 31, 10, 0, 0, 120, tzinfo=UTC), "2013-01-31T10:00:00.000120Z"),
        ("iso", datetime(2013, 1, 31, 10, tzinfo=timezone(timedelta(hours=2))), "2013-01-31T08:00:00Z"),
        ("iso", datetime(2013, 1, 31, 10), "2013-01-31T10:00:00Z"),  # noqa: DTZ001 - a time without a zone is the case
        ("epoch", datetime(1970, 1, 2, 0, 0, 1, 999_999, tzinfo=UTC), 86_401),
        ("epoch", datetime(1969, 12, 31, 23, 59, 59, 1, tzinfo=UTC), -1),
        ("epoch_ms", datetime(1970, 1, 1, 0, 0, 1, 999_999, tzinfo=UTC), 1_999),
        ("epoch_us", datetime(1970, 1, 1, 0, 0, 1, 999_999, tzinfo=UTC), 1_999_999),
        ("rfc1123", NEW_YEAR, "Thu, 31 Jan 2013 10:05:06 GMT"),
        ("%Y-%m-%d", NEW_YEAR, "2013-01-31"),
        ("%Y-%m-%dT%H:%M:%SZ", NEW_YEAR, "2013-01-31T10:05:06Z"),
        ("%Y-%m-%dT%H:%M:%S.%3fZ", NEW_YEAR, "2013-01-31T10:05:06.123Z"),
        ("%d.%m.%Y %H:%M%%", NEW_YEAR, "31.01.2013 10:05%"),
    ],
)
def test_a_time_is_written_in_the_form_that_is_declared(
    form: str, since: datetime, written: str | int
) -> None:
    assert since_text(since, form) == written


@pytest.mark.parametrize(
    ("form", "zone", "written"),
    [
        ("iso", "Asia/Kolkata", "2013-01-31T15:35:06.123456+05:30"),
        ("%Y-%m-%d %H:%M", "Asia/Kolkata", "2013-01-31 15:35"),
        ("%Y-%m-%dT%H:%M%z", "America/New_York", "2013-01-31T05:05-0500"),
        ("%Y-%m-%dT%H:%MZ", "America/New_York", "2013-01-31T10:05Z"),
        ("epoch", "America/New_York", 1_359_626_706),
    ],
)
def test_a_time_is_written_in_the_zone_that_is_declared_unless_the_form_has_its_own(
    form: str, zone: str, written: str | int
) -> None:
    assert since_text(NEW_YEAR, form, zone) == written


@given(
    st.datetimes(datetime(1975, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis adds it
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]),
    st.sampled_from(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S.%f"]),
    st.sampled_from([0, 1]),
)
def test_what_is_written_is_never_later_whichever_of_two_hours_the_server_reads(
    since: datetime, zone: str, form: str, fold: int
) -> None:
    """Where clocks are set back, an hour comes twice, and the text of a local time does not say which one it is."""
    read = datetime.strptime(str(since_text(since, form, zone)), form)  # noqa: DTZ007 - the zone comes next
    assert read.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) <= since


@pytest.mark.parametrize(
    ("form", "wrong"),
    [
        ("iso8601", "no format that has a name, and no pattern with % in it"),
        ("%Y-%m-%dT%Q", "a pattern with %Q in it"),
        ("%s", "a pattern with %s in it"),
        ("50%", "a pattern with % in it"),
    ],
)
def test_a_form_that_means_nothing_is_told(form: str, wrong: str) -> None:
    assert wrong in str(format_problem(form))


async def asked_with(since: datetime | None, **options: Any) -> list[Asked]:
    """Read all pages of a resource from a time on, and return what the server was asked."""

    pages = iter(['[{"id": 1}]', "[]"])
    with serving(lambda _: Said(next(pages))) as server:
        resource = Resource("/things", pagination=Offset(size_param=None), replication_key="at", **options)
        connector = RestConnector(RestConfig(server.url, {"things": resource}))
        await connector.connect()
        async for _ in connector.fetch_data("things", since=since):
            pass
        await connector.disconnect()
        return server.asked


@pytest.mark.anyio
async def test_a_time_stands_in_the_template_of_its_parameter() -> None:
    """It takes the place of a parameter of that name, which a read without `since` sends as it is."""
    options: dict[str, Any] = {
        "params": {"q": "status = open"},
        "since_param": "q",
        "since_template": 'status = open and updated >= "{since}" {and not this}',
        "since_format": "%Y-%m-%d",
    }
    asked = await asked_with(NEW_YEAR, **options)
    assert [each.params["q"] for each in asked] == [
        'status = open and updated >= "2013-01-31" {and not this}'
    ] * 2
    assert [each.params["q"] for each in await asked_with(None, **options)] == ["status = open"] * 2


@pytest.mark.anyio
async def test_a_time_is_sent_in_the_zone_in_which_the_records_have_theirs() -> None:
    """Unless it is declared that it is sent in another one, or the form says that it is in UTC."""
    form = {"since_param": "from", "since_format": "%H:%M", "replication_zone": "Asia/Kolkata"}
    [first, _] = await asked_with(NEW_YEAR, **form)
    assert first.params["from"] == "15:35"
    [first, _] = await asked_with(NEW_YEAR, **form, since_zone="America/New_York")
    assert first.params["from"] == "05:05"
    [first, _] = await asked_with(NEW_YEAR, **form | {"since_format": "%H:%MZ"})
    assert first.params["from"] == "10:05Z"


@pytest.mark.anyio
async def test_a_time_and_the_place_in_the_list_go_into_the_body_of_a_post() -> None:
    body = {"filter": {"all": [{"field": "open"}, {"field": "at"}]}}
    asked = await asked_with(
        NEW_YEAR,
        body=body,
        since_param="/filter/all/1/from",
        since_in="body",
        since_format="epoch_ms",
        paging_in="body",
        params={"fields": "all"},
    )
    assert [(each.method, each.params) for each in asked] == [("POST", {"fields": "all"})] * 2
    assert [json.loads(each.body) for each in asked] == [
        {"filter": {"all": [{"field": "open"}, {"field": "at", "from": 1_359_626_706_123}]}, "offset": offset}
        for offset in (0, 1)
    ]
    assert body == {"filter": {"all": [{"field": "open"}, {"field": "at"}]}}
