"""The one origin a connector speaks to, and the targets (path and query) on it. No I/O.

Every URL a server hands over goes through `Site.target_of`: what leads to another origin is refused, what carries
credentials loses them. So a target can be stored as a cursor, and resuming from it cannot send a credential elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote, urlencode, urljoin, urlsplit

import attrs

from connector_kit.errors import RequestRejectedError

from .credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Parameter", "Site", "path_of"]

Parameter: TypeAlias = str | int | float | bool
"""A value in a query; `true` and `false` are written so."""

_SAFE = "/%:@!$&'()*+,;=~"
_PORTS = {"http": 80, "https": 443}


@attrs.frozen
class Site:
    """Where requests go: scheme, host, port, the path all targets begin with, and the credentials they carry."""

    scheme: str
    host: str
    port: int
    root: str = ""
    credentials: Credentials = attrs.field(factory=Credentials)

    @classmethod
    def of(cls, base_url: str, credentials: Credentials) -> Site:
        """Take a base URL apart. Whatever stands before an @ in it is left out: credentials belong in `auth`."""
        parts = urlsplit(base_url)
        scheme = parts.scheme.lower()
        return cls(
            scheme,
            parts.hostname or "",
            parts.port or _PORTS.get(scheme, 0),
            parts.path.rstrip("/"),
            credentials,
        )

    @property
    def authority(self) -> str:
        """Host and port, as in `api.example.com:443`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme, host and port, as a URL begins with them."""
        return f"{self.scheme}://{self.authority}"

    def target(self, path: str, params: Mapping[str, Parameter]) -> str:
        """Give path and query of a request; the path is one below the base URL's."""
        query = urlencode({name: _text(value) for name, value in params.items()})
        whole = f"{self.root}/{quote(path.lstrip('/'), safe=_SAFE)}"
        return f"{whole}?{query}" if query else whole

    def target_of(self, url: str, *, seen_at: str) -> str:
        """Give path and query of a URL that the answer to the target `seen_at` handed over, without credentials.

        Raises `RequestRejectedError` where it leads to another origin.
        """
        try:
            parts = urlsplit(urljoin(self.origin + seen_at, url.strip()))
            there = (parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme))
        except ValueError as error:
            raise RequestRejectedError(
                f"the answer to GET {path_of(seen_at)} leads to something that is no URL ({error}); "
                f"expected one on {self.origin}; look at what the server sends"
            ) from None  # the original would show the URL with all that is in it
        if there != (self.scheme, self.host, self.port):
            raise RequestRejectedError(
                f"the answer to GET {path_of(seen_at)} leads to {there[0]}://{there[1]}:{there[2]}, expected one on "
                f"{self.origin}: credentials are not sent to another origin; if that one is right, make it the base_url"
            )
        query = self.credentials.without(parts.query)
        path = quote(parts.path or "/", safe=_SAFE)
        return f"{path}?{query}" if query else path


def path_of(target: str) -> str:
    """Give a target without its query, for messages: a query may carry what nobody should read."""
    return target.split("?", 1)[0]


def _text(value: Parameter) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
