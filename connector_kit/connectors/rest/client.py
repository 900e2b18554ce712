"""GET requests as the connector makes them: how a target is written, and where a redirect may lead. No I/O of its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from connector_kit.errors import RequestRejectedError

from .failures import unsendable
from .origin import path_of

if TYPE_CHECKING:
    from .answers import Answer
    from .http import HttpPool
    from .origin import Site

__all__ = ["HttpClient"]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
_UNSENDABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_TO_QUOTE = re.compile(r"[^!#-;=?-~]|%(?![0-9A-Fa-f]{2})")


class HttpClient:
    """GET requests to one site. Redirects are followed on the same origin only."""

    def __init__(self, site: Site, pool: HttpPool) -> None:
        self.site = site
        self._pool = pool

    async def close(self) -> None:
        """Close every connection. Safe twice."""
        await self._pool.close()

    async def get(self, target: str) -> Answer:
        """Ask for a target and read the whole answer, whatever its status.

        Raises `ConnectionFailedError`, `TimedOutError`, and `RequestRejectedError` for a target that HTTP cannot write
        and for a redirect that leads away or in circles.
        """
        asked = target
        for _ in range(_MAX_REDIRECTS + 1):
            answer = await self._pool.once(self._written(asked))
            location = answer.headers.get("location")
            if answer.status not in _REDIRECTS or location is None:
                return answer
            asked = self.site.target_of(location, seen_at=asked)
        raise RequestRejectedError(
            f"GET {path_of(target)} was redirected more than {_MAX_REDIRECTS} times; expected an answer; look at base_url"
        )

    def _written(self, target: str) -> str:
        """Quote what cannot stand in a request line, and leave the rest: a server's own next URL is sent as it came."""
        if wrong := _UNSENDABLE.search(target):
            raise unsendable(self.site, target[: wrong.start()], f"it has the character {wrong[0]!a} in it")
        return _TO_QUOTE.sub(lambda found: quote(found[0], safe=""), target)
