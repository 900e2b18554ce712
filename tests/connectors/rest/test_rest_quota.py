"""Quota headers as they are sent by those who send them, and Retry-After."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connector_kit.connectors.rest.quota import quota_of, retry_after_of
from connector_kit.records.page import Quota

NOW = datetime(2024, 3, 1, 12, 0, 0, tzinfo=UTC)
EPOCH = int(NOW.timestamp())
DATE = "Fri, 01 Mar 2024 12:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "quota"),
    [
        pytest.param({}, None, id="none"),
        pytest.param({"content-type": "application/json", "date": DATE}, None, id="nothing of a quota"),
        pytest.param(
            {"ratelimit-limit": "100, 100;w=60", "ratelimit-remaining": "5", "ratelimit-reset": "50"},
            Quota(100, 5, 50.0),
            id="IETF draft 03",
        ),
        pytest.param(
            {"ratelimit": "limit=100, remaining=50, reset=30"}, Quota(100, 50, 30.0), id="IETF draft 07"
        ),
        pytest.param({"ratelimit": "remaining=50"}, Quota(None, 50, None), id="IETF draft 07, least of it"),
        pytest.param({"ratelimit": '"default";r=50;t=30'}, Quota(None, 50, 30.0), id="IETF draft 08"),
        pytest.param(
            {
                "ratelimit": '"burst";r=50;t=30, "Day";r=3',
                "ratelimit-policy": '"burst";q=100;w=60,"Day";q=1000',
            },
            Quota(1000, 3, None),
            id="IETF draft 08, several policies",
        ),
        pytest.param(
            {"ratelimit": "limit=what", "x-ratelimit-limit": "7"},
            Quota(7),
            id="unreadable, and another family",
        ),
        pytest.param(
            {
                "x-ratelimit-limit": "5000",
                "x-ratelimit-remaining": "4999",
                "x-ratelimit-reset": str(EPOCH + 60),
                "x-ratelimit-used": "1",
                "x-ratelimit-resource": "core",
            },
            Quota(5000, 4999, 60.0),
            id="GitHub: reset is a time",
        ),
        pytest.param(
            {"ratelimit-limit": "60", "ratelimit-remaining": "0", "ratelimit-reset": str(EPOCH + 30)},
            Quota(60, 0, 30.0),
            id="GitLab: reset is a time, in the IETF's header",
        ),
        pytest.param(
            {
                "x-rate-limit-limit": "15",
                "x-rate-limit-remaining": "14",
                "x-rate-limit-reset": str(EPOCH + 900),
            },
            Quota(15, 14, 900.0),
            id="Twitter, Okta",
        ),
        pytest.param(
            {
                "x-ratelimit-limit": "5",
                "x-ratelimit-remaining": "0",
                "x-ratelimit-reset": f"{EPOCH + 1}.532",
                "x-ratelimit-reset-after": "1.53",
                "x-ratelimit-bucket": "abcd1234",
            },
            Quota(5, 0, 1.53),
            id="Discord: both, the delta is exact",
        ),
        pytest.param(
            {"x-ratelimit-remaining": "299.0", "x-ratelimit-used": "301", "x-ratelimit-reset": "118"},
            Quota(None, 299, 118.0),
            id="Reddit: a delta, and a float",
        ),
        pytest.param(
            {"x-rate-limit": "700", "x-rate-limit-remaining": "699", "ratelimit-reset": "41"},
            Quota(700, 699, 41.0),
            id="Zendesk",
        ),
        pytest.param(
            {"x-ratelimit-reset": str(EPOCH * 1000 + 2500)},
            Quota(reset_after=2.5),
            id="reset in milliseconds",
        ),
        pytest.param(
            {"x-ratelimit-reset": "2024-03-01T12:00:07Z"}, Quota(reset_after=7.0), id="reset as ISO time"
        ),
        pytest.param(
            {"x-ratelimit-reset": "2024-03-01T12:00:07"}, Quota(reset_after=7.0), id="ISO time, no zone"
        ),
        pytest.param(
            {"x-ratelimit-reset": "Fri, 01 Mar 2024 12:00:09 GMT"},
            Quota(reset_after=9.0),
            id="reset as HTTP date",
        ),
        pytest.param(
            {"x-ratelimit-reset": "2024-03-01T11:00:00Z"}, Quota(reset_after=0.0), id="past, as ISO time"
        ),
        pytest.param({"x-ratelimit-reset": str(EPOCH - 5)}, Quota(reset_after=0.0), id="past"),
        pytest.param({"x-ratelimit-reset": "-1"}, Quota(reset_after=0.0), id="negative"),
        pytest.param({"x-ratelimit-reset-after": "-1"}, Quota(reset_after=0.0), id="negative delta"),
        pytest.param({"x-ratelimit-reset": "soon"}, None, id="unreadable reset"),
        pytest.param({"x-ratelimit-remaining": "-2"}, Quota(remaining=0), id="overdrawn"),
        pytest.param({"x-ratelimit-limit": "9" * 400}, None, id="no finite number"),
    ],
)
def test_a_quota_is_read_from_the_headers(headers: dict[str, str], quota: Quota | None) -> None:
    assert quota_of(headers, NOW) == quota


def test_a_reset_is_counted_from_the_servers_own_clock() -> None:
    """A client whose clock is an hour late does not wait for an hour."""
    headers = {"date": "Fri, 01 Mar 2024 13:00:00 GMT", "x-ratelimit-reset": str(EPOCH + 3600 + 20)}
    assert quota_of(headers, NOW) == Quota(reset_after=20.0)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "120"}, 120.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "Fri, 01 Mar 2024 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Fri, 01 Mar 2024 12:00:30 GMT", "date": "Fri, 01 Mar 2024 12:00:20 GMT"}, 10.0),
        ({"retry-after": "Fri, 01 Mar 2024 11:00:00 GMT"}, 0.0),
        ({"retry-after": "later"}, None),
        ({"retry-after": "later", "x-ratelimit-reset": "8", "x-ratelimit-remaining": "0"}, 8.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(EPOCH + 45)}, 45.0),
        ({"x-ratelimit-reset": "4"}, 4.0),
        ({"x-ratelimit-remaining": "3", "x-ratelimit-reset": "40"}, None),
    ],
)
def test_the_wait_is_what_retry_after_says_or_the_reset_of_a_used_up_quota(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after_of(headers, NOW) == seconds
