"""What an HTTP proxy passes on: a request to the API, and its answer back, with links led through the proxy."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import urlsplit

import attrs

from .link_rewriting import LinkRewriting

__all__ = ["OF_ONE_CONNECTION", "Forwarding", "Reply", "failure", "refusal"]

OF_ONE_CONNECTION = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that are about one connection, and not passed on (RFC 9110, 7.6.1)."""


@attrs.frozen
class Reply:
    """What the API answered, as it is passed on."""

    status: int
    reason: str
    headers: Sequence[tuple[str, str]]
    body: bytes


class Forwarding:
    """Asks the API at `upstream`, with `timeout` seconds for an answer; `origin` is where the proxy is."""

    def __init__(self, upstream: str, origin: str, timeout: float) -> None:
        self._upstream = urlsplit(upstream)
        self._timeout = timeout
        self._host = self._upstream.netloc.rpartition("@")[2]
        self._links = LinkRewriting(f"{self._upstream.scheme}://{self._host}", origin)

    def ask(self, method: str, target: str, headers: Sequence[tuple[str, str]], body: bytes) -> Reply:
        """Give the API's answer, or 502 where there is none."""
        try:
            return self._asked(method, target, headers, body)
        except (OSError, HTTPException) as error:
            return failure(HTTPStatus.BAD_GATEWAY, f"the API behind the proxy gave no answer: {error!r}")

    def _asked(self, method: str, target: str, headers: Sequence[tuple[str, str]], body: bytes) -> Reply:
        kind = HTTPSConnection if self._upstream.scheme == "https" else HTTPConnection
        connection = kind(self._upstream.hostname or "", self._upstream.port, timeout=self._timeout)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            connection.putheader("Host", self._host)
            connection.putheader("Accept-Encoding", "identity")
            for name, value in headers:
                connection.putheader(name, value)
            connection.endheaders(body or None)
            return self._reply(connection.getresponse())
        finally:
            connection.close()

    def _reply(self, response: HTTPResponse) -> Reply:
        body = response.read()
        if response.headers.get("content-encoding", "identity").lower() == "identity":
            body = self._links.body(response.headers.get("content-type", ""), body)
        headers = [
            (name, self._links.header(name, value))
            for name, value in response.getheaders()
            if name.lower() not in {*OF_ONE_CONNECTION, "content-length"}
        ]
        return Reply(response.status, response.reason, headers, body)


def refusal(status: int, retry_after: float | None) -> Reply:
    """Give an answer that refuses; `retry_after` is in seconds."""
    wait = [] if retry_after is None else [("Retry-After", str(math.ceil(retry_after)))]
    reply = failure(status, "the proxy was told to let this request fail")
    return attrs.evolve(reply, headers=[*reply.headers, *wait])


def failure(status: int, message: str) -> Reply:
    """Give an answer that says what failed, as JSON."""
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = "Unknown"
    body = json.dumps({"error": {"status": status, "message": message}}).encode()
    return Reply(status, reason, [("Content-Type", "application/json")], body)
