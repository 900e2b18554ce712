"""The transport over httpx2: the default one, on asyncio and on trio.

The one module that imports httpx2; who needs it imports this module late.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from connector_kit.errors import ConfigError, ConnectorError

from .answers import Answer
from .failures import broken, too_slow, unreachable, unsendable
from .transport import HEADERS

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

__all__ = ["Httpx2Transport"]

_QUOTED_BYTES = re.compile(r"b(?:ytearray\(b)?['\"]")


@cache
def _certificates() -> SSLContext:
    """Give the authorities that are trusted, read once: it takes longer than many a read, and nothing changes them."""
    return httpx2.create_ssl_context()


class Httpx2Transport:
    """A `Transport`; `connect_timeout` is in seconds."""

    def __init__(self, site: Site, *, connect_timeout: float) -> None:
        self._site = site
        self._connect_timeout = connect_timeout
        timeout = httpx2.Timeout(None, connect=connect_timeout)
        self._client = httpx2.AsyncClient(headers=HEADERS, timeout=timeout, verify=_certificates())

    async def close(self) -> None:
        """Close every connection. Safe twice."""
        await self._client.aclose()

    async def once(self, target: str, /) -> Answer:
        """Ask once and read the whole answer."""
        credentials = self._site.credentials
        try:
            request = self._client.build_request(
                "GET", self._site.origin + target, headers=credentials.headers
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
            said = _said(error)
            reason = _QUOTED_BYTES.split(said, maxsplit=1)[0].strip(" :")
            # What the original quotes, the server sent: it may echo a credential.
            cause = error if reason == said == credentials.hidden_in(said) else None
            raise self._failure(error, reason or type(error).__name__, target) from cause
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, headers, body, target, credentials)

    def _failure(
        self, error: httpx2.HTTPError | httpx2.InvalidURL, reason: str, target: str
    ) -> ConnectorError:
        match error:
            case httpx2.TimeoutException():
                return too_slow(self._site, self._connect_timeout)
            case httpx2.ConnectError() | httpx2.ProxyError():
                return unreachable(self._site, reason)
            case httpx2.InvalidURL() | httpx2.LocalProtocolError() | httpx2.UnsupportedProtocol():
                return unsendable(self._site, target, reason)
            case _:
                return broken(self._site, target, reason)


def _said(error: BaseException) -> str:
    """Give the first text among an error and what led to it: httpx2's own has often none, on trio above all."""
    text, reason = str(error), error.__cause__ or error.__context__
    return text if text or reason is None else _said(reason)
