"""No credential leaves the origin, and none is shown: not in a message, a repr, a traceback, a log line or a cursor."""

from __future__ import annotations

import base64
import json
import logging
import traceback
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest
from rest_server import Asked, Said, serving

from connector_kit.config.auth import ApiKey, Auth, Basic, Bearer
from connector_kit.connectors.rest import LinkHeader, NextUrl, Resource, RestConfig, RestConnector
from connector_kit.errors import ConfigError, ConnectorError
from connector_kit.redaction import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "pl4nted/s3cret+%&\"'=="
PAIR = base64.b64encode(f"me:{SECRET}".encode()).decode()
SHAPES = (SECRET, quote(SECRET), quote(SECRET, safe=""), PAIR, json.dumps(SECRET)[1:-1], "pl4nted")

AUTHS: dict[str, Auth] = {
    "header": ApiKey(Secret(SECRET)),
    "query": ApiKey(Secret(SECRET), name="key", place="query"),
    "basic": Basic("me", Secret(SECRET)),
    "bearer": Bearer(Secret(SECRET)),
}


def echoing(status: int) -> Callable[[Asked], Said]:
    """Answer with everything that was asked, as a server does that explains itself too well."""

    def answering(asked: Asked) -> Said:
        seen = [asked.headers.get("authorization"), asked.headers.get("x-api-key"), asked.params, SECRET]
        told = f"{json.dumps(seen)} {quote(SECRET)} {quote(SECRET, safe='')}"
        return Said(told, status, {"Location": f"http://evil.example/?key={quote(SECRET)}"})

    return answering


FAILURES: dict[str, Callable[[Asked], Said]] = {
    **{str(status): echoing(status) for status in (200, 302, 400, 401, 403, 404, 410, 429, 500)},
    "cut": lambda _: Said(SECRET, declared=1000),
    "cut, no length": lambda _: Said(f'["{SECRET}', declared=-1),
    "no HTTP": lambda _: Said(headers={"Broken": f"\r\n\x00{SECRET}"}),
    "no records": lambda _: Said(json.dumps({"things": SECRET})),
    "next on another host": lambda _: Said(
        json.dumps({"things": [], "next": f"http://x/?key={quote(SECRET)}"})
    ),
    "next is no URL": lambda _: Said(json.dumps({"things": [], "next": f"http://[{SECRET}"})),
    "next is no text": lambda _: Said(json.dumps({"things": [], "next": {"a": SECRET}})),
}


async def failure_of(connector: RestConnector) -> ConnectorError:
    """Read until it fails."""
    await connector.connect()
    try:
        with pytest.raises(ConnectorError) as caught:
            _ = [page async for page in connector.fetch_data("things")]
    finally:
        await connector.disconnect()
    return caught.value


@pytest.mark.anyio
@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("kind", AUTHS)
async def test_no_failure_shows_a_credential(
    kind: str, failure: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(FAILURES[failure]) as server:
        resource = Resource("/things", "things", pagination=NextUrl())
        connector = RestConnector(RestConfig(server.url, {"things": resource}, auth=AUTHS[kind]))
        error = await failure_of(connector)
        assert server.asked
    shown = [
        "".join(traceback.format_exception(error)),
        repr(error),
        str(error),
        repr(connector.config),
        repr(connector),
        # What httpcore2 logs at DEBUG has the server's own headers, which no client keeps a server from sending.
        *(record.getMessage() for record in caplog.records if not record.name.startswith("httpcore2")),
    ]
    assert [(shape, text) for text in shown for shape in SHAPES if shape in text] == []


@pytest.mark.anyio
@pytest.mark.parametrize("kind", AUTHS)
async def test_the_server_gets_the_credential(kind: str) -> None:
    with serving(lambda _: Said()) as server:
        connector = RestConnector(RestConfig(server.url, {"things": Resource("/things")}, auth=AUTHS[kind]))
        await connector.connect()
        assert [page async for page in connector.fetch_data("things")] == []
        await connector.disconnect()
    (asked,) = server.asked
    expected = {
        "header": ("x-api-key", SECRET),
        "basic": ("authorization", f"Basic {PAIR}"),
        "bearer": ("authorization", f"Bearer {SECRET}"),
    }
    if kind == "query":
        assert asked.params == {"key": SECRET}
    else:
        name, value = expected[kind]
        assert asked.headers[name] == value
        assert asked.params == {}


@pytest.mark.anyio
@pytest.mark.parametrize("header", [False, True])
async def test_a_key_that_the_server_echoes_in_the_next_url_is_not_in_the_cursor(*, header: bool) -> None:
    """It is sent again all the same, and once only."""

    def answering(asked: Asked) -> Said:
        last = asked.params.get("page") == "2"
        url = (
            None
            if last
            else f"/things?key={quote(SECRET, safe='')}&page=2&other={quote(SECRET, safe='')}&x=a%20b"
        )
        things = [{"id": asked.params.get("page")}]
        if header:
            return Said(json.dumps(things), headers={"Link": f'<{url}>; rel="next"'} if url else {})
        return Said(json.dumps({"things": things, "next": url}))

    with serving(answering) as server:
        resource = Resource(
            "/things",
            "" if header else "things",
            params={"x": "a b"},
            pagination=LinkHeader() if header else NextUrl(),
        )
        connector = RestConnector(RestConfig(server.url, {"things": resource}, auth=AUTHS["query"]))
        await connector.connect()
        cursors = [page.cursor async for page in connector.fetch_data("things")]
        await connector.disconnect()
    assert cursors == ["/things?page=2&x=a%20b", None]
    assert [asked.params for asked in server.asked] == [
        {"x": "a b", "key": SECRET},
        {"page": "2", "x": "a b", "key": SECRET},
    ]


@pytest.mark.anyio
async def test_a_parameter_that_only_looks_like_a_short_credential_stays() -> None:
    """A password may be "2"; page=2 is not it."""
    body = json.dumps({"things": [{"id": 1}], "next": "/things?page=2"})
    with serving(lambda asked: Said('{"things": []}' if asked.params else body)) as server:
        resource = Resource("/things", "things", pagination=NextUrl())
        config = RestConfig(
            server.url, {"things": resource}, auth=Basic("me", Secret("2")), headers={"X-Version": "2"}
        )
        connector = RestConnector(config)
        await connector.connect()
        cursors = [page.cursor async for page in connector.fetch_data("things")]
        await connector.disconnect()
    assert cursors == ["/things?page=2"]


@pytest.mark.anyio
@pytest.mark.parametrize("secret", ["line\nend", "tab\x00", "ünicode", ""])
async def test_a_token_that_cannot_stand_in_a_header_is_a_problem_of_the_config(secret: str) -> None:
    """A line end at the end of a token from a file is the usual one; HTTP libraries show the token in their errors."""
    config = RestConfig("http://127.0.0.1:1", {"things": Resource("/things")}, auth=ApiKey(Secret(secret)))
    with pytest.raises(ConfigError) as caught:
        await RestConnector(config).connect()
    assert [problem.path for problem in caught.value.problems] == ["auth"]
    assert not secret or secret not in "".join(traceback.format_exception(caught.value))


def test_a_config_does_not_show_the_values_of_its_headers() -> None:
    config = RestConfig("https://me:pl4nted@x.example", {}, headers={"X-Token": "pl4nted"})
    assert "pl4nted" not in repr(config)
    assert "X-Token" in repr(config)
    assert "pl4nted" not in repr(config.origin)


def test_the_key_is_added_to_targets_with_and_without_a_query() -> None:
    credentials = RestConfig("https://x.example", {}, auth=AUTHS["query"]).origin.credentials
    added = f"key={quote_plus(SECRET)}"
    assert credentials.target("/a") == f"/a?{added}"
    assert credentials.target("/a?b=c") == f"/a?b=c&{added}"
    assert RestConfig("https://x.example", {}).origin.credentials.target("/a") == "/a"
