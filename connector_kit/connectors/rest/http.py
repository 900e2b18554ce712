"""One request over httpx2. That is an extra, imported here and in `network` alone; who needs this module imports it late.

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
from urllib.request import getproxies, proxy_bypass

from connector_kit.errors import ConfigError, ConnectorError

from .answers import Answer
from .failures import broken, too_slow, unreachable, unsendable
from .origin import path_of

try:
    import httpcore2
    import httpx2

    from .network import Network
except ImportError as error:
    raise ConfigError(
        "the REST connector needs the package httpx2, which is not installed; "
        "install it with: pip install 'connector-kit[http]'"
    ) from error

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ssl import SSLContext

    from .origin import Site

__all__ = ["HttpPool"]

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


@cache
def _certificates() -> SSLContext:
    """Give the authorities that are trusted, read once: it takes longer than many a read, and nothing changes them."""
    return httpx2.create_ssl_context()


class HttpPool:
    """A pool of connections to one site, open from the start; `connect_timeout` is in seconds."""

    def __init__(self, site: Site, *, connect_timeout: float) -> None:
        self._site = site
        self._connect_timeout = connect_timeout
        try:
            self._origin = httpx2.URL(site.origin)  # knows how a host in another script is written
        except httpx2.InvalidURL as error:
            raise ConfigError(
                f"base_url leads to {site.authority!r}, which is no host ({error}); expected a name or an address; correct it"
            ) from error
        self._headers = _headers_of(self._origin, site.credentials.headers)
        self._extensions = {"timeout": {"connect": connect_timeout}}
        self._cookies = httpx2.Cookies()
        self._keeps_cookies = not any(name.lower() == "cookie" for name in site.credentials.headers)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=_certificates(),
            proxy=_proxy_for(site),
            max_connections=_MOST_CONNECTIONS,
            max_keepalive_connections=_MOST_IDLE,
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=Network(),
        )

    async def close(self) -> None:
        """Close every connection. Safe twice."""
        await self._pool.aclose()

    async def once(self, target: str) -> Answer:
        """Ask for a target (path and query) once, and read the whole answer, whatever its status.

        The target goes out as it is given, with the site's credentials, which are added below everything that logs a
        URL. No redirect is followed, and nothing tried again. How long an answer may take is for TimeLimited to say,
        which knows of the whole call. Raises what `failures` has; neither that nor its causes show what the server sent.
        """
        credentials = self._site.credentials
        request = httpcore2.Request(
            "GET",
            self._url(credentials.target(target)),
            headers=[*self._headers, *self._cookie_header(target)],
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
            said = _said(error)
            reason = _QUOTED_BYTES.split(said, maxsplit=1)[0].strip(" :")
            # What the original quotes, the server sent: it may echo a credential.
            cause = error if reason == said == credentials.hidden_in(said) else None
            raise self._failure(error, reason or type(error).__name__, target) from cause
        return Answer(response.status, headers, body, target, credentials)

    def _url(self, target: str) -> httpcore2.URL:
        origin = self._origin
        return httpcore2.URL(
            scheme=origin.raw_scheme, host=origin.raw_host, port=origin.port, target=target.encode("ascii")
        )

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
        """Give a request as far as cookies depend on it: by host and path."""
        return httpx2.Request("GET", self._origin.join(path_of(target)))

    def _failure(self, error: Exception, reason: str, target: str) -> ConnectorError:
        match error:
            case httpcore2.TimeoutException():
                return too_slow(self._site, self._connect_timeout)
            case httpcore2.ConnectError() | httpcore2.ProxyError():
                return unreachable(self._site, reason)
            case httpcore2.LocalProtocolError() | httpcore2.UnsupportedProtocol():
                return unsendable(self._site, target, reason)
            case _:
                return broken(self._site, target, reason)


def _headers_of(origin: httpx2.URL, given: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Give the headers of every request; those of the config take the place of the kit's own, whatever their case."""
    replaced = {name.lower() for name in given}
    kept = {name: value for name, value in _HEADERS.items() if name.lower() not in replaced}
    host = {} if "host" in replaced else {"Host": origin.netloc.decode("ascii")}
    return [(name.encode(), value.encode()) for name, value in {**host, **kept, **given}.items()]


def _unpacked(response: httpcore2.Response, packed: bytes) -> bytes:
    return httpx2.Response(response.status, headers=response.headers, content=packed).content


def _joined(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Give the headers by name in lower case; repeated ones are joined."""
    joined: dict[bytes, bytes] = {}
    for name, value in raw:
        key = name.lower()
        joined[key] = b"%b, %b" % (joined[key], value) if key in joined else value
    try:
        return {name.decode(): value.decode() for name, value in joined.items()}
    except UnicodeDecodeError:
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in joined.items()}


def _proxy_for(site: Site) -> httpcore2.Proxy | None:
    """Give the proxy that the environment names for a site. Raises `ConfigError` for one that cannot be used."""
    proxies = getproxies()
    named = proxies.get(site.scheme) or proxies.get("all")
    if not named or proxy_bypass(site.authority) or _is_in_network(site.host, proxies.get("no", "")):
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
            f"the proxy that the environment names for {site.scheme} cannot be used; expected a URL such as "
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


def _said(error: BaseException) -> str:
    """Give the first text among an error and what led to it: httpcore2's own has often none, on trio above all."""
    text, reason = str(error), error.__cause__ or error.__context__
    return text if text or reason is None else _said(reason)
