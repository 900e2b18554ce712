"""Errors that do not look like one: inside a 200, by a status that says "not yet", a limit behind a 403, an old cursor."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from rest_server import Answering, Asked, Said, serving

from connector_kit import Retry, protect
from connector_kit.connectors.rest import (
    BodyError,
    CursorField,
    NoPagination,
    Resource,
    RestConfig,
    RestConnector,
)
from connector_kit.errors import (
    AuthenticationError,
    ConnectorError,
    CursorExpiredError,
    PermissionDeniedError,
    RateLimitError,
    RequestRejectedError,
    SchemaMismatchError,
    ServiceUnavailableError,
)
from connector_kit.runtime.sync import sync
from connector_kit.testing import MemoryDestination
from connector_kit.wrappers.stack.resilience import Resilience

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.records.page import Cursor, Page


async def read(answering: Answering, *, cursor: Cursor = None, **options: Any) -> list[Page]:
    """Read `/things` from a server that answers like this."""
    with serving(answering) as server:
        connector = RestConnector(RestConfig(server.url, {"things": Resource("/things", **options)}))
        await connector.connect()
        try:
            return [page async for page in connector.fetch_data("things", cursor=cursor)]
        finally:
            await connector.disconnect()


async def error_of(answering: Answering, **options: Any) -> ConnectorError:
    with pytest.raises(ConnectorError) as caught:
        await read(answering, **options)
    assert (caught.value.operation, caught.value.entity) == ("fetch_data", "things")
    return caught.value


ERROR_IN_BODY = BodyError("error")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("error", "body"),
    [
        (ERROR_IN_BODY, {"items": [], "error": {"code": 7}}),
        (ERROR_IN_BODY, {"error": "busy"}),
        (ERROR_IN_BODY, {"items": None, "error": True}),
        (BodyError("meta.errors.0.code"), {"items": [], "meta": {"errors": [{"code": "BUSY"}]}}),
        (BodyError("ok", equals=False), {"items": [], "ok": False}),
        (BodyError("status", equals=("busy", 3)), {"items": [], "status": 3}),
        (BodyError("status", unless="good"), {"items": [], "status": "bad"}),
        (BodyError("status", unless="good"), {"items": []}),
        ((BodyError("ok", equals=False), ERROR_IN_BODY), {"items": [], "ok": True, "error": "x"}),
    ],
    ids=str,
)
@pytest.mark.parametrize("records", ["items", ""])
async def test_a_body_that_tells_of_an_error_is_one(error: Any, body: dict[str, Any], records: str) -> None:
    """Whether the records are beside it, missing, or the whole body in a good answer."""
    told = await error_of(lambda _: Said(json.dumps(body)), error=error, records=records)
    assert type(told) is RequestRejectedError
    assert "GET /things was answered with 200 OK and an error at '" in str(told)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("error", "body"),
    [
        (ERROR_IN_BODY, {"error": None}),
        (ERROR_IN_BODY, {"error": False}),
        (ERROR_IN_BODY, {"error": 0}),
        (ERROR_IN_BODY, {"error": ""}),
        (ERROR_IN_BODY, {"error": []}),
        (ERROR_IN_BODY, {"error": {}}),
        (ERROR_IN_BODY, {}),
        (BodyError("ok", equals=False), {"ok": 0}),
        (BodyError("ok", equals=False), {}),
        (BodyError("status", unless=("good", 1)), {"status": 1}),
    ],
    ids=str,
)
async def test_a_body_that_tells_of_none_is_read(error: BodyError, body: dict[str, Any]) -> None:
    pages = await read(
        lambda _: Said(json.dumps(body | {"items": [{"id": 1}]})), error=error, records="items"
    )
    assert [page.records for page in pages] == [[{"id": 1}]]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("raises", "cls", "wait"),
    [
        ("permanent", RequestRejectedError, None),
        ("transient", ServiceUnavailableError, None),
        ("rate_limit", RateLimitError, 60),
        ("authentication", AuthenticationError, None),
        ("permission", PermissionDeniedError, None),
        ("cursor_expired", CursorExpiredError, None),
    ],
)
async def test_an_error_in_a_body_is_of_the_class_that_is_declared(
    raises: Any, cls: type[ConnectorError], wait: float | None
) -> None:
    told = await error_of(
        lambda _: Said('{"error": "no such\\ncursor"}'),
        error=BodyError("error", raises=raises),
        pagination=CursorField(),
        cursor="c1",
    )
    assert type(told) is cls
    assert getattr(told, "retry_after", None) == wait
    assert "an error at 'error' of its body: \"no such" in str(told)


@pytest.mark.anyio
async def test_an_error_in_a_body_says_when_to_come_back_where_the_answer_does() -> None:
    said = Said('{"error": "busy"}', headers={"Retry-After": "7"})
    for raises in ("transient", "rate_limit"):
        told = await error_of(lambda _: said, error=BodyError("error", raises=raises))
        assert getattr(told, "retry_after", None) == 7


@pytest.mark.anyio
async def test_a_cursor_that_was_never_sent_has_not_expired() -> None:
    told = await error_of(
        lambda _: Said('{"error": "bad cursor"}'), error=BodyError("error", raises="cursor_expired")
    )
    assert type(told) is RequestRejectedError


@pytest.mark.anyio
async def test_an_error_that_nobody_declared_is_no_end_of_the_list() -> None:
    body = '{"errors": [{"message": "quota"}]}'
    assert isinstance(await error_of(lambda _: Said(body), records="items"), SchemaMismatchError)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("said", "transient"),
    [
        (Said('{"status": "pending"}', 202), (202,)),
        (Said("", 409), (202, 409)),
        (Said("locked", 423), (423,)),
        (Said("", 200), ("empty",)),
        (Said("  \n", 200), (404, "empty")),
    ],
    ids=str,
)
async def test_a_status_that_is_declared_transient_passes(said: Said, transient: Any) -> None:
    """What the answer says of when to come back is kept."""
    told = await error_of(lambda _: said, transient=transient)
    assert type(told) is ServiceUnavailableError
    assert f"answered with {said.status}" in str(told)
    assert "declared transient" in str(told)
    again = Said(said.body, said.status, {"Retry-After": "3"})
    assert getattr(await error_of(lambda _: again, transient=transient), "retry_after", None) == 3


@pytest.mark.anyio
async def test_no_content_is_no_empty_body_and_a_list_is_none_either() -> None:
    assert await read(lambda _: Said("", 204), transient=("empty",)) == []
    assert await read(lambda _: Said("[]"), transient=("empty",)) == []


@pytest.mark.anyio
async def test_what_passes_is_tried_again_until_it_has_passed() -> None:
    answers = iter([Said('{"error": "busy"}'), Said("{}", 409), Said('{"items": [{"id": 1}]}')])
    resource = Resource("/things", "items", error=BodyError("error", raises="transient"), transient=(409,))
    with serving(lambda _: next(answers)) as server:
        connector = protect(
            RestConnector(RestConfig(server.url, {"things": resource})),
            Resilience(retry=Retry(attempts=3, first_wait=0.001, max_wait=0.001)),
        )
        await connector.connect()
        pages = [page async for page in connector.fetch_data("things")]
        await connector.disconnect()
    assert [page.records for page in pages] == [[{"id": 1}]]


LIMITS = {
    "GitHub, secondary": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
    "GitHub, before": "You have triggered an abuse detection mechanism. Please wait a few minutes.",
    "GitHub, primary": "API rate limit exceeded for user ID 1.",
    "Google": '{"error": {"errors": [{"reason": "rateLimitExceeded"}]}}',
    "Google, quota": '{"error": {"errors": [{"reason": "quotaExceeded"}]}}',
    "Salesforce": '[{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}]',
    "a gateway": "Too Many Requests",
    "AWS": '{"message": "Request was throttled."}',
}


@pytest.mark.anyio
@pytest.mark.parametrize("limit", LIMITS)
async def test_a_403_whose_body_tells_of_a_limit_is_waited_out_for_a_minute(limit: str) -> None:
    told = await error_of(lambda _: Said(LIMITS[limit], 403))
    assert isinstance(told, RateLimitError)
    assert told.retry_after == 60
    assert "so 60 s are waited" in str(told)
    told = await error_of(lambda _: Said(LIMITS[limit], 403, {"Retry-After": "7"}))
    assert getattr(told, "retry_after", None) == 7


@pytest.mark.anyio
@pytest.mark.parametrize(
    "said",
    [
        "Resource not accessible by integration",
        "Your plan has no access to this endpoint; see the rate limits of other plans.",
        "This account is limited to reading. Requests need the scope orders:read.",
        "",
    ],
)
async def test_a_403_that_tells_of_no_limit_is_a_lack_of_permission(said: str) -> None:
    assert type(await error_of(lambda _: Said(said, 403))) is PermissionDeniedError


@pytest.mark.anyio
async def test_a_403_without_quota_left_is_waited_out_until_the_quota_is_there_again() -> None:
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "30"}
    assert getattr(await error_of(lambda _: Said("", 403, headers)), "retry_after", None) == 30
    del headers["X-RateLimit-Reset"]
    assert getattr(await error_of(lambda _: Said("", 403, headers)), "retry_after", None) == 60


FORGOTTEN = [400, 404, 410, 422]


@pytest.mark.anyio
@pytest.mark.parametrize("status", FORGOTTEN)
async def test_the_first_request_of_a_read_that_goes_on_finds_its_cursor_forgotten(status: int) -> None:
    told = await error_of(lambda _: Said("no such cursor", status), pagination=CursorField(), cursor="c1")
    assert isinstance(told, CursorExpiredError)
    assert "it said 'no such cursor'" in str(told)
    assert told.cursor == "c1"


@pytest.mark.anyio
@pytest.mark.parametrize("status", FORGOTTEN)
async def test_a_refusal_without_a_cursor_or_further_on_is_one_of_the_request(status: int) -> None:
    """Of these statuses 410 alone says that something was there and no longer is."""

    def answering(asked: Asked) -> Said:
        if asked.params.get("cursor") == "c1":
            return Said('{"items": [{"id": 1}], "next_cursor": "c2"}')
        return Said("", status)

    options: dict[str, Any] = {"pagination": CursorField(), "records": "items"}
    assert type(await error_of(answering, **options)) is RequestRejectedError
    told = await error_of(answering, cursor="c1", **options)
    assert type(told) is (CursorExpiredError if status == 410 else RequestRejectedError)


@pytest.mark.anyio
@pytest.mark.parametrize("status", [401, 403, 409])
async def test_other_refusals_of_a_read_that_goes_on_say_nothing_of_its_cursor(status: int) -> None:
    told = await error_of(lambda _: Said("", status), pagination=CursorField(), cursor="c1")
    assert not isinstance(told, CursorExpiredError)


ROWS = [{"id": number, "at": f"2024-01-0{number}T00:00:00Z"} for number in range(1, 7)]


class Forgetful:
    """Serves six rows, two a page. Down at the third page, until it begins again; then it knows no cursor of before."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.restarted = False

    def __call__(self, asked: Asked) -> Said:
        """Answer a request."""
        sent = asked.params.get("cursor", "0")
        if self.restarted and sent.endswith("-old"):
            return Said("no such cursor", self.status)
        start = int(sent.partition("-")[0])
        if start == 4 and not self.restarted:
            return Said("", 500)
        following = None if start == 4 else f"{start + 2}-{'new' if self.restarted else 'old'}"
        return Said(json.dumps({"items": ROWS[start : start + 2], "next_cursor": following}))


@pytest.mark.anyio
@pytest.mark.parametrize("status", FORGOTTEN)
@pytest.mark.parametrize("mode", ["upsert", "replace", "append"])
async def test_a_run_whose_stored_cursor_is_forgotten_begins_anew_or_says_what_helps(
    status: int, mode: Any
) -> None:
    resource = Resource(
        "/things",
        "items",
        pagination=CursorField(),
        primary_key="id",
        replication_key="at",
        since_param="since",
        incremental="since",
    )
    destination, answering = MemoryDestination(), Forgetful(status)
    with serving(answering) as server:
        config = RestConfig(server.url, {"things": resource})
        first = await sync(RestConnector(config), destination, mode=mode)
        assert not first.complete
        answering.restarted = True
        second = await sync(RestConnector(config), destination, mode=mode)
    stored: Sequence[Any] = sorted(row["id"] for row in destination.rows("things"))
    if mode == "append":
        assert stored == [1, 2, 3, 4]
        error = str(second.entities[0].error)
        assert "`connector-kit state reset DESTINATION things`" in error
        assert "`--mode replace`" in error
    else:
        assert second.complete, second
        assert stored == [1, 2, 3, 4, 5, 6]
        assert any("begun anew" in note for note in second.entities[0].notes)


@pytest.mark.anyio
@pytest.mark.parametrize("status", [301, 302, 303])
async def test_a_redirect_that_would_take_the_body_away_is_refused(status: int) -> None:
    told = await error_of(lambda _: Said("", status, {"Location": "/v2"}), body={"filter": "open"})
    assert isinstance(told, RequestRejectedError)
    assert f"POST /things was answered with {status}" in str(told)


@pytest.mark.anyio
@pytest.mark.parametrize("status", [307, 308])
async def test_a_redirect_that_keeps_the_body_is_followed(status: int) -> None:
    def answering(asked: Asked) -> Said:
        if asked.path == "/things":
            return Said("", status, {"Location": "/v2"})
        return Said(json.dumps([{"method": asked.method, "body": json.loads(asked.body)}]))

    [page] = await read(answering, body={"filter": "open"}, pagination=NoPagination())
    assert page.records == [{"method": "POST", "body": {"filter": "open"}}]


def test_a_body_is_sent_as_json_unless_the_config_says_what_it_is() -> None:
    async def types(**headers: str) -> list[str]:
        with serving(lambda _: Said()) as server:
            config = RestConfig(server.url, {"things": Resource("/things", body={})}, headers=headers)
            connector = RestConnector(config)
            await connector.connect()
            assert [page async for page in connector.fetch_data("things")] == []
            await connector.disconnect()
            return [asked.headers["content-type"] for asked in server.asked]

    assert anyio.run(types) == ["application/json"]
    assert anyio.run(lambda: types(**{"content-type": "application/vnd.api+json"})) == [
        "application/vnd.api+json"
    ]
