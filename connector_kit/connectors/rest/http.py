"""The HTTP client: one pool of connections, GET requests to one site, answers read wholly.

The one module that imports httpx2; who needs it imports this module late. Credentials are added below everything that
logs a URL, and never leave the site: redirects are followed on the same origin only.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from connector_kit.errors import (
    ConfigError,
    ConnectionFailedError,
    ConnectorError,
    RequestRejectedError,
    TimedOutError,
)

from .answers import Answer
from .site import path_of

try:
    import httpx2
except ImportError as error:
    raise ConfigError(
        "the REST connector needs the package httpx2, which is not installed; "
        "install it with: pip install 'connector-kit[http]'"
    ) from error

if TYPE_CHECKING:
    from ssl import SSLContext

    from .site import Site

__all__ = ["HttpClient"]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
_QUOTED_BYTES = re.compile(r"b(?:ytearray\(b)?['\"]")
_HEADERS = {"Accept": "application/json", "User-Agent": "connector-kit"}


@cache
def _certificates() -> SSLContext:
    """Give the authorities that are trusted, read once: it takes longer than many a read, and nothing changes them."""
    return httpx2.create_ssl_context()


class HttpClient:
    """A pool of connections to one site, open from the start; `connect_timeout` is in seconds."""

    def __init__(self, site: Site, *, connect_timeout: float) -> None:
        self.site = site
        self._connect_timeout = connect_timeout
        # How long an answer may take is for TimeLimited to say, which knows of the whole call.
        timeout = httpx2.Timeout(None, connect=connect_timeout)
        self._client = httpx2.AsyncClient(headers=_HEADERS, timeout=timeout, verify=_certificates())

    async def close(self) -> None:
        """Close every connection. Safe twice."""
        await self._client.aclose()

    async def get(self, target: str) -> Answer:
        """Ask for a target (path and query) and read the whole answer, whatever its status.

        Raises `ConnectionFailedError`, `TimedOutError`, and `RequestRejectedError` for a redirect that leads away or
        in circles.
        """
        asked = target
        for _ in range(_MAX_REDIRECTS + 1):
            answer = await self._once(asked)
            location = answer.headers.get("location")
            if answer.status not in _REDIRECTS or location is None:
                return answer
            asked = self.site.target_of(location, seen_at=asked)
        raise RequestRejectedError(
            f"GET {path_of(target)} was redirected more than {_MAX_REDIRECTS} times; expected an answer; look at base_url"
        )

    async def _once(self, target: str) -> Answer:
        credentials = self.site.credentials
        try:
            request = self._client.build_request(
                "GET", self.site.origin + target, headers=credentials.headers
            )
            if credentials.query is not None:
                # httpx2 logs a request's URL and keeps it in its errors. What is sent is this extension instead.
                sent = credentials.target(request.url.raw_path.decode("ascii"))
                request.extensions = {**request.extensions, "target": sent.encode("ascii")}
            response = await self._client.send(request, stream=True, follow_redirects=False)
            try:
                packed = b"".join([part async for part in response.aiter_raw()])
            finally:
                await response.aclose()
            # Unpacked apart: where that fails, httpx2 would leave a generator of its stream behind, half read.
            body = httpx2.Response(response.status_code, headers=response.headers, content=packed).content
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            reason = _QUOTED_BYTES.split(str(error), maxsplit=1)[0].strip(" :")
            failure = self._failure(error, credentials.hidden_in(reason), path_of(target))
            # What the original quotes, the server sent: it may echo a credential.
            raise failure from (error if reason == str(error) else None)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, headers, body, target, credentials)

    def _failure(self, error: httpx2.HTTPError | httpx2.InvalidURL, reason: str, path: str) -> ConnectorError:
        where, reason = self.site.authority, reason or type(error).__name__
        match error:
            case httpx2.TimeoutException():
                return TimedOutError(
                    f"no connection to {where} within {self._connect_timeout:g} s; "
                    "look at base_url, the network and whether a proxy is needed"
                )
            case httpx2.ConnectError() | httpx2.ProxyError():
                return ConnectionFailedError(
                    f"cannot connect to {where}: {reason}; look at host and port of base_url, and whether the server runs"
                )
            case httpx2.InvalidURL() | httpx2.LocalProtocolError() | httpx2.UnsupportedProtocol():
                return RequestRejectedError(
                    f"GET {path} on {where} cannot be sent: {reason}; look at base_url, path, params and headers"
                )
            case _:
                return ConnectionFailedError(
                    f"the connection to {where} broke before the answer to GET {path} was complete: {reason}; try again"
                )
