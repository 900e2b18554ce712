"""Requests over httpx2: GET, and POST with a body. That is an extra, imported here and in `network` alone; who needs this module imports it late.

Requests go to the pool of connections below httpx2's client, `httpcore2`, which is its documented lower half: the client's
own layers (URLs, hooks, logging, redirects) take longer than a page needs to be split, and none of them is used here.
What httpx2 knows of proxies, certificates, cookies and packed bodies is asked of it.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING
from urllib.parse import quote
from urllib.request import getproxies, proxy_bypass

from connector_kit.errors import (
    ConfigError,
    ConnectionFailedError,
    ConnectorError,
    RequestRejectedError,
    TimedOutError,
)

from .origin import path_of
from .responses import HttpResponse

try:
    import httpcore2
    import httpx2

    from .network import AnyioBackend
except ImportError as error:
    raise ConfigError(
        "the REST connector needs the package httpx2, which is not installed; "
        "install it with: pip install 'connector-kit[http]'"
    ) from error

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ssl import SSLContext

    from .origin import Origin

__all__ = ["HttpClient", "HttpPool"]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KEEPING_THE_BODY = frozenset({307, 308})
_MAX_REDIRECTS = 5
_UNSENDABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_TO_QUOTE = re.compile(r"[^!#-;=?-~]|%(?![0-9A-Fa-f]{2})")
_MOST_CONNECTIONS = 100
_MOST_IDLE = 20
_IDLE_SECONDS = 5.0
_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "User-Agent": "connector-kit",
}
_PROXIES = ("http", "https", "socks5", "socks5h")
_QUOTED_BYTES = re.compile(r"b(?:ytearray\(b)?['\"]")
_FAILURES = (
    httpcore2.TimeoutException,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    httpcore2.UnsupportedProtocol,
    httpx2.DecodingError,
)


class HttpClient:
    """Requests to one origin. Redirects are followed on the same origin only."""

    def __init__(self, origin: Origin, pool: HttpPool) -> None:
        self.origin = origin
        self._pool = pool

    async def close(self) -> None:
        """Close every connection. Safe twice."""
        await self._pool.close()

    async def ask(self, target: str, content: bytes | None = None) -> HttpResponse:
        """Ask for a target and read the whole answer, whatever its status; with `content`, JSON, by a POST.

        Raises `ConnectionFailedError`, `TimedOutError`, and `RequestRejectedError` for a target that HTTP cannot write
        and for a redirect that leads away or in circles, or would take the body away.
        """
        current = target
        for _ in range(_MAX_REDIRECTS + 1):
            answer = await self._pool.once(self._written(current), content)
            location = answer.headers.get("location")
            if answer.status not in _REDIRECTS or location is None:
                return answer
            if content is not None and answer.status not in _KEEPING_THE_BODY:
                raise RequestRejectedError(
                    f"{answer.what}, a redirect that turns a POST into a GET without its body; expected 307 or 308; "
                    "set base_url and path to where it leads"
                )
            current = self.origin.target_of(location, seen_at=current)
        raise RequestRejectedError(
            f"{_named(target, content)} was redirected more than {_MAX_REDIRECTS} times; expected an answer; look at base_url"
        )

    def _written(self, target: str) -> str:
        """Quote what cannot stand in a request line, and leave the rest: a server's own next URL is sent as it came."""
        if wrong := _UNSENDABLE.search(target):
            reason = f"it has the character {wrong[0]!a} in it"
            raise _unsendable(self.origin, f"the request for {path_of(target[: wrong.start()])}", reason)
        return _TO_QUOTE.sub(lambda found: quote(found[0], safe=""), target)


@cache
def _certificates() -> SSLContext:
    """Return the authorities that are trusted, read once: it takes longer than many a read, and nothing changes them."""
    return httpx2.create_ssl_context()


class HttpPool:
    """A pool of connections to one origin, open from the start; `connect_timeout` is in seconds."""

    def __init__(self, origin: Origin, *, connect_timeout: float) -> None:
        self._origin = origin
        self._connect_timeout = connect_timeout
        try:
            self._base_url = httpx2.URL(origin.url)  # knows how a host in another script is written
        except httpx2.InvalidURL as error:
            raise ConfigError(
                f"base_url leads to {origin.authority!r}, which is no host ({error}); expected a name or an address; correct it"
            ) from error
        self._headers = _headers_of(self._base_url, origin.credentials.headers)
        self._extensions = {"timeout": {"connect": connect_timeout}}
        self._cookies = httpx2.Cookies()
        own = {name.lower() for name in origin.credentials.headers}
        self._keeps_cookies = "cookie" not in own
        self._types_content = "content-type" in own
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=_certificates(),
            proxy=_proxy_for(origin),
            max_connections=_MOST_CONNECTIONS,
            max_keepalive_connections=_MOST_IDLE,
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=AnyioBackend(),
        )

    async def close(self) -> None:
        """Close every connection. Safe twice."""
        await self._pool.aclose()

    async def once(self, target: str, content: bytes | None = None) -> HttpResponse:
        """Ask for a target (path and query) once, and read the whole answer, whatever its status; with `content`, by a POST.

        The target goes out as it is given, with the origin's credentials, which are added below everything that logs a
        URL. No redirect is followed, and nothing tried again. How long an answer may take is for TimeLimited to say,
        which knows of the whole call. Raises what `ask` of a client does; neither that nor its causes show what the server sent.
        """
        credentials = self._origin.credentials
        method = "GET" if content is None else "POST"
        request = httpcore2.Request(
            method,
            self._url(credentials.target(target)),
            headers=[*self._headers, *self._cookie_header(target), *self._content_headers(content)],
            content=content,
            extensions=self._extensions,
        )
        try:
            response = await self._pool.handle_async_request(request)
            try:
                packed = b"".join([part async for part in response.aiter_stream()])
            finally:
                await response.aclose()
            headers = _joined(response.headers)
            if "set-cookie" in headers and self._keeps_cookies:
                self._keep_cookies(target, response)
            body = _unpacked(response, packed) if "content-encoding" in headers else packed
        except _FAILURES as error:
            text = _first_text(error)
            reason = _QUOTED_BYTES.split(text, maxsplit=1)[0].strip(" :")
            # What the original quotes, the server sent: it may echo a credential.
            cause = error if reason == text == credentials.hidden_in(text) else None
            raise self._failure(error, reason or type(error).__name__, _named(target, content)) from cause
        return HttpResponse(response.status, headers, body, target, credentials, method)

    def _url(self, target: str) -> httpcore2.URL:
        base_url = self._base_url
        return httpcore2.URL(
            scheme=base_url.raw_scheme,
            host=base_url.raw_host,
            port=base_url.port,
            target=target.encode("ascii"),
        )

    def _content_headers(self, content: bytes | None) -> list[tuple[bytes, bytes]]:
        if content is None:
            return []
        length = (b"Content-Length", b"%d" % len(content))
        return [length] if self._types_content else [length, (b"Content-Type", b"application/json")]

    def _cookie_header(self, target: str) -> list[tuple[bytes, bytes]]:
        if not self._cookies:
            return []
        request = self._in_short(target)
        self._cookies.set_cookie_header(request)
        return [(b"Cookie", value) for name, value in request.headers.raw if name.lower() == b"cookie"]

    def _keep_cookies(self, target: str, response: httpcore2.Response) -> None:
        request = self._in_short(target)
        self._cookies.extract_cookies(
            httpx2.Response(response.status, headers=response.headers, request=request)
        )

    def _in_short(self, target: str) -> httpx2.Request:
        """Return a request as far as cookies depend on it: by host and path."""
        return httpx2.Request("GET", self._base_url.join(path_of(target)))

    def _failure(self, error: Exception, reason: str, request: str) -> ConnectorError:
        match error:
            case httpcore2.TimeoutException():
                return _too_slow(self._origin, self._connect_timeout)
            case httpcore2.ConnectError() | httpcore2.ProxyError():
                return _unreachable(self._origin, reason)
            case httpcore2.LocalProtocolError() | httpcore2.UnsupportedProtocol():
                return _unsendable(self._origin, request, reason)
            case _:
                return _broken(self._origin, request, reason)


def _headers_of(base_url: httpx2.URL, configured: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Return the headers of every request; those of the config take the place of the kit's own, whatever their case."""
    replaced = {name.lower() for name in configured}
    defaults = {name: value for name, value in _HEADERS.items() if name.lower() not in replaced}
    host = {} if "host" in replaced else {"Host": base_url.netloc.decode("ascii")}
    return [(name.encode(), value.encode()) for name, value in {**host, **defaults, **configured}.items()]


def _unpacked(response: httpcore2.Response, packed: bytes) -> bytes:
    return httpx2.Response(response.status, headers=response.headers, content=packed).content


def _joined(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the headers by name in lower case; repeated ones are joined."""
    joined: dict[bytes, bytes] = {}
    for name, value in raw:
        key = name.lower()
        joined[key] = b"%b, %b" % (joined[key], value) if key in joined else value
    try:
        return {name.decode(): value.decode() for name, value in joined.items()}
    except UnicodeDecodeError:
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in joined.items()}


def _proxy_for(origin: Origin) -> httpcore2.Proxy | None:
    """Return the proxy that the environment names for an origin. Raises `ConfigError` for one that cannot be used."""
    proxies = getproxies()
    named = proxies.get(origin.scheme) or proxies.get("all")
    if not named or proxy_bypass(origin.authority) or _is_in_network(origin.host, proxies.get("no", "")):
        return None
    scheme = named.partition("://")[0].lower() if "://" in named else "http"
    if scheme not in _PROXIES:
        raise ConfigError(
            f"the proxy of the environment has the scheme {scheme!r}; expected one of {', '.join(_PROXIES)}; "
            "use such a proxy, or name the host in NO_PROXY"
        )
    if scheme.startswith("socks5") and find_spec("socksio") is None:
        raise ConfigError(
            f"the proxy of the environment has the scheme {scheme!r}, which needs the package socksio, and that is not "
            "installed; install it with: pip install socksio, or name the host in NO_PROXY"
        )
    try:
        proxy = httpx2.Proxy(named if "://" in named else f"http://{named}")
    except httpx2.InvalidURL:
        raise ConfigError(
            f"the proxy that the environment names for {origin.scheme} cannot be used; expected a URL such as "
            "http://proxy.example.com:3128; correct it, or name the host in NO_PROXY"
        ) from None  # the original quotes a part of it, which may be its password
    url = proxy.url
    return httpcore2.Proxy(
        httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        auth=proxy.raw_auth,
        headers=proxy.headers.raw,
    )


def _is_in_network(host: str, names: str) -> bool:
    """Whether a host is an address in one of the networks among the names in NO_PROXY, which `proxy_bypass` does not know."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    for name in names.split(","):
        with suppress(ValueError):  # a name
            if address in ip_network(name.strip(), strict=False):
                return True
    return False


def _first_text(error: BaseException) -> str:
    """Return the first text among an error and what led to it: httpcore2's own has often none, on trio above all."""
    text, reason = str(error), error.__cause__ or error.__context__
    return text if text or reason is None else _first_text(reason)


def _unreachable(origin: Origin, reason: str) -> ConnectionFailedError:
    """Return the error for a connection that could not be made."""
    return ConnectionFailedError(
        f"cannot connect to {origin.authority}: {_hidden(origin, reason)}; "
        "look at host and port of base_url, and whether the server runs"
    )


def _too_slow(origin: Origin, seconds: float) -> TimedOutError:
    """Return the error for a connection that was not there within so many seconds."""
    return TimedOutError(
        f"no connection to {origin.authority} within {seconds:g} s; "
        "look at base_url, the network and whether a proxy is needed"
    )


def _named(target: str, content: bytes | None) -> str:
    """Name a request in a message, without its query."""
    return f"{'GET' if content is None else 'POST'} {path_of(target)}"


def _broken(origin: Origin, request: str, reason: str) -> ConnectionFailedError:
    """Return the error for an answer that did not come, or not wholly, or is no HTTP."""
    return ConnectionFailedError(
        f"the connection to {origin.authority} broke before the answer to {request} was complete: "
        f"{_hidden(origin, reason)}; try again"
    )


def _unsendable(origin: Origin, request: str, reason: str) -> RequestRejectedError:
    """Return the error for a request that HTTP has no way to write."""
    return RequestRejectedError(
        f"{request} on {origin.authority} cannot be sent: {_hidden(origin, reason)}; "
        "look at base_url, path, params and headers"
    )


def _hidden(origin: Origin, reason: str) -> str:
    return origin.credentials.hidden_in(reason)
