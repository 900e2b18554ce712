"""The proxy on the wire: what it passes on, how it lets requests fail, and which links it makes lead through itself."""

from __future__ import annotations

import http.client
import json
import threading
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio
import pytest
from rest_server import Asked, Said, TableApi, serving

from connector_kit.connectors.rest import LinkHeader, NextUrl, Resource, RestConfig, RestConnector
from connector_kit.errors import (
    ConfigError,
    ConnectionFailedError,
    ConnectorError,
    RateLimitError,
    ServiceUnavailableError,
)
from connector_kit.runtime.session import stream
from connector_kit.testing.conformance.http_proxy import HttpProxy, LinkRewriting
from connector_kit.testing.conformance.wire import Answer, CutOff, Hold, Reset, Trickle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_kit.connectors.rest import Pagination
    from connector_kit.testing.conformance.wire import Wire, WireFault

THINGS = [{"id": number, "at": f"2024-01-01T00:0{number}:00Z"} for number in range(7)]


class Echo(BaseHTTPRequestHandler):
    """Answers any request with what it was."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        echo = {
            "method": self.command,
            "target": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": body.decode(),
        }
        said = b"" if self.path == "/nothing" else json.dumps(echo).encode()
        self.send_response(204 if self.path == "/nothing" else 200, "Fine")
        self.send_header("Content-Type", "application/json")
        self.send_header("Set-Cookie", "a=1")
        self.send_header("Set-Cookie", "b=2")
        if said:
            self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said)

    do_GET = do_HEAD = do_POST = do_DELETE = answer  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name http.server has
        pass


@contextmanager
def echoing() -> Iterator[str]:
    """Run a server that echoes, and give its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def asking(proxy: HttpProxy) -> Iterator[http.client.HTTPConnection]:
    parts = urlsplit(proxy.url)
    with closing(http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)) as connection:
        yield connection


def get(proxy: HttpProxy, path: str = "/things") -> tuple[int, dict[str, str], Any]:
    with asking(proxy) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, headers, json.loads(answer.read())


def test_passes_on_method_path_query_headers_and_body() -> None:
    with echoing() as url, HttpProxy(url) as proxy, asking(proxy) as connection:
        connection.request("POST", "/a%20b?x=1&y=%2F", body=b"hello", headers={"X-Mine": "yes"})
        answer = connection.getresponse()
        echo = json.loads(answer.read())
        assert (answer.status, answer.reason) == (200, "Fine")
        assert answer.headers.get_all("set-cookie") == ["a=1", "b=2"]
        assert (echo["method"], echo["target"], echo["body"]) == ("POST", "/a%20b?x=1&y=%2F", "hello")
        assert echo["headers"]["x-mine"] == "yes"
        assert echo["headers"]["host"] == urlsplit(url).netloc
        assert echo["headers"]["accept-encoding"] == "identity"
        assert proxy.requests == 1


def test_passes_on_a_chunked_request_body() -> None:
    with echoing() as url, HttpProxy(url) as proxy, asking(proxy) as connection:
        connection.request("POST", "/", body=iter([b"hel", b"lo"]), encode_chunked=True)
        assert json.loads(connection.getresponse().read())["body"] == "hello"


def test_passes_on_answers_without_a_body() -> None:
    with echoing() as url, HttpProxy(url) as proxy, asking(proxy) as connection:
        connection.request("HEAD", "/")
        assert connection.getresponse().read() == b""
        connection.request("DELETE", "/nothing")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (204, b"")
        connection.request("GET", "/")
        assert json.loads(connection.getresponse().read())["method"] == "GET"


def test_its_url_has_the_path_of_the_apis() -> None:
    with echoing() as url, HttpProxy(f"{url}/v1") as proxy:
        assert urlsplit(proxy.url).path == "/v1"
        assert get(proxy, "/v1/things")[2]["target"] == "/v1/things"


def test_requests_fail_as_planned_one_after_the_other() -> None:
    with serving(lambda _: Said("[1, 2, 3, 4]")) as server, HttpProxy(server.url) as proxy:
        proxy.fail([Answer(429, retry_after=1.5), None, Answer(599)])
        status, headers, body = get(proxy)
        assert (status, headers["retry-after"], body["error"]["status"]) == (429, "2", 429)
        assert get(proxy)[2] == [1, 2, 3, 4]
        status, headers, _ = get(proxy)
        assert (status, "retry-after" in headers) == (599, False)
        assert get(proxy)[0] == 200
        assert proxy.requests == 4
        assert len(server.asked) == 2


def test_a_refused_head_has_no_body() -> None:
    with echoing() as url, HttpProxy(url) as proxy, asking(proxy) as connection:
        proxy.fail([Answer(503)])
        connection.request("HEAD", "/")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (503, b"")


@pytest.mark.parametrize("body", ["[1, 2, 3, 4]", ""])
def test_a_body_is_cut_off_in_the_middle(body: str) -> None:
    with serving(lambda _: Said(body)) as server, HttpProxy(server.url) as proxy, asking(proxy) as connection:
        proxy.fail([CutOff()])
        connection.request("GET", "/")
        with pytest.raises(http.client.IncompleteRead) as raised:
            connection.getresponse().read()
        assert raised.value.partial.decode() == body[: len(body) // 2]


def test_a_connection_is_reset_before_anything_is_answered() -> None:
    with serving(lambda _: Said()) as server, HttpProxy(server.url) as proxy:
        proxy.fail([Reset()])
        with asking(proxy) as connection:
            connection.request("GET", "/")
            with pytest.raises(ConnectionResetError):
                connection.getresponse()
        assert server.asked == []
        assert get(proxy)[0] == 200


def test_a_held_answer_comes_whole() -> None:
    with serving(lambda _: Said("[1]")) as server, HttpProxy(server.url) as proxy:
        proxy.fail([Hold(0.05)])
        assert get(proxy)[2] == [1]


def test_nobody_waits_for_a_held_answer_once_the_proxy_stops() -> None:
    with (
        serving(lambda _: Said("[1]")) as server,
        HttpProxy(server.url) as proxy,
        asking(proxy) as connection,
    ):
        proxy.fail([Hold(3600)])
        connection.request("GET", "/")
        while proxy.requests == 0:
            threading.Event().wait(0.001)


@pytest.mark.parametrize("records", [3, 1000])
def test_a_trickled_answer_is_whole(records: int) -> None:
    body = json.dumps(list(range(records)))
    with serving(lambda _: Said(body)) as server, HttpProxy(server.url) as proxy:
        proxy.fail([Trickle()])
        assert get(proxy)[2] == list(range(records))


def test_a_new_plan_takes_the_place_of_the_old_one() -> None:
    with serving(lambda _: Said()) as server, HttpProxy(server.url) as proxy:
        proxy.fail([Answer(500), Answer(500)])
        proxy.fail(())
        assert get(proxy)[0] == 200


def test_an_api_that_cannot_be_reached_is_a_502() -> None:
    with serving(lambda _: Said()) as server:
        url = server.url
    with HttpProxy(url) as proxy:
        status, _, body = get(proxy)
        assert status == 502
        assert "gave no answer" in body["error"]["message"]


def test_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    with serving(lambda _: Said()) as server:
        with HttpProxy(server.url) as proxy, asking(proxy) as connection:
            connection.request("GET", "/")
            connection.getresponse().read()
        server.wait_until_closed()
    assert threading.active_count() <= before


@pytest.mark.parametrize("url", ["api.example.com", "ftp://api.example.com", "http://"])
def test_a_proxy_to_no_http_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="expected an http or https URL"):
        HttpProxy(url)


def test_it_has_a_url_only_while_it_runs() -> None:
    with pytest.raises(ConfigError, match="not running"):
        _ = HttpProxy("http://127.0.0.1:1").url


@pytest.mark.parametrize(
    ("text", "rewritten"),
    [
        ("https://api.example.com/v1?x=1", "http://here/v1?x=1"),
        ("HTTPS://API.example.com:443/v1", "http://here/v1"),
        ("https://api.example.com", "http://here"),
        (r"https:\/\/api.example.com\/v1", r"http://here\/v1"),
        ("https://api.example.com.evil/", None),
        ("https://api.example.com:8443/", None),
        ("http://api.example.com/", None),
        ("https://user@api.example.com/", None),
        ("/v1?next=2", None),
    ],
)
def test_the_origin_and_only_the_origin_is_rewritten(text: str, rewritten: str | None) -> None:
    links = LinkRewriting("https://api.example.com", "http://here")
    wanted = text if rewritten is None else rewritten
    assert links.header("Location", text) == wanted
    assert links.header("Link", f'<{text}>; rel="next"') == f'<{wanted}>; rel="next"'
    assert links.header("X-Other", text) == text
    body = f'{{"next": "{text}"}}'.encode()
    assert links.body("application/hal+json; charset=utf-8", body).decode() == f'{{"next": "{wanted}"}}'
    assert links.body("text/html", body) == body


def test_an_origin_with_a_port_or_an_ipv6_address_is_rewritten() -> None:
    links = LinkRewriting("http://[::1]:8080", "http://here")
    assert links.header("Location", "http://[::1]:8080/a") == "http://here/a"
    assert links.header("Location", "http://[::1]/a") == "http://[::1]/a"


def test_a_body_that_is_no_text_stays() -> None:
    links = LinkRewriting("https://api.example.com", "http://here")
    assert (
        links.body("application/json", b"\xff https://api.example.com/") == b"\xff https://api.example.com/"
    )


def test_a_compressed_body_stays() -> None:
    def answering(asked: Asked) -> Said:
        body = json.dumps({"next": f"http://{asked.headers['host']}/2"})
        return Said(body, headers={"Content-Encoding": "strange"})

    with serving(answering) as server, HttpProxy(server.url) as proxy:
        assert get(proxy)[2] == {"next": f"{server.url}/2"}


def rest(url: str, pagination: Pagination) -> RestConnector:
    where = "data.items" if pagination.type == "next_url" else ""
    resource = Resource("/things", where, pagination=pagination, primary_key="id")
    return RestConnector(RestConfig(base_url=url, resources={"things": resource}))


async def read(connector: RestConnector) -> list[Any]:
    await connector.connect()
    try:
        async with stream(connector, "things") as pages:
            return [record["id"] async for record in pages.records()]
    finally:
        await connector.disconnect()


@pytest.mark.anyio
@pytest.mark.parametrize("pagination", [NextUrl(), LinkHeader()])
async def test_every_page_of_the_rest_connector_comes_through_the_proxy(pagination: Pagination) -> None:
    """The API names the next page by its absolute URL."""
    with serving(TableApi(THINGS, pagination.type)) as server, HttpProxy(server.url) as proxy:
        assert await read(rest(proxy.url, pagination)) == list(range(7))
        assert proxy.requests == len(server.asked) == 3


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Answer(429, retry_after=7), RateLimitError),
        (Answer(500), ServiceUnavailableError),
        (Answer(503, retry_after=7), ServiceUnavailableError),
        (CutOff(), ConnectionFailedError),
        (Reset(), ConnectionFailedError),
    ],
)
async def test_the_rest_connector_meets_the_faults(fault: WireFault, error: type[ConnectorError]) -> None:
    with serving(TableApi(THINGS, "next_url")) as server, HttpProxy(server.url) as proxy:
        wire: Wire = proxy
        wire.fail([None, fault])
        with pytest.raises(error) as raised:
            await read(rest(proxy.url, NextUrl()))
        assert getattr(raised.value, "retry_after", None) == getattr(fault, "retry_after", None)
        wire.fail([Trickle(), Hold(0.01)])
        assert await read(rest(proxy.url, NextUrl())) == list(range(7))


@pytest.mark.anyio
async def test_a_held_answer_is_cancelled_as_any_other() -> None:
    with serving(TableApi(THINGS, "next_url")) as server, HttpProxy(server.url) as proxy:
        proxy.fail([Hold(3600)])
        with anyio.move_on_after(0.05) as scope:
            await read(rest(proxy.url, NextUrl()))
        assert scope.cancelled_caught
