"""HTTP servers on loopback for tests: one that says whatever a test wants, and a small API in any style of pagination."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit

import attrs

PATIENCE = 30
"""Seconds after which a test that waits for something on the server's side has failed."""


@attrs.frozen
class Asked:
    """A request: path, query and headers (names in lower case), its target as it came, its body.

    `names` are those of the headers as often as they came.
    """

    path: str
    params: dict[str, str]
    headers: dict[str, str]
    target: str
    names: Sequence[str] = ()
    method: str = "GET"
    body: bytes = b""


@attrs.frozen
class Said:
    """An answer. `declared` is the length it claims to have (None: what the body has, -1: none at all).

    `until` holds back the second half of the body until it is set.
    """

    body: str | bytes = "[]"
    status: int = 200
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])
    declared: int | None = None
    until: threading.Event | None = None


Answering: TypeAlias = Callable[[Asked], Said]


class HttpServer(ThreadingHTTPServer):
    """Answers GET and POST by a function, and knows its open connections."""

    daemon_threads = True
    request_queue_size = 100

    def __init__(self, answering: Answering) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answering = answering
        self.asked: list[Asked] = []
        self.opened = 0
        self.sending = threading.Event()
        self._open = 0
        self._changed = threading.Condition()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def open_connections(self) -> int:
        """How many there are now."""
        return self._open

    def count(self, step: int) -> None:
        """Take note of a connection that was opened (1) or closed (-1)."""
        with self._changed:
            self._open += step
            self.opened += step > 0
            self._changed.notify_all()

    def wait_until_closed(self) -> bool:
        """Wait until no connection is open; whether that was so in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._open == 0, timeout=PATIENCE)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self) -> None:
        super().setup()
        self.http_server.count(1)

    def finish(self) -> None:
        try:
            super().finish()
        finally:
            self.http_server.count(-1)

    @property
    def http_server(self) -> HttpServer:
        assert isinstance(self.server, HttpServer)
        return self.server

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        names = sorted(name.lower() for name, _ in self.headers.items())
        asked = Asked(
            parts.path,
            dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers,
            self.path,
            names,
            self.command,
            self.rfile.read(int(headers.get("content-length", 0))),
        )
        self.http_server.asked.append(asked)
        self._send(self.http_server.answering(asked))

    do_POST = do_GET  # noqa: N815 - http.server's name

    def _send(self, said: Said) -> None:
        body = said.body.encode() if isinstance(said.body, str) else said.body
        length = len(body) if said.declared is None else said.declared
        headers = {"Content-Type": "application/json", **said.headers}
        if length >= 0:
            headers["Content-Length"] = str(length)
        self.send_response(said.status)
        for name, value in headers.items():
            self.send_header(name, value)
        try:
            self.end_headers()
            half = len(body) // 2 if said.until is not None else 0
            self.wfile.write(body[:half])
            if said.until is not None:
                self.wfile.flush()
                self.http_server.sending.set()
                said.until.wait(PATIENCE)
            self.wfile.write(body[half:])
            self.wfile.flush()
        except ConnectionError:
            self.close_connection = True
        if length != len(body):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name http.server has
        pass


@contextmanager
def serving(answering: Answering) -> Iterator[HttpServer]:
    """Run a server in a thread for the length of a block."""
    server = HttpServer(answering)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def speaking(*answers: bytes, reset: bool = False) -> Iterator[str]:
    """Run a server that is none: it answers what comes on each connection with these bytes, and hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))

    def speak() -> None:
        for answer in answers:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)
                if reset:  # closing then discards what is unsent, and says so with RST
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    thread = threading.Thread(target=speak, daemon=True)
    with listener:
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(PATIENCE)


@attrs.define
class TableApi:
    """A list of records served in a style of pagination.

    `largest` is how many records a page has at most, whatever is asked for. `announces`: the answer says where the
    end is, as some APIs do; otherwise the end is an empty page. Records have `id` and, sorted by it, `at`.
    """

    records: Sequence[Mapping[str, Any]]
    style: str
    largest: int = 3
    announces: bool = True
    relative: bool = False

    def __call__(self, asked: Asked) -> Said:
        """Answer a request for `/things`."""
        kept = [record for record in self.records if record["at"] >= asked.params.get("since", "")]
        size = min(int(asked.params.get("limit", self.largest)), self.largest)
        said: Said = getattr(self, f"_{self.style}")(kept, size, asked)
        return said

    def _none(self, kept: Sequence[Any], _: int, __: Asked) -> Said:
        return Said(json.dumps(kept))

    def _cursor_field(self, kept: Sequence[Any], size: int, asked: Asked) -> Said:
        start = int(asked.params.get("cursor", "c0")[1:])
        following = f"c{start + size}" if start + size < len(kept) else None
        return Said(json.dumps({"data": {"items": kept[start : start + size]}, "next_cursor": following}))

    def _last_record(self, kept: Sequence[Any], size: int, asked: Asked) -> Said:
        behind = [record for record in kept if record["id"] > int(asked.params.get("after_id", -1))]
        body: dict[str, Any] = {"data": {"items": behind[:size]}}
        return Said(json.dumps(body | ({"has_more": len(behind) > size} if self.announces else {})))

    def _next_url(self, kept: Sequence[Any], size: int, asked: Asked) -> Said:
        start = int(asked.params.get("from", 0))
        body = {
            "data": {"items": kept[start : start + size]},
            "next": self._url(asked, start + size, len(kept)),
        }
        return Said(json.dumps(body))

    def _link_header(self, kept: Sequence[Any], size: int, asked: Asked) -> Said:
        start = int(asked.params.get("from", 0))
        url = self._url(asked, start + size, len(kept))
        links = ['</things?from=0>; rel="first"', *([f'<{url}>; title="a, b"; rel="x next"'] if url else [])]
        return Said(json.dumps(kept[start : start + size]), headers={"Link": ", ".join(links)})

    def _page_number(self, kept: Sequence[Any], size: int, asked: Asked) -> Said:
        start = (int(asked.params["page"]) - 1) * size
        body: dict[str, Any] = {"data": {"items": kept[start : start + size]}}
        return Said(json.dumps(body | ({"pages": -(-len(kept) // size)} if self.announces else {})))

    def _offset(self, kept: Sequence[Any], size: int, asked: Asked) -> Said:
        start = int(asked.params["offset"])
        body: dict[str, Any] = {"data": {"items": kept[start : start + size]}}
        return Said(json.dumps(body | ({"total": len(kept)} if self.announces else {})))

    def _url(self, asked: Asked, start: int, end: int) -> str | None:
        if start >= end:
            return None
        url = f"{asked.path}?{urlencode({**asked.params, 'from': start})}"
        return url if self.relative else f"http://{asked.headers['host']}{url}"
