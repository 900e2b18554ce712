"""`HttpProxy`: stands between a connector and an HTTP API, on loopback, and lets requests fail as it is told."""

from __future__ import annotations

import json
import math
import re
import socket
import struct
import threading
from collections import deque
from collections.abc import Sequence
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import attrs

from connector_kit.errors import ConfigError

from .wire import Answer, CutOff, Hold, Reset, Trickle

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from .wire import WireFault

__all__ = ["HttpProxy", "LinkRewriting"]


_HEADERS = frozenset({"link", "location", "content-location"})
_PORTS = {"http": 80, "https": 443}


@attrs.frozen
class LinkRewriting:
    r"""Puts one origin (`http://127.0.0.1:8123`) in the place of another (`https://api.example.com`).

    Rewritten are the headers Link, Location and Content-Location, and bodies whose content type names JSON: every
    occurrence of the origin in their text, with or without its default port, with slashes plain or escaped (`\/`), in
    whatever case. An origin is only taken for one where it ends there: at a slash, a quote, `?`, `#`, white space.

    Not rewritten: URLs without scheme or host (they lead through the proxy by themselves), URLs with a user name,
    with the host percent-encoded (as the value of a parameter), or cut in two by JSON's \u escapes; cookies' domains;
    bodies of other types; bodies that are compressed. As records are bodies, too, a URL in a record is rewritten.
    """

    upstream: str
    here: str
    _pattern: re.Pattern[str] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        parts = urlsplit(self.upstream)
        host = parts.hostname or ""
        host = f"[{host}]" if ":" in host else host
        usual = _PORTS.get(parts.scheme)
        port = f"(?::{usual})?" if parts.port in (None, usual) else f":{parts.port}"
        pattern = rf"{re.escape(parts.scheme)}:\\?/\\?/{re.escape(host)}{port}(?=[\\/?#\"'<>;,\s]|$)"
        object.__setattr__(self, "_pattern", re.compile(pattern, re.IGNORECASE))

    def header(self, name: str, value: str) -> str:
        """Return the value of a header."""
        return self._text(value) if name.lower() in _HEADERS else value

    def body(self, content_type: str, body: bytes) -> bytes:
        """Return a body. One that is no UTF-8 stays as it is."""
        if "json" not in content_type.lower():
            return body
        try:
            return self._text(body.decode()).encode()
        except UnicodeDecodeError:
            return body

    def _text(self, text: str) -> str:
        return self._pattern.sub(lambda _: self.here, text)


_OF_ONE_CONNECTION: Final = frozenset(
    [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ]
)
"""Headers that are about one connection, and not passed on (RFC 9110, 7.6.1)."""


@attrs.frozen
class _Reply:
    """What the API answered, as it is passed on."""

    status: int
    reason: str
    headers: Sequence[tuple[str, str]]
    body: bytes


class _Forwarding:
    """Asks the API at `upstream`, with `timeout` seconds for an answer; `origin` is where the proxy is."""

    def __init__(self, upstream: str, origin: str, timeout: float) -> None:
        self._upstream = urlsplit(upstream)
        self._timeout = timeout
        self._host = self._upstream.netloc.rpartition("@")[2]
        self._links = LinkRewriting(f"{self._upstream.scheme}://{self._host}", origin)

    def ask(self, method: str, target: str, headers: Sequence[tuple[str, str]], body: bytes) -> _Reply:
        """Return the API's answer, or 502 where there is none."""
        kind = HTTPSConnection if self._upstream.scheme == "https" else HTTPConnection
        connection = kind(self._upstream.hostname or "", self._upstream.port, timeout=self._timeout)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in (("Host", self._host), ("Accept-Encoding", "identity"), *headers):
                connection.putheader(name, value)
            connection.endheaders(body or None)
            return self._reply(connection.getresponse())
        except (OSError, HTTPException) as error:
            return _failure(HTTPStatus.BAD_GATEWAY, f"the API behind the proxy gave no answer: {error!r}")
        finally:
            connection.close()

    def _reply(self, response: HTTPResponse) -> _Reply:
        body = response.read()
        if response.headers.get("content-encoding", "identity").lower() == "identity":
            body = self._links.body(response.headers.get("content-type", ""), body)
        headers = [
            (name, self._links.header(name, value))
            for name, value in response.getheaders()
            if name.lower() not in {*_OF_ONE_CONNECTION, "content-length"}
        ]
        return _Reply(response.status, response.reason, headers, body)


def _failure(status: int, message: str, retry_after: float | None = None) -> _Reply:
    """Return an answer that says what failed, as JSON; `retry_after` is in seconds."""
    reason = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Unknown"
    wait = [] if retry_after is None else [("Retry-After", str(math.ceil(retry_after)))]
    body = json.dumps({"error": {"status": status, "message": message}}).encode()
    return _Reply(status, reason, [("Content-Type", "application/json"), *wait], body)


_POLL_SECONDS = 0.02
_ENDING_SECONDS = 5.0
_PIECE_BYTES = 5
_MOST_PIECES = 500  # what is left of a long body then comes at once
_RST: Final = struct.pack("ii", 1, 0)  # SO_LINGER: closing discards what is unsent, and says so with RST


class HttpProxy:
    """A `Wire` for HTTP: forwards requests to an API, and does with each what the plan says.

    Inside its `with` block it listens on a free port of 127.0.0.1; `url` is what the connector's base URL has to be then,
    with the path of the API's own. `timeout` is how long the API may take for an answer, in seconds.

    Method, path, query, body and headers are passed on, but for Host, which is the API's, and Accept-Encoding: bodies
    are asked for uncompressed, so that links in them can be rewritten (`LinkRewriting` says what is and what is not).
    An answer is passed on when all of it is there, so streams without an end are not for this proxy. Where the API cannot
    be reached, it answers 502. A request that is to fail with `Answer` or `Reset` never reaches the API.

    >>> with HttpProxy("https://api.example.com/v1") as proxy:  # doctest: +SKIP
    ...     connector = RestConnector(RestConfig(base_url=proxy.url, ...))
    ...     proxy.fail([Answer(429, retry_after=1), None, CutOff()])
    """

    def __init__(self, upstream: str, *, timeout: float = 30.0) -> None:
        parts = urlsplit(upstream)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(
                f"a proxy to {upstream!r}; expected an http or https URL; give the base URL of the API"
            )
        self.upstream = upstream
        self._timeout = timeout
        self._lock = threading.Lock()
        self._plan: deque[WireFault | None] = deque()
        self._requests = 0
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        """Where the API is found through the proxy. Raises `ConfigError` outside of the `with` block."""
        if self._server is None:
            raise ConfigError("the proxy is not running; expected a `with` block around this; write one")
        return f"{self._server.origin}{urlsplit(self.upstream).path}"

    @property
    def requests(self) -> int:
        """How many requests have come, those that failed included."""
        with self._lock:
            return self._requests

    def fail(self, faults: Sequence[WireFault | None], /) -> None:
        """Let the next requests fail so, one entry for each; what is left of an earlier plan is forgotten."""
        with self._lock:
            self._plan = deque(faults)

    def draw(self) -> WireFault | None:
        """Count a request, and give what is to become of it."""
        with self._lock:
            self._requests += 1
            return self._plan.popleft() if self._plan else None

    def __enter__(self) -> Self:
        self._server = _Server(self, self._timeout)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="HttpProxy", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.stop()
            self._thread.join()


class _Server(ThreadingHTTPServer):
    """Listens, and knows its open connections."""

    daemon_threads = True
    request_queue_size = 100

    def __init__(self, proxy: HttpProxy, timeout: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.proxy = proxy
        self.origin = f"http://127.0.0.1:{self.server_port}"
        self.stopping = threading.Event()
        self.forwarding = _Forwarding(proxy.upstream, self.origin, timeout)
        self._open: set[socket.socket] = set()
        self._changed = threading.Condition()

    def opened(self, connection: socket.socket) -> None:
        with self._changed:
            self._open.add(connection)

    def closed(self, connection: socket.socket) -> None:
        with self._changed:
            self._open.discard(connection)
            self._changed.notify_all()

    def stop(self) -> None:
        """Listen no more, close every connection, and wait a little until nobody is at work."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        with self._changed:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:  # the other side was faster
                    continue
            self._changed.wait_for(lambda: not self._open, timeout=_ENDING_SECONDS)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a connector that hangs up is no fault of the proxy's."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @property
    def proxy_server(self) -> _Server:
        assert isinstance(self.server, _Server)  # the one that made this handler
        return self.server

    def setup(self) -> None:
        super().setup()
        self.proxy_server.opened(self.connection)

    def finish(self) -> None:
        try:
            super().finish()
        finally:
            self.proxy_server.closed(self.connection)

    def _pass(self) -> None:
        body = self._body()
        match self.proxy_server.proxy.draw():
            case Answer(status=status, retry_after=retry_after):
                self._send(_failure(status, "the proxy was told to let this request fail", retry_after))
            case Reset():
                self._reset()
            case CutOff():
                self._cut(self._asked(body))
            case Trickle():
                self._send(self._asked(body), trickle=True)
            case Hold(seconds=seconds):
                self.proxy_server.stopping.wait(seconds)
                self._send(self._asked(body))
            case None:
                self._send(self._asked(body))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _pass  # noqa: N815 - http.server's names

    def _body(self) -> bytes:
        """Read the request's body."""
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        parts: list[bytes] = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers
            pass
        return b"".join(parts)

    def _asked(self, body: bytes) -> _Reply:
        left_out = {*_OF_ONE_CONNECTION, "host", "accept-encoding", "content-length", "expect"}
        headers = [(name, value) for name, value in self.headers.items() if name.lower() not in left_out]
        if body or "content-length" in self.headers:
            headers.append(("Content-Length", str(len(body))))
        return self.proxy_server.forwarding.ask(self.command, self.path, headers, body)

    def _send(self, reply: _Reply, *, trickle: bool = False) -> None:
        self._head(reply, len(reply.body))
        if self.command == "HEAD":
            return
        if trickle:
            for start in range(0, min(len(reply.body), _PIECE_BYTES * _MOST_PIECES), _PIECE_BYTES):
                self.wfile.write(reply.body[start : start + _PIECE_BYTES])
        self.wfile.write(reply.body[_PIECE_BYTES * _MOST_PIECES if trickle else 0 :])

    def _cut(self, reply: _Reply) -> None:
        """Announce a body, and close the connection in the middle of it."""
        self._head(reply, max(2, len(reply.body)))
        self.wfile.write(reply.body[: len(reply.body) // 2])
        self.close_connection = True

    def _reset(self) -> None:
        """Close the connection with RST. Past the server, which would say goodbye first."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
        socket.close(self.connection.detach())
        self.close_connection = True

    def _head(self, reply: _Reply, length: int) -> None:
        self.send_response_only(reply.status, reply.reason)
        for name, value in reply.headers:
            self.send_header(name, value)
        if reply.status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name http.server has
        """Write nothing to stderr."""
