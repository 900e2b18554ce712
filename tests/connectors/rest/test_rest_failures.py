"""What a server may do wrong, and the error each comes to."""

from __future__ import annotations

import json
import socket
import traceback
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from rest_server import Answering, Asked, Said, serving, speaking

from connector_kit.config.auth import Bearer
from connector_kit.connectors.rest import (
    CursorField,
    LastRecord,
    LinkHeader,
    NextUrl,
    Offset,
    PageNumber,
    Pagination,
    Resource,
    RestConfig,
    RestConnector,
)
from connector_kit.errors import (
    AuthenticationError,
    ConnectionFailedError,
    ConnectorError,
    CursorExpiredError,
    PermissionDeniedError,
    RateLimitError,
    RepeatedCursorError,
    RequestRejectedError,
    SchemaMismatchError,
    ServiceUnavailableError,
    TimedOutError,
)
from connector_kit.records.page import Cursor, Page, Quota
from connector_kit.redaction import Secret

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


@asynccontextmanager
async def connected(answering: Answering | str, **options: Any) -> AsyncGenerator[RestConnector]:
    """Connect to a server that answers like this (or to a URL) with one resource, `/things`."""
    if isinstance(answering, str):
        config = RestConfig(answering, {"things": Resource("/things", **options)})
        connector = RestConnector(config)
        await connector.connect()
        try:
            yield connector
        finally:
            await connector.disconnect()
    else:
        with serving(answering) as server:
            async with connected(server.url, **options) as connector:
                yield connector


async def read(connector: RestConnector, cursor: Cursor = None) -> list[Page]:
    return [page async for page in connector.fetch_data("things", cursor=cursor)]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("said", "cls", "words"),
    [
        (Said("no", 401), AuthenticationError, "does not accept a request without credentials; it said 'no'"),
        (Said("no", 403), PermissionDeniedError, "may not read this; it said 'no'"),
        (Said("", 403, {"X-RateLimit-Remaining": "0"}), RateLimitError, "quota is used up"),
        (Said("", 403, {"Retry-After": "60"}), RateLimitError, "come back in 60 s"),
        (Said("", 403, {"X-RateLimit-Remaining": "1"}), PermissionDeniedError, "ask for the permission"),
        (Said("nope", 404), RequestRejectedError, "look at base_url and the resource's path"),
        (
            Said("", 400),
            RequestRejectedError,
            "400 Bad Request; expected records; look at the resource's path and",
        ),
        (Said("", 410), RequestRejectedError, "410 Gone"),
        (Said("", 408), TimedOutError, "408 Request Timeout"),
        (Said("", 425), ServiceUnavailableError, "425 Too Early"),
        (Said("", 429), RateLimitError, "429 Too Many Requests: the quota is used up; lower resilience.rate"),
        (Said("", 500), ServiceUnavailableError, "500 Internal Server Error; expected records"),
        (Said("x" * 300, 503), ServiceUnavailableError, "x" * 200 + "…"),
        (Said("", 599), ServiceUnavailableError, "answered with 599; expected"),
        (Said("", 304), RequestRejectedError, "304 Not Modified"),
        (Said("", 302), RequestRejectedError, "302 Found"),
    ],
    ids=lambda given: str(given.status) if isinstance(given, Said) else "",
)
async def test_a_status_comes_to_an_error_of_its_class(
    said: Said, cls: type[ConnectorError], words: str
) -> None:
    async with connected(lambda _: said) as connector:
        with pytest.raises(ConnectorError) as caught:
            await read(connector)
    assert type(caught.value) is cls
    assert words in str(caught.value)
    assert "GET /things was answered with" in str(caught.value)
    assert (caught.value.operation, caught.value.entity) == ("fetch_data", "things")


@pytest.mark.anyio
@pytest.mark.parametrize(("status", "cls"), [(429, RateLimitError), (503, ServiceUnavailableError)])
async def test_a_refusal_carries_the_seconds_to_wait(status: int, cls: type[ConnectorError]) -> None:
    async with connected(lambda _: Said("", status, {"Retry-After": "17"})) as connector:
        with pytest.raises(cls) as caught:
            await read(connector)
    assert getattr(caught.value, "retry_after", None) == 17


@pytest.mark.anyio
async def test_a_page_tells_of_the_quota() -> None:
    headers = {"RateLimit-Limit": "50", "RateLimit-Remaining": "7", "RateLimit-Reset": "1"}
    async with connected(lambda _: Said('[{"id": 1}]', headers=headers)) as connector:
        (page,) = await read(connector)
    assert page.quota == Quota(50, 7, 1.0)


@pytest.mark.anyio
async def test_gone_means_an_expired_cursor_where_one_was_sent() -> None:
    async with connected(lambda _: Said("", 410), pagination=CursorField()) as connector:
        with pytest.raises(CursorExpiredError, match="no longer known") as caught:
            await read(connector, "c17")
    assert caught.value.cursor == "c17"


@pytest.mark.anyio
async def test_no_content_is_no_records() -> None:
    async with connected(lambda _: Said("", 204), records="data") as connector:
        assert await read(connector) == []


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("said", "where", "words"),
    [
        (
            Said("<html>hello", headers={"Content-Type": "text/html"}),
            "",
            "(text/html): expecting value at byte 0 (line 1, column 1), beginning '<html>hello'",
        ),
        (Said(""), "", "a body that is no JSON (application/json): it ends too early at byte 0"),
        (Said('[{"id": 1}, {"id"'), "", "it ends too early at byte 17 (line 1, column 18), beginning '[{"),
        (Said('[\n  {"id": 1 "n": 2}]'), "", "expecting ',' delimiter at byte 13 (line 2, column 12)"),
        (Said(b'["\xff"]'), "", "no UTF-8 at byte 2"),
        (Said("[" * 100_000), "", "nested too deeply"),
        (Said('{"items": []}'), "data", "with nothing at 'data'; it has items, beginning '{\"items\": []}'"),
        (Said('{"data": {"items": []}}'), "data", "with an object at 'data'"),
        (Said('{"items": null, "error": "busy"}'), "items", "with null at 'items'; it has error, items"),
        (Said('{"next_cursor": null, "errors": ["busy"]}'), "items", "with nothing at 'items'"),
        (Said("{}"), "items", "(or records_optional, where an empty list is left out)"),
        (Said('"text"'), "0", "nothing at '0'"),
        (Said("[7]"), "", "with a number among the records"),
        (Said("[[1]]"), "/0", "with a number among the records"),
        (Said("[[1]]"), "/1", "nothing at '/1'"),
    ],
)
async def test_a_body_without_records_is_told_by_how_it_begins(said: Said, where: str, words: str) -> None:
    async with connected(lambda _: said, records=where) as connector:
        with pytest.raises(SchemaMismatchError) as caught:
            await read(connector)
    assert words in str(caught.value)
    assert "GET /things" in str(caught.value)


@pytest.mark.anyio
async def test_a_byte_order_mark_is_no_harm() -> None:
    async with connected(lambda _: Said(b'\xef\xbb\xbf[{"id": 1}]')) as connector:
        assert [page.records for page in await read(connector)] == [[{"id": 1}]]


@pytest.mark.anyio
async def test_a_body_that_is_cut_is_a_broken_connection() -> None:
    async with connected(lambda _: Said('[{"id": 1}]', declared=100)) as connector:
        with pytest.raises(
            ConnectionFailedError, match="broke before the answer to GET /things was complete"
        ):
            await read(connector)


@pytest.mark.anyio
async def test_a_body_that_is_cut_is_a_broken_connection_also_without_a_declared_length() -> None:
    async with connected(lambda _: Said('[{"id": 1}, {"id"', declared=-1)) as connector:
        with pytest.raises(ConnectionFailedError, match="ended in the middle of its body, after 17 bytes"):
            await read(connector)


@pytest.mark.anyio
async def test_a_body_that_cannot_be_unpacked_is_a_broken_connection() -> None:
    async with connected(lambda _: Said("[]", headers={"Content-Encoding": "gzip"})) as connector:
        with pytest.raises(ConnectionFailedError, match="broke before"):
            await read(connector)


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
NO_ANSWERS = {
    "nothing": b"",
    "another protocol": b"SSH-2.0-pl4nted\r\n\r\n",
    "no status": b"HTTP/1.1 pl4nted OK\r\n\r\n[]",
    "half a head": OK + b"X-Echo: pl4nted\r\nConte",
    "no header": OK + b"pl4nted\r\n\r\n[]",
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n[]",
    "half a body": OK + b'Content-Length: 20\r\n\r\n["pl4nted"',
    "half a chunk": CHUNKED + b'a\r\n["pl4nted',
    "no last chunk": CHUNKED + b"2\r\n[]\r\n",
    "no chunk": CHUNKED + b"pl4nted\r\n[]\r\n0\r\n\r\n",
    "no gzip": OK + b"Content-Encoding: gzip\r\nContent-Length: 7\r\n\r\npl4nted",
    "no deflate": OK + b"Content-Encoding: deflate\r\nContent-Length: 7\r\n\r\npl4nted",
}


@pytest.mark.anyio
@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("sent", NO_ANSWERS)
async def test_what_is_no_whole_answer_is_a_broken_connection(sent: str, *, reset: bool) -> None:
    """Whether the server hangs up or resets the connection; and what it sent is not in the traceback."""
    with speaking(NO_ANSWERS[sent], reset=reset) as url:
        async with connected(url) as connector:
            with pytest.raises(
                ConnectionFailedError, match="broke before the answer to GET /things"
            ) as caught:
                await read(connector)
    assert "pl4nted" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.anyio
async def test_a_name_that_nobody_has_is_an_unreachable_host() -> None:
    async with connected("http://nowhere.invalid") as connector:
        with pytest.raises(ConnectionFailedError, match=r"cannot connect to nowhere\.invalid:80: "):
            await read(connector)


@pytest.mark.anyio
async def test_a_server_that_speaks_no_tls_is_an_unreachable_one() -> None:
    with speaking(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        async with connected(url.replace("http", "https")) as connector:
            with pytest.raises(ConnectionFailedError, match=r"cannot connect to .*SSL"):
                await read(connector)


@pytest.mark.anyio
async def test_an_unreachable_host_is_named_with_its_port() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        async with connected(f"http://127.0.0.1:{port}") as connector:
            with pytest.raises(ConnectionFailedError) as caught:
                await read(connector)
    assert f"cannot connect to 127.0.0.1:{port}" in str(caught.value)
    assert "host and port of base_url" in str(caught.value)


@pytest.mark.anyio
async def test_a_host_that_does_not_answer_is_given_up_after_the_connect_timeout() -> None:
    """A listener whose queue is full lets the next one wait, as a host behind a firewall does."""
    with socket.socket() as deaf, socket.socket() as first, socket.socket() as second:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for caller in (first, second):
            caller.setblocking(False)
            caller.connect_ex(deaf.getsockname())
        port = deaf.getsockname()[1]
        config = RestConfig(f"http://127.0.0.1:{port}", {"things": Resource("/things")}, connect_timeout=0.05)
        connector = RestConnector(config)
        await connector.connect()
        with pytest.raises(TimedOutError, match=f"no connection to 127.0.0.1:{port} within 0.05 s"):
            await read(connector)
        await connector.disconnect()


@pytest.mark.anyio
async def test_an_ipv6_address_is_shown_as_urls_have_it() -> None:
    async with connected("http://[::1]:1") as connector:
        with pytest.raises(ConnectionFailedError, match=r"cannot connect to \[::1\]:1"):
            await read(connector)


@pytest.mark.anyio
async def test_a_read_before_connect_says_so() -> None:
    connector = RestConnector(RestConfig("http://127.0.0.1:1", {"things": Resource("/things")}))
    with pytest.raises(ConnectionFailedError, match=r"call connect\(\) first"):
        await read(connector)


@pytest.mark.anyio
async def test_a_redirect_on_the_same_origin_is_followed() -> None:
    def answering(asked: Asked) -> Said:
        if asked.path == "/things":
            return Said("", 301, {"Location": f"/v2{asked.path}?x=1"})
        return Said(json.dumps([{"path": asked.path, "x": asked.params["x"]}]))

    async with connected(answering) as connector:
        (page,) = await read(connector)
    assert page.records == [{"path": "/v2/things", "x": "1"}]


@pytest.mark.anyio
async def test_a_redirect_in_circles_ends() -> None:
    async with connected(lambda _: Said("", 307, {"Location": "/things"})) as connector:
        with pytest.raises(RequestRejectedError, match="redirected more than 5 times"):
            await read(connector)


ELSEWHERE = ["http://127.0.0.2:{port}/things", "https://127.0.0.1:{port}/things", "//evil.example/things"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "url", [*ELSEWHERE, "http://127.0.0.1:{port}@evil.example/things", "ftp://127.0.0.1/x"]
)
@pytest.mark.parametrize("way", ["redirect", "body", "header"])
async def test_nothing_leads_to_another_origin(url: str, way: str) -> None:
    """Neither a redirect nor the URL of the next page: the credentials would go there."""

    def answering(asked: Asked) -> Said:
        there = url.format(port=asked.headers["host"].partition(":")[2])
        match way:
            case "redirect":
                return Said("", 302, {"Location": there})
            case "header":
                return Said('[{"id": 1}]', headers={"Link": f'<{there}>; rel="next"'})
            case _:
                return Said(json.dumps({"things": [{"id": 1}], "next": there}))

    style: Pagination = LinkHeader() if way == "header" else NextUrl()
    with serving(answering) as server:
        where = "things" if way == "body" else ""
        async with connected(server.url, pagination=style, records=where) as connector:
            with pytest.raises(RequestRejectedError, match="credentials are not sent to another origin"):
                await read(connector)
        assert len(server.asked) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("url", ["http://[oops/things", "http://127.0.0.1:port/things"])
async def test_a_next_url_that_is_none_is_refused(url: str) -> None:
    body = json.dumps({"things": [], "next": url})
    async with connected(lambda _: Said(body), pagination=NextUrl(), records="things") as connector:
        with pytest.raises(RequestRejectedError, match="something that is no URL"):
            await read(connector)


@pytest.mark.anyio
async def test_a_target_that_cannot_be_sent_is_refused() -> None:
    async with connected(lambda _: Said(), pagination=NextUrl()) as connector:
        with pytest.raises(RequestRejectedError, match="cannot be sent"):
            await read(connector, "/things?\x00")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("style", "body"),
    [
        (CursorField(), {"data": [{"id": 1}], "next_cursor": "c1"}),
        (NextUrl(), {"data": [{"id": 1}], "next": "/things?from=1"}),
        (LastRecord(), {"data": [{"id": 1}]}),
    ],
    ids=lambda given: getattr(given, "type", ""),
)
async def test_a_page_that_leads_back_to_itself_ends_the_read(
    style: Pagination, body: dict[str, Any]
) -> None:
    """Law 6: a server that gives the same cursor for ever is an error, not an endless loop."""
    async with connected(lambda _: Said(json.dumps(body)), pagination=style, records="data") as connector:
        with pytest.raises(RepeatedCursorError) as caught:
            await read(connector)
    assert (caught.value.operation, caught.value.entity) == ("fetch_data", "things")


@pytest.mark.anyio
@pytest.mark.parametrize("style", [Offset(), PageNumber()], ids=lambda style: style.type)
async def test_a_server_that_does_not_know_the_parameter_ends_the_read(style: Pagination) -> None:
    """Counted cursors always grow; the same page again and again shows in its records."""
    answer = Said('[{"id": 1}, {"id": 2}]')
    async with connected(lambda _: answer, pagination=style, primary_key="id") as connector:
        with pytest.raises(RepeatedCursorError, match="does the server know the parameters"):
            await read(connector)


@pytest.mark.anyio
async def test_an_empty_page_in_the_middle_is_gone_past() -> None:
    """Servers that filter after they have cut pages answer so."""
    bodies = {"": ([], "/things?p=2"), "2": ([], "/things?p=3"), "3": ([{"id": 1}], None)}

    def answering(asked: Asked) -> Said:
        records, following = bodies[asked.params.get("p", "")]
        return Said(json.dumps({"data": records, "next": following}))

    async with connected(answering, pagination=NextUrl(), records="data", primary_key="id") as connector:
        pages = await read(connector)
    assert [(page.records, page.cursor) for page in pages] == [
        ([], "/things?p=2"),
        ([], "/things?p=3"),
        ([{"id": 1}], None),
    ]


@pytest.mark.anyio
async def test_credentials_are_named_in_a_refusal() -> None:
    with serving(lambda _: Said("", 401)) as server:
        config = RestConfig(server.url, {"things": Resource("/things")}, auth=Bearer(Secret("wrong-token")))
        connector = RestConnector(config)
        await connector.connect()
        with pytest.raises(AuthenticationError, match="does not accept the bearer token"):
            await read(connector)
        await connector.disconnect()
