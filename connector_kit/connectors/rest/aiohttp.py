"""The transport over aiohttp: on asyncio only. docs/how-to/rest.md says when to choose it.

The one module that imports aiohttp; who needs it imports this module late.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING
from urllib.request import getproxies, proxy_bypass

import anyio

from connector_kit.errors import ConfigError, ConnectorError

from .answers import Answer
from .failures import broken, too_slow, unreachable, unsendable
from .transport import HEADERS

try:
    import aiohttp
    from aiohttp.http import HttpProcessingError
    from yarl import URL
except ImportError as error:
    raise ConfigError(
        'transport "aiohttp" needs the package aiohttp, which is not installed; '
        "install it with: pip install 'connector-kit[aiohttp]', or leave `transport` out"
    ) from error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .site import Site

__all__ = ["AiohttpTransport"]

_MOST_CONNECTIONS = 100
_IDLE_SECONDS = 5.0
_BUFFER_BYTES = 2**20  # the body of a usual page fits, so that reading it is not paused and resumed
_HEADER_BYTES = 2**16  # a Link header with cursors in it may be longer than aiohttp's 8190
_MOST_HEADERS = 1000
_QUOTED = re.compile(r"\n\n|b?['\"`]")


class AiohttpTransport:
    """A `Transport`, to be made in the event loop it is used in; `connect_timeout` is in seconds."""

    def __init__(self, site: Site, *, connect_timeout: float) -> None:
        if anyio.get_cancelled_exc_class() is not asyncio.CancelledError:
            raise ConfigError(
                'transport "aiohttp" runs on asyncio, and this is trio; expected "httpx2" here, which runs on both; '
                "leave `transport` out, or run on asyncio"
            )
        self._site = site
        self._connect_timeout = connect_timeout
        self._proxy = _proxy_for(site)
        # A request waits for its turn here and not in aiohttp's pool, where that would count as time to connect.
        self._turns = anyio.Semaphore(_MOST_CONNECTIONS, fast_acquire=True)
        self._under_way: set[aiohttp.ClientResponse] = set()
        self._session = aiohttp.ClientSession(
            # The cache of names would look them up in a task of its own, which outlives a cancelled request.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_SECONDS, use_dns_cache=False),
            headers=HEADERS,
            timeout=aiohttp.ClientTimeout(connect=connect_timeout),
            # Without `unsafe`, a server that is reached by its IP address could set no cookie.
            cookie_jar=aiohttp.CookieJar(unsafe=True, quote_cookie=False),
            middlewares=[_unrepeated],
            read_bufsize=_BUFFER_BYTES,
            max_line_size=_HEADER_BYTES,
            max_field_size=_HEADER_BYTES,
            max_headers=_MOST_HEADERS,
        )

    async def close(self) -> None:
        """Close every connection. Safe twice."""
        # The session would close the connection of a response, and let who reads its body wait for ever.
        for response in self._under_way:
            response.close()
        await self._session.close()

    async def once(self, target: str, /) -> Answer:
        """Ask once and read the whole answer."""
        credentials = self._site.credentials
        url = URL(self._site.origin + credentials.target(target), encoded=True)
        try:
            async with (
                self._turns,
                self._session.get(
                    url, headers=credentials.headers, proxy=self._proxy, allow_redirects=False
                ) as response,
            ):
                self._under_way.add(response)
                try:
                    body = await response.read()
                finally:
                    self._under_way.discard(response)
        except aiohttp.ClientError as error:
            # aiohttp's own errors hold the URL with the credential in its query, or quote what the server sent.
            cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else None
            raise self._failure(error, target) from cause
        except RuntimeError as error:
            if not self._session.closed:
                raise
            raise broken(self._site, target, "the connector was disconnected") from error
        return Answer(response.status, _headers(response.raw_headers), body, target, credentials)

    def _failure(self, error: aiohttp.ClientError, target: str) -> ConnectorError:
        match error:
            case aiohttp.ConnectionTimeoutError():
                return too_slow(self._site, self._connect_timeout)
            case aiohttp.ClientConnectorError():
                return unreachable(self._site, str(error.os_error))
            case aiohttp.ClientHttpProxyError():
                return unreachable(self._site, f"the proxy answered with {error.status}")
            case aiohttp.InvalidURL():
                return unsendable(self._site, target, error.description or "it is no URL")
            case _:
                return broken(self._site, target, _reason(error))


async def _unrepeated(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Let a request fail that aiohttp would send a second time, unseen by limits and retries: it does so for these two."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except aiohttp.ClientOSError as error:
        raise aiohttp.ClientConnectionError(str(error)) from error
    except aiohttp.ServerDisconnectedError:
        raise aiohttp.ClientConnectionError("the server hung up without an answer") from None


def _reason(error: aiohttp.ClientError) -> str:
    """Say what went wrong, without what the error quotes: the server sent that, and it may echo a credential."""
    match error, error.__cause__:
        case (aiohttp.ClientResponseError(message=said), _) | (_, HttpProcessingError(message=said)):
            text = said
        case _:
            text = str(error)
    return " ".join(_QUOTED.split(text, maxsplit=1)[0].split()).strip(" :") or type(error).__name__


def _headers(raw: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """Give the headers by name in lower case; repeated ones are joined."""
    joined: dict[bytes, bytes] = {}
    for name, value in raw:
        key = name.lower()
        joined[key] = b"%b, %b" % (joined[key], value) if key in joined else value
    try:
        return {name.decode("utf-8"): value.decode("utf-8") for name, value in joined.items()}
    except UnicodeDecodeError:
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in joined.items()}


def _proxy_for(site: Site) -> str | None:
    """Give the proxy that the environment names for a site: aiohttp would look it up, and ~/.netrc, for each request."""
    proxies = getproxies()
    proxy = proxies.get(site.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(site.authority):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    scheme = proxy.partition("://")[0].lower()
    if scheme not in ("http", "https"):
        raise ConfigError(
            f'transport "aiohttp" cannot use the proxy of the environment, whose scheme is {scheme!r}; '
            "expected http or https; use such a proxy, name the host in NO_PROXY, or leave `transport` out"
        )
    return proxy
